/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_PROMPTS_H
#define TESTS_UNIT_PROMPTS_H

/* Request bodies for the tests of prompts, and how they are parsed there: with what must hold for each checked. */

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

/* Whether parse_after tells how far the bodies are the same. */
static bool tell_same = true;

static inline void parse_after(struct parsed *out, enum kvs_llm_api api, struct str body, const struct parsed *previous,
			       struct str previous_body)
{
	struct prompt_previous before = {.prompt = previous ? &previous->prompt : NULL, .body = previous_body};
	while (tell_same && before.same < body.n && before.same < previous_body.n &&
	       body.p[before.same] == previous_body.p[before.same])
		before.same++;
	*out = (struct parsed){.error_offset = SIZE_MAX};
	prompt_init(&out->prompt);
	out->result = prompt_parse(api, body, previous ? &before : NULL, &out->prompt, &out->request, &out->error,
				   &out->error_offset);
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

static inline void parse(struct parsed *out, enum kvs_llm_api api, struct str body)
{
	parse_after(out, api, body, NULL, STR_NONE);
}

static inline bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_BYTES) == 0;
}

/* A session as a coding agent sends it, turn after turn. */

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

#define USER(content) "{\"messages\":[{\"role\":\"user\",\"content\":" content "}]}"
#define SYS(content) "{\"system\":" content ",\"messages\":[]}"
#define TOOL(tool) "{\"messages\":[],\"tools\":[" tool "]}"

#define A KVS_API_ANTHROPIC_MESSAGES
#define O KVS_API_OPENAI_CHAT

#endif
