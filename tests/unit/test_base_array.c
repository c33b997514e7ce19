/* SPDX-License-Identifier: MIT */
#include "base/array.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_grow(void **state)
{
	uint64_t *list = NULL;
	size_t capacity = 0, moves = 0;
	(void)state;
	for (size_t n = 0; n < 10000; n++) {
		size_t before = capacity;
		uint64_t *grown = array_grow(list, &capacity, n + 1, sizeof(*list));
		assert_non_null(grown);
		assert_true(capacity > n);
		moves += capacity != before;
		list = grown;
		list[n] = n;
	}
	for (size_t n = 0; n < 10000; n++)
		assert_int_equal(list[n], n);
	assert_true(moves < 30);
	free(list);
}

static void test_need(void **state)
{
	size_t capacity = 0;
	(void)state;
	/* Even no element gets an array: NULL is the failure. */
	char *p = array_grow(NULL, &capacity, 0, 1);
	assert_non_null(p);
	p = array_grow(p, &capacity, 1000, 1);
	assert_non_null(p);
	assert_int_equal(capacity, 1000);
	assert_ptr_equal(array_grow(p, &capacity, 5, 1), p);
	assert_int_equal(capacity, 1000);
	/* A size that does not fit leaves all as it is. */
	p[999] = 7;
	assert_null(array_grow(p, &capacity, SIZE_MAX / 8 + 1, 16));
	assert_null(array_grow(p, &capacity, SIZE_MAX, 2));
	assert_int_equal(capacity, 1000);
	assert_int_equal(p[999], 7);
	free(p);
}

static void test_str(void **state)
{
	(void)state;
	assert_true(str_eq(STR("ab"), STR("ab")));
	assert_false(str_eq(STR("ab"), STR("aB")));
	assert_false(str_eq(STR("ab"), STR("abc")));
	assert_true(str_eq(STR(""), STR_NONE));
	assert_true(str_eq_nocase(STR("Content-Type"), STR("content-type")));
	assert_false(str_eq_nocase(STR("Content-Type"), STR("content_type")));
	assert_true(str_starts(STR("abc"), STR("ab")));
	assert_true(str_starts(STR("abc"), STR("")));
	assert_false(str_starts(STR("ab"), STR("abc")));
	assert_true(str_ends(STR("abc"), STR("bc")));
	assert_true(str_ends(STR_NONE, STR("")));
	assert_false(str_ends(STR("bc"), STR("abc")));
	assert_int_equal(str_from(NULL).n, 0);
	assert_null(str_from(NULL).p);
	assert_int_equal(str_from("abc").n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_need),
		cmocka_unit_test(test_str),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
