/* SPDX-License-Identifier: MIT */
#include "mock/cache.h"

#include "mock/tokens.h"

#include <stdlib.h>

/* Out of memory while growing the table: the block is not added, which a cache may always choose. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(block) ((block)->added = false)
#include <uthash.h>

struct mock_cache_block {
	uint64_t key;
	struct mock_cache_block *older, *newer;
	uint64_t used_ns;
	bool added;
	UT_hash_handle hh;
};

void mock_cache_init(struct mock_cache *c, size_t block_tokens, size_t capacity_tokens)
{
	*c = (struct mock_cache){.block_tokens = block_tokens, .capacity_blocks = capacity_tokens / block_tokens};
}

static void unlink_block(struct mock_cache *c, struct mock_cache_block *b)
{
	*(b->older ? &b->older->newer : &c->oldest) = b->newer;
	*(b->newer ? &b->newer->older : &c->newest) = b->older;
}

static void link_newest(struct mock_cache *c, struct mock_cache_block *b)
{
	b->used_ns = c->now_ns;
	b->newer = NULL;
	b->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = b;
	c->newest = b;
}

static void drop(struct mock_cache *c, struct mock_cache_block *b)
{
	unlink_block(c, b);
	HASH_DEL(c->table, b);
	free(b);
	c->blocks--;
}

void mock_cache_now(struct mock_cache *c, uint64_t now_ns)
{
	c->now_ns = now_ns;
	/* The oldest of the list is the one not used for longest. */
	while (c->ttl_ns && c->oldest && now_ns - c->oldest->used_ns >= c->ttl_ns)
		drop(c, c->oldest);
}

size_t mock_cache_reset(struct mock_cache *c)
{
	size_t dropped = c->blocks;
	while (c->oldest)
		drop(c, c->oldest);
	return dropped;
}

void mock_cache_release(struct mock_cache *c)
{
	mock_cache_reset(c);
}

static uint64_t next_key(const struct mock_cache *c, uint64_t key, const uint64_t *tokens)
{
	return mock_tokens_hash(key, tokens, c->block_tokens);
}

static struct mock_cache_block *find(struct mock_cache *c, uint64_t key)
{
	struct mock_cache_block *b;
	HASH_FIND(hh, c->table, &key, sizeof(key), b);
	return b;
}

static struct mock_cache_block *add(struct mock_cache *c, uint64_t key)
{
	struct mock_cache_block *b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->key = key;
	b->added = true;
	HASH_ADD(hh, c->table, key, sizeof(b->key), b);
	if (!b->added) {
		free(b);
		return NULL;
	}
	link_newest(c, b);
	c->blocks++;
	return b;
}

/*
 * Moves blocks first .. last of one chain to the new end of the list, the last one first. A block is thus never newer
 * than its predecessor, and the oldest block of the list is always one without a successor.
 */
static void touch(struct mock_cache *c, struct mock_cache_block **chain, size_t n)
{
	while (n-- > 0) {
		unlink_block(c, chain[n]);
		link_newest(c, chain[n]);
	}
}

/* The cached blocks at the start of the tokens, at most `max`. Returns how many; *key: that of the last one. */
static size_t cached_chain(struct mock_cache *c, uint64_t *key, const uint64_t *tokens, size_t max,
			   struct mock_cache_block **chain)
{
	size_t n = 0;
	while (n < max) {
		uint64_t next = next_key(c, *key, tokens + n * c->block_tokens);
		struct mock_cache_block *b = find(c, next);
		if (!b)
			break;
		chain[n++] = b;
		*key = next;
	}
	return n;
}

size_t mock_cache_lookup(struct mock_cache *c, uint64_t seed, const uint64_t *tokens, size_t n)
{
	size_t max = n > 0 ? (n - 1) / c->block_tokens : 0;
	if (max > c->blocks)
		max = c->blocks;
	struct mock_cache_block **chain = max ? malloc(max * sizeof(struct mock_cache_block *)) : NULL;
	if (!chain)
		return 0;

	size_t hit = cached_chain(c, &seed, tokens, max, chain);
	touch(c, chain, hit);
	free(chain);
	return hit * c->block_tokens;
}

void mock_cache_store(struct mock_cache *c, uint64_t seed, const uint64_t *tokens, size_t n)
{
	size_t max = n / c->block_tokens;
	if (max > c->capacity_blocks)
		max = c->capacity_blocks;
	struct mock_cache_block **chain = max ? malloc(max * sizeof(struct mock_cache_block *)) : NULL;
	if (!chain)
		return;

	size_t have = cached_chain(c, &seed, tokens, max, chain);
	/* From here on every block of another chain is older than those of this one, so none of these is dropped. */
	touch(c, chain, have);
	for (; have < max; have++) {
		if (c->blocks == c->capacity_blocks)
			drop(c, c->oldest);
		seed = next_key(c, seed, tokens + have * c->block_tokens);
		struct mock_cache_block *b = add(c, seed);
		if (!b)
			break;
		chain[have] = b;
	}
	touch(c, chain, have);
	free(chain);
}
