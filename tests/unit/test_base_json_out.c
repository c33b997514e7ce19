/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"

#include "base/clock.h"
#include "base/json_span.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void write_all(struct json_out *j)
{
	json_out_object(j, NULL);
	json_out_cstr(j, "text", "a\"b");
	json_out_cstr(j, "none", NULL);
	json_out_int(j, "int", INT64_MIN);
	json_out_uint(j, "uint", UINT64_MAX);
	json_out_int_or_null(j, "absent", -1);
	json_out_int_or_null(j, "zero", 0);
	json_out_time_or_null(j, "never", 0);
	json_out_time_or_null(j, "when", 7);
	json_out_array(j, "list");
	json_out_bool(j, NULL, true);
	json_out_bool(j, NULL, false);
	json_out_object(j, NULL);
	json_out_end(j);
	json_out_array(j, NULL);
	json_out_end(j);
	json_out_null(j, NULL);
	json_out_end(j);
	json_out_hex(j, "hex", (const uint8_t *)"\x00\xff\x1a", 3);
	json_out_raw(j, "raw", STR("[1]"));
	json_out_end(j);
}

static void test_one_line(void **state)
{
	struct buf b;
	struct json_out j;
	(void)state;
	buf_init(&b, 4096);
	json_out_init(&j, &b, false);
	write_all(&j);
	assert_false(b.failed);
	assert_string_equal(b.p, "{\"text\":\"a\\\"b\",\"none\":null,\"int\":-9223372036854775808,"
				 "\"uint\":18446744073709551615,\"absent\":null,\"zero\":0,\"never\":null,\"when\":7,"
				 "\"list\":[true,false,{},[],null],\"hex\":\"00ff1a\",\"raw\":[1]}");
	buf_release(&b);
}

static void test_pretty(void **state)
{
	struct buf b;
	struct json_out j;
	(void)state;
	buf_init(&b, 4096);
	json_out_init(&j, &b, true);
	json_out_object(&j, NULL);
	json_out_array(&j, "a");
	json_out_int(&j, NULL, 1);
	json_out_end(&j);
	json_out_object(&j, "b");
	json_out_end(&j);
	json_out_end(&j);
	assert_string_equal(b.p, "{\n  \"a\": [\n    1\n  ],\n  \"b\": {}\n}");
	buf_release(&b);
}

static const char *string_of(struct buf *b, struct str s)
{
	struct json_out j;
	buf_reset(b);
	json_out_init(&j, b, false);
	json_out_str(&j, NULL, s);
	assert_false(b->failed);
	return b->p;
}

static void test_strings(void **state)
{
	struct buf b;
	(void)state;
	buf_init(&b, 4096);
	assert_string_equal(string_of(&b, STR("")), "\"\"");
	assert_string_equal(string_of(&b, STR_NONE), "\"\"");
	assert_string_equal(string_of(&b, STR("a\\/\b\f\n\r\t\x01\x1f\x7f")),
			    "\"a\\\\/\\u0008\\u000c\\n\\r\\t\\u0001\\u001f\x7f\"");
	assert_string_equal(string_of(&b, STR("a\0b")), "\"a\\u0000b\"");
	assert_string_equal(string_of(&b, STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")),
			    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	/* Each byte that is not UTF-8: cut off, overlong, surrogate, above the last code point, continuation alone. */
	assert_string_equal(string_of(&b, STR("a\xe2\x82")), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(string_of(&b, STR("\xc0\x80z")), "\"\xef\xbf\xbd\xef\xbf\xbdz\"");
	assert_string_equal(string_of(&b, STR("\xed\xa0\x80")), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(string_of(&b, STR("\xf4\x90\x80\x80")),
			    "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_string_equal(string_of(&b, STR("\x80"
					      "a")),
			    "\"\xef\xbf\xbd"
			    "a\"");
	buf_release(&b);
}

/* Whatever bytes go in, JSON comes out, and what was valid UTF-8 comes back. */
static void test_strings_come_back(void **state)
{
	struct buf b, back;
	uint32_t seed = 1;
	(void)state;
	buf_init(&b, 4096);
	buf_init(&back, 4096);
	for (int i = 0; i < 2000; i++) {
		char bytes[40];
		struct json_scan s;
		struct json_value v;
		size_t n = (size_t)i % sizeof(bytes);
		for (size_t k = 0; k < n; k++) {
			seed = seed * 1664525 + 1013904223;
			bytes[k] = (char)(i % 2 ? seed >> 24 : seed >> 25); /* every other one is ASCII */
		}
		string_of(&b, (struct str){bytes, n});
		assert_true(utf8_valid(buf_str(&b)));
		json_scan_init(&s, buf_str(&b));
		assert_int_equal(json_read(&s, &v), 0);
		assert_int_equal(json_finish(&s), 0);
		buf_reset(&back);
		assert_int_equal(json_string_decode(json_string_inner(v), &back), 0);
		if (utf8_valid((struct str){bytes, n}))
			assert_true(str_eq(buf_str(&back), (struct str){bytes, n}));
		else
			assert_true(i % 2);
	}
	buf_release(&b);
	buf_release(&back);
}

static void test_base64(void **state)
{
	/* RFC 4648, section 10 */
	static const char *const cases[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xff\xfe\xfd\xfb", "//79+w=="},
	};
	struct buf b;
	struct json_out j;
	char quoted[32];
	(void)state;
	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_reset(&b);
		json_out_init(&j, &b, false);
		json_out_base64(&j, NULL, cases[i][0], strlen(cases[i][0]));
		snprintf(quoted, sizeof(quoted), "\"%s\"", cases[i][1]);
		assert_string_equal(b.p, quoted);
	}
	buf_release(&b);
}

static void test_double(void **state)
{
	static const struct {
		double v;
		int decimals;
		const char *text;
	} cases[] = {
		{0, 3, "0"},
		{1.5, 3, "1.5"},
		{1.0004, 3, "1"},
		{1.0006, 3, "1.001"},
		{100, 0, "100"},
		{100, 2, "100"},
		{-2.25, 1, "-2.2"},
		{NAN, 3, "null"},
		{INFINITY, 3, "null"},
		{-INFINITY, 3, "null"},
		{1e15, 2, "1000000000000000"},
	};
	struct buf b;
	struct json_out j;
	(void)state;
	buf_init(&b, 400);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		buf_reset(&b);
		json_out_init(&j, &b, false);
		json_out_double(&j, NULL, cases[i].v, cases[i].decimals);
		assert_string_equal(b.p, cases[i].text);
	}
	/* After another value only its own zeros are cut. */
	buf_reset(&b);
	json_out_init(&j, &b, false);
	json_out_array(&j, NULL);
	json_out_int(&j, NULL, 100);
	json_out_double(&j, NULL, 10, 2);
	json_out_double(&j, NULL, NAN, 2);
	json_out_end(&j);
	assert_string_equal(b.p, "[100,10,null]");
	buf_release(&b);
}

/* Too deep, too much, or closed too often: the buffer says so at the end. */
static void test_failures(void **state)
{
	struct buf b;
	struct json_out j;
	(void)state;
	buf_init(&b, 4096);
	json_out_init(&j, &b, false);
	for (int i = 0; i < JSON_OUT_DEPTH_MAX; i++)
		json_out_array(&j, NULL);
	assert_false(b.failed);
	json_out_array(&j, NULL);
	assert_true(b.failed);

	buf_reset(&b);
	json_out_init(&j, &b, false);
	json_out_array(&j, NULL);
	json_out_end(&j);
	assert_false(b.failed);
	json_out_end(&j);
	assert_true(b.failed);
	buf_release(&b);

	buf_init(&b, 4096);
	json_out_init(&j, &b, false);
	write_all(&j);
	size_t whole = b.n;
	buf_release(&b);
	for (size_t max = 0; max <= whole; max++) {
		buf_init(&b, max);
		json_out_init(&j, &b, false);
		write_all(&j);
		assert_true(b.failed == (max < whole));
		assert_true(b.n <= max);
		buf_release(&b);
	}
}

static void test_utf8_valid(void **state)
{
	(void)state;
	assert_true(utf8_valid(STR("")));
	assert_true(utf8_valid(STR("a\xdf\xbf\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf")));
	assert_false(utf8_valid(STR("\xe0\x9f\xbf")));
	assert_false(utf8_valid(STR("\xf0\x8f\xbf\xbf")));
	assert_false(utf8_valid(STR("\xc1\xbf")));
	assert_false(utf8_valid(STR("\xf5\x80\x80\x80")));
	assert_false(utf8_valid(STR("\xff")));
	assert_false(utf8_valid((struct str){"\xf0\x9f\x98\x80", 3}));
}

static void test_clock(void **state)
{
	char text[21];
	(void)state;
	clock_iso8601(0, text, sizeof(text));
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_iso8601(UINT64_C(1795473181999999999), text, sizeof(text));
	assert_string_equal(text, "2026-11-23T22:33:01Z");
	uint64_t a = clock_monotonic_ns(), b = clock_monotonic_ns();
	assert_true(a > 0 && b >= a);
	assert_true(clock_realtime_ns() > UINT64_C(1500000000) * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_line), cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_strings),  cmocka_unit_test(test_strings_come_back),
		cmocka_unit_test(test_base64),   cmocka_unit_test(test_double),
		cmocka_unit_test(test_failures), cmocka_unit_test(test_utf8_valid),
		cmocka_unit_test(test_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
