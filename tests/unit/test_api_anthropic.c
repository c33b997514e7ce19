/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include "guard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define N EXCHANGE_ABSENT

struct event {
	const char *name, *data;
};

/* Events at 1000, 2000, … ns. */
static void feed(struct exchange *x, const struct event *events, size_t n)
{
	struct guard guard = {NULL, 0};
	exchange_init(x, 16, 16);
	x->api = KVS_API_ANTHROPIC_MESSAGES;
	for (size_t i = 0; i < n; i++)
		api_response_event(x, str_from(events[i].name), guard_put(&guard, str_from(events[i].data)),
				   (i + 1) * 1000);
	guard_release(&guard);
}

static void check_usage(const struct usage *u, int64_t input, int64_t output, int64_t cache_read,
			int64_t cache_creation)
{
	assert_int_equal(u->input, input);
	assert_int_equal(u->output, output);
	assert_int_equal(u->cache_read, cache_read);
	assert_int_equal(u->cache_creation, cache_creation);
}

#define START(usage)                                                                                                   \
	{                                                                                                              \
		"message_start", "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_01A\",\"type\":\"message\","   \
				 "\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,"  \
				 "\"stop_sequence\":null,\"usage\":" usage "}}"                                        \
	}
#define BLOCK(block)                                                                                                   \
	{                                                                                                              \
		"content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":" block "}"    \
	}
#define DELTA(delta)                                                                                                   \
	{                                                                                                              \
		"content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":" delta "}"            \
	}
#define BLOCK_STOP                                                                                                     \
	{                                                                                                              \
		"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}"                                  \
	}
#define PING                                                                                                           \
	{                                                                                                              \
		"ping", "{\"type\":\"ping\"}"                                                                          \
	}
#define END(reason, usage)                                                                                             \
	{                                                                                                              \
		"message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"" reason                    \
				 "\",\"stop_sequence\":null}" usage "}"                                                \
	}
#define STOP                                                                                                           \
	{                                                                                                              \
		"message_stop", "{\"type\":\"message_stop\"}"                                                          \
	}
#define TEXT_BLOCK BLOCK("{\"type\":\"text\",\"text\":\"\"}")
#define TEXT(text) DELTA("{\"type\":\"text_delta\",\"text\":\"" text "\"}")
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void test_text(void **state)
{
	static const struct event events[] = {
		START("{\"input_tokens\":3,\"cache_creation_input_tokens\":512,\"cache_read_input_tokens\":0,"
		      "\"output_tokens\":1}"),
		TEXT_BLOCK,
		PING,
		TEXT(""),
		TEXT("Hello"),
		TEXT(" w\\u00f6rld\\n"),
		BLOCK_STOP,
		END("end_turn", ",\"usage\":{\"output_tokens\":12}"),
		STOP,
	};
	struct exchange x;
	(void)state;

	feed(&x, events, COUNT(events));
	assert_null(x.response.error);
	assert_string_equal(x.response.id, "msg_01A");
	assert_string_equal(x.response.model, "claude-x");
	assert_string_equal(x.response.stop_reason, "end_turn");
	assert_null(x.response.engine);
	assert_int_equal(x.times.message_start, 1000);
	assert_int_equal(x.times.first_content, 5000); /* neither the block's start nor the empty delta */
	assert_int_equal(x.response.events, 9);
	assert_int_equal(x.response.content_deltas, 2);
	assert_int_equal(x.response.text_bytes, 5 + 8);
	check_usage(&x.response.usage, 3, 12, 0, 512);
	check_usage(&x.response.usage_start, 3, 1, 0, 512);
	check_usage(&x.response.usage_end, N, 12, N, N);
	assert_true(isnan(x.response.timings.prompt_ms));
	exchange_release(&x);
}

static void test_thinking_and_tool(void **state)
{
	static const struct event events[] = {
		START("{\"input_tokens\":3,\"output_tokens\":1}"),
		BLOCK("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"),
		DELTA("{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}"),
		DELTA("{\"type\":\"signature_delta\",\"signature\":\"c2lnbmF0dXJl\"}"),
		BLOCK_STOP,
		BLOCK("{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"Bash\",\"input\":{}}"),
		DELTA("{\"type\":\"input_json_delta\",\"partial_json\":\"\"}"),
		DELTA("{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"command\\\"\"}"),
		DELTA("{\"type\":\"input_json_delta\",\"partial_json\":\":\\\"ls\\\"}\"}"),
		BLOCK_STOP,
		END("tool_use", ",\"usage\":{\"output_tokens\":40,\"output_tokens_details\":{\"thinking_tokens\":9}}"),
		STOP,
	};
	struct exchange x;
	(void)state;

	feed(&x, events, COUNT(events));
	assert_null(x.response.error);
	assert_int_equal(x.times.first_content, 3000);
	assert_int_equal(x.response.content_deltas, 4); /* thinking, the tool's name, two pieces of input */
	assert_int_equal(x.response.text_bytes, 3 + 10 + 6);
	assert_string_equal(x.response.stop_reason, "tool_use");
	assert_int_equal(x.response.usage.reasoning, 9);
	exchange_release(&x);
}

/* llama.cpp's tool_use blocks have no `input` when they start; Ollama's calls come whole. */
static void test_tool_first(void **state)
{
	static const struct event events[] = {
		START("{\"cache_read_input_tokens\":100,\"input_tokens\":7,\"output_tokens\":0}"),
		BLOCK("{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Bash\"}"),
		DELTA("{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}"),
		END("tool_use", ",\"usage\":{\"output_tokens\":5}"),
	};
	struct exchange x;
	(void)state;
	feed(&x, events, COUNT(events));
	assert_int_equal(x.times.first_content, 2000);
	check_usage(&x.response.usage, 7, 5, 100, N);
	exchange_release(&x);
}

/* Where the engines say what: the last value of each field that was said holds; a field that none said stays absent. */
static void test_usage(void **state)
{
	static const struct {
		const struct event events[2];
		int64_t merged[4], start[4], end[4];
	} cases[] = {
		/* vLLM: the whole prompt first, corrected at the end */
		{{START("{\"input_tokens\":1000,\"output_tokens\":0}"),
		  END("end_turn", ",\"usage\":{\"input_tokens\":40,\"output_tokens\":8,\"cache_read_input_tokens\":960,"
				  "\"cache_creation_input_tokens\":0}")},
		 {40, 8, 960, 0},
		 {1000, 0, N, N},
		 {40, 8, 960, 0}},
		/* vLLM without its switch: unknown is not 0 */
		{{START("{\"input_tokens\":1000,\"output_tokens\":0}"),
		  END("end_turn", ",\"usage\":{\"input_tokens\":1000,\"output_tokens\":8}")},
		 {1000, 8, N, N},
		 {1000, 0, N, N},
		 {1000, 8, N, N}},
		/* Ollama: an estimate, then the count */
		{{START("{\"input_tokens\":900,\"output_tokens\":0}"),
		  END("end_turn", ",\"usage\":{\"input_tokens\":1010,\"output_tokens\":8}")},
		 {1010, 8, N, N},
		 {900, 0, N, N},
		 {1010, 8, N, N}},
		/* null says nothing and undoes nothing; a real 0 does */
		{{START("{\"input_tokens\":5,\"cache_read_input_tokens\":77,\"cache_creation_input_tokens\":88}"),
		  END("end_turn", ",\"usage\":{\"input_tokens\":null,\"output_tokens\":8,\"cache_read_input_tokens\":0,"
				  "\"cache_creation_input_tokens\":null}")},
		 {5, 8, 0, 88},
		 {5, N, 77, 88},
		 {N, 8, 0, N}},
		/* no usage at the end; numbers that are no counts */
		{{START("{\"input_tokens\":-1,\"output_tokens\":1.5,\"cache_read_input_tokens\":\"7\","
			"\"cache_creation_input_tokens\":1e300}"),
		  END("end_turn", "")},
		 {N, N, N, N},
		 {N, N, N, N},
		 {N, N, N, N}},
		{{START("null"), END("end_turn", ",\"usage\":null")}, {N, N, N, N}, {N, N, N, N}, {N, N, N, N}},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct exchange x;
		feed(&x, cases[i].events, 2);
		assert_null(x.response.error);
		check_usage(&x.response.usage, cases[i].merged[0], cases[i].merged[1], cases[i].merged[2],
			    cases[i].merged[3]);
		check_usage(&x.response.usage_start, cases[i].start[0], cases[i].start[1], cases[i].start[2],
			    cases[i].start[3]);
		check_usage(&x.response.usage_end, cases[i].end[0], cases[i].end[1], cases[i].end[2], cases[i].end[3]);
		exchange_release(&x);
	}
}

/* An event without counts is not the last that had any. */
static void test_usage_end(void **state)
{
	static const struct event events[] = {
		END("end_turn", ",\"usage\":{\"output_tokens\":8}"),
		END("end_turn", ",\"usage\":{\"output_tokens\":9}"),
		END("end_turn", ",\"usage\":{\"output_tokens\":null}"),
		END("end_turn", ""),
	};
	struct exchange x;
	(void)state;
	feed(&x, events, COUNT(events));
	check_usage(&x.response.usage, N, 9, N, N);
	check_usage(&x.response.usage_end, N, 9, N, N);
	exchange_release(&x);
}

/* llama.cpp leaves message_start out when the first token is half a character. */
static void test_without_message_start(void **state)
{
	static const struct event events[] = {TEXT_BLOCK, TEXT("a"), END("max_tokens", ""), STOP};
	struct exchange x;
	(void)state;
	feed(&x, events, COUNT(events));
	assert_null(x.response.error);
	assert_int_equal(x.times.message_start, 0);
	assert_int_equal(x.times.first_content, 2000);
	assert_null(x.response.id);
	assert_string_equal(x.response.stop_reason, "max_tokens");
	exchange_release(&x);
}

/* Gateways drop the event's name; the data says it too. */
static void test_without_names(void **state)
{
	static const struct event events[] = {
		{"", "{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":2}}}"},
		{"", "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}"},
		{"", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"},
	};
	struct exchange x;
	(void)state;
	feed(&x, events, COUNT(events));
	assert_int_equal(x.times.message_start, 1000);
	assert_int_equal(x.times.first_content, 2000);
	assert_int_equal(x.response.usage.input, 2);
	assert_string_equal(x.response.error, "overloaded_error: Overloaded");
	exchange_release(&x);
}

static void test_error_events(void **state)
{
	static const struct {
		struct event event;
		const char *error;
	} cases[] = {
		{{"error", "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}"},
		 "overloaded_error: Overloaded"},
		/* llama.cpp: flat */
		{{"error", "{\"code\":500,\"message\":\"out of\\nmemory\",\"type\":\"server_error\"}"},
		 "server_error: out of memory"},
		{{"error", "{\"error\":\"gone\"}"}, "error: gone"},
		{{"error", "{}"}, "an error without words"},
		{{"", "{\"error\":{\"message\":\"no type\"}}"}, "no type"},
		{{"", "{\"error\":{\"code\":\"rate\",\"message\":\"slow\"}}"}, "rate: slow"},
		{{"content_block_delta", "{\"type\":\"content_bl"}, "an event of the stream is not a JSON object"},
		{{"content_block_delta", "[]"}, "an event of the stream is not a JSON object"},
		{{"content_block_delta", "{} {}"}, "an event of the stream is not a JSON object"},
		{{"", ""}, "an event of the stream is not a JSON object"},
		{{"something_new", "{\"type\":\"something_new\"}"}, NULL},
		{{"content_block_delta", "{\"delta\":7}"}, NULL},
		{{"content_block_delta", "{\"delta\":{\"text\":7}}"}, NULL},
		{{"message_start", "{\"message\":[]}"}, NULL},
		{{"content_block_start", " {} \r\n"}, NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct exchange x;
		feed(&x, &cases[i].event, 1);
		assert_int_equal(x.response.events, 1);
		assert_int_equal(x.times.first_content, 0);
		if (cases[i].error)
			assert_string_equal(x.response.error, cases[i].error);
		else
			assert_null(x.response.error);
		exchange_release(&x);
	}
}

/* The first error of a stream explains the later ones. A long one is cut. */
static void test_first_error_stays(void **state)
{
	static const struct event events[] = {
		{"error", "{\"error\":{\"type\":\"a\",\"message\":\"first\"}}"},
		{"error", "{\"error\":{\"type\":\"b\",\"message\":\"second\"}}"},
		{"x", "not JSON"},
	};
	struct exchange x;
	struct buf data;
	(void)state;
	feed(&x, events, COUNT(events));
	assert_string_equal(x.response.error, "a: first");
	exchange_release(&x);

	buf_init(&data, 1 << 16);
	buf_puts(&data, "{\"error\":\"");
	for (int i = 0; i < 5000; i++)
		buf_putc(&data, 'x');
	buf_puts(&data, "\"}");
	feed(&x, &(struct event){"error", data.p}, 1);
	assert_true(strlen(x.response.error) < 600);
	exchange_release(&x);
	buf_release(&data);
}

static void whole(struct exchange *x, enum kvs_llm_api api, int status, const char *body)
{
	struct guard guard = {NULL, 0};
	exchange_init(x, 16, 16);
	x->api = api;
	x->response.status = status;
	api_response_body(x, guard_put(&guard, str_from(body)), 1000);
	guard_release(&guard);
}

static void test_body(void **state)
{
	struct exchange x;
	(void)state;
	whole(&x, KVS_API_ANTHROPIC_MESSAGES, 200,
	      "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":["
	      "{\"type\":\"thinking\",\"thinking\":\"Hm.\",\"signature\":\"\"},{\"type\":\"text\",\"text\":\"Hi\"},"
	      "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"Bash\",\"input\":{\"a\": 1}}],"
	      "\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":4,"
	      "\"output_tokens\":6}}\n");
	assert_null(x.response.error);
	assert_string_equal(x.response.id, "msg_1");
	assert_string_equal(x.response.model, "claude-x");
	assert_string_equal(x.response.stop_reason, "tool_use");
	check_usage(&x.response.usage, 10, 6, 4, N);
	check_usage(&x.response.usage_end, 10, 6, 4, N);
	check_usage(&x.response.usage_start, N, N, N, N);
	assert_int_equal(x.response.text_bytes, 3 + 2 + 7);
	/* Nothing in it has a time of its own. */
	assert_int_equal(x.times.message_start, 0);
	assert_int_equal(x.times.first_content, 0);
	exchange_release(&x);
}

static void test_count_tokens(void **state)
{
	struct exchange x;
	(void)state;
	whole(&x, KVS_API_ANTHROPIC_COUNT_TOKENS, 200, "{\"input_tokens\":2095}");
	assert_null(x.response.error);
	check_usage(&x.response.usage, 2095, N, N, N);
	exchange_release(&x);
	whole(&x, KVS_API_ANTHROPIC_COUNT_TOKENS, 404, "{\"detail\":\"Not Found\"}");
	assert_string_equal(x.response.error, "error: Not Found");
	check_usage(&x.response.usage, N, N, N, N);
	exchange_release(&x);
}

static void test_error_bodies(void **state)
{
	static const struct {
		int status;
		const char *body, *error, *engine;
	} cases[] = {
		{529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}",
		 "overloaded_error: Overloaded", NULL},
		{400, "{\"error\":{\"code\":400,\"message\":\"too long\",\"type\":\"exceed_context_size_error\"}}",
		 "exceed_context_size_error: too long", NULL},
		{200, "{\"error\":\"Unexpected endpoint or method. (POST /v1/messages)\"}",
		 "error: Unexpected endpoint or method. (POST /v1/messages)", "lmstudio"},
		{404, "Not Found", "status 404: the body is not a JSON object", NULL},
		{502, "<html></html>", "status 502: the body is not a JSON object", NULL},
		{503, "", "status 503: the body is empty", NULL},
		{200, "", "response: the body is empty", NULL},
		{204, "", NULL, NULL},
		{200, "{\"type\":\"mess", "response: the body is not a JSON object", NULL},
		{200, "[]", "response: the body is not a JSON object", NULL},
		{422, "{\"detail\":[{\"loc\":[\"body\"]}]}", "status 422", NULL},
		{200, "{\"error\":null,\"content\":[]}", NULL, NULL},
		{200, "{}", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct exchange x;
		whole(&x, KVS_API_ANTHROPIC_MESSAGES, cases[i].status, cases[i].body);
		if (cases[i].error)
			assert_string_equal(x.response.error, cases[i].error);
		else
			assert_null(x.response.error);
		if (cases[i].engine)
			assert_string_equal(x.response.engine, cases[i].engine);
		else
			assert_null(x.response.engine);
		exchange_release(&x);
	}
}

/* An API without dialect: events are counted, nothing is read. */
static void test_no_dialect(void **state)
{
	struct exchange x;
	(void)state;
	exchange_init(&x, 16, 16);
	x.api = KVS_API_OPENAI_RESPONSES;
	x.response.status = 500;
	api_response_event(&x, STR("error"), STR("{\"error\":\"x\"}"), 1);
	api_response_body(&x, STR("<html>"), 1);
	assert_int_equal(x.response.events, 1);
	assert_null(x.response.error);
	exchange_release(&x);
}

/* Every piece of an event is an event that is not JSON, never a crash. */
static void test_cut_anywhere(void **state)
{
	static const struct event whole_event =
		START("{\"input_tokens\":3,\"cache_read_input_tokens\":1e2,\"output_tokens\":1}");
	struct guard guard = {NULL, 0};
	(void)state;
	for (size_t n = 0; n <= strlen(whole_event.data); n++) {
		struct exchange x;
		exchange_init(&x, 16, 16);
		x.api = KVS_API_ANTHROPIC_MESSAGES;
		api_response_event(&x, str_from(whole_event.name), guard_put(&guard, (struct str){whole_event.data, n}),
				   1);
		bool is_whole = n == strlen(whole_event.data);
		assert_true((x.response.error == NULL) == is_whole);
		assert_int_equal(x.response.usage.cache_read, is_whole ? 100 : N);
		exchange_release(&x);
	}
	guard_release(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_thinking_and_tool),
		cmocka_unit_test(test_tool_first),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_usage_end),
		cmocka_unit_test(test_without_message_start),
		cmocka_unit_test(test_without_names),
		cmocka_unit_test(test_error_events),
		cmocka_unit_test(test_first_error_stays),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_count_tokens),
		cmocka_unit_test(test_error_bodies),
		cmocka_unit_test(test_no_dialect),
		cmocka_unit_test(test_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
