/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"
#include "html/svg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_escaped(struct str text, const char *expected)
{
	struct buf out;
	buf_init(&out, 1 << 16);
	html_escape(&out, text);
	assert_string_equal(out.p ? out.p : "", expected);
	buf_release(&out);
}

static void nothing_becomes_markup(void **state)
{
	(void)state;
	expect_escaped(STR("a<b>&\"c'd"), "a&lt;b&gt;&amp;&quot;c&#39;d");
	expect_escaped(STR("</script><script>alert(1)</script>"),
		       "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;");
	expect_escaped(STR("&lt;"), "&amp;lt;");
	expect_escaped(STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82\n\t."), "gr\xc3\xbc\xc3\x9f \xf0\x9f\x99\x82\n\t.");
	expect_escaped(STR(""), "");
}

#define FFFD "\xef\xbf\xbd"

static void what_xml_refuses_is_replaced(void **state)
{
	(void)state;
	expect_escaped(STR("a\0b\x1b[31m\r\x7f"), "a" FFFD "b" FFFD "[31m" FFFD FFFD);
	expect_escaped(STR("\xc2\x9b"), FFFD FFFD);                  /* a C1 control: two bytes, replaced one by one */
	expect_escaped(STR("\xef\xbf\xbe"), FFFD FFFD FFFD);         /* U+FFFE */
	expect_escaped(STR("\xed\xa0\x80"), FFFD FFFD FFFD);         /* a surrogate */
	expect_escaped(STR("\xff<\xe2\x82"), FFFD "&lt;" FFFD FFFD); /* no UTF-8, and cut off */
}

static void every_single_byte_is_safe(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		struct buf out;
		buf_init(&out, 64);
		html_escape(&out, (struct str){&byte, 1});
		assert_true(out.n > 0);
		assert_true(utf8_valid(buf_str(&out)));
		assert_null(strpbrk(out.p, "<>\"'"));
		buf_release(&out);
	}
}

static void elements_are_closed_and_quoted(void **state)
{
	(void)state;
	struct html h;
	struct buf out;
	buf_init(&out, 1 << 16);
	html_init(&h, &out);
	html_open(&h, "td", "class", "n", "title", "\"><script>", "style", NULL, HTML_END);
	html_printf(&h, "%s & %d", "<b>", 3);
	html_void(&h, "br", HTML_END);
	html_element(&h, "code", NULL, "x<y");
	html_close(&h);
	assert_string_equal(out.p, "<td class=\"n\" title=\"&quot;&gt;&lt;script&gt;\">&lt;b&gt; &amp; 3<br/>"
				   "<code>x&lt;y</code></td>");
	assert_int_equal(h.depth, 0);
	buf_release(&out);
}

static void numbers_of_charts_are_numbers(void **state)
{
	(void)state;
	struct html h;
	struct buf out;
	buf_init(&out, 1 << 16);
	html_init(&h, &out);
	svg_rect(&h, "a", 12.345, 3, 0, 10.5, NULL);
	svg_rect(&h, "a", NAN, INFINITY, -INFINITY, -NAN, NULL);
	svg_text(&h, NULL, 100, 1e300, SVG_END, "<");
	assert_string_equal(out.p, "<rect class=\"a\" x=\"12.35%\" y=\"3\" width=\"0.05%\" height=\"10.5\"/>"
				   "<rect class=\"a\" x=\"0%\" y=\"0\" width=\"0.05%\" height=\"0\"/>"
				   "<text x=\"100%\" y=\"1000000\" text-anchor=\"end\">&lt;</text>");
	buf_release(&out);
}

static void columns_stack(void **state)
{
	(void)state;
	struct html h;
	struct buf out;
	double base[4] = {0}, value[4] = {10, 10, 0, 5.1}, more[4] = {2, 0, 0, 2};
	buf_init(&out, 1 << 16);
	html_init(&h, &out);
	svg_columns(&h, "a", 20, 60, base, value, 4);
	assert_non_null(strstr(out.p, "viewBox=\"0 0 4 40\""));
	assert_non_null(
		strstr(out.p, "d=\"M0 40v-10h2v10zM3 40v-5h1v5z\"")); /* neighbours in one, a quarter of a pixel */
	buf_reset(&out);
	svg_columns(&h, "b", 20, 60, base, more, 4);
	assert_non_null(strstr(out.p, "d=\"M0 30v-2h1v2zM3 35v-2h1v2z\""));
	buf_reset(&out);
	svg_columns(&h, "c", 20, 60, base, (double[4]){0}, 4);
	assert_int_equal(out.n, 0);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_becomes_markup),        cmocka_unit_test(what_xml_refuses_is_replaced),
		cmocka_unit_test(every_single_byte_is_safe),     cmocka_unit_test(elements_are_closed_and_quoted),
		cmocka_unit_test(numbers_of_charts_are_numbers), cmocka_unit_test(columns_stack),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
