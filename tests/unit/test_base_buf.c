/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void check(const struct buf *b, const char *text)
{
	assert_int_equal(b->n, strlen(text));
	assert_memory_equal(b->p, text, b->n + 1); /* the terminator too */
}

static void test_append(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 100);
	assert_int_equal(buf_str(&b).n, 0);
	assert_non_null(buf_str(&b).p);
	assert_int_equal(buf_puts(&b, "one"), 0);
	assert_int_equal(buf_putc(&b, ','), 0);
	assert_int_equal(buf_append(&b, "two...", 3), 0);
	assert_int_equal(buf_append_str(&b, STR_NONE), 0);
	assert_int_equal(buf_printf(&b, "%s%d", ",", 3), 0);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	check(&b, "one,two,3");
	buf_reset(&b);
	check(&b, "");
	assert_false(b.failed);
	buf_release(&b);
	assert_null(b.p);
}

/* What passes the maximum is refused whole, and so is all that follows until the next reset. */
static void test_maximum(void **state)
{
	struct buf b;
	(void)state;
	for (size_t max = 0; max < 300; max++) {
		buf_init(&b, max);
		for (size_t i = 0; i < max; i++)
			assert_int_equal(buf_putc(&b, 'x'), 0);
		assert_int_equal(b.n, max);
		assert_true(b.capacity <= max + 1);
		assert_false(b.failed);
		assert_int_equal(buf_putc(&b, 'y'), -1);
		assert_true(b.failed);
		assert_int_equal(b.n, max);
		assert_int_equal(buf_append(&b, "", 0), -1);
		assert_null(buf_steal(&b));
		buf_reset(&b);
		assert_int_equal(buf_append(&b, "0123456789", max < 10 ? max : 10), 0);
		buf_release(&b);
	}

	buf_init(&b, 10);
	assert_int_equal(buf_puts(&b, "12345"), 0);
	assert_int_equal(buf_printf(&b, "%d", 678901), -1);
	check(&b, "12345");
	assert_int_equal(buf_putc(&b, 'x'), -1);
	buf_release(&b);
	/* as after buf_init */
	assert_int_equal(buf_puts(&b, "1234567890"), 0);
	assert_int_equal(buf_append(&b, "x", SIZE_MAX), -1);
	check(&b, "1234567890");
	buf_release(&b);
}

static void test_reserve(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, BUF_UNLIMITED);
	char *p = buf_reserve(&b, 5);
	assert_non_null(p);
	memcpy(p, "hello", 5);
	assert_int_equal(b.n, 0);
	b.n += 5;
	check(&b, "hello");
	assert_null(buf_reserve(&b, BUF_UNLIMITED));
	assert_true(b.failed);
	buf_release(&b);

	buf_init(&b, SIZE_MAX);
	assert_int_equal(b.max, BUF_UNLIMITED);
	buf_release(&b);
}

static void test_consume(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 100);
	buf_consume(&b, 3);
	assert_int_equal(b.n, 0);
	buf_puts(&b, "abcdef");
	buf_consume(&b, 0);
	check(&b, "abcdef");
	buf_consume(&b, 2);
	check(&b, "cdef");
	buf_puts(&b, "gh");
	check(&b, "cdefgh");
	buf_consume(&b, 6);
	check(&b, "");
	buf_puts(&b, "x");
	buf_consume(&b, 100);
	check(&b, "");
	buf_release(&b);
}

static void test_steal(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 100);
	char *p = buf_steal(&b);
	assert_string_equal(p, "");
	free(p);
	buf_puts(&b, "text");
	p = buf_steal(&b);
	assert_string_equal(p, "text");
	assert_int_equal(b.n, 0);
	assert_int_equal(buf_puts(&b, "more"), 0);
	check(&b, "more");
	assert_string_equal(p, "text");
	free(p);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append),  cmocka_unit_test(test_maximum), cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_consume), cmocka_unit_test(test_steal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
