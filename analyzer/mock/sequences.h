/* SPDX-License-Identifier: MIT */
#ifndef MOCK_SEQUENCES_H
#define MOCK_SEQUENCES_H

/*
 * Prefix caches that keep whole sequences of tokens and reuse them to the token, not by blocks.
 *
 * With slots it is llama.cpp's: each slot holds the one sequence that it computed last. A prompt goes to the free slot
 * with which it shares the largest part of itself (more than `similarity`), else to the one that was not used for
 * longest; the slot keeps the common prefix and loses the rest. If it is about to lose more than half of what it holds,
 * that is first copied to the host's cache (if there is one), which then hands over a sequence that fits better. A
 * sequence in the host's cache of which the prompt keeps less than a quarter is not considered. Slots that are idle
 * when a prompt begins are copied to the host's cache too, and emptied where all slots share one memory.
 *
 * Without slots it is MLX-LM's: a list of sequences; a prompt copies what it shares with any of them. A sequence that
 * begins another one is dropped when that is added, and the least recently added one when there are too many. A limit
 * in tokens is kept to when the next prompt begins, less what that has found.
 *
 * Where a state cannot be shortened, a sequence is reused whole or not at all. The list then keeps the sequence of a
 * system prompt beside those that begin with it.
 *
 * Sequences with different seeds share nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mock_sequence {
	uint64_t seed;
	uint64_t *ids;
	size_t n;
	uint64_t used; /* larger is later; 0: never */
	bool busy;     /* a slot at work */
	bool system;   /* a system prompt by itself */
};

struct mock_sequence_limits {
	size_t slots;
	size_t kept, kept_tokens; /* of the host's cache, or the list: sequences, tokens; SIZE_MAX: no limit, 0: none */
	double similarity;
	bool saves, clears; /* idle slots */
	bool whole;         /* a state cannot be shortened */
};

struct mock_sequences {
	struct mock_sequence_limits limits;
	struct mock_sequence *slots;
	struct mock_sequence *kept; /* the host's cache, or the list; in the order in which they were added */
	size_t nkept, kept_capacity;
	uint64_t clock;
};

/* Returns 0, or -1 without memory. */
int mock_sequences_init(struct mock_sequences *s, const struct mock_sequence_limits *limits);
void mock_sequences_release(struct mock_sequences *s);

/*
 * Looks a prompt up and takes a slot for it (without slots *slot is 0 and means nothing; there must be a free one).
 * Returns how many tokens of it are reused: at most n - 1. reuse false: none are, the slot is emptied.
 */
size_t mock_sequences_take(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n, bool reuse,
			   size_t *slot);
/* What the slot holds now; without slots, adds it to the list. Out of memory: it holds nothing. */
void mock_sequences_put(struct mock_sequences *s, size_t slot, uint64_t seed, const uint64_t *ids, size_t n);
/* Adds a system prompt to the list. */
void mock_sequences_put_system(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n);
/* The slot is free for the next prompt. */
void mock_sequences_leave(struct mock_sequences *s, size_t slot);
/* Empties one slot; returns the tokens it held. A slot at work keeps what it computes. */
size_t mock_sequences_erase(struct mock_sequences *s, size_t slot);
/* Empties everything; returns the tokens that were held. */
size_t mock_sequences_reset(struct mock_sequences *s);
/* Tokens held, all in all. */
size_t mock_sequences_tokens(const struct mock_sequences *s);

#endif
