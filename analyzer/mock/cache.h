/* SPDX-License-Identifier: MIT */
#ifndef MOCK_CACHE_H
#define MOCK_CACHE_H

/*
 * The mock's prefix cache, by the rules of vLLM's: the tokens of a prompt are cut into full blocks, a block's key is a
 * hash of its tokens and of its predecessor's key, so a key stands for the whole prompt up to there. A prompt hits the
 * longest run of keys in the cache from its start. The least recently used block without a successor is dropped first:
 * no block outlives the one before it.
 *
 * Only keys are kept: there is nothing to compute with.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mock_cache_block;

struct mock_cache {
	size_t block_tokens;
	size_t capacity_blocks; /* 0: nothing is ever cached */
	size_t blocks;          /* in the cache now */
	struct mock_cache_block *table;
	struct mock_cache_block *oldest, *newest;
	uint64_t ttl_ns; /* of a block that is not used; 0: for ever */
	uint64_t now_ns;
};

void mock_cache_init(struct mock_cache *c, size_t block_tokens, size_t capacity_tokens);
void mock_cache_release(struct mock_cache *c);
/* It is now that time: drops what was not used for the time to live. */
void mock_cache_now(struct mock_cache *c, uint64_t now_ns);
/* Drops everything; returns how many blocks that were. */
size_t mock_cache_reset(struct mock_cache *c);

/*
 * How many of these n tokens are cached: a multiple of the block size, at most n - 1, since the last token must be
 * computed to give an output. What is hit counts as used now. Prompts with different seeds share nothing.
 */
size_t mock_cache_lookup(struct mock_cache *c, uint64_t seed, const uint64_t *tokens, size_t n);
/*
 * Keeps the full blocks of these tokens, dropping others; when they are more than the cache holds, the first ones.
 * Out of memory: keeps what it can.
 */
void mock_cache_store(struct mock_cache *c, uint64_t seed, const uint64_t *tokens, size_t n);

#endif
