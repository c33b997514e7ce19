/* SPDX-License-Identifier: MIT */
/* Rendered prompts: sums and hashes over runs of pieces, and what two prompts have in common. */
#include "render/render.h"

#include "base/array.h"

#include <stdlib.h>

/* Prompts have fewer pieces than 2 to this. */
#define POWERS 32

/* Of the polynomials: odd, and of no pattern. */
static const uint64_t base[2] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xc2b2ae3d27d4eb4f)};

void rendered_release(struct rendered *r)
{
	for (int k = 0; k < RENDER_RUNS; k++) {
		free(r->runs[k].pieces);
		if (r->runs[k].index) {
			free(r->runs[k].index->slots);
			free(r->runs[k].index->before);
		}
		free(r->runs[k].index);
	}
	free(r->segments);
	free(r->wire);
	free(r->marks);
	free(r->marks_before);
	free(r->heads.list);
	free(r->heads_before.list);
	free(r->moved.list);
	free(r->messages.list);
	free(r->moved_before.list);
	free(r->messages_before.list);
	*r = (struct rendered){.n = 0};
}

/* ---- runs */

int render_run_add(struct render_run *run, const struct render_piece *piece)
{
	struct render_piece *grown = array_grow(run->pieces, &run->capacity, run->n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	run->pieces = grown;
	struct render_piece *p = &grown[run->n];
	uint64_t words[4];

	*p = *piece;
	p->before = p->before_billing = p->before_thinking = 0;
	p->chain[0] = p->chain[1] = 0;
	if (run->n++ > 0) {
		const struct render_piece *last = p - 1;
		p->before = last->before + last->bytes;
		p->before_billing = last->before_billing + (last->classes & PIECE_BILLING ? last->bytes : 0);
		p->before_thinking = last->before_thinking + (last->classes & PIECE_THINKING ? last->bytes : 0);
		memcpy(p->chain, last->chain, sizeof(p->chain));
	}
	/* The digests are hashes already. */
	memcpy(words, &piece->digest, sizeof(words));
	for (int i = 0; i < 2; i++)
		p->chain[i] = p->chain[i] * base[i] + (words[i] ^ (words[i + 2] >> 1)) + 1;
	return 0;
}

/* Of its pieces before one. */
static struct render_sums sums_before(enum render_kind kind, const struct render_run *run, size_t n)
{
	struct render_sums s = {.all = 0};
	if (n == 0)
		return s;
	const struct render_piece *last = &run->pieces[n - 1];
	int moved = kind == KIND_MOVED;
	s.all = last->before + last->bytes;
	s.tools = kind == KIND_TOOLS ? s.all : 0;
	s.moved = moved ? s.all : 0;
	s.billing[moved] = last->before_billing + (last->classes & PIECE_BILLING ? last->bytes : 0);
	s.thinking[moved] = last->before_thinking + (last->classes & PIECE_THINKING ? last->bytes : 0);
	return s;
}

/* Those of the pieces [from, to) of a run are added. */
static void add_sums(struct render_sums *s, enum render_kind kind, const struct render_run *run, size_t from, size_t to)
{
	struct render_sums a = sums_before(kind, run, from), b = sums_before(kind, run, to);
	s->all += b.all - a.all;
	s->tools += b.tools - a.tools;
	s->moved += b.moved - a.moved;
	for (int i = 0; i < 2; i++) {
		s->billing[i] += b.billing[i] - a.billing[i];
		s->thinking[i] += b.thinking[i] - a.thinking[i];
	}
}

/* ---- hashes */

/* The bases to the power of n. */
static void power(size_t n, uint64_t out[2])
{
	uint64_t p[2] = {base[0], base[1]};
	out[0] = out[1] = 1;
	for (; n; n >>= 1) {
		for (int i = 0; i < 2; i++) {
			out[i] *= n & 1 ? p[i] : 1;
			p[i] *= p[i];
		}
	}
}

/* Of pieces [from, to) of a run, to > from; powers: of the bases, to the number of these pieces. */
static void range_hash(const struct render_piece *pieces, size_t from, size_t to, const uint64_t powers[2],
		       uint64_t hash[2])
{
	for (int i = 0; i < 2; i++)
		hash[i] = pieces[to - 1].chain[i] - (from ? pieces[from - 1].chain[i] * powers[i] : 0);
}

/* Of all pieces before the segment and its first n; n > 0. However the prompt was cut, it is the same. */
static void hash_in(const struct rendered *r, const struct render_segment *s, size_t n, uint64_t hash[2])
{
	uint64_t powers[2];
	power(n, powers);
	range_hash(r->runs[s->run].pieces, s->first, s->first + n, powers, hash);
	for (int i = 0; i < 2; i++)
		hash[i] += s->before[i] * powers[i];
}

/* ---- segments */

int render_slices_add(struct render_slices *to, enum render_run_kind run, size_t first, size_t n)
{
	struct render_slice *last = to->n ? &to->list[to->n - 1] : NULL;
	if (n == 0)
		return 0;
	to->pieces += n;
	if (last && last->run == run && last->first + last->n == first) {
		last->n += n;
		return 0;
	}
	struct render_slice *grown = array_grow(to->list, &to->capacity, to->n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	to->list = grown;
	grown[to->n++] = (struct render_slice){run, first, n};
	return 0;
}

int render_slices_copy(struct render_slices *to, const struct render_slices *from, size_t begin, size_t end)
{
	size_t at = 0;
	for (size_t i = 0; i < from->n && at < end; i++) {
		const struct render_slice *s = &from->list[i];
		size_t a = begin > at ? begin - at : 0, b = end - at < s->n ? end - at : s->n;
		if (a < b && render_slices_add(to, s->run, s->first + a, b - a) < 0)
			return -1;
		at += s->n;
	}
	return 0;
}

static int add_segment(struct rendered *r, enum render_kind kind, enum render_run_kind run, size_t first, size_t end)
{
	if (first >= end)
		return 0;
	struct render_segment *grown = array_grow(r->segments, &r->segments_capacity, r->nsegments + 1, sizeof(*grown));
	if (!grown)
		return -1;
	r->segments = grown;
	struct render_segment *s = &grown[r->nsegments], *last = r->nsegments ? s - 1 : NULL;
	*s = (struct render_segment){.kind = kind, .run = run, .at = r->n, .first = first, .n = end - first};
	if (last) {
		s->sums = last->sums;
		add_sums(&s->sums, last->kind, &r->runs[last->run], last->first, last->first + last->n);
		hash_in(r, last, last->n, s->before);
		/* A prompt's kinds of parts tell where its stretches end, so no two of them make the same prefix. */
		for (int i = 0; last->kind != kind && i < 2; i++)
			s->before[i] = (s->before[i] ^ s->before[i] >> 29) * base[i];
	}
	r->nsegments++;
	r->n += end - first;
	return 0;
}

/* The pieces [begin, end) of some slices. */
static int add_slices(struct rendered *r, enum render_kind kind, const struct render_slices *slices, size_t begin,
		      size_t end)
{
	size_t at = 0;
	for (size_t i = 0; i < slices->n && at < end; i++) {
		const struct render_slice *s = &slices->list[i];
		size_t a = begin > at ? begin - at : 0, b = end - at < s->n ? end - at : s->n;
		if (add_segment(r, kind, s->run, s->first + a, s->first + b) < 0)
			return -1;
		at += s->n;
	}
	return 0;
}

int rendered_lay_out(struct rendered *r, const struct render_rules *rules, size_t tools_at)
{
	size_t tools = r->runs[RUN_TOOLS].n;
	size_t inside = rules->tools == TOOLS_BEFORE_LAST_USER ? tools_at : 0;
	int result = 0;

	r->nsegments = r->n = 0;
	if (rules->tools == TOOLS_BEFORE_SYSTEM)
		result = add_segment(r, KIND_TOOLS, RUN_TOOLS, 0, tools);
	if (result == 0)
		result = add_segment(r, KIND_SYSTEM, RUN_SYSTEM, 0, r->runs[RUN_SYSTEM].n);
	if (result == 0)
		result = add_slices(r, KIND_MOVED, &r->moved, 0, r->moved.pieces);
	if (result == 0)
		result = add_slices(r, KIND_MESSAGES, &r->messages, 0, inside);
	if (result == 0 && rules->tools != TOOLS_BEFORE_SYSTEM)
		result = add_segment(r, KIND_TOOLS, RUN_TOOLS, 0, tools);
	if (result == 0)
		result = add_slices(r, KIND_MESSAGES, &r->messages, inside, r->messages.pieces);
	r->bytes = 0;
	r->bytes = rendered_bytes(r, r->n);
	return result;
}

/* The segment that a piece stands in; i < n. */
static const struct render_segment *segment_of(const struct rendered *r, size_t i)
{
	size_t from = 0, to = r->nsegments;
	while (to - from > 1) {
		size_t middle = from + (to - from) / 2;
		if (r->segments[middle].at <= i)
			from = middle;
		else
			to = middle;
	}
	return &r->segments[from];
}

const struct render_piece *rendered_piece(const struct rendered *r, size_t i)
{
	const struct render_segment *s = segment_of(r, i);
	return &r->runs[s->run].pieces[s->first + i - s->at];
}

/* Where the segments of one kind end that begin with this one. */
static size_t stretch_end(const struct rendered *r, const struct render_segment *s)
{
	const struct render_segment *end = r->segments + r->nsegments, *last = s;
	while (last + 1 < end && last[1].kind == s->kind)
		last++;
	return last->at + last->n;
}

void rendered_find(const struct rendered *r, enum render_kind kind, size_t *from, size_t *to)
{
	*from = *to = 0;
	for (size_t k = 0; k < r->nsegments && *from == *to; k++) {
		if (r->segments[k].kind != kind)
			continue;
		*from = r->segments[k].at;
		*to = stretch_end(r, &r->segments[k]);
	}
}

size_t rendered_stretch(const struct rendered *r, size_t i)
{
	return stretch_end(r, segment_of(r, i));
}

/* Of the first pieces; pieces > 0. */
static struct render_sums sums_of(const struct rendered *r, size_t pieces)
{
	const struct render_segment *s = segment_of(r, pieces - 1);
	struct render_sums sums = s->sums;
	add_sums(&sums, s->kind, &r->runs[s->run], s->first, s->first + (pieces - s->at));
	return sums;
}

uint64_t rendered_bytes(const struct rendered *r, size_t pieces)
{
	pieces = pieces < r->n ? pieces : r->n;
	return pieces ? sums_of(r, pieces).all : 0;
}

uint64_t rendered_bytes_of(const struct rendered *r, size_t pieces, uint32_t classes)
{
	pieces = pieces < r->n ? pieces : r->n;
	if (!classes || !pieces)
		return 0;
	struct render_sums s = sums_of(r, pieces);
	uint64_t bytes = classes & PIECE_TOOL ? s.tools : 0;
	bytes += classes & PIECE_MOVED ? s.moved : 0;
	for (int i = 0; i < (classes & PIECE_MOVED ? 1 : 2); i++) {
		bytes += classes & PIECE_BILLING ? s.billing[i] : 0;
		bytes += classes & PIECE_THINKING ? s.thinking[i] : 0;
	}
	return bytes;
}

void rendered_prefix(const struct rendered *r, size_t pieces, uint64_t hash[2])
{
	const struct render_segment *s = segment_of(r, pieces - 1);
	hash_in(r, s, pieces - s->at, hash);
}

size_t rendered_equal(const struct rendered *a, size_t i, const struct rendered *b, size_t k)
{
	if (i >= a->n || k >= b->n)
		return 0;
	const struct render_segment *s = segment_of(a, i), *t = segment_of(b, k);
	const struct render_piece *x = a->runs[s->run].pieces, *y = b->runs[t->run].pieces;
	size_t from_x = s->first + i - s->at, from_y = t->first + k - t->at, same = 0;
	size_t left_x = s->n - (i - s->at), left_y = t->n - (k - t->at), max = left_x < left_y ? left_x : left_y;
	uint64_t powers[POWERS][2];
	int n = 0;

	if (memcmp(&x[from_x].digest, &y[from_y].digest, sizeof(x->digest)) != 0)
		return 0;
	for (uint64_t p[2] = {base[0], base[1]}; n < POWERS && (size_t)1 << n <= max; n++) {
		memcpy(powers[n], p, sizeof(p));
		p[0] *= p[0];
		p[1] *= p[1];
	}
	/* By ever smaller steps, as far as what they cover is equal. */
	while (n-- > 0) {
		size_t step = (size_t)1 << n;
		uint64_t hash[2][2];
		if (same + step > max)
			continue;
		range_hash(x, from_x + same, from_x + same + step, powers[n], hash[0]);
		range_hash(y, from_y + same, from_y + same + step, powers[n], hash[1]);
		if (memcmp(hash[0], hash[1], sizeof(hash[0])) == 0)
			same += step;
	}
	return same;
}

size_t rendered_common(const struct rendered *a, const struct rendered *b)
{
	size_t same = 0, more;
	while ((more = rendered_equal(a, same, b, same)) > 0)
		same += more;
	return same;
}
