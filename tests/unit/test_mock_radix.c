/* SPDX-License-Identifier: MIT */
#include "mock/radix.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 100

static struct mock_radix radix;

/* Tokens 1, 2, 3, ... up to `same`, then others that only `own` has. */
static const uint64_t *prompt(size_t same, uint64_t own)
{
	static uint64_t ids[N];
	for (size_t i = 0; i < N; i++)
		ids[i] = i < same ? i + 1 : own * 1000 + i;
	return ids;
}

/* One request from its start to its end; returns what was found. */
static size_t ask(uint64_t seed, size_t same, uint64_t own, size_t n)
{
	struct mock_radix_node *held = NULL;
	const uint64_t *ids = prompt(same, own);
	size_t found = mock_radix_lookup(&radix, seed, ids, n, &held);
	mock_radix_store(&radix, seed, ids, n, &held);
	mock_radix_leave(&held);
	return found;
}

static void begin(size_t page, size_t capacity)
{
	assert_int_equal(mock_radix_init(&radix, page, capacity), 0);
}

static int teardown(void **state)
{
	(void)state;
	mock_radix_release(&radix);
	return 0;
}

static void test_to_the_token(void **state)
{
	(void)state;
	begin(1, 1000);
	assert_int_equal(ask(1, N, 0, 60), 0);
	assert_int_equal(ask(1, N, 0, 60), 59);
	assert_int_equal(ask(1, N, 0, N), 60);
	assert_int_equal(ask(1, 37, 5, N), 37); /* parts within a node */
	assert_int_equal(ask(1, 37, 5, N), N - 1);
	assert_int_equal(ask(1, 37, 6, 50), 37);
	assert_int_equal(ask(1, N, 0, N), N - 1);
	assert_int_equal(ask(2, N, 0, N), 0);
	assert_int_equal(radix.tokens, N + 63 + 13 + N);
	assert_int_equal(mock_radix_reset(&radix), N + 63 + 13 + N);
	assert_int_equal(ask(1, N, 0, N), 0);
}

static void test_pages(void **state)
{
	(void)state;
	begin(16, 1000);
	ask(1, N, 0, N);
	assert_int_equal(radix.tokens, 96); /* the rest of the last page is not kept */
	assert_int_equal(ask(1, N, 0, N), 96);
	assert_int_equal(ask(1, N, 0, 96), 80); /* never the last token */
	assert_int_equal(ask(1, 47, 5, N), 32);
}

/* The leaf that was not used for longest goes, all of it; then its parent may. */
static void test_eviction(void **state)
{
	(void)state;
	begin(1, 200);
	ask(1, 0, 1, N);
	ask(1, 0, 2, N);
	ask(1, 0, 1, N);  /* 2 is the older one now */
	ask(1, 0, 3, 10); /* wants 10, and 100 go */
	assert_int_equal(radix.tokens, 110);
	assert_int_equal(ask(1, 0, 1, N), N - 1);
	assert_int_equal(ask(1, 0, 2, 50), 0);
	mock_radix_reset(&radix);

	/* A common beginning is left as long as one of those behind it is. */
	ask(1, 50, 4, N);
	ask(1, 50, 5, N);
	ask(1, 0, 6, N);
	assert_int_equal(radix.tokens, 200);
	assert_int_equal(ask(1, 50, 5, N), N - 1);
	assert_int_equal(ask(1, 50, 4, N), 50);
}

/* What a prompt at work stands on stays, and what has no room is not kept. */
static void test_held(void **state)
{
	struct mock_radix_node *held = NULL;
	(void)state;

	begin(1, 120);
	ask(1, 0, 1, N);
	assert_int_equal(mock_radix_lookup(&radix, 1, prompt(0, 1), N, &held), N - 1);
	ask(1, 0, 2, N);
	assert_int_equal(radix.tokens, 120);
	assert_int_equal(ask(1, 0, 1, N), N - 1);
	mock_radix_leave(&held);
	assert_int_equal(ask(1, 0, 2, N), 0); /* went for the last token of 1 */
	assert_true(radix.tokens <= 120);
}

static void test_no_room(void **state)
{
	(void)state;
	begin(1, 0);
	assert_int_equal(ask(1, N, 0, N), 0);
	assert_int_equal(ask(1, N, 0, N), 0);
	assert_int_equal(radix.tokens, 0);
	mock_radix_release(&radix);
	begin(8, 50);
	ask(1, N, 0, N);
	assert_int_equal(radix.tokens, 48);
	assert_int_equal(ask(1, N, 0, N), 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_to_the_token, teardown), cmocka_unit_test_teardown(test_pages, teardown),
		cmocka_unit_test_teardown(test_eviction, teardown),     cmocka_unit_test_teardown(test_held, teardown),
		cmocka_unit_test_teardown(test_no_room, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
