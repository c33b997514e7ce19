/* SPDX-License-Identifier: MIT */
#ifndef MOCK_RADIX_H
#define MOCK_RADIX_H

/*
 * The prefix cache by the rules of SGLang's: a tree whose edges are runs of whole pages of tokens. A prompt walks down
 * as far as it agrees and splits the node in which it parts; every node that it came into counts as used now, the one
 * that was split with both its halves. When room is wanted, the leaf that was not used for longest goes, as a whole,
 * whatever was wanted; then its parent may be the next. What a prompt at work stands on stays.
 *
 * Prompts with different seeds share nothing. Tokens are kept to compare with; there is nothing to compute with.
 */

#include <stddef.h>
#include <stdint.h>

struct mock_radix_node;

struct mock_radix {
	size_t page;     /* tokens */
	size_t capacity; /* tokens; 0: nothing is ever kept */
	size_t tokens;   /* kept now */
	struct mock_radix_node *root;
	uint64_t clock;
};

/* Returns 0, or -1 without memory. */
int mock_radix_init(struct mock_radix *r, size_t page, size_t capacity);
void mock_radix_release(struct mock_radix *r);
/* Drops everything; returns how many tokens that were. No prompt may hold a node. */
size_t mock_radix_reset(struct mock_radix *r);

/*
 * How many of these n tokens are kept: whole pages, at most n - 1. What is found stays until *held is handed back.
 */
size_t mock_radix_lookup(struct mock_radix *r, uint64_t seed, const uint64_t *ids, size_t n,
			 struct mock_radix_node **held);
/* Keeps the whole pages of these tokens, the first ones if there is no room for all; holds them instead of *held. */
void mock_radix_store(struct mock_radix *r, uint64_t seed, const uint64_t *ids, size_t n,
		      struct mock_radix_node **held);
/* *held may be NULL. */
void mock_radix_leave(struct mock_radix_node **held);

#endif
