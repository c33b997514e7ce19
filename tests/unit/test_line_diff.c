/* SPDX-License-Identifier: MIT */
/* Two texts line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trace/line_diff.h"

#include <stdio.h>
#include <string.h>

static struct line_diff diff(const char *old, const char *new, size_t max, const char *expected)
{
	struct line_diff counts;
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(line_diff(str_from(old), str_from(new), "  ", max, &counts, &out), 0);
	buf_putc(&out, '\0');
	assert_string_equal(out.p, expected);
	buf_release(&out);
	return counts;
}

static void test_lines(void **state)
{
	(void)state;
	diff("a\nb\n", "a\nb\n", 10, "");
	diff("", "", 10, "");
	struct line_diff c = diff("a\nb\nc\nd\ne", "a\nb\nx\nd\ne", 10, "    b\n  - c\n  + x\n    d\n");
	assert_int_equal(c.removed, 1);
	assert_int_equal(c.added, 1);
	diff("a\nb", "a\nnew\nb", 10, "    a\n  + new\n    b\n");
	diff("a\nold\nb", "a\nb", 10, "    a\n  - old\n    b\n");
	diff("a", "a\nb", 10, "    a\n  + b\n");
	diff("one\na\nb\nc\nd\nlast", "ONE\na\nb\nc\nd\nLAST", 20,
	     "  - one\n  + ONE\n    a\n  …\n    d\n  - last\n  + LAST\n");
}

static void test_limits(void **state)
{
	(void)state;
	static char old[40000], new[40000];
	size_t n = 0, m = 0;
	for (int i = 0; i < 3000; i++) {
		n += (size_t)snprintf(old + n, sizeof(old) - n, "old %d\n", i);
		m += (size_t)snprintf(new + m, sizeof(new) - m, "new %d\n", i);
	}
	struct line_diff c = diff(old, new, 2, "  - old 0\n  - old 1\n");
	assert_int_equal(c.removed, 3000);
	assert_int_equal(c.added, 3000);
	assert_int_equal(c.left_out, 5998);
}

/* What a terminal would obey, and what nobody should see. */
static void test_escapes(void **state)
{
	(void)state;
	struct line_diff counts;
	struct buf out;

	diff("a", "\033[31mred", 10, "  - a\n  + \\x1b[31mred\n");
	buf_init(&out, 1 << 16);
	assert_int_equal(
		line_diff(STR("x"), STR("token ghp_abcdefghijklmnopqrstuvwxyz0123456789AB"), "", 10, &counts, &out), 0);
	buf_putc(&out, '\0');
	assert_null(strstr(out.p, "ghijklmnop"));
	assert_non_null(strstr(out.p, "masked"));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_escapes),
	};
	return cmocka_run_group_tests_name("line_diff", tests, NULL, NULL) != 0;
}
