/* SPDX-License-Identifier: MIT */
#include "prompts.h"

struct expected {
	enum part_kind kind;
	enum part_role role;
	enum block_type block;
	uint32_t message, index;
	const char *bytes;
};

static void check_parts(const struct prompt *p, struct str body, const struct expected *expected, size_t n)
{
	assert_int_equal(p->nparts, n);
	for (size_t i = 0; i < n; i++) {
		const struct prompt_part *part = &p->parts[i];
		struct str bytes = {body.p + part->offset, part->bytes};
		struct digest raw = digest_of(bytes);
		if (part->kind != expected[i].kind || part->role != expected[i].role ||
		    part->block != expected[i].block || part->message != expected[i].message ||
		    part->index != expected[i].index || !str_eq(bytes, str_from(expected[i].bytes)))
			fail_msg("part %zu: %s %s %s %u/%u %.*s", i, part_kind_name(part->kind),
				 part_role_name(part->role), block_type_name(part->block), part->message, part->index,
				 STR_FMT(bytes));
		assert_true(same(&raw, &part->raw));
	}
}

static const struct expected turn_2[] = {
	{PART_MESSAGE, ROLE_USER, BLOCK_TEXT, 0, 0, ASK},
	{PART_MESSAGE, ROLE_SYSTEM, BLOCK_TEXT, 1, 0, "\"# Environment\\nLinux\""},
	{PART_MESSAGE, ROLE_ASSISTANT, BLOCK_THINKING, 2, 0,
	 "{\"type\":\"thinking\",\"thinking\":\"Hm.\",\"signature\":\"c2ln\"}"},
	{PART_MESSAGE, ROLE_ASSISTANT, BLOCK_TEXT, 2, 1, "{\"type\":\"text\",\"text\":\"I run it.\"}"},
	{PART_MESSAGE, ROLE_ASSISTANT, BLOCK_TOOL_USE, 2, 2, USE},
	{PART_MESSAGE, ROLE_USER, BLOCK_TOOL_RESULT, 3, 0, RESULT(MARK)},
	{PART_MESSAGE, ROLE_SYSTEM, BLOCK_TEXT, 4, 0, "\"<total_tokens>14931235 tokens left</total_tokens>\""},
	{PART_SYSTEM, ROLE_SYSTEM, BLOCK_BILLING, 0, 0, BILLING},
	{PART_SYSTEM, ROLE_SYSTEM, BLOCK_TEXT, 1, 0, IDENTITY},
	{PART_SYSTEM, ROLE_SYSTEM, BLOCK_TEXT, 2, 0, RULES},
	{PART_TOOL, ROLE_NONE, BLOCK_TOOL, 0, 0, TOOL_BASH},
	{PART_TOOL, ROLE_NONE, BLOCK_TOOL, 1, 0, TOOL_READ},
	{PART_TOOL, ROLE_NONE, BLOCK_TOOL, 2, 0, TOOL_LAST("")},
};

static void test_agent_turn(void **state)
{
	struct str body = STR(TURN_2);
	struct parsed a;
	(void)state;

	parse(&a, KVS_API_ANTHROPIC_MESSAGES, body);
	assert_int_equal(a.result, 0);
	check_parts(&a.prompt, body, turn_2, sizeof(turn_2) / sizeof(*turn_2));
	assert_int_equal(a.prompt.messages, 5);
	assert_int_equal(a.prompt.tools, 3);
	assert_true(a.prompt.has_system && a.prompt.has_tools);
	assert_true(str_eq(a.request.model, STR("claude-sonnet-4-5")));
	assert_true(str_eq(a.request.user_id, STR("user_1_session_2")));
	assert_int_equal(a.request.max_tokens, 32000);
	assert_true(a.request.stream);
	/* "# Environment\nLinux": decoded */
	assert_int_equal(a.prompt.parts[1].normalised_bytes, 19);
	prompt_release(&a.prompt);
}

/* The same body is a valid count_tokens request. */
static void test_count_tokens(void **state)
{
	struct parsed a, b;
	(void)state;
	parse(&a, KVS_API_ANTHROPIC_MESSAGES, STR(TURN_2));
	parse(&b, KVS_API_ANTHROPIC_COUNT_TOKENS, STR(TURN_2));
	assert_int_equal(b.result, 0);
	assert_int_equal(a.prompt.nparts, b.prompt.nparts);
	assert_memory_equal(a.prompt.parts, b.prompt.parts, a.prompt.nparts * sizeof(*a.prompt.parts));
	prompt_release(&a.prompt);
	prompt_release(&b.prompt);
}

static void check_cut_anywhere(enum kvs_llm_api api, struct str body)
{
	struct guard guard = {NULL, 0};
	struct parsed whole, cut;

	parse(&whole, api, guard_put(&guard, body));
	assert_int_equal(whole.result, 0);
	for (size_t n = 0; n < body.n; n++) {
		parse(&cut, api, guard_put(&guard, (struct str){body.p, n}));
		assert_int_equal(cut.result, -1);
		assert_string_equal(cut.error, "truncated");
		assert_int_equal(cut.error_offset, n);
		assert_true(cut.prompt.nparts <= whole.prompt.nparts);
		for (size_t i = 0; i < cut.prompt.nparts; i++) {
			const struct prompt_part *a = &cut.prompt.parts[i], *b = &whole.prompt.parts[i];
			assert_int_equal(a->offset, b->offset);
			assert_true(a->bytes <= b->bytes);
			/* In a message that is cut the role may be still unknown. */
			if (a->bytes == b->bytes && a->role == b->role && a->kind == b->kind && a->block == b->block) {
				assert_true(same(&a->raw, &b->raw));
				assert_true(same(&a->normalised, &b->normalised));
			}
		}
		/* A fingerprint is of the whole list or is none. */
		if (cut.prompt.has_system)
			assert_true(same(&cut.prompt.system_fingerprint, &whole.prompt.system_fingerprint));
		if (cut.prompt.has_tools)
			assert_true(same(&cut.prompt.tools_fingerprint, &whole.prompt.tools_fingerprint));
		prompt_release(&cut.prompt);
	}
	/* All parts are there when only the last bracket is missing. */
	parse(&cut, api, guard_put(&guard, (struct str){body.p, body.n - 1}));
	assert_int_equal(cut.prompt.nparts, whole.prompt.nparts);
	assert_true(cut.prompt.has_system == whole.prompt.has_system);
	assert_true(cut.prompt.has_tools == whole.prompt.has_tools);
	prompt_release(&cut.prompt);
	prompt_release(&whole.prompt);
	guard_release(&guard);
}

static const struct expected chat[] = {
	{PART_SYSTEM, ROLE_SYSTEM, BLOCK_TEXT, 0, 0, "\"You are an agent.\""},
	{PART_SYSTEM, ROLE_SYSTEM, BLOCK_TEXT, 1, 0, "{\"type\":\"text\",\"text\":\"Two\"}"},
	{PART_SYSTEM, ROLE_SYSTEM, BLOCK_TEXT, 1, 1, "{\"text\":\"blocks\",\"type\":\"text\"}"},
	{PART_MESSAGE, ROLE_USER, BLOCK_TEXT, 2, 0, "{\"type\":\"text\",\"text\":\"Look\"}"},
	{PART_MESSAGE, ROLE_USER, BLOCK_IMAGE, 2, 1,
	 "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}"},
	{PART_MESSAGE, ROLE_ASSISTANT, BLOCK_THINKING, 3, 0, "\"Hm.\""},
	{PART_MESSAGE, ROLE_ASSISTANT, BLOCK_TOOL_USE, 3, 1,
	 "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"arguments\":\"{\\\"a\\\":1}\"}}"},
	{PART_MESSAGE, ROLE_ASSISTANT, BLOCK_TOOL_USE, 3, 2,
	 "{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"Read\",\"arguments\":\"{}\"}}"},
	{PART_MESSAGE, ROLE_TOOL, BLOCK_TOOL_RESULT, 4, 0,
	 "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"ok\"}"},
	{PART_MESSAGE, ROLE_TOOL, BLOCK_TOOL_RESULT, 5, 0,
	 "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}"},
	{PART_MESSAGE, ROLE_SYSTEM, BLOCK_TEXT, 6, 0, "\"late\""},
	{PART_MESSAGE, ROLE_USER, BLOCK_TEXT, 7, 0, "\"go on\""},
	{PART_TOOL, ROLE_NONE, BLOCK_TOOL, 0, 0,
	 "{\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"parameters\":{\"type\":\"object\"}}}"},
};

static void test_chat(void **state)
{
	struct str body = STR(CHAT);
	struct parsed a;
	(void)state;

	parse(&a, KVS_API_OPENAI_CHAT, body);
	assert_int_equal(a.result, 0);
	check_parts(&a.prompt, body, chat, sizeof(chat) / sizeof(*chat));
	assert_int_equal(a.prompt.messages, 8);
	assert_int_equal(a.prompt.tools, 1);
	assert_true(a.prompt.has_system && a.prompt.has_tools);
	assert_true(str_eq(a.request.model, STR("qwen3")));
	assert_int_equal(a.request.max_tokens, 512);
	assert_false(a.request.stream);
	assert_null(a.request.user_id.p);
	prompt_release(&a.prompt);

	/* What came before `tools`, and no system at all. */
	parse(&a, KVS_API_OPENAI_CHAT,
	      STR("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"function_call\":"
		  "{\"name\":\"f\",\"arguments\":\"\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"r\"}],"
		  "\"functions\":[{\"name\":\"f\"}],\"tools\":null}"));
	assert_int_equal(a.result, 0);
	assert_int_equal(a.prompt.nparts, 4);
	assert_int_equal(a.prompt.parts[1].block, BLOCK_TOOL_USE);
	assert_int_equal(a.prompt.parts[2].role, ROLE_TOOL);
	assert_int_equal(a.prompt.parts[2].block, BLOCK_TOOL_RESULT);
	assert_int_equal(a.prompt.parts[3].kind, PART_TOOL);
	assert_false(a.prompt.has_system);
	assert_true(a.prompt.has_tools);
	assert_int_equal(a.request.max_tokens, -1);
	prompt_release(&a.prompt);
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	check_cut_anywhere(KVS_API_ANTHROPIC_MESSAGES, STR(TURN_2));
	check_cut_anywhere(KVS_API_ANTHROPIC_MESSAGES, STR("{" SYSTEM "," TOOLS(MARK) ",\"messages\":[]}"));
	check_cut_anywhere(KVS_API_OPENAI_CHAT, STR(CHAT));
}

static void test_errors(void **state)
{
	static const struct {
		enum kvs_llm_api api;
		const char *body, *error;
		size_t offset, parts;
	} cases[] = {
		{A, "", "truncated", 0, 0},
		{A, "<html>", "not JSON", 0, 0},
		{A, "[]", "not an object", 0, 0},
		{A, "\"x\"", "not an object", 0, 0},
		{A, "{}", "no messages", 2, 0},
		{A, "{\"prompt\":\"x\"}", "no messages", 14, 0},
		{A, "{\"messages\":{}}", "not an array", 12, 0},
		{A, "{\"messages\":null}", "not an array", 12, 0},
		{A, "{\"messages\":[],\"tools\":{}}", "not an array", 23, 0},
		{A, "{\"messages\":[]} x", "more after the end", 16, 0},
		{A, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"},]}", "not JSON", 43, 1},
		{A, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"messages\":[]}", "a key that stands twice",
		 55, 1},
		{A, "{\"messages\":[{\"content\":\"a\",\"content\":\"b\"}]}", "a key that stands twice", 38, 1},
		{A, "{\"system\":\"a\",\"messages\":[],\"system\":\"b\"}", "a key that stands twice", 37, 1},
		{A, "{\"messages\":[],\"tools\":[],\"tools\":[]}", "a key that stands twice", 34, 0},
		{A, USER("\"ok\\x\""), "a bad escape", 38, 0},
		{A, USER("[\"ok\",{\"type\":\"x\",\"a\":\"\\ud8\"},\"b\"]"), "a bad escape", 44, 1},
		{KVS_API_OPENAI_COMPLETIONS, "{\"prompt\":\"x\"}", "an API without prompts", 0, 0},
		{KVS_API_NONE, "{}", "an API without prompts", 0, 0},
	};
	struct guard guard = {NULL, 0};
	struct parsed a;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		parse(&a, cases[i].api, guard_put(&guard, str_from(cases[i].body)));
		if (a.result != -1 || strcmp(a.error, cases[i].error) != 0 || a.error_offset != cases[i].offset ||
		    a.prompt.nparts != cases[i].parts)
			fail_msg("%s: %s at %zu after %zu parts", cases[i].body, a.error ? a.error : "no error",
				 a.error_offset, a.prompt.nparts);
		prompt_release(&a.prompt);
	}
	guard_release(&guard);
}

static void test_odd_but_readable(void **state)
{
	static const struct {
		enum kvs_llm_api api;
		const char *body;
		size_t parts;
		enum part_role role; /* of the last part */
		enum block_type block;
	} cases[] = {
		{A, "{\"messages\":[7]}", 1, ROLE_OTHER, BLOCK_OTHER},
		{A, "{\"messages\":[null,[],\"x\"]}", 2, ROLE_OTHER, BLOCK_OTHER},
		{A, USER("7"), 1, ROLE_USER, BLOCK_OTHER},
		{A, USER("{}"), 1, ROLE_USER, BLOCK_OTHER},
		{A, USER("[7,\"x\",{}]"), 3, ROLE_USER, BLOCK_OTHER},
		{A, USER("[{\"type\":7,\"text\":\"x\"}]"), 1, ROLE_USER, BLOCK_OTHER},
		{A, USER("[{\"type\":\"text\"}]"), 1, ROLE_USER, BLOCK_TEXT},
		{A, USER("[{\"type\":\"text\",\"text\":{\"a\":1}}]"), 1, ROLE_USER, BLOCK_TEXT},
		{A, USER("[{\"type\":\"web_search_tool_result\",\"content\":7}]"), 1, ROLE_USER, BLOCK_TOOL_RESULT},
		{A, USER("[{\"type\":\"server_tool_use\"}]"), 1, ROLE_USER, BLOCK_TOOL_USE},
		{A, USER("[{\"type\":\"redacted_thinking\",\"data\":\"x\"}]"), 1, ROLE_USER, BLOCK_THINKING},
		{A, USER("[{\"type\":\"tool_result\",\"content\":[]}]"), 1, ROLE_USER, BLOCK_TOOL_RESULT},
		{A, USER("[{\"type\":\"tool_result\",\"content\":[7]}]"), 1, ROLE_USER, BLOCK_TOOL_RESULT},
		{A, "{\"messages\":[{\"role\":\"tester\",\"content\":\"x\"}]}", 1, ROLE_OTHER, BLOCK_TEXT},
		{A, "{\"messages\":[{\"content\":\"x\"}]}", 1, ROLE_OTHER, BLOCK_TEXT},
		{A, "{\"messages\":[{\"role\":7,\"content\":\"x\"}]}", 1, ROLE_OTHER, BLOCK_TEXT},
		{A, "{\"messages\":[],\"tools\":[7]}", 1, ROLE_NONE, BLOCK_TOOL},
		{O, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":\"x\"}]}", 1, ROLE_ASSISTANT,
		 BLOCK_TOOL_USE},
		{O, "{\"messages\":[{\"role\":\"tool\"}]}", 1, ROLE_TOOL, BLOCK_TOOL_RESULT},
		{O, "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"}]}", 1, ROLE_ASSISTANT,
		 BLOCK_OTHER},
	};
	struct parsed a;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		parse(&a, cases[i].api, str_from(cases[i].body));
		if (a.result != 0 || a.prompt.nparts != cases[i].parts)
			fail_msg("%s: %s, %zu parts", cases[i].body, a.error ? a.error : "no error", a.prompt.nparts);
		assert_int_equal(a.prompt.parts[a.prompt.nparts - 1].role, cases[i].role);
		assert_int_equal(a.prompt.parts[a.prompt.nparts - 1].block, cases[i].block);
		prompt_release(&a.prompt);
	}
}

static void test_request(void **state)
{
	static const struct {
		const char *body;
		int64_t max_tokens;
		bool stream;
	} cases[] = {
		{"{\"messages\":[]}", -1, false},
		{"{\"messages\":[],\"max_tokens\":1,\"stream\":true}", 1, true},
		{"{\"messages\":[],\"max_tokens\":0,\"stream\":false}", 0, false},
		{"{\"messages\":[],\"max_tokens\":null,\"stream\":null}", -1, false},
		{"{\"messages\":[],\"max_tokens\":-3,\"stream\":\"true\"}", -1, false},
		{"{\"messages\":[],\"max_tokens\":99999999999999999999999}", -1, false},
		{"{\"messages\":[],\"max_tokens\":1e400}", -1, false},
		{"{\"messages\":[],\"max_tokens\":\"1\"}", -1, false},
		{"{\"messages\":[],\"max_tokens\":1,\"max_tokens\":2}", 2, false},
	};
	struct parsed a;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		parse(&a, A, str_from(cases[i].body));
		assert_int_equal(a.result, 0);
		assert_true(a.request.max_tokens == cases[i].max_tokens);
		assert_true(a.request.stream == cases[i].stream);
		assert_null(a.request.model.p);
		prompt_release(&a.prompt);
	}
	/* Views as they stand; other types are absent; what was said before an error stays. */
	parse(&a, A, STR("{\"model\":\"a\\/b\",\"metadata\":{\"x\":1,\"user_id\":{}},\"messages\":"));
	assert_int_equal(a.result, -1);
	assert_true(str_eq(a.request.model, STR("a\\/b")));
	assert_null(a.request.user_id.p);
	prompt_release(&a.prompt);
}

static void test_limits(void **state)
{
	struct buf body;
	struct parsed a;
	(void)state;

	buf_init(&body, 8 << 20);
	buf_puts(&body, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"x\",\"a\":");
	for (int i = 0; i < 600; i++)
		buf_puts(&body, "[");
	parse(&a, A, buf_str(&body));
	assert_int_equal(a.result, -1);
	assert_string_equal(a.error, "nested too deep");
	prompt_release(&a.prompt);

	/* As deep as is allowed: the hash of it is found without recursion, too. */
	buf_reset(&body);
	buf_puts(&body, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"x\",\"a\":");
	for (int i = 0; i < 507; i++)
		buf_puts(&body, "[");
	for (int i = 0; i < 507; i++)
		buf_puts(&body, "]");
	buf_puts(&body, "}]}]}");
	parse(&a, A, buf_str(&body));
	assert_int_equal(a.result, 0);
	assert_int_equal(a.prompt.parts[0].normalised_bytes, 507 * 2 + strlen("{\"a\":,\"type\":\"x\"}"));
	prompt_release(&a.prompt);

	buf_reset(&body);
	buf_puts(&body, "{\"messages\":[0");
	for (int i = 0; i < 300000; i++)
		buf_puts(&body, ",0");
	buf_puts(&body, "]}");
	parse(&a, A, buf_str(&body));
	assert_int_equal(a.result, -1);
	assert_string_equal(a.error, "too many parts");
	assert_int_equal(a.prompt.nparts, 262144);
	prompt_release(&a.prompt);
	buf_release(&body);
}

/* A prompt may be used for one request after the other. */
static void test_reuse(void **state)
{
	struct prompt p;
	struct prompt_request r;
	const char *error = NULL;
	size_t offset;
	(void)state;

	prompt_init(&p);
	assert_int_equal(prompt_parse(A, STR(TURN_3), NULL, &p, &r, &error, &offset), 0);
	assert_int_equal(prompt_parse(A, STR(SYS("\"x\"")), NULL, &p, &r, &error, &offset), 0);
	assert_int_equal(p.nparts, 1);
	assert_int_equal(p.messages, 0);
	assert_int_equal(p.tools, 0);
	assert_false(p.has_tools);
	assert_int_equal(p.kind_bytes[PART_SYSTEM], 1);
	assert_int_equal(p.kind_bytes[PART_MESSAGE], 0);
	assert_int_equal(r.max_tokens, -1);
	prompt_release(&p);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < PART_KINDS; i++)
		assert_int_equal(part_kind_from_name(str_from(part_kind_name((enum part_kind)i))), i);
	for (int i = 0; i <= ROLE_OTHER; i++)
		assert_int_equal(part_role_from_name(str_from(part_role_name((enum part_role)i))), i);
	for (int i = 0; i <= BLOCK_OTHER; i++)
		assert_int_equal(block_type_from_name(str_from(block_type_name((enum block_type)i))), i);
	assert_string_equal(part_kind_name(PART_MESSAGE), "message");
	assert_string_equal(part_role_name(ROLE_ASSISTANT), "assistant");
	assert_string_equal(block_type_name(BLOCK_TOOL_RESULT), "tool_result");
	assert_int_equal(part_kind_from_name(STR("messag")), -1);
	assert_int_equal(part_role_from_name(STR("")), -1);
	assert_int_equal(block_type_from_name(STR("texts")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_agent_turn), cmocka_unit_test(test_count_tokens),
		cmocka_unit_test(test_chat),       cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_errors),     cmocka_unit_test(test_odd_but_readable),
		cmocka_unit_test(test_request),    cmocka_unit_test(test_limits),
		cmocka_unit_test(test_reuse),      cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
