/* SPDX-License-Identifier: MIT */
/* Anthropic Messages as Chat Completions: what comes out, what is lost and told, and that prefixes stay prefixes. */
#include "replay/rewrite.h"

#include "base/json_span.h"
#include "replay/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The converted body, in a static buffer; what was changed in *changes. */
static const char *converted(const char *body, uint32_t *changes)
{
	static const struct rewrite_rules rules = {.max_tokens = -1, .to_openai = true};
	static struct buf out;
	const char *error = NULL;
	buf_release(&out);
	buf_init(&out, 1 << 20);
	*changes = 0;
	if (rewrite_body(KVS_API_ANTHROPIC_MESSAGES, str_from(body), &rules, &out, changes, &error) < 0)
		fail_msg("%s: %s", body, error);
	return out.p;
}

#define END ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}"

static void test_convert(void **state)
{
	uint32_t changes;
	(void)state;
	assert_string_equal(
		converted("{\"model\":\"m\",\"max_tokens\":5,\"temperature\":1,\"metadata\":{},"
			  "\"system\":[{\"type\":\"text\",\"text\":\"a\\n\"},{\"type\":\"text\",\"text\":\"b\"}],"
			  "\"tools\":[{\"name\":\"Bash\",\"description\":\"d\",\"input_schema\":{\"type\":\"object\"}},"
			  "{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],"
			  "\"messages\":["
			  "{\"role\":\"user\",\"content\":\"hello\"},"
			  "{\"role\":\"system\",\"content\":\"note\"},"
			  "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},"
			  "{\"type\":\"text\",\"text\":\"I look\"},"
			  "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"Bash\",\"input\":{\"command\":\"ls "
			  "\\\"x\\\"\"}}]},"
			  "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"go on\"},"
			  "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":[{\"type\":\"text\",\"text\":"
			  "\"1\"},"
			  "{\"type\":\"text\",\"text\":\"2\"}]}]}]}",
			  &changes),
		"{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"description\":"
		"\"d\","
		"\"parameters\":{\"type\":\"object\"}}}],\"messages\":["
		"{\"role\":\"system\",\"content\":\"a\\n\\nb\"},"
		"{\"role\":\"user\",\"content\":\"hello\"},"
		"{\"role\":\"system\",\"content\":\"note\"},"
		"{\"role\":\"assistant\",\"content\":\"I look\",\"tool_calls\":[{\"id\":\"t1\",\"type\":\"function\","
		"\"function\":{\"name\":\"Bash\",\"arguments\":\"{\\\"command\\\":\\\"ls \\\\\\\"x\\\\\\\"\\\"}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"1\\n2\"},"
		"{\"role\":\"user\",\"content\":\"go on\"}],\"max_tokens\":5,\"temperature\":1" END);
	assert_int_equal(changes, CHANGE_TO_OPENAI | CHANGE_THINKING_DROPPED | CHANGE_TOOLS_DROPPED | CHANGE_METADATA);
}

#define TOOL "{\"name\":\"Bash\",\"description\":\"d\",\"input_schema\":{}}"
#define FUNCTION "{\"type\":\"function\",\"function\":{\"name\":\"Bash\",\"description\":\"d\",\"parameters\":{}}}"

/* What becomes of each parameter behind "messages":[]. */
static void test_convert_parameters(void **state)
{
	static const struct {
		const char *tools, *in, *out;
		uint32_t changes;
	} cases[] = {
		{NULL, ",\"max_tokens\":5,\"temperature\":0.5,\"top_p\":1",
		 ",\"max_tokens\":5,\"temperature\":0.5,\"top_p\":1", 0},
		{NULL, ",\"stop_sequences\":[\"a\"]", ",\"stop\":[\"a\"]", CHANGE_STOP},
		{NULL, ",\"chat_template_kwargs\":{\"a\":1}", ",\"chat_template_kwargs\":{\"a\":1}", 0},
		{TOOL, ",\"tool_choice\":{\"type\":\"auto\"}", ",\"tool_choice\":\"auto\"", CHANGE_TOOL_CHOICE},
		{TOOL, ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}",
		 ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false", CHANGE_TOOL_CHOICE},
		{TOOL, ",\"tool_choice\":{\"disable_parallel_tool_use\":false,\"type\":\"none\"}",
		 ",\"tool_choice\":\"none\",\"parallel_tool_calls\":true", CHANGE_TOOL_CHOICE},
		{TOOL, ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"Bash\"}",
		 ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"Bash\"}}", CHANGE_TOOL_CHOICE},
		{TOOL, ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"web_search\"}", "", CHANGE_TOOL_CHOICE_DROPPED},
		{TOOL, ",\"tool_choice\":{\"type\":\"new\"}", "", CHANGE_TOOL_CHOICE_DROPPED},
		{NULL, ",\"tool_choice\":{\"type\":\"auto\"}", "", CHANGE_TOOL_CHOICE_DROPPED},
		{NULL, ",\"top_k\":40", "", CHANGE_TOP_K},
		{NULL, ",\"metadata\":{\"user_id\":\"u\"}", "", CHANGE_METADATA},
		{NULL, ",\"thinking\":{\"type\":\"adaptive\"}", "", CHANGE_THINKING_SETTING},
		{NULL, ",\"service_tier\":\"auto\"", "", CHANGE_SERVICE_TIER},
		{NULL, ",\"output_config\":{\"effort\":\"high\"}", "", CHANGE_OUTPUT_CONFIG},
		{NULL, ",\"output_format\":{}", "", CHANGE_OUTPUT_CONFIG},
		{NULL, ",\"context_management\":{\"edits\":[]}", "", CHANGE_CONTEXT_MANAGEMENT},
		{NULL, ",\"cache_control\":{\"type\":\"ephemeral\"}", "", CHANGE_CACHE_CONTROL},
		{NULL, ",\"betas\":[\"b\"]", "", CHANGE_PARAMETERS},
		{NULL, ",\"mcp_servers\":[]", "", CHANGE_PARAMETERS},
		{NULL, ",\"top_k\":null", "", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char in[512], out[512];
		uint32_t changes;
		const char *tools = cases[i].tools;
		snprintf(in, sizeof(in), "{\"model\":\"m\",%s%s%s\"messages\":[]%s}", tools ? "\"tools\":[" : "",
			 tools ? tools : "", tools ? "]," : "", cases[i].in);
		snprintf(out, sizeof(out), "{\"model\":\"m\",%s\"messages\":[]%s" END,
			 tools ? "\"tools\":[" FUNCTION "]," : "", cases[i].out);
		assert_string_equal(converted(in, &changes), out);
		assert_int_equal(changes, CHANGE_TO_OPENAI | cases[i].changes);
	}
}

/* What blocks, tools and messages lose is told, what they keep is not. */
static void test_convert_losses(void **state)
{
	static const struct {
		const char *content, *role;
		uint32_t changes;
	} cases[] = {
		{"\"text\"", "user", 0},
		{"[{\"type\":\"text\",\"text\":\"a\",\"citations\":null}]", "user", 0},
		{"[{\"type\":\"text\",\"text\":\"a\",\"citations\":[]}]", "assistant", CHANGE_BLOCK_OPTIONS},
		{"[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{}}]", "system", CHANGE_CACHE_CONTROL},
		{"[{\"type\":\"thinking\",\"thinking\":\"a\"}]", "assistant", CHANGE_THINKING_DROPPED},
		{"[{\"type\":\"document\"}]", "user", CHANGE_BLOCKS_DROPPED},
		{"[{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}]", "user",
		 CHANGE_BLOCKS_DROPPED},
		{"[{\"type\":\"image\",\"source\":{\"url\":\"u\"}}]", "assistant", CHANGE_BLOCKS_DROPPED},
		{"[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"b\",\"input\":{}}]", "user", CHANGE_BLOCKS_DROPPED},
		{"[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"b\",\"input\":{},\"caller\":{}}]", "assistant",
		 CHANGE_BLOCK_OPTIONS},
		{"[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"is_error\":false}]", "user", 0},
		{"[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"is_error\":true}]", "user", CHANGE_TOOL_ERRORS},
		{"[{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{\"type\":\"tool_reference\"}]}]",
		 "user", CHANGE_BLOCKS_DROPPED},
	};
	uint32_t changes;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char in[512];
		snprintf(in, sizeof(in), "{\"messages\":[{\"role\":\"%s\",\"content\":%s}]}", cases[i].role,
			 cases[i].content);
		converted(in, &changes);
		if (changes != (CHANGE_TO_OPENAI | cases[i].changes))
			fail_msg("%s: %x", in, changes);
	}
	converted("{\"messages\":[],\"tools\":[{\"type\":\"custom\",\"name\":\"a\",\"input_schema\":{}}]}", &changes);
	assert_int_equal(changes, CHANGE_TO_OPENAI);
	converted("{\"messages\":[],\"tools\":[{\"strict\":true,\"name\":\"a\",\"input_schema\":{}}]}", &changes);
	assert_int_equal(changes, CHANGE_TO_OPENAI | CHANGE_TOOL_OPTIONS);
	converted("{\"messages\":[],\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{}}]}", &changes);
	assert_int_equal(changes, CHANGE_TO_OPENAI | CHANGE_CACHE_CONTROL);
	/* Every change has a name of its own. */
	for (unsigned i = 0; i < CHANGES; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(change_name(i), change_name(k));
}

static void test_convert_images(void **state)
{
	uint32_t changes;
	(void)state;
	assert_string_equal(
		converted(
			"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
			"\"see\"},"
			"{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
			"png\",\"data\":\"QUJD\"}}]},"
			"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":["
			"{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http://x/\"}}]}]}]}",
			&changes),
		"{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},"
		"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,QUJD\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"\"},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x/"
		"\"}}]}]" END);
	assert_int_equal(changes, CHANGE_TO_OPENAI);
}

/*
 * What keeps a cache warm: of conversations that grow turn by turn, made of every kind of block in every order, the
 * converted messages of each are the beginning of the next one's.
 */
static void test_convert_prefix(void **state)
{
	static const char *const turns[] = {
		"{\"role\":\"user\",\"content\":\"q \\u00e9 \\\\ \\\" \\/\"}",
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}",
		"{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"s\"}]}",
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{ "
		"\"b\" : [1,\n2] }}]}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\",\"content\":\"r\"},"
		"{\"type\":\"text\",\"text\":\"x\"}]}",
		"{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}",
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\"}]}",
	};
	const size_t kinds = sizeof(turns) / sizeof(*turns);
	uint64_t random = 7;
	(void)state;
	for (int round = 0; round < 50; round++) {
		struct buf body, last;
		buf_init(&body, 1 << 20);
		buf_init(&last, 1 << 20);
		buf_puts(&body, "{\"model\":\"m\",\"system\":\"s\",\"messages\":[");
		for (int n = 0; n < 12; n++) {
			uint32_t changes;
			random = random * 6364136223846793005u + 1442695040888963407u;
			buf_printf(&body, "%s%s", n ? "," : "", turns[(random >> 33) % kinds]);
			size_t open = body.n;
			buf_puts(&body, "],\"max_tokens\":5}");
			struct str now = str_from(converted(body.p, &changes));
			struct json_scan scan;
			json_scan_init(&scan, now);
			assert_int_equal(json_skip(&scan), 0);
			assert_int_equal(json_finish(&scan), 0);
			struct json_value list;
			assert_true(span_member(now, STR("messages"), &list));
			list.raw.n--; /* without its bracket */
			assert_true(str_starts(list.raw, buf_str(&last)));
			buf_reset(&last);
			buf_append_str(&last, list.raw);
			body.n = open;
			body.p[open] = '\0';
		}
		buf_release(&body);
		buf_release(&last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_convert),        cmocka_unit_test(test_convert_parameters),
		cmocka_unit_test(test_convert_losses), cmocka_unit_test(test_convert_images),
		cmocka_unit_test(test_convert_prefix),
	};
	return cmocka_run_group_tests_name("convert", tests, NULL, NULL);
}
