/* SPDX-License-Identifier: MIT */
#include "mock/sequences.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

/* llama.cpp's: the shares of a held sequence below which it is saved or not looked at. */
#define SAVE_BELOW 0.5
#define KEEP_MIN 0.25

int mock_sequences_init(struct mock_sequences *s, const struct mock_sequence_limits *limits)
{
	*s = (struct mock_sequences){.limits = *limits};
	s->slots = limits->slots ? calloc(limits->slots, sizeof(*s->slots)) : NULL;
	if (limits->slots && !s->slots)
		return -1;
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

	for (size_t i = 0; i < s->limits.slots; i++)
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
	for (size_t i = 0; i < s->limits.slots; i++)
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

static bool keeps_apart(const struct mock_sequences *s)
{
	return s->limits.kept > 0 && s->limits.kept_tokens > 0;
}

/* Drops the oldest until there are no more sequences and tokens than this. */
static void make_room(struct mock_sequences *s, size_t sequences, size_t tokens)
{
	size_t held = 0;

	for (size_t i = 0; i < s->nkept; i++)
		held += s->kept[i].n;
	while (s->nkept > 0 && (s->nkept > sequences || held > tokens)) {
		/* MLX-LM: a system prompt goes when fewer of the others are left than of these. */
		size_t oldest = 0, system = 0;
		while (system < s->nkept && !s->kept[system].system)
			system++;
		size_t nsystem = 0;
		for (size_t i = 0; i < s->nkept; i++)
			nsystem += s->kept[i].system;
		if (system < s->nkept && s->nkept - nsystem < nsystem)
			oldest = system;
		else
			while (oldest + 1 < s->nkept && s->kept[oldest].system)
				oldest++;
		held -= s->kept[oldest].n;
		drop_kept(s, oldest);
	}
}

static void keep(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool system)
{
	bool host = s->limits.slots > 0;

	if (!keeps_apart(s) || n == 0 || (host && n > s->limits.kept_tokens))
		return;
	for (size_t i = 0; i < s->nkept && host; i++)
		if (common(&s->kept[i], seed, ids, n) == n) /* the host's cache has it already */
			return;
	for (size_t i = s->nkept; i-- > 0;) {
		size_t shared = common(&s->kept[i], seed, ids, n);
		/* A state that cannot be shortened is no substitute for what it began with, but for itself. */
		if (shared == s->kept[i].n && (host || !s->limits.whole || shared == n))
			drop_kept(s, i);
	}
	if (host)
		make_room(s, s->limits.kept - 1, s->limits.kept_tokens - n);
	struct mock_sequence *kept = array_grow(s->kept, &s->kept_capacity, s->nkept + 1, sizeof(*kept));
	if (!kept)
		return;
	s->kept = kept;
	s->kept[s->nkept] = (struct mock_sequence){.system = system};
	if (!hold(&s->kept[s->nkept], seed, ids, n))
		return;
	s->nkept++;
	make_room(s, s->limits.kept, host ? s->limits.kept_tokens : SIZE_MAX);
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
	double best_similar = s->limits.similarity;

	for (size_t i = 0; i < s->limits.slots; i++) {
		if (s->slots[i].busy)
			continue;
		double c = (double)common(&s->slots[i], seed, ids, n) / (double)n;
		if (s->limits.similarity > 0 && c > best_similar) {
			best_similar = c;
			best = i;
		}
		if (oldest == SIZE_MAX || s->slots[i].used <= s->slots[oldest].used)
			oldest = i;
	}
	*similar = best != SIZE_MAX;
	return *similar ? best : oldest;
}

/* How much of this prompt a sequence gives, of which it shares that much. */
static size_t usable(const struct mock_sequences *s, const struct mock_sequence *q, size_t shared, size_t n)
{
	return s->limits.whole && (shared < q->n || shared == n) ? 0 : shared;
}

static size_t best_of_list(const struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n)
{
	size_t best = 0;
	for (size_t i = 0; i < s->nkept; i++) {
		size_t c = usable(s, &s->kept[i], common(&s->kept[i], seed, ids, n), n);
		if (c > best)
			best = c;
	}
	return best;
}

static size_t take_from_list(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool reuse)
{
	size_t cached = reuse ? best_of_list(s, seed, ids, n) : 0;
	size_t tokens = s->limits.kept_tokens;

	if (tokens != SIZE_MAX)
		make_room(s, SIZE_MAX, tokens > cached ? tokens - cached : 0);
	return cached;
}

static size_t take_slot(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool reuse,
			size_t *slot)
{
	bool similar;

	*slot = choose_slot(s, seed, ids, n, &similar);
	struct mock_sequence *q = &s->slots[*slot];
	q->busy = true;
	size_t shared = common(q, seed, ids, n);
	if (keeps_apart(s) && (!similar || (double)shared < SAVE_BELOW * (double)q->n)) {
		keep(s, q->seed, q->ids, q->n, false);
		load_better(s, q, seed, ids, n);
	}
	for (size_t i = 0; keeps_apart(s) && s->limits.saves && i < s->limits.slots; i++) {
		if (s->slots[i].busy)
			continue;
		keep(s, s->slots[i].seed, s->slots[i].ids, s->slots[i].n, false);
		if (s->limits.clears)
			empty(&s->slots[i]);
	}
	size_t cached = reuse ? usable(s, q, common(q, seed, ids, n), n) : 0;
	q->n = cached;
	if (cached == 0)
		empty(q);
	return cached;
}

size_t mock_sequences_take(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool reuse,
			   size_t *slot)
{
	*slot = 0;
	size_t cached =
		s->limits.slots ? take_slot(s, seed, ids, n, reuse, slot) : take_from_list(s, seed, ids, n, reuse);
	return cached < n ? cached : n - 1;
}

void mock_sequences_put(struct mock_sequences *s, size_t slot, uint64_t seed, const uint64_t *ids, size_t n)
{
	if (s->limits.slots == 0)
		keep(s, seed, ids, n, false);
	else
		(void)hold(&s->slots[slot], seed, ids, n);
}

void mock_sequences_put_system(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n)
{
	keep(s, seed, ids, n, true);
}

void mock_sequences_leave(struct mock_sequences *s, size_t slot)
{
	if (s->limits.slots == 0)
		return;
	s->slots[slot].busy = false;
	s->slots[slot].used = ++s->clock;
}
