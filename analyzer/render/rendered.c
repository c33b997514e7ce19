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
	for (int k = 0; k < RENDER_RUNS; k++)
		free(r->runs[k].pieces);
	free(r->wire);
	free(r->marks);
	free(r->heads.list);
	free(r->heads_before.list);
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

void render_run_cut(struct render_run *run, size_t n)
{
	run->n = n < run->n ? n : run->n;
}

/* Of its pieces before one. */
static uint64_t run_bytes(const struct render_run *run, size_t n)
{
	if (n == 0)
		return 0;
	const struct render_piece *last = &run->pieces[n - 1];
	return last->before + last->bytes;
}

static uint64_t run_bytes_of(enum render_run_kind kind, const struct render_run *run, size_t n, uint32_t classes)
{
	if ((kind == RUN_TOOLS && (classes & PIECE_TOOL)) || (kind == RUN_MOVED && (classes & PIECE_MOVED)))
		return run_bytes(run, n);
	if (n == 0)
		return 0;
	const struct render_piece *last = &run->pieces[n - 1];
	uint64_t bytes = last->classes & classes ? last->bytes : 0;
	bytes += classes & PIECE_BILLING ? last->before_billing : 0;
	return bytes + (classes & PIECE_THINKING ? last->before_thinking : 0);
}

/* ---- segments */

static void add_segment(struct rendered *r, enum render_run_kind run, size_t first, size_t end)
{
	if (first >= end)
		return;
	const struct render_run *of = &r->runs[run];
	struct render_segment *s = &r->segments[r->nsegments];
	*s = (struct render_segment){.run = run, .at = r->n, .first = first, .n = end - first};
	/* A prompt's kinds of parts tell where its segments end, so no two of them make the same prefix. */
	if (r->nsegments++ > 0) {
		rendered_prefix(r, r->n, s->before);
		for (int i = 0; i < 2; i++)
			s->before[i] = (s->before[i] ^ s->before[i] >> 29) * base[i];
	}
	r->n += end - first;
	r->bytes += run_bytes(of, end) - run_bytes(of, first);
}

void rendered_lay_out(struct rendered *r, const struct render_rules *rules, size_t tools_at)
{
	size_t tools = r->runs[RUN_TOOLS].n, messages = r->runs[RUN_MESSAGES].n;
	size_t inside = rules->tools == TOOLS_BEFORE_LAST_USER ? tools_at : 0;

	r->nsegments = r->n = 0;
	r->bytes = 0;
	if (rules->tools == TOOLS_BEFORE_SYSTEM)
		add_segment(r, RUN_TOOLS, 0, tools);
	add_segment(r, RUN_SYSTEM, 0, r->runs[RUN_SYSTEM].n);
	add_segment(r, RUN_MOVED, 0, r->runs[RUN_MOVED].n);
	add_segment(r, RUN_MESSAGES, 0, inside);
	if (rules->tools != TOOLS_BEFORE_SYSTEM)
		add_segment(r, RUN_TOOLS, 0, tools);
	add_segment(r, RUN_MESSAGES, inside, messages);
}

/* The segment that a piece stands in; i < n. */
static const struct render_segment *segment_of(const struct rendered *r, size_t i)
{
	const struct render_segment *s = r->segments;
	while (i >= s->at + s->n)
		s++;
	return s;
}

const struct render_piece *rendered_piece(const struct rendered *r, size_t i)
{
	const struct render_segment *s = segment_of(r, i);
	return &r->runs[s->run].pieces[s->first + i - s->at];
}

void rendered_find(const struct rendered *r, enum render_run_kind run, size_t *from, size_t *to)
{
	*from = *to = 0;
	for (size_t k = 0; k < r->nsegments && *from == *to; k++) {
		if (r->segments[k].run != run)
			continue;
		*from = r->segments[k].at;
		*to = *from + r->segments[k].n;
	}
}

size_t rendered_stretch(const struct rendered *r, size_t i)
{
	const struct render_segment *s = segment_of(r, i);
	return s->at + s->n;
}

/* How many pieces of a segment are among the first of the prompt. */
static size_t within(const struct render_segment *s, size_t pieces)
{
	size_t n = pieces > s->at ? pieces - s->at : 0;
	return n < s->n ? n : s->n;
}

uint64_t rendered_bytes(const struct rendered *r, size_t pieces)
{
	uint64_t bytes = 0;
	for (size_t k = 0; k < r->nsegments; k++) {
		const struct render_segment *s = &r->segments[k];
		const struct render_run *run = &r->runs[s->run];
		bytes += run_bytes(run, s->first + within(s, pieces)) - run_bytes(run, s->first);
	}
	return bytes;
}

uint64_t rendered_bytes_of(const struct rendered *r, size_t pieces, uint32_t classes)
{
	uint64_t bytes = 0;
	for (size_t k = 0; classes && k < r->nsegments; k++) {
		const struct render_segment *s = &r->segments[k];
		const struct render_run *run = &r->runs[s->run];
		bytes += run_bytes_of(s->run, run, s->first + within(s, pieces), classes) -
			 run_bytes_of(s->run, run, s->first, classes);
	}
	return bytes;
}

/* ---- hashes */

/* Of pieces [from, to) of a run, to > from; powers: of the bases, to the number of these pieces. */
static void range_hash(const struct render_piece *pieces, size_t from, size_t to, const uint64_t powers[2],
		       uint64_t hash[2])
{
	for (int i = 0; i < 2; i++)
		hash[i] = pieces[to - 1].chain[i] - (from ? pieces[from - 1].chain[i] * powers[i] : 0);
}

void rendered_prefix(const struct rendered *r, size_t pieces, uint64_t hash[2])
{
	const struct render_segment *s = segment_of(r, pieces - 1);
	const struct render_piece *last = rendered_piece(r, pieces - 1);
	for (int i = 0; i < 2; i++)
		hash[i] = s->before[i] + last->chain[i];
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

size_t rendered_search(const struct rendered *r, const struct digest *digest, size_t from)
{
	uint64_t first, here;
	memcpy(&first, digest, sizeof(first));
	for (size_t k = 0; k < r->nsegments; k++) {
		const struct render_segment *s = &r->segments[k];
		const struct render_piece *pieces = r->runs[s->run].pieces + s->first;
		for (size_t i = within(s, from); i < s->n; i++) {
			memcpy(&here, &pieces[i].digest, sizeof(here));
			if (here == first && memcmp(&pieces[i].digest, digest, sizeof(*digest)) == 0)
				return s->at + i;
		}
	}
	return r->n;
}
