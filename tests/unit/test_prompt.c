/* SPDX-License-Identifier: MIT */
#include "prompt/prompt.h"

#include "base/buf.h"
#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

struct parsed {
	struct prompt prompt;
	struct prompt_request request;
	int result;
	const char *error;
	size_t error_offset;
};

static void parse_after(struct parsed *out, enum kvs_llm_api api, struct str body, const struct parsed *previous,
			struct str previous_body)
{
	*out = (struct parsed){.error_offset = SIZE_MAX};
	prompt_init(&out->prompt);
	out->result = prompt_parse(api, body, previous ? &previous->prompt : NULL, previous_body, &out->prompt,
				   &out->request, &out->error, &out->error_offset);
	size_t end = 0;
	uint64_t kind_bytes[PART_KINDS] = {0};
	for (size_t i = 0; i < out->prompt.nparts; i++) {
		const struct prompt_part *part = &out->prompt.parts[i];
		assert_true(part->offset >= end && part->bytes > 0);
		end = part->offset + part->bytes;
		kind_bytes[part->kind] += part->normalised_bytes;
	}
	assert_true(end <= body.n);
	assert_memory_equal(kind_bytes, out->prompt.kind_bytes, sizeof(kind_bytes));
	assert_true((out->result == 0) == (out->error == NULL));
	assert_true(out->result == 0 || out->error_offset <= body.n);
}

static void parse(struct parsed *out, enum kvs_llm_api api, struct str body)
{
	parse_after(out, api, body, NULL, STR_NONE);
}

static bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_BYTES) == 0;
}

/* ------------------------------------------------ a session as a coding agent sends it, turn after turn */

#define BILLING                                                                                                        \
	"{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=2.1.330.572; cc_entrypoint=cli;\"}"
#define IDENTITY "{\"type\":\"text\",\"text\":\"You are an agent.\",\"cache_control\":{\"type\":\"ephemeral\"}}"
#define RULES "{\"type\":\"text\",\"text\":\"# Rules\\n\\n- Say \\\"yes\\\".\\n- C:\\\\temp\\u2026\"}"
#define TOOL_BASH                                                                                                      \
	"{\"name\":\"Bash\",\"description\":\"Runs a command\",\"input_schema\":{\"type\":\"object\",\"properties\":"  \
	"{\"command\":{\"type\":\"string\"}},\"required\":[\"command\"]}}"
#define TOOL_READ "{\"name\":\"Read\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}"
#define TOOL_LAST(extra) "{\"name\":\"Write\",\"description\":\"\",\"input_schema\":{\"type\":\"object\"}" extra "}"
#define ASK "{\"type\":\"text\",\"text\":\"Fix the test\"}"
#define USE "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"Bash\",\"input\":{\"command\":\"make \\\"x\\\"\"}}"
#define RESULT(extra)                                                                                                  \
	"{\"tool_use_id\":\"toolu_1\",\"type\":\"tool_result\",\"content\":\"ok\\n\",\"is_error\":false" extra "}"
#define MARK ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"
#define MARK_FIRST "\"cache_control\":{\"type\":\"ephemeral\"},"
#define MARK_ONLY "\"cache_control\":{\"type\":\"ephemeral\"}"
#define TOKENS "{\"role\":\"system\",\"content\":\"<total_tokens>14931235 tokens left</total_tokens>\"}"

#define SYSTEM "\"system\":[" BILLING "," IDENTITY "," RULES "]"
#define TOOLS(extra) "\"tools\":[" TOOL_BASH "," TOOL_READ "," TOOL_LAST(extra) "]"
#define TAIL                                                                                                           \
	"\"metadata\":{\"user_id\":\"user_1_session_2\"},\"max_tokens\":32000,\"thinking\":{\"type\":\"disabled\"},"   \
	"\"stream\":true"
#define ENVIRONMENT "{\"role\":\"system\",\"content\":\"# Environment\\nLinux\"}"

#define TURN_1                                                                                                         \
	"{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\",\"content\":[" ASK "]}," ENVIRONMENT        \
	"]," SYSTEM "," TOOLS("") "," TAIL "}"
#define TURN_2                                                                                                         \
	"{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\",\"content\":[" ASK "]}," ENVIRONMENT        \
	",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"Hm.\",\"signature\":\"c2ln\"},"   \
	"{\"type\":\"text\",\"text\":\"I run it.\"}," USE                                                              \
	"]},{\"role\":\"user\",\"content\":[" RESULT(MARK) "]}," TOKENS "]," SYSTEM "," TOOLS("") "," TAIL "}"
#define TURN_3                                                                                                         \
	"{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\",\"content\":\"Fix the test\"}," ENVIRONMENT \
	",{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"Hm.\",\"signature\":\"c2ln\"},"   \
	"{\"type\":\"text\",\"text\":\"I run it.\"}," USE "]},{\"role\":\"user\",\"content\":[" RESULT(                \
		"") "]}," TOKENS ",{\"role\":\"assistant\",\"content\":\"Done.\"},{\"role\":\"user\",\"content\":["    \
		    "{\"type\":\"text\",\"text\":\"Thanks\"" MARK "}]}]," SYSTEM "," TOOLS("") "," TAIL "}"

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

#define CHAT                                                                                                           \
	"{\"model\":\"qwen3\",\"messages\":[{\"role\":\"system\",\"content\":\"You are an agent.\"},"                  \
	"{\"content\":[{\"type\":\"text\",\"text\":\"Two\"},{\"text\":\"blocks\",\"type\":\"text\"}],"                 \
	"\"role\":\"developer\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Look\"},"               \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AA==\"}}]},"                           \
	"{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"Hm.\",\"tool_calls\":["                      \
	"{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"arguments\":\"{\\\"a\\\":1}\"}},"      \
	"{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"Read\",\"arguments\":\"{}\"}}]},"               \
	"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"ok\"},"                                              \
	"{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]},"               \
	"{\"role\":\"system\",\"content\":\"late\"},{\"role\":\"user\",\"content\":\"go on\"}],"                       \
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"parameters\":{\"type\":\"object\"}}}],"   \
	"\"max_completion_tokens\":512,\"stream\":false}"

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

/* ------------------------------------------------ what is the same to a model */

#define USER(content) "{\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"
#define SYS(content) "{\"system\":" content ",\"messages\":[]}"
#define TOOL(tool) "{\"messages\":[],\"tools\":[" tool "]}"

#define A KVS_API_ANTHROPIC_MESSAGES
#define O KVS_API_OPENAI_CHAT

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

/* ------------------------------------------------ fingerprints */

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

/* ------------------------------------------------ the previous request */

/* Gives every part a mark that no hashing would produce, to see which ones were taken over. */
static void mark_hashes(struct prompt *p)
{
	for (size_t i = 0; i < p->nparts; i++) {
		memset(&p->parts[i].raw, 0xAA, DIGEST_BYTES);
		memset(&p->parts[i].normalised, 0xBB, DIGEST_BYTES);
	}
}

static bool is_marked(const struct prompt_part *part)
{
	return part->raw.b[0] == 0xAA && part->raw.b[31] == 0xAA && part->normalised.b[7] == 0xBB;
}

static size_t count_marked(const struct prompt *p)
{
	size_t n = 0;
	for (size_t i = 0; i < p->nparts; i++)
		n += is_marked(&p->parts[i]);
	return n;
}

/* With or without a previous request the result is the same. */
static void check_same_with_previous(enum kvs_llm_api api, const char *before, const char *now)
{
	struct parsed previous, alone, after;

	parse(&previous, api, str_from(before));
	parse(&alone, api, str_from(now));
	parse_after(&after, api, str_from(now), &previous, str_from(before));
	assert_int_equal(alone.result, after.result);
	assert_int_equal(alone.prompt.nparts, after.prompt.nparts);
	if (alone.prompt.nparts)
		assert_memory_equal(alone.prompt.parts, after.prompt.parts,
				    alone.prompt.nparts * sizeof(*alone.prompt.parts));
	assert_memory_equal(&alone.prompt.system_fingerprint, &after.prompt.system_fingerprint, DIGEST_BYTES);
	assert_memory_equal(&alone.prompt.tools_fingerprint, &after.prompt.tools_fingerprint, DIGEST_BYTES);
	prompt_release(&previous.prompt);
	prompt_release(&alone.prompt);
	prompt_release(&after.prompt);
}

static void test_previous(void **state)
{
	struct parsed one, two, three;
	(void)state;

	check_same_with_previous(A, TURN_1, TURN_2);
	check_same_with_previous(A, TURN_2, TURN_3);
	check_same_with_previous(A, TURN_3, TURN_1);
	check_same_with_previous(A, CHAT, TURN_2);
	check_same_with_previous(O, CHAT, CHAT);

	parse(&one, A, STR(TURN_1));
	mark_hashes(&one.prompt);
	parse_after(&two, A, STR(TURN_2), &one, STR(TURN_1));
	/* All 8 of the first request, though tools and system come after more messages than before. */
	assert_int_equal(count_marked(&two.prompt), 8);
	prompt_release(&two.prompt);

	parse(&two, A, STR(TURN_2));
	mark_hashes(&two.prompt);
	parse_after(&three, A, STR(TURN_3), &two, STR(TURN_2));
	/* 13 parts: the first became a string, the result lost its mark. */
	assert_int_equal(count_marked(&three.prompt), 11);
	assert_false(is_marked(&three.prompt.parts[0]));
	assert_false(is_marked(&three.prompt.parts[5]));
	prompt_release(&three.prompt);

	/* A previous body that is not kept, or is shorter than its parts say, is of no use and no harm. */
	parse_after(&three, A, STR(TURN_3), &two, STR_NONE);
	assert_int_equal(count_marked(&three.prompt), 0);
	prompt_release(&three.prompt);
	parse_after(&three, A, STR(TURN_3), &two, (struct str){TURN_2, 300});
	assert_true(count_marked(&three.prompt) < 8);
	prompt_release(&three.prompt);
	prompt_release(&one.prompt);
	prompt_release(&two.prompt);
}

static void session(struct buf *body, const int *messages, size_t n)
{
	buf_reset(body);
	buf_puts(body, "{\"messages\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(body, "%s{\"role\":\"user\",\"content\":\"message %d\"}", i ? "," : "", messages[i]);
	buf_puts(body, "]}");
}

/* Blocks that came, went or changed must not make all later ones be hashed again. */
static void test_previous_shifted(void **state)
{
	static const int before[] = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29};
	static const struct {
		int messages[26];
		size_t n, taken;
	} cases[] = {
		{{10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, 10, 10},
		{{10, 77, 11, 12, 13, 14, 15, 16, 17, 18, 19}, 11, 10},
		{{77, 78, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, 12, 10},
		{{10, 15, 16, 17, 18, 19}, 6, 6},
		{{10, 77, 12, 13, 78, 15, 16, 17, 79, 19}, 10, 7},
		{{77, 78, 79}, 3, 0},
		/* More than the look around, but not at once. */
		{{77, 78, 79, 10, 11, 12, 77, 78, 79, 13, 14, 15, 16}, 13, 7},
		{{10, 17, 18, 25, 26, 27, 28, 29}, 8, 8},
		/* A long rewritten stretch leaves the rest where it was. */
		{{10, 70, 71, 72, 73, 74, 75, 76, 77, 78, 20, 21, 22}, 13, 4},
	};
	struct buf old, new;
	(void)state;

	buf_init(&old, 1 << 16);
	buf_init(&new, 1 << 16);
	session(&old, before, sizeof(before) / sizeof(*before));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct parsed a, b;
		session(&new, cases[i].messages, cases[i].n);
		check_same_with_previous(A, old.p, new.p);
		parse(&a, A, buf_str(&old));
		mark_hashes(&a.prompt);
		parse_after(&b, A, buf_str(&new), &a, buf_str(&old));
		assert_int_equal(b.prompt.nparts, cases[i].n);
		assert_int_equal(count_marked(&b.prompt), cases[i].taken);
		prompt_release(&a.prompt);
		prompt_release(&b.prompt);
	}
	buf_release(&old);
	buf_release(&new);
}

/* The same bytes in another role are another part, also when the previous request has them at that place. */
static void test_previous_other_role(void **state)
{
	struct parsed a, b;
	struct str one = STR("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
	struct str two = STR("{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\"}]}");
	(void)state;

	check_same_with_previous(A, one.p, two.p);
	parse(&a, A, one);
	mark_hashes(&a.prompt);
	parse_after(&b, A, two, &a, one);
	assert_int_equal(count_marked(&b.prompt), 0);
	prompt_release(&a.prompt);
	prompt_release(&b.prompt);
}

/* ------------------------------------------------ odd bodies */

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
	assert_int_equal(prompt_parse(A, STR(TURN_3), NULL, STR_NONE, &p, &r, &error, &offset), 0);
	assert_int_equal(prompt_parse(A, STR(SYS("\"x\"")), NULL, STR_NONE, &p, &r, &error, &offset), 0);
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
		cmocka_unit_test(test_agent_turn),
		cmocka_unit_test(test_count_tokens),
		cmocka_unit_test(test_chat),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_different),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_many_members),
		cmocka_unit_test(test_fingerprints),
		cmocka_unit_test(test_billing),
		cmocka_unit_test(test_previous),
		cmocka_unit_test(test_previous_shifted),
		cmocka_unit_test(test_previous_other_role),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_odd_but_readable),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
