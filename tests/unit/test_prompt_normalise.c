/* SPDX-License-Identifier: MIT */
#include "prompts.h"

static const struct {
	enum kvs_llm_api api;
	const char *a, *b;
} equal[] = {
	/* a string, a block, and a marked block */
	{A, USER("\"hi\""), USER("[{\"type\":\"text\",\"text\":\"hi\"}]")},
	{A, USER("\"hi\""), USER("[{\"text\":\"hi\",\"type\":\"text\",\"cache_control\":{\"type\":\"ephemeral\"}}]")},
	{A, USER("\"hi\""), USER("[ { \"type\" : \"text\" ,\n\"text\" : \"hi\" } ]")},
	{O, USER("\"hi\""), USER("[{\"type\":\"text\",\"text\":\"hi\"}]")},
	{A, SYS("\"hi\""), SYS("[{\"type\":\"text\",\"text\":\"hi\"" MARK "}]")},
	/* the same text, escaped in other ways */
	{A, USER("\"\\u0068\\u0069\""), USER("\"hi\"")},
	{A, USER("\"\\/\\u00e9\\ud83d\\ude00\""), USER("\"/\xc3\xa9\xf0\x9f\x98\x80\"")},
	{A, USER("\"a\\u000ab\""), USER("\"a\\nb\"")},
	/* a tool's result as text, as a block, marked outside and inside */
	{A, USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"ok\"}]"),
	 USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}]")},
	{A, USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"o\\u006b\"}]"),
	 USER("[{\"content\":[{\"text\":\"ok\",\"type\":\"text\"" MARK
	      "}],\"tool_use_id\":\"t\",\"type\":\"tool_result\"" MARK "}]")},
	{A,
	 USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
	      "{\"type\":\"image\",\"source\":{\"data\":\"AA\"}}]}]"),
	 USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"a\"" MARK
	      "}, {\"type\":\"image\" ,\"source\":{\"data\":\"AA\"}" MARK "}]}]")},
	{O, "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"ok\"}]}",
	 "{\"messages\":[{\"tool_call_id\":\"c\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}],\"role\":\"tool\"}]"
	 "}"},
	/* blocks of other kinds: white space, order of their own members, marks */
	{A, USER("[" USE "]"),
	 USER("[{\"input\": {\"command\": \"make \\u0022x\\u0022\"},\"name\":\"Bash\",\"type\":\"tool_use\" "
	      ",\"id\":\"toolu_1\"" MARK "}]")},
	{A, USER("[{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\"AA==\"}}]"),
	 USER("[{\"type\":\"image\"" MARK ",\"source\":{ \"type\":\"base64\",\"data\":\"AA==\"}}]")},
	{A, TOOL(TOOL_LAST("")), TOOL(TOOL_LAST(MARK))},
	{A, TOOL("{\"name\":\"a\",\"input_schema\":{}}"), TOOL("{\"input_schema\":{  },\"name\":\"\\u0061\"}")},
	{O, TOOL("{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}"),
	 TOOL("{\"type\":\"function\",\"function\":{" MARK_FIRST "\"name\":\"f\",\"parameters\":{}" MARK "}" MARK "}")},
	/* a mark anywhere in a part that is no text */
	{A, USER("[{\"type\":\"document\",\"source\":{\"content\":[{\"a\":[[1,{}]]}]}}]"),
	 USER("[{\"type\":\"document\",\"source\":{\"content\":[{\"a\":[[1,{" MARK_ONLY "}]]" MARK "}]" MARK "}" MARK
	      "}]")},
	/* a key may be escaped too */
	{A, USER("\"hi\""), "{\"mess\\u0061ges\":[{\"r\\u006fle\":\"us\\u0065r\",\"content\":\"hi\"}]}"},
	{A, USER("[{\"type\":\"x\"}]"), USER("[{\"type\":\"x\",\"cache\\u005fcontrol\":{\"type\":\"ephemeral\"}}]")},
	/* content before role */
	{A, USER("\"hi\""), "{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]}"},
	{O, USER("\"hi\""), "{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]}"},
};

static const struct {
	enum kvs_llm_api api;
	const char *a, *b;
} different[] = {
	{A, USER("\"hi\""), USER("\"hi \"")},
	{A, USER("\"a\\nb\""), USER("\"a\\\\nb\"")},
	{A, USER("\"hi\""), "{\"messages\":[{\"role\":\"assistant\",\"content\":\"hi\"}]}"},
	{A, USER("\"hi\""), "{\"messages\":[{\"role\":\"system\",\"content\":\"hi\"}]}"},
	{A, SYS("\"hi\""), "{\"messages\":[{\"role\":\"system\",\"content\":\"hi\"}]}"},
	{A, USER("\"hi\""), USER("[{\"type\":\"thinking\",\"text\":\"hi\"}]")},
	/* text that looks like the canonical form of something else */
	{A, USER("[{\"type\":\"x\"}]"), USER("\"{\\\"type\\\":\\\"x\\\"}\"")},
	{A, USER("[\"hi\"]"), USER("\"\\\"hi\\\"\"")},
	{A, USER("[{\"type\":\"x\",\"a\":\"1\"}]"), USER("[{\"type\":\"x\",\"a\":1}]")},
	{A, USER("[{\"type\":\"x\",\"a\":\"\\\"\"}]"), USER("[{\"type\":\"x\",\"a\":\"\\\\\\\"\"}]")},
	{A, USER("[{\"type\":\"x\",\"a\":[1,2]}]"), USER("[{\"type\":\"x\",\"a\":[12]}]")},
	{A, USER("[{\"type\":\"x\",\"a\":[[1],2]}]"), USER("[{\"type\":\"x\",\"a\":[[1,2]]}]")},
	/* results of tools */
	{A, USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"ok\"}]"),
	 USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"u\",\"content\":\"ok\"}]")},
	{A, USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"ok\"}]"),
	 USER("[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"},"
	      "{\"type\":\"text\",\"text\":\"\"}]}]")},
	{A,
	 USER("[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":"
	      "\"b\"}]}]"),
	 USER("[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\",\"text\":\"a\\\",\\\"b\"}]}]")},
	{O, "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"ok\"}]}",
	 "{\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"d\",\"content\":\"ok\"}]}"},
	{A,
	 USER("[{\"type\":\"tool_result\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":"
	      "\"b\"}]}]"),
	 USER("[{\"type\":\"tool_result\",\"content\":\"b\"}]")},
	{A, USER("[{\"type\":\"text\",\"text\":{\"a\":1}}]"),
	 USER("\"{\\\"text\\\":{\\\"a\\\":1},\\\"type\\\":\\\"text\\\"}\"")},
	/* what a tool is called with, and what it takes, are its own: nothing is left out, and the order is kept */
	{A, USER("[{\"type\":\"tool_use\",\"input\":{}}]"),
	 USER("[{\"type\":\"tool_use\",\"input\":{\"cache_control\":1}}]")},
	{A, USER("[{\"type\":\"tool_use\",\"input\":{\"a\":1,\"b\":2}}]"),
	 USER("[{\"type\":\"tool_use\",\"input\":{\"b\":2,\"a\":1}}]")},
	{A, TOOL("{\"name\":\"a\",\"input_schema\":{\"properties\":{}}}"),
	 TOOL("{\"name\":\"a\",\"input_schema\":{\"properties\":{\"cache_control\":{}}}}")},
	{O, TOOL("{\"type\":\"function\",\"function\":{\"parameters\":{\"a\":[{}]},\"name\":\"f\"}}"),
	 TOOL("{\"type\":\"function\",\"function\":{\"parameters\":{\"a\":[{\"cache_control\":1}]},\"name\":\"f\"}}")},
	{A, TOOL("{\"name\":\"a\",\"input_schema\":{}}"), TOOL("{\"name\":\"b\",\"input_schema\":{}}")},
};

/* The last part of each body. */
static void last_normalised(enum kvs_llm_api api, const char *body, struct digest *out, struct digest *raw)
{
	struct guard guard = {NULL, 0};
	struct parsed a;

	parse(&a, api, guard_put(&guard, str_from(body)));
	if (a.result < 0 || a.prompt.nparts == 0)
		fail_msg("%s: %s", body, a.error ? a.error : "no parts");
	*out = a.prompt.parts[a.prompt.nparts - 1].normalised;
	*raw = a.prompt.parts[a.prompt.nparts - 1].raw;
	prompt_release(&a.prompt);
	guard_release(&guard);
}

static void test_equal(void **state)
{
	struct digest a, b, raw;
	(void)state;
	for (size_t i = 0; i < sizeof(equal) / sizeof(*equal); i++) {
		last_normalised(equal[i].api, equal[i].a, &a, &raw);
		last_normalised(equal[i].api, equal[i].b, &b, &raw);
		if (!same(&a, &b))
			fail_msg("not equal:\n%s\n%s", equal[i].a, equal[i].b);
	}
}

static void test_different(void **state)
{
	struct digest a, b, raw;
	(void)state;
	for (size_t i = 0; i < sizeof(different) / sizeof(*different); i++) {
		last_normalised(different[i].api, different[i].a, &a, &raw);
		last_normalised(different[i].api, different[i].b, &b, &raw);
		if (same(&a, &b))
			fail_msg("equal:\n%s\n%s", different[i].a, different[i].b);
	}
}

/* Long text passes by the stage in pieces of every length; what comes out must not depend on how it was cut. */
static void test_long_text(void **state)
{
	struct buf plain, escaped;
	(void)state;

	buf_init(&plain, 1 << 16);
	buf_init(&escaped, 1 << 16);
	for (size_t n = 4000; n < 4200; n += 7) {
		struct digest a, b, raw_a, raw_b;
		buf_reset(&plain);
		buf_reset(&escaped);
		buf_puts(&plain, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"x\",\"a\":\"");
		buf_append_str(&escaped, buf_str(&plain));
		for (size_t i = 0; i < n; i++) {
			buf_puts(&plain, i % 50 ? "a" : "\\n");
			buf_puts(&escaped, i % 50 ? "\\u0061" : "\\u000a");
		}
		for (size_t i = 0; i < 3000; i++)
			buf_putc(&plain, 'b');
		for (size_t i = 0; i < 3000; i++)
			buf_puts(&escaped, i % 2 ? "b" : "\\u0062");
		buf_puts(&plain, "\"}]}]}");
		buf_puts(&escaped, "\"}]}]}");
		last_normalised(A, plain.p, &a, &raw_a);
		last_normalised(A, escaped.p, &b, &raw_b);
		assert_true(same(&a, &b));
		assert_false(same(&raw_a, &raw_b));
	}
	buf_release(&plain);
	buf_release(&escaped);
}

/* More members than are sorted: still the same without white space and marks. */
static void test_many_members(void **state)
{
	struct buf a, b;
	struct digest da, db, raw;
	(void)state;

	buf_init(&a, 1 << 16);
	buf_init(&b, 1 << 16);
	buf_puts(&a, "{\"messages\":[],\"tools\":[{\"name\":\"x\"");
	buf_puts(&b, "{\"messages\":[],\"tools\":[{ \"name\" : \"x\"" MARK);
	for (int i = 0; i < 100; i++) {
		buf_printf(&a, ",\"k%d\":%d", i, i);
		buf_printf(&b, " ,\n\"k%d\" : %d", i, i);
	}
	buf_puts(&a, "}]}");
	buf_puts(&b, "}]}");
	last_normalised(A, a.p, &da, &raw);
	last_normalised(A, b.p, &db, &raw);
	assert_true(same(&da, &db));
	buf_release(&a);
	buf_release(&b);
}

static void test_fingerprints(void **state)
{
	static const char *const same_system[] = {
		"{" SYSTEM ",\"messages\":[]}",
		"{\"messages\":[],\"system\":[" IDENTITY "," RULES "]}",
		"{\"messages\":[],\"system\":[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cch=00000;\"},"
		"{\"type\":\"text\",\"text\":\"You are an agent.\"}, " RULES "]}",
	};
	static const char *const other_system[] = {
		"{\"messages\":[],\"system\":[" RULES "," IDENTITY "]}",
		"{\"messages\":[],\"system\":[" IDENTITY "]}",
		"{\"messages\":[],\"system\":[" IDENTITY "," RULES "," RULES "]}",
	};
	struct parsed first, other;
	(void)state;

	parse(&first, A, str_from(same_system[0]));
	assert_true(first.prompt.has_system);
	assert_false(first.prompt.has_tools);
	for (size_t i = 1; i < 3; i++) {
		parse(&other, A, str_from(same_system[i]));
		assert_true(other.prompt.has_system);
		assert_true(same(&first.prompt.system_fingerprint, &other.prompt.system_fingerprint));
		assert_false(same(&first.prompt.system_fingerprint_raw, &other.prompt.system_fingerprint_raw));
		prompt_release(&other.prompt);
	}
	for (size_t i = 0; i < 3; i++) {
		parse(&other, A, str_from(other_system[i]));
		assert_false(same(&first.prompt.system_fingerprint, &other.prompt.system_fingerprint));
		prompt_release(&other.prompt);
	}
	prompt_release(&first.prompt);

	parse(&first, A, STR("{\"messages\":[]," TOOLS("") "}"));
	parse(&other, A, STR("{\"messages\":[]," TOOLS(MARK) "}"));
	assert_true(first.prompt.has_tools && !first.prompt.has_system);
	assert_true(same(&first.prompt.tools_fingerprint, &other.prompt.tools_fingerprint));
	assert_false(same(&first.prompt.tools_fingerprint_raw, &other.prompt.tools_fingerprint_raw));
	prompt_release(&first.prompt);
	prompt_release(&other.prompt);

	/* Empty lists are no fingerprint of nothing. */
	parse(&first, A, STR("{\"messages\":[],\"system\":[],\"tools\":[]}"));
	assert_int_equal(first.result, 0);
	assert_false(first.prompt.has_system || first.prompt.has_tools);
	prompt_release(&first.prompt);
}

static void test_billing(void **state)
{
#define HEADER "x-anthropic-billing-header: cc_version=2;"
	static const struct {
		const char *body;
		enum block_type block;
	} cases[] = {
		{SYS("\"" HEADER "\""), BLOCK_BILLING},
		{SYS("\"" HEADER "\\n\""), BLOCK_BILLING},
		{SYS("[{\"text\":\"x-anthropic\\u002dbilling-header: cch=1;\",\"type\":\"text\"}]"), BLOCK_BILLING},
		{SYS("\" " HEADER "\""), BLOCK_TEXT},
		/* The whole system text in one string, header first: it is not only the header. */
		{SYS("\"" HEADER "\\n\\nYou are\""), BLOCK_TEXT},
		{"{\"messages\":[{\"role\":\"system\",\"content\":\"" HEADER "\"}]}", BLOCK_BILLING},
		{USER("\"" HEADER "\""), BLOCK_TEXT},
		{USER("[{\"type\":\"text\",\"text\":\"" HEADER "\"}]"), BLOCK_TEXT},
	};
	struct parsed a;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		parse(&a, A, str_from(cases[i].body));
		assert_int_equal(a.result, 0);
		assert_int_equal(a.prompt.nparts, 1);
		assert_int_equal(a.prompt.parts[0].block, cases[i].block);
		prompt_release(&a.prompt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal),        cmocka_unit_test(test_different),
		cmocka_unit_test(test_long_text),    cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_fingerprints), cmocka_unit_test(test_billing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
