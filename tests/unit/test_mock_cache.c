/* SPDX-License-Identifier: MIT */
#include "mock/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BLOCK 4
#define SEED 7

static struct mock_cache cache;

/* A prompt of n tokens that begins like every other and is its own from token `differs` on. */
static const uint64_t *prompt(size_t n, size_t differs, uint64_t own)
{
	static uint64_t tokens[1000];
	assert_true(n <= 1000);
	for (size_t i = 0; i < n; i++)
		tokens[i] = i < differs ? i : own * 1000 + i;
	return tokens;
}

static size_t lookup(size_t n, size_t differs, uint64_t own)
{
	return mock_cache_lookup(&cache, SEED, prompt(n, differs, own), n);
}

static void store(size_t n, size_t differs, uint64_t own)
{
	mock_cache_store(&cache, SEED, prompt(n, differs, own), n);
}

static int teardown(void **state)
{
	(void)state;
	mock_cache_release(&cache);
	return 0;
}

static void test_second_time_hits(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 1000);
	assert_int_equal(lookup(42, 0, 1), 0);
	store(42, 0, 1);
	assert_int_equal(cache.blocks, 10);
	assert_int_equal(lookup(42, 0, 1), 40);
	store(42, 0, 1);
	assert_int_equal(cache.blocks, 10);
}

/* The last token must be computed: a prompt that is a multiple of the block size does its last block again. */
static void test_last_token_is_never_cached(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 1000);
	store(40, 0, 1);
	assert_int_equal(lookup(40, 0, 1), 36);
	assert_int_equal(lookup(41, 0, 1), 40);
	assert_int_equal(lookup(4, 0, 1), 0);
	assert_int_equal(lookup(5, 0, 1), 4);
	assert_int_equal(lookup(1, 0, 1), 0);
	assert_int_equal(lookup(0, 0, 1), 0);
}

static void test_divergence_in_the_middle(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 1000);
	store(80, 0, 1);
	for (size_t at = 0; at <= 80; at++) {
		/* The same prompt but for everything from token `at` on. */
		static uint64_t other[80];
		const uint64_t *same = prompt(80, 0, 1);
		for (size_t i = 0; i < 80; i++)
			other[i] = i < at ? same[i] : 5;
		size_t expected = at / BLOCK * BLOCK;
		assert_int_equal(mock_cache_lookup(&cache, SEED, other, 80), expected < 79 ? expected : 76);
	}
}

/* Equal tokens behind a difference are no hit: a key stands for all that came before. */
static void test_one_changed_token_loses_the_rest(void **state)
{
	(void)state;
	static uint64_t other[80];
	mock_cache_init(&cache, BLOCK, 1000);
	store(80, 0, 1);
	const uint64_t *same = prompt(80, 0, 1);
	for (size_t i = 0; i < 80; i++)
		other[i] = i == 21 ? 5 : same[i];
	assert_int_equal(mock_cache_lookup(&cache, SEED, other, 80), 20);
}

static void test_seeds_share_nothing(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 1000);
	store(40, 0, 1);
	assert_int_equal(mock_cache_lookup(&cache, SEED + 1, prompt(40, 0, 1), 40), 0);
}

static void test_capacity_is_kept_to(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 10 * BLOCK);
	for (uint64_t i = 0; i < 50; i++) {
		store(30, 10, i);
		assert_true(cache.blocks <= 10);
	}
}

/* A prompt longer than the cache keeps its first blocks, which are those that a next one can use. */
static void test_prompt_larger_than_cache(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 5 * BLOCK);
	store(20, 0, 9);
	store(100, 0, 1);
	assert_int_equal(cache.blocks, 5);
	assert_int_equal(lookup(100, 0, 1), 5 * BLOCK);
	assert_int_equal(lookup(20, 0, 9), 0);
}

/*
 * Least recently used first, and of one prompt the end first: A and B share two blocks. Room is needed for C, whose
 * blocks push out A's own ones from the end, then the shared ones only after B's.
 */
static void test_eviction_is_lru_and_leaf_first(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 8 * BLOCK);
	store(5 * BLOCK, 2 * BLOCK, 1); /* A: 2 shared, 3 own */
	store(5 * BLOCK, 2 * BLOCK, 2); /* B: 3 more */
	assert_int_equal(cache.blocks, 8);

	store(2 * BLOCK, 0, 3); /* C: 2 blocks: A loses its last two */
	assert_int_equal(lookup(5 * BLOCK + 1, 2 * BLOCK, 1), 3 * BLOCK);
	/* That lookup made A's three blocks the newest: next to go are B's, from the end. */
	store(2 * BLOCK, 0, 4);
	assert_int_equal(lookup(5 * BLOCK + 1, 2 * BLOCK, 1), 3 * BLOCK);
	assert_int_equal(lookup(5 * BLOCK + 1, 2 * BLOCK, 2), 3 * BLOCK);
	assert_int_equal(lookup(2 * BLOCK + 1, 0, 3), 2 * BLOCK);
	assert_int_equal(lookup(2 * BLOCK + 1, 0, 4), 2 * BLOCK);
	assert_int_equal(cache.blocks, 8);
}

/* Against a plain model of the policy: every prefix in the cache by name, the longest of the oldest dropped first. */
#define MODEL_BLOCKS 12
#define FAMILIES 3

struct model_block {
	uint64_t own;
	size_t depth;
	uint64_t used;
};

static struct model_block model[MODEL_BLOCKS];
static size_t nmodel;

/* Blocks 0 and 1 are shared by all prompts. */
static uint64_t owner(uint64_t own, size_t depth)
{
	return depth < 2 ? 0 : own;
}

static struct model_block *model_find(uint64_t own, size_t depth)
{
	for (size_t i = 0; i < nmodel; i++)
		if (model[i].own == owner(own, depth) && model[i].depth == depth)
			return &model[i];
	return NULL;
}

static size_t model_use(uint64_t own, size_t depth, bool add, uint64_t now)
{
	size_t hit = 0;
	while (hit < depth && model_find(own, hit))
		model_find(own, hit++)->used = now;
	for (size_t d = hit; add && d < depth && d < MODEL_BLOCKS; d++) {
		if (nmodel == MODEL_BLOCKS) {
			size_t victim = 0;
			for (size_t i = 1; i < nmodel; i++)
				if (model[i].used < model[victim].used ||
				    (model[i].used == model[victim].used && model[i].depth > model[victim].depth))
					victim = i;
			model[victim] = model[--nmodel];
		}
		model[nmodel++] = (struct model_block){owner(own, d), d, now};
	}
	return hit;
}

static void test_against_a_plain_model(void **state)
{
	(void)state;
	unsigned random = 42;
	mock_cache_init(&cache, BLOCK, MODEL_BLOCKS * BLOCK);
	nmodel = 0;
	for (uint64_t now = 1; now < 20000; now++) {
		random = random * 1103515245u + 12345u;
		uint64_t own = 1 + (random >> 16) % FAMILIES;
		size_t depth = 1 + (random >> 20) % 9;
		bool add = (random >> 28) & 1;
		if (add) {
			store(depth * BLOCK, 2 * BLOCK, own);
			model_use(own, depth, true, now);
		} else {
			assert_int_equal(lookup(depth * BLOCK + 1, 2 * BLOCK, own),
					 BLOCK * model_use(own, depth, false, now));
		}
		assert_int_equal(cache.blocks, nmodel);
	}
}

static void test_reset_and_no_cache(void **state)
{
	(void)state;
	mock_cache_init(&cache, BLOCK, 1000);
	store(40, 0, 1);
	assert_int_equal(mock_cache_reset(&cache), 10);
	assert_int_equal(cache.blocks, 0);
	assert_int_equal(lookup(40, 0, 1), 0);
	store(40, 0, 1);
	assert_int_equal(lookup(40, 0, 1), 36);
	mock_cache_release(&cache);

	mock_cache_init(&cache, BLOCK, 0);
	store(40, 0, 1);
	assert_int_equal(lookup(40, 0, 1), 0);
	assert_int_equal(cache.blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_second_time_hits, teardown),
		cmocka_unit_test_teardown(test_last_token_is_never_cached, teardown),
		cmocka_unit_test_teardown(test_divergence_in_the_middle, teardown),
		cmocka_unit_test_teardown(test_one_changed_token_loses_the_rest, teardown),
		cmocka_unit_test_teardown(test_seeds_share_nothing, teardown),
		cmocka_unit_test_teardown(test_capacity_is_kept_to, teardown),
		cmocka_unit_test_teardown(test_prompt_larger_than_cache, teardown),
		cmocka_unit_test_teardown(test_eviction_is_lru_and_leaf_first, teardown),
		cmocka_unit_test_teardown(test_against_a_plain_model, teardown),
		cmocka_unit_test_teardown(test_reset_and_no_cache, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
