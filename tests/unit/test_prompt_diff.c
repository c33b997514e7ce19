/* SPDX-License-Identifier: MIT */
#include "trace/prompt_diff.h"

#include "trace/excerpt.h"
#include "trace/json_path.h"
#include "unit/body_trace.h"

static char error[512];

static void compare(struct trace *t, struct prompt_diff *d)
{
	if (prompt_diff(t, 0, 1, d, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

/* The cache marker moves on and a turn is added: to the model the first prompt is a prefix of the second. */
static void test_continued(void **state)
{
	(void)state;
	const char *bodies[] = {HEAD MARKED("one") SYSTEM("s") TOOLS("t"),
				HEAD USER("one") "," SAYS("two") "," MARKED("three") SYSTEM("s") TOOLS("t")};
	struct trace t;
	struct prompt_diff d;

	body_trace_make(bodies, 2, KVS_API_ANTHROPIC_MESSAGES, CONTENT_FULL, &t);
	compare(&t, &d);
	assert_int_equal(d.nold, 3);
	assert_int_equal(d.common, 3);
	assert_int_equal(d.n, 2);
	assert_int_equal(d.list[0].change, PROMPT_ADDED);
	assert_int_equal(d.list[0].new_part, 3);
	assert_false(d.place.known);
	prompt_diff_release(&d);
	trace_release(&t);
}

static void test_first_difference(void **state)
{
	(void)state;
	const char *bodies[] = {
		HEAD USER("one") "," SAYS("two") SYSTEM("today is Monday") TOOLS("t"),
		HEAD USER("ONE") "," SAYS("two") "," USER("three") SYSTEM("today is Tuesday") TOOLS("t"),
	};
	struct trace t;
	struct prompt_diff d;

	body_trace_make(bodies, 2, KVS_API_ANTHROPIC_MESSAGES, CONTENT_FULL, &t);
	compare(&t, &d);
	/* Tools come first whatever the wire order; then the system prompt differs. */
	assert_int_equal(d.common, 1);
	assert_true(d.place.known);
	assert_string_equal(d.place.path, "system[0].text");
	assert_string_equal(d.place.old_text, "{\"type\":\"text\",\"text\":\"today is Monday\"}");
	assert_string_equal(d.place.new_text, "{\"type\":\"text\",\"text\":\"today is Tuesday\"}");
	assert_int_equal(d.place.byte, strlen("{\"type\":\"text\",\"text\":\"today is "));
	assert_int_equal(d.n, 3);
	assert_int_equal(d.list[0].change, PROMPT_CHANGED);
	assert_int_equal(d.list[1].change, PROMPT_CHANGED);
	assert_int_equal(d.list[2].change, PROMPT_ADDED);
	assert_int_equal(d.moved, 1);
	prompt_diff_release(&d);
	/* The other way round the added message is a removed one. */
	assert_int_equal(prompt_diff(&t, 1, 0, &d, error, sizeof(error)), 0);
	assert_int_equal(d.list[2].change, PROMPT_REMOVED);
	assert_int_equal(d.list[2].new_part, SIZE_MAX);
	prompt_diff_release(&d);
	trace_release(&t);
}

static void test_inserted_tool(void **state)
{
	(void)state;
	const char *bodies[] = {HEAD USER("one") SYSTEM("s") "}", HEAD USER("one") SYSTEM("s") TOOLS("new")};
	struct trace t;
	struct prompt_diff d;

	body_trace_make(bodies, 2, KVS_API_ANTHROPIC_MESSAGES, CONTENT_FULL, &t);
	compare(&t, &d);
	assert_int_equal(d.common, 0);
	assert_false(d.place.known);
	assert_int_equal(d.n, 1);
	assert_int_equal(d.list[0].change, PROMPT_ADDED);
	assert_int_equal(d.moved, 2);
	prompt_diff_release(&d);
	trace_release(&t);
}

static void test_openai(void **state)
{
	(void)state;
#define CALL(arguments)                                                                                                \
	"{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"},"                \
	"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"f\","         \
	"\"arguments\":\"" arguments "\"}}]}]}"
	const char *bodies[] = {CALL("one"), CALL("two")};
	struct trace t;
	struct prompt_diff d;
	struct buf part;

	body_trace_make(bodies, 2, KVS_API_OPENAI_CHAT, CONTENT_FULL, &t);
	compare(&t, &d);
	assert_int_equal(d.common, 2);
	assert_string_equal(d.place.path, "messages[2].tool_calls[0].function.arguments");
	buf_init(&part, 100);
	prompt_part_path(&t, &t.exchanges[1], &d.new_parts[2], &part);
	assert_string_equal(part.p, "messages[2]");
	buf_release(&part);
	prompt_diff_release(&d);
	trace_release(&t);
}

static void test_without_content(void **state)
{
	(void)state;
#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	const char *bodies[] = {HEAD USER(LONG LONG "a") SYSTEM("s") "}", HEAD USER(LONG LONG "b") SYSTEM("s") "}"};
	struct trace t;
	struct prompt_diff d;

	body_trace_make(bodies, 2, KVS_API_ANTHROPIC_MESSAGES, CONTENT_NONE, &t);
	compare(&t, &d);
	assert_int_equal(d.common, 1);
	assert_true(d.place.known);
	assert_int_equal(d.place.byte, 192); /* the quote and 200 digits before it */
	assert_null(d.place.path);
	assert_null(d.place.old_text);
	prompt_diff_release(&d);
	trace_release(&t);
}

static void test_json_paths(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t offset;
		const char *path;
	} cases[] = {
		{"{\"a\":1}", 5, "a"},
		{"{\"a\":1}", 0, ""},
		{"{\"a\":1}", 2, ""}, /* the key */
		{"{\"a\":1}", 6, ""},
		{" [ 1, {\"b\" : [true , 22]} ]", 22, "[1].b[1]"},
		{"{\"a\":{\"b\":[]}}", 11, "a.b"},
		{"{\"a\":{\"b\":[]}}", 99, ""},
		{"{\"a\":1,\"b\":[1,tru", 14, ""}, /* a value that does not end */
		{"nothing", 3, ""},
		{"", 0, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf out;
		buf_init(&out, 1000);
		json_path_at(str_from(cases[i].text), cases[i].offset, &out);
		if (!str_eq(buf_str(&out), str_from(cases[i].path)))
			fail_msg("%s at %zu: %s", cases[i].text, cases[i].offset, buf_str(&out).p);
		buf_release(&out);
	}
}

static void test_excerpts(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t at, characters;
		const char *excerpt;
	} cases[] = {
		{"0123456789", 5, 2, "…3456…"},
		{"0123456789", 0, 3, "012…"},
		{"0123456789", 10, 3, "…789"},
		{"", 0, 3, ""},
		{"é€x", 5, 1, "…€x"},
		{"a\xff\x80z", 2, 2, "a\\xff\\x80z"},
		{"\033[31m\n\t\x7f", 4, 40, "\\x1b[31m\\n\\t\\x7f"},
		{"\xc2\x9b"
		 "31m",
		 0, 40, "\\u009b31m"},
		{"key sk-ant-api03-ABCDEFGHIJKLMN end", 20, 40, "key [masked] end"},
		{"key sk-ant-api03-ABCDEFGHIJKLMN end", 26, 2, "…[masked]…"},
		{"key sk-ant-api03-ABCDEFGHIJKLMN end", 34, 2, "…end"},
		{"Authorization: Bearer abc.def-ghi_jkl", 30, 40, "Authorization: [masked]"},
		{"task-list and risk-free", 5, 40, "task-list and risk-free"},
		{"the Bearer of news", 5, 40, "the Bearer of news"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf out;
		buf_init(&out, 1000);
		excerpt(str_from(cases[i].text), cases[i].at, cases[i].characters, &out);
		if (!str_eq(buf_str(&out), str_from(cases[i].excerpt)))
			fail_msg("case %zu: %s", i, buf_str(&out).p);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_continued),       cmocka_unit_test(test_first_difference),
		cmocka_unit_test(test_inserted_tool),   cmocka_unit_test(test_openai),
		cmocka_unit_test(test_without_content), cmocka_unit_test(test_json_paths),
		cmocka_unit_test(test_excerpts),
	};
	return cmocka_run_group_tests_name("prompt_diff", tests, make_file, remove_file) != 0;
}
