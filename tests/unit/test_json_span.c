/* SPDX-License-Identifier: MIT */
#include "base/json_span.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Returns the error of reading one whole text, NULL if it is JSON. *offset is where. */
static const char *read_all(struct str text, size_t *offset)
{
	struct json_scan s;
	struct json_value v;

	json_scan_init(&s, text);
	if (json_read(&s, &v) == 0) {
		assert_true(v.raw.p >= text.p && v.raw.p + v.raw.n <= text.p + text.n);
		assert_int_equal(v.raw.p + v.raw.n - text.p, s.at);
		assert_int_equal(s.depth, 0);
		json_finish(&s);
	}
	*offset = s.error_offset;
	assert_true(*offset <= text.n);
	return s.error;
}

/* The same by entering every level instead of skipping: both ways must agree. */
static const char *walk_all(struct str text, size_t *offset)
{
	struct json_level levels[JSON_SCAN_DEPTH_MAX];
	struct json_scan s;

	json_scan_init(&s, text);
	do {
		enum json_type type = json_peek(&s);
		if (type == JSON_OBJECT || type == JSON_ARRAY) {
			struct json_level level;
			if (json_enter(&s, type, &level) < 0)
				break;
			levels[s.depth - 1] = level;
		} else if (type == JSON_NONE || json_skip(&s) < 0) {
			break;
		}
		while (s.depth > 0 && !json_next(&s, &levels[s.depth - 1], NULL) && !s.error)
			;
	} while (s.depth > 0 && !s.error);
	json_finish(&s);
	*offset = s.error_offset;
	return s.error;
}

static const char *const good[] = {
	"{}",
	"[]",
	"\"\"",
	"0",
	"-0.5e+10",
	"1E3",
	"true",
	"false",
	"null",
	" \t\r\n[ 1 , 2 , { } ] ",
	"{\"a\":{\"b\":[{\"c\":[]},[[]],null]},\"d\":\"e\"}",
	"\"\\\\\"",
	"\"\\\"\"",
	"\"\\\\\\\"]\"",
	"[\"\\\\\",\"\\\"\",\"\"]",
	"{\"a\\\"}\":\"{[\"}",
	"\"\xc3\xa9\xf0\x9f\x98\x80\\u00e9\\ud83d\\ude00\"",
	"123456789012345678901234567890123456789012345678901234567890",
	"[1e999999,-1e-999999]",
	"{\"a\":1,\"a\":2}",
};

static const struct {
	const char *text, *error;
	size_t offset;
} bad[] = {
	{"", JSON_TRUNCATED, 0},           {"  ", JSON_TRUNCATED, 2},         {"x", JSON_INVALID, 0},
	{"<html>", JSON_INVALID, 0},       {"[1,]", JSON_INVALID, 3},         {"[,1]", JSON_INVALID, 1},
	{"[1 2]", JSON_INVALID, 3},        {"[1", JSON_TRUNCATED, 2},         {"[}", JSON_INVALID, 1},
	{"{]", JSON_INVALID, 1},           {"{\"a\"}", JSON_INVALID, 4},      {"{\"a\":}", JSON_INVALID, 5},
	{"{\"a\":1,}", JSON_INVALID, 7},   {"{\"a\" 1}", JSON_INVALID, 5},    {"{a:1}", JSON_INVALID, 1},
	{"{1:1}", JSON_INVALID, 1},        {"{\"a\":1]", JSON_INVALID, 6},    {"[1}", JSON_INVALID, 2},
	{"{\"a\":1", JSON_TRUNCATED, 6},   {"\"a", JSON_TRUNCATED, 2},        {"\"a\\\"", JSON_TRUNCATED, 4},
	{"{}{}", "more after the end", 2}, {"{} x", "more after the end", 3}, {"tru", JSON_TRUNCATED, 3},
	{"trux", JSON_INVALID, 0},         {"nul]", JSON_INVALID, 0},         {"-", JSON_TRUNCATED, 1},
	{"-a", JSON_INVALID, 1},           {"01", "more after the end", 1},   {"[01]", JSON_INVALID, 2},
	{"1.", JSON_TRUNCATED, 2},         {"[1.]", JSON_INVALID, 3},         {"[.5]", JSON_INVALID, 1},
	{"[1e]", JSON_INVALID, 3},         {"[+1]", JSON_INVALID, 1},         {"NaN", JSON_INVALID, 0},
	{"'a'", JSON_INVALID, 0},
};

static void test_good(void **state)
{
	struct guard guard = {NULL, 0};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		size_t offset;
		struct str text = guard_put(&guard, str_from(good[i]));
		assert_null(read_all(text, &offset));
		assert_null(walk_all(text, &offset));
	}
	guard_release(&guard);
}

static void test_bad(void **state)
{
	struct guard guard = {NULL, 0};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		size_t offset;
		struct str text = guard_put(&guard, str_from(bad[i].text));
		const char *error = read_all(text, &offset);
		if (!error || strcmp(error, bad[i].error) != 0 || offset != bad[i].offset)
			fail_msg("%s: %s at %zu", bad[i].text, error ? error : "no error", offset);
		error = walk_all(text, &offset);
		if (!error || strcmp(error, bad[i].error) != 0 || offset != bad[i].offset)
			fail_msg("%s, entered: %s at %zu", bad[i].text, error ? error : "no error", offset);
	}
	guard_release(&guard);
}

/* A document that is cut is "truncated", wherever that happens, and never more than that. */
static void test_cut_anywhere(void **state)
{
	static const char text[] = "{\"a\":[1.5e2,true,null,\"x\\\\\\\"y\",{\"b\":{}}],\"c\":\"\\u00e9\"}";
	struct guard guard = {NULL, 0};
	(void)state;
	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		size_t offset;
		struct str cut = guard_put(&guard, (struct str){text, n});
		assert_string_equal(read_all(cut, &offset), JSON_TRUNCATED);
		assert_int_equal(offset, n);
		assert_string_equal(walk_all(cut, &offset), JSON_TRUNCATED);
	}
	guard_release(&guard);
}

static const char *read_nested(unsigned depth, const char *open, const char *close)
{
	struct buf text;
	size_t offset;
	const char *error, *other;

	buf_init(&text, 1 << 20);
	for (unsigned i = 0; i < depth; i++)
		buf_puts(&text, open);
	buf_puts(&text, "0");
	for (unsigned i = 0; i < depth; i++)
		buf_puts(&text, close);
	error = read_all(buf_str(&text), &offset);
	other = walk_all(buf_str(&text), &offset);
	assert_true(error == other || strcmp(error, other) == 0);
	buf_release(&text);
	return error;
}

static void test_depth(void **state)
{
	(void)state;
	assert_null(read_nested(JSON_SCAN_DEPTH_MAX, "[", "]"));
	assert_null(read_nested(JSON_SCAN_DEPTH_MAX, "{\"\":", "}"));
	assert_null(read_nested(JSON_SCAN_DEPTH_MAX / 2, "[{\"a\":", "}]"));
	assert_string_equal(read_nested(JSON_SCAN_DEPTH_MAX + 1, "[", "]"), JSON_TOO_DEEP);
	assert_string_equal(read_nested(100000, "{\"\":", "}"), JSON_TOO_DEEP);
}

/* What is skipped inside of entered levels counts too. */
static void test_depth_is_one_for_both_ways(void **state)
{
	struct json_scan s;
	struct json_level level;
	char text[JSON_SCAN_DEPTH_MAX + 2];
	(void)state;

	memset(text, '[', sizeof(text));
	json_scan_init(&s, (struct str){text, sizeof(text)});
	assert_int_equal(json_enter(&s, JSON_ARRAY, &level), 0);
	assert_true(json_next(&s, &level, NULL));
	assert_int_equal(json_skip(&s), -1);
	assert_string_equal(s.error, JSON_TOO_DEEP);
	assert_int_equal(s.error_offset, JSON_SCAN_DEPTH_MAX);
}

static void test_spans(void **state)
{
	struct str text = STR(" { \"a\" : [1, \"x\\\"\"] , \"\\u0062\":{ } }");
	struct json_scan s;
	struct json_level object;
	struct json_value v;
	struct str key;
	(void)state;

	json_scan_init(&s, text);
	assert_int_equal(json_enter(&s, JSON_OBJECT, &object), 0);
	assert_true(json_next(&s, &object, &key));
	assert_true(str_eq(key, STR("a")));
	assert_int_equal(json_read(&s, &v), 0);
	assert_int_equal(v.type, JSON_ARRAY);
	assert_true(str_eq(v.raw, STR("[1, \"x\\\"\"]")));
	assert_true(json_next(&s, &object, &key));
	assert_true(str_eq(key, STR("\\u0062")));
	assert_true(json_string_eq(key, STR("b")));
	assert_int_equal(json_read(&s, &v), 0);
	assert_true(str_eq(v.raw, STR("{ }")));
	assert_false(json_next(&s, &object, &key));
	assert_int_equal(json_finish(&s), 0);
}

static void test_enter_the_wrong_thing(void **state)
{
	struct json_scan s;
	struct json_level level;
	(void)state;

	json_scan_init(&s, STR("  [1]"));
	assert_int_equal(json_enter(&s, JSON_OBJECT, &level), -1);
	assert_string_equal(s.error, "not an object");
	assert_int_equal(s.error_offset, 2);
	/* The first error stays, and nothing works after it. */
	assert_int_equal(json_enter(&s, JSON_ARRAY, &level), -1);
	assert_int_equal(json_skip(&s), -1);
	assert_int_equal(json_finish(&s), -1);
	assert_string_equal(s.error, "not an object");
}

static void test_strings(void **state)
{
	static const struct {
		struct str inner, decoded; /* decoded absent: a bad escape */
	} cases[] = {
		{{"", 0}, {"", 0}},
		{{"abc", 3}, {"abc", 3}},
		{{"\\\"\\\\\\/\\b\\f\\n\\r\\t", 16}, {"\"\\/\b\f\n\r\t", 8}},
		{{"\\u0041\\u00e9\\u20AC", 18}, {"A\xc3\xa9\xe2\x82\xac", 6}},
		{{"\\ud83d\\ude00", 12}, {"\xf0\x9f\x98\x80", 4}},
		{{"\\ud83dx", 7}, {"\xed\xa0\xbdx", 4}},
		{{"\\ude00\\ud83d", 12}, {"\xed\xb8\x80\xed\xa0\xbd", 6}},
		{{"\\ud83d\\u0041", 12}, {"\xed\xa0\xbd\x41", 4}},
		{{"a\\u0000b", 8}, {"a\0b", 3}},
		{{"\\", 1}, {NULL, 0}},
		{{"\\x", 2}, {NULL, 0}},
		{{"\\u12", 4}, {NULL, 0}},
		{{"\\u12g4", 6}, {NULL, 0}},
		{{"\\u 123", 6}, {NULL, 0}},
		{{"\\\0", 2}, {NULL, 0}},
	};
	struct guard guard = {NULL, 0};
	struct buf out;
	(void)state;

	buf_init(&out, 64);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str inner = guard_put(&guard, cases[i].inner);
		buf_reset(&out);
		if (!cases[i].decoded.p) {
			assert_int_equal(json_string_decode(inner, &out), -1);
			continue;
		}
		assert_int_equal(json_string_decode(inner, &out), 0);
		assert_true(str_eq(buf_str(&out), cases[i].decoded));
		assert_true(json_string_eq(inner, cases[i].decoded));
		assert_true(json_string_starts(inner, cases[i].decoded));
		if (cases[i].decoded.n > 0) {
			struct str shorter = {cases[i].decoded.p, cases[i].decoded.n - 1};
			assert_false(json_string_eq(inner, shorter));
		}
	}
	assert_false(json_string_eq(STR("abc"), STR("abd")));
	assert_false(json_string_eq(STR("ab"), STR("abc")));
	assert_false(json_string_starts(STR("ab"), STR("abc")));
	assert_false(json_string_starts(STR("\\u00e9"), STR("\xc3")));
	assert_false(json_string_eq(STR_NONE, STR("")));
	assert_false(json_string_starts(STR_NONE, STR("a")));

	buf_release(&out);
	buf_init(&out, 2);
	assert_int_equal(json_string_decode(STR("abc"), &out), -1);
	buf_release(&out);
	guard_release(&guard);
}

static void test_utf8_write(void **state)
{
	static const struct {
		uint32_t code;
		struct str bytes;
	} cases[] = {
		{0x7f, {"\x7f", 1}},
		{0x80, {"\xc2\x80", 2}},
		{0x7ff, {"\xdf\xbf", 2}},
		{0x800, {"\xe0\xa0\x80", 3}},
		{0xffff, {"\xef\xbf\xbf", 3}},
		{0x10000, {"\xf0\x90\x80\x80", 4}},
		{0x10ffff, {"\xf4\x8f\xbf\xbf", 4}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char out[4];
		assert_int_equal(json_utf8_write(cases[i].code, out), cases[i].bytes.n);
		assert_memory_equal(out, cases[i].bytes.p, cases[i].bytes.n);
	}
}

static int int_of(const char *text, int64_t *out)
{
	struct json_scan s;
	struct json_value v;
	json_scan_init(&s, str_from(text));
	assert_int_equal(json_read(&s, &v), 0);
	return json_int(v, out);
}

static void test_int(void **state)
{
	int64_t n = 77;
	(void)state;
	assert_int_equal(int_of("0", &n), 0);
	assert_true(n == 0);
	assert_int_equal(int_of("-12", &n), 0);
	assert_true(n == -12);
	assert_int_equal(int_of("9223372036854775807", &n), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(int_of("-9223372036854775808", &n), 0);
	assert_true(n == INT64_MIN);

	n = 77;
	static const char *const none[] = {"9223372036854775808",
					   "-9223372036854775809",
					   "1e3",
					   "1.0",
					   "\"1\"",
					   "true",
					   "null",
					   "99999999999999999999999999999",
					   "[1]"};
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		assert_int_equal(int_of(none[i], &n), -1);
		assert_true(n == 77);
	}
}

/* A string of backslashes is the worst case of looking back from a quote. */
static void test_backslashes(void **state)
{
	struct buf text;
	size_t offset;
	(void)state;

	buf_init(&text, 1 << 22);
	buf_puts(&text, "\"");
	for (int i = 0; i < 500000; i++)
		buf_puts(&text, i % 2 ? "\\\\" : "\\\"");
	assert_string_equal(read_all(buf_str(&text), &offset), JSON_TRUNCATED);
	buf_puts(&text, "\"");
	assert_null(read_all(buf_str(&text), &offset));
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_depth_is_one_for_both_ways),
		cmocka_unit_test(test_spans),
		cmocka_unit_test(test_enter_the_wrong_thing),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_utf8_write),
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_backslashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
