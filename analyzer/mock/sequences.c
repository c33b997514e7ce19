/* SPDX-License-Identifier: MIT */
#include "mock/sequences.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

/* llama.cpp's: --slot-prompt-similarity, and the shares of a held sequence below which it is saved or not looked at. */
#define SIMILAR_MIN 0.1
#define SAVE_BELOW 0.5
#define KEEP_MIN 0.25

int mock_sequences_init(struct mock_sequences *s, size_t slots, size_t kept_max, size_t kept_tokens_max)
{
	*s = (struct mock_sequences){.kept_max = kept_max, .kept_tokens_max = kept_tokens_max};
	s->slots = slots ? calloc(slots, sizeof(*s->slots)) : NULL;
	if (slots && !s->slots)
		return -1;
	s->nslots = slots;
	return 0;
}

static size_t empty(struct mock_sequence *q)
{
	size_t n = q->n;
	free(q->ids);
	q->ids = NULL;
	q->n = 0;
	return n;
}

static void drop_kept(struct mock_sequences *s, size_t i)
{
	empty(&s->kept[i]);
	s->nkept--;
	memmove(&s->kept[i], &s->kept[i + 1], (s->nkept - i) * sizeof(*s->kept));
}

size_t mock_sequences_reset(struct mock_sequences *s)
{
	size_t tokens = mock_sequences_tokens(s);

	for (size_t i = 0; i < s->nslots; i++)
		empty(&s->slots[i]);
	while (s->nkept > 0)
		drop_kept(s, s->nkept - 1);
	return tokens;
}

void mock_sequences_release(struct mock_sequences *s)
{
	mock_sequences_reset(s);
	free(s->slots);
	free(s->kept);
	*s = (struct mock_sequences){0};
}

size_t mock_sequences_tokens(const struct mock_sequences *s)
{
	size_t tokens = 0;
	for (size_t i = 0; i < s->nslots; i++)
		tokens += s->slots[i].n;
	for (size_t i = 0; i < s->nkept; i++)
		tokens += s->kept[i].n;
	return tokens;
}

size_t mock_sequences_erase(struct mock_sequences *s, size_t slot)
{
	return empty(&s->slots[slot]);
}

static size_t common(const struct mock_sequence *q, uint64_t seed, const uint64_t *ids, size_t n)
{
	size_t i = 0, max = q->n < n ? q->n : n;
	if (q->seed != seed)
		return 0;
	while (i < max && q->ids[i] == ids[i])
		i++;
	return i;
}

static bool hold(struct mock_sequence *q, uint64_t seed, const uint64_t *ids, size_t n)
{
	uint64_t *copy = n ? malloc(n * sizeof(*copy)) : NULL;
	empty(q);
	if (!copy)
		return false;
	memcpy(copy, ids, n * sizeof(*copy));
	q->seed = seed;
	q->ids = copy;
	q->n = n;
	return true;
}

/* ---- what is kept apart from the slots */

static void keep(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n)
{
	if (s->kept_max == 0 || n == 0)
		return;
	for (size_t i = s->nkept; i-- > 0;) {
		size_t shared = common(&s->kept[i], seed, ids, n);
		if (s->nslots && shared == n) /* the host's cache has it already */
			return;
		if (shared == s->kept[i].n)
			drop_kept(s, i);
	}
	struct mock_sequence *kept = array_grow(s->kept, &s->kept_capacity, s->nkept + 1, sizeof(*kept));
	if (!kept)
		return;
	s->kept = kept;
	s->kept[s->nkept] = (struct mock_sequence){0};
	if (!hold(&s->kept[s->nkept], seed, ids, n))
		return;
	s->nkept++;
	size_t tokens = 0;
	for (size_t i = 0; i < s->nkept; i++)
		tokens += s->kept[i].n;
	while (s->nkept > s->kept_max || (s->kept_tokens_max && tokens > s->kept_tokens_max && s->nkept > 0)) {
		tokens -= s->kept[0].n;
		drop_kept(s, 0);
	}
}

/* Moves a better sequence from the host's cache into the slot. */
static void load_better(struct mock_sequences *s, struct mock_sequence *slot, uint64_t seed, const uint64_t *ids,
			size_t n)
{
	size_t shared = common(slot, seed, ids, n), best = SIZE_MAX;
	double best_keep = slot->n ? (double)shared / (double)slot->n : -1;
	double best_similar = (double)shared / (double)n;

	for (size_t i = 0; i < s->nkept; i++) {
		size_t c = common(&s->kept[i], seed, ids, n);
		double kept = (double)c / (double)s->kept[i].n, similar = (double)c / (double)n;
		if (kept < KEEP_MIN || kept <= best_keep || similar <= best_similar)
			continue;
		best = i;
		best_keep = kept;
		best_similar = similar;
	}
	if (best == SIZE_MAX)
		return;
	(void)hold(slot, seed, s->kept[best].ids, s->kept[best].n);
	drop_kept(s, best);
}

/* ---- taking and putting */

/* The free slot that holds most of this prompt; without one that holds enough, the one not used for longest. */
static size_t choose_slot(const struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool *similar)
{
	size_t best = SIZE_MAX, oldest = SIZE_MAX;
	double best_similar = SIMILAR_MIN;

	for (size_t i = 0; i < s->nslots; i++) {
		if (s->slots[i].busy)
			continue;
		double c = (double)common(&s->slots[i], seed, ids, n) / (double)n;
		if (c > best_similar) {
			best_similar = c;
			best = i;
		}
		if (oldest == SIZE_MAX || s->slots[i].used < s->slots[oldest].used)
			oldest = i;
	}
	*similar = best != SIZE_MAX;
	return *similar ? best : oldest;
}

static size_t best_of_list(const struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n)
{
	size_t best = 0;
	for (size_t i = 0; i < s->nkept; i++) {
		size_t c = common(&s->kept[i], seed, ids, n);
		if (c > best)
			best = c;
	}
	return best;
}

size_t mock_sequences_take(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool reuse,
			   size_t *slot)
{
	size_t cached = 0;

	*slot = 0;
	if (s->nslots == 0) {
		cached = reuse ? best_of_list(s, seed, ids, n) : 0;
	} else {
		bool similar;
		*slot = choose_slot(s, seed, ids, n, &similar);
		struct mock_sequence *q = &s->slots[*slot];
		q->busy = true;
		size_t shared = common(q, seed, ids, n);
		if (s->kept_max && (!similar || (double)shared < SAVE_BELOW * (double)q->n)) {
			keep(s, q->seed, q->ids, q->n);
			load_better(s, q, seed, ids, n);
		}
		cached = reuse ? common(q, seed, ids, n) : 0;
		q->n = cached;
		if (cached == 0)
			empty(q);
	}
	return cached < n ? cached : n - 1;
}

void mock_sequences_put(struct mock_sequences *s, size_t slot, uint64_t seed, const uint64_t *ids, size_t n)
{
	if (s->nslots == 0)
		keep(s, seed, ids, n);
	else
		(void)hold(&s->slots[slot], seed, ids, n);
}

void mock_sequences_leave(struct mock_sequences *s, size_t slot)
{
	if (s->nslots == 0)
		return;
	s->slots[slot].busy = false;
	s->slots[slot].used = ++s->clock;
}
