/* SPDX-License-Identifier: MIT */
#include "mock/sequences.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define N 100

/* Tokens 1, 2, 3, ... up to `same`, then others that only `salt` has. */
static const uint64_t *prompt(size_t same, uint64_t salt)
{
	static uint64_t ids[N];
	for (size_t i = 0; i < N; i++)
		ids[i] = i < same ? i + 1 : salt * 1000 + i;
	return ids;
}

/* Slots with a host's cache of so many sequences and tokens; without slots a list. */
static void init(struct mock_sequences *s, size_t slots, size_t kept, size_t kept_tokens)
{
	const struct mock_sequence_limits limits = {
		.slots = slots, .kept = kept, .kept_tokens = kept_tokens, .similarity = 0.1};
	assert_int_equal(mock_sequences_init(s, &limits), 0);
}

/* One request from its start to its end; returns what was reused. */
static size_t ask(struct mock_sequences *s, uint64_t seed, const uint64_t *ids, size_t n)
{
	size_t slot, cached = mock_sequences_take(s, seed, ids, n, true, &slot);
	mock_sequences_put(s, slot, seed, ids, n);
	mock_sequences_leave(s, slot);
	return cached;
}

static void test_one_slot(void **state)
{
	struct mock_sequences s;
	(void)state;

	init(&s, 1, 0, 0);
	assert_int_equal(ask(&s, 1, prompt(N, 0), N), 0);
	assert_int_equal(ask(&s, 1, prompt(N, 0), N), N - 1);
	assert_int_equal(ask(&s, 1, prompt(N, 0), 50), 49);
	assert_int_equal(ask(&s, 1, prompt(30, 7), N), 30); /* the rest is lost */
	assert_int_equal(ask(&s, 1, prompt(N, 0), N), 30);
	assert_int_equal(ask(&s, 2, prompt(N, 0), N), 0); /* another model */
	assert_int_equal(mock_sequences_tokens(&s), N);
	assert_int_equal(mock_sequences_erase(&s, 0), N);
	assert_int_equal(ask(&s, 2, prompt(N, 0), N), 0);
	mock_sequences_release(&s);
}

/* llama.cpp's choice: more than a tenth alike, else the one that was not used for longest. */
static void test_choice_of_slot(void **state)
{
	struct mock_sequences s;
	size_t slot;
	(void)state;

	init(&s, 2, 0, 0);
	ask(&s, 1, prompt(0, 1), N);
	ask(&s, 1, prompt(0, 2), N);
	assert_int_equal(ask(&s, 1, prompt(0, 1), N), N - 1);
	assert_int_equal(ask(&s, 1, prompt(0, 2), N), N - 1);
	ask(&s, 1, prompt(0, 3), N); /* in place of 1 */
	assert_int_equal(ask(&s, 1, prompt(0, 2), N), N - 1);
	assert_int_equal(ask(&s, 1, prompt(0, 1), N), 0); /* in place of 3 */

	/* A tenth is not enough, a slot at work is not taken. */
	mock_sequences_release(&s);
	init(&s, 2, 0, 0);
	ask(&s, 1, prompt(N, 0), N);
	assert_int_equal(mock_sequences_take(&s, 1, prompt(10, 5), N, true, &slot), 0);
	assert_int_equal(slot, 0);
	assert_int_equal(mock_sequences_take(&s, 1, prompt(50, 6), N, true, &slot), 50);
	assert_int_equal(slot, 1);
	mock_sequences_release(&s);
}

static void test_host_cache(void **state)
{
	struct mock_sequences s;
	(void)state;

	init(&s, 1, SIZE_MAX, SIZE_MAX);
	ask(&s, 1, prompt(0, 1), N);
	assert_int_equal(ask(&s, 1, prompt(0, 2), N), 0);
	assert_int_equal(ask(&s, 1, prompt(0, 1), N), N - 1); /* brought back, 2 put away */
	assert_int_equal(ask(&s, 1, prompt(0, 2), N), N - 1);
	mock_sequences_release(&s);

	/* No room for two. */
	init(&s, 1, SIZE_MAX, N);
	for (uint64_t i = 1; i <= 3; i++)
		ask(&s, 1, prompt(0, i), N);
	assert_int_equal(s.nkept, 1);
	assert_int_equal(ask(&s, 1, prompt(0, 1), N), 0);
	mock_sequences_release(&s);
}

static void test_list(void **state)
{
	struct mock_sequences s;
	size_t slot;
	(void)state;

	init(&s, 0, 2, SIZE_MAX);
	assert_int_equal(ask(&s, 1, prompt(N, 0), 60), 0);
	assert_int_equal(ask(&s, 1, prompt(N, 0), N), 60); /* the shorter one goes */
	assert_int_equal(s.nkept, 1);
	assert_int_equal(ask(&s, 1, prompt(40, 9), N), 40); /* a branch is kept beside it */
	assert_int_equal(s.nkept, 2);
	assert_int_equal(ask(&s, 1, prompt(0, 3), N), 0); /* the oldest goes */
	assert_int_equal(ask(&s, 1, prompt(N, 0), N), 40);
	assert_int_equal(mock_sequences_take(&s, 1, prompt(N, 0), N, false, &slot), 0);
	assert_int_equal(mock_sequences_reset(&s), 2 * N);
	mock_sequences_release(&s);
}

/* llama.cpp: slots that are idle when a prompt begins are copied to the host's cache, and emptied. */
static void test_idle_slots(void **state)
{
	struct mock_sequences s;
	const struct mock_sequence_limits limits = {
		.slots = 2, .kept = SIZE_MAX, .kept_tokens = N, .similarity = 0.1, .saves = true, .clears = true};
	(void)state;

	assert_int_equal(mock_sequences_init(&s, &limits), 0);
	ask(&s, 1, prompt(0, 1), N);
	ask(&s, 1, prompt(0, 2), N);
	assert_int_equal(mock_sequences_tokens(&s), 2 * N); /* one in a slot, one apart */
	assert_int_equal(s.nkept, 1);
	ask(&s, 1, prompt(0, 3), N); /* 2 takes the place of 1 */
	assert_int_equal(ask(&s, 1, prompt(0, 1), N), 0);
	mock_sequences_release(&s);
}

/* A state that cannot be shortened is reused whole or not at all. */
static void test_whole(void **state)
{
	struct mock_sequences s;
	const struct mock_sequence_limits slot = {.slots = 1, .similarity = 0.1, .whole = true};
	const struct mock_sequence_limits list = {.kept = 3, .kept_tokens = SIZE_MAX, .whole = true};
	(void)state;

	assert_int_equal(mock_sequences_init(&s, &slot), 0);
	ask(&s, 1, prompt(N, 0), 50);
	assert_int_equal(ask(&s, 1, prompt(N, 0), 60), 50);
	assert_int_equal(ask(&s, 1, prompt(N, 0), 60), 0); /* would have to give back its last token */
	assert_int_equal(ask(&s, 1, prompt(30, 2), 60), 0);
	mock_sequences_release(&s);

	assert_int_equal(mock_sequences_init(&s, &list), 0);
	mock_sequences_put_system(&s, 1, prompt(N, 0), 40);
	ask(&s, 1, prompt(N, 0), 60);
	assert_int_equal(s.nkept, 2);
	assert_int_equal(ask(&s, 1, prompt(N, 0), 70), 60);
	assert_int_equal(ask(&s, 1, prompt(50, 2), 70), 40);
	assert_int_equal(ask(&s, 1, prompt(39, 2), 70), 0);
	mock_sequences_release(&s);
}

/* MLX-LM: a limit in bytes is kept to when the next prompt begins, less what that reuses. */
static void test_list_of_tokens(void **state)
{
	struct mock_sequences s;
	(void)state;

	init(&s, 0, 10, 2 * N);
	for (uint64_t i = 1; i <= 3; i++)
		ask(&s, 1, prompt(0, i), N);
	assert_int_equal(s.nkept, 3);
	assert_int_equal(ask(&s, 1, prompt(0, 1), N), N - 1); /* found, then there is room for one besides */
	assert_int_equal(s.nkept, 2);
	assert_int_equal(ask(&s, 1, prompt(0, 2), N), 0);
	mock_sequences_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_slot),       cmocka_unit_test(test_choice_of_slot),
		cmocka_unit_test(test_host_cache),     cmocka_unit_test(test_list),
		cmocka_unit_test(test_idle_slots),     cmocka_unit_test(test_whole),
		cmocka_unit_test(test_list_of_tokens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
