/* SPDX-License-Identifier: MIT */
/* Where in a run of pieces, and in a rendered prompt, a digest is. */
#include "render/render.h"

#include "base/array.h"

#include <stdlib.h>

/* Slots hold a place in the run plus one. */
#define EMPTY 0
#define GONE UINT32_MAX
/* More pieces of one digest than these are looked through in their order. */
#define ALIKE_MAX 32

static uint64_t first_word(const struct digest *digest)
{
	uint64_t word;
	memcpy(&word, digest, sizeof(word));
	return word;
}

/* The slot of a digest, or where it belongs. */
static uint32_t *slot_of(const struct render_run *run, const struct digest *digest)
{
	const struct render_index *in = run->index;
	uint32_t *gone = NULL;
	for (uint64_t i = first_word(digest);; i++) {
		uint32_t *slot = &in->slots[i & (in->nslots - 1)];
		if (*slot == EMPTY)
			return gone ? gone : slot;
		if (*slot == GONE)
			gone = gone ? gone : slot;
		else if (memcmp(&run->pieces[*slot - 1].digest, digest, sizeof(*digest)) == 0)
			return slot;
	}
}

static void enter(const struct render_run *run, uint32_t place)
{
	uint32_t *slot = slot_of(run, &run->pieces[place].digest);
	bool known = *slot != EMPTY && *slot != GONE;
	run->index->used += *slot == EMPTY;
	run->index->before[place] = known ? *slot : EMPTY;
	*slot = place + 1;
}

/* At most half of the slots are used. */
static int make_room(const struct render_run *run, size_t n)
{
	struct render_index *in = run->index;
	uint32_t *before = array_grow(in->before, &in->capacity, n + 1, sizeof(*before));
	if (!before)
		return -1;
	in->before = before;
	if (2 * (in->used + n - in->n) <= in->nslots)
		return 0;
	size_t nslots = 64;
	while (nslots < 4 * n)
		nslots *= 2;
	uint32_t *slots = calloc(nslots, sizeof(*slots));
	if (!slots)
		return -1;
	free(in->slots);
	in->slots = slots;
	in->nslots = nslots;
	in->used = in->n = 0;
	return 0;
}

static int update(const struct render_run *run)
{
	if (run->index->n == run->n)
		return 0;
	if (make_room(run, run->n) < 0)
		return -1;
	for (size_t i = run->index->n; i < run->n; i++)
		enter(run, (uint32_t)i);
	run->index->n = run->n;
	return 0;
}

void render_run_cut(struct render_run *run, size_t n)
{
	struct render_index *in = run->index;
	for (; in && in->n > n; in->n--) {
		uint32_t *slot = slot_of(run, &run->pieces[in->n - 1].digest);
		*slot = in->before[in->n - 1] == EMPTY ? GONE : in->before[in->n - 1];
	}
	run->n = n < run->n ? n : run->n;
	run->kept = run->kept < run->n ? run->kept : run->n;
}

static size_t search_slowly(const struct rendered *r, const struct digest *digest, size_t from)
{
	uint64_t first = first_word(digest);
	for (size_t k = 0; k < r->nsegments; k++) {
		const struct render_segment *s = &r->segments[k];
		const struct render_piece *pieces = r->runs[s->run].pieces + s->first;
		for (size_t i = from > s->at ? from - s->at : 0; i < s->n; i++)
			if (first_word(&pieces[i].digest) == first &&
			    memcmp(&pieces[i].digest, digest, sizeof(*digest)) == 0)
				return s->at + i;
	}
	return r->n;
}

/* Where in the prompt a piece of a run stands; r->n: nowhere. */
static size_t place_of(const struct rendered *r, enum render_run_kind run, size_t piece)
{
	for (size_t k = 0; k < r->nsegments; k++) {
		const struct render_segment *s = &r->segments[k];
		if (s->run == run && piece >= s->first && piece - s->first < s->n)
			return s->at + (piece - s->first);
	}
	return r->n;
}

size_t rendered_search(const struct rendered *r, const struct digest *digest, size_t from)
{
	size_t best = r->n;
	for (int k = 0; k < RENDER_RUNS; k++) {
		const struct render_run *run = &r->runs[k];
		if (run->n == 0)
			continue;
		if (update(run) < 0)
			return search_slowly(r, digest, from);
		uint32_t at = *slot_of(run, digest);
		for (int n = 0; at != EMPTY && at != GONE; at = run->index->before[at - 1]) {
			if (n++ == ALIKE_MAX)
				return search_slowly(r, digest, from);
			size_t place = place_of(r, (enum render_run_kind)k, at - 1);
			best = place >= from && place < best ? place : best;
		}
	}
	return best;
}
