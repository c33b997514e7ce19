/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include "guard.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define N EXCHANGE_ABSENT
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Events without names at 1000, 2000, … ns. */
static void feed(struct exchange *x, const char *const *data, size_t n)
{
	struct guard guard = {NULL, 0};
	exchange_init(x, 16, 16);
	x->api = KVS_API_OPENAI_CHAT;
	for (size_t i = 0; i < n; i++)
		api_response_event(x, STR(""), guard_put(&guard, str_from(data[i])), (i + 1) * 1000);
	guard_release(&guard);
}

static void check_usage(const struct usage *u, int64_t input, int64_t output, int64_t cache_read,
			int64_t cache_creation, int64_t reasoning)
{
	assert_int_equal(u->input, input);
	assert_int_equal(u->output, output);
	assert_int_equal(u->cache_read, cache_read);
	assert_int_equal(u->cache_creation, cache_creation);
	assert_int_equal(u->reasoning, reasoning);
}

#define CHUNK(rest) "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"qwen3\"," rest "}"
#define DELTA(delta) CHUNK("\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":null}]")
#define FINISH(reason, rest) CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" reason "\"}]" rest)
#define USAGE(details) "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":7" details "}"

static void test_text(void **state)
{
	static const char *const events[] = {
		DELTA("{\"role\":\"assistant\",\"content\":\"\"}"),
		DELTA("{\"content\":\"Hel\"}"),
		DELTA("{\"content\":\"lo \\u00e9\"}"),
		FINISH("stop", ",\"usage\":null"),
		CHUNK("\"choices\":[]," USAGE(
			",\"prompt_tokens_details\":{\"cached_tokens\":64,\"created_cache_tokens\":36},"
			"\"completion_tokens_details\":{\"reasoning_tokens\":2}")),
		"[DONE]",
	};
	struct exchange x;
	(void)state;

	feed(&x, events, COUNT(events));
	assert_null(x.response.error);
	assert_string_equal(x.response.id, "chatcmpl-1");
	assert_string_equal(x.response.model, "qwen3");
	assert_string_equal(x.response.stop_reason, "stop");
	assert_int_equal(x.times.message_start, 1000);
	assert_int_equal(x.times.first_content, 2000);
	assert_int_equal(x.response.events, 6);
	assert_int_equal(x.response.content_deltas, 2);
	assert_int_equal(x.response.text_bytes, 3 + 5);
	check_usage(&x.response.usage, 100, 7, 64, 36, 2);
	check_usage(&x.response.usage_end, 100, 7, 64, 36, 2);
	check_usage(&x.response.usage_start, N, N, N, N, N);
	exchange_release(&x);
}

static void test_reasoning_and_tools(void **state)
{
	static const char *const events[] = {
		DELTA("{\"role\":\"assistant\",\"content\":null}"),
		DELTA("{\"reasoning_content\":\"Hm.\"}"),
		DELTA("{\"reasoning\":\"So\"}"),
		DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
		      "\"arguments\":\"\"}}]}"),
		DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]}"),
		DELTA("{\"tool_calls\":[]}"),
		FINISH("tool_calls", ""),
	};
	struct exchange x;
	(void)state;
	/* It ends without "[DONE]". */
	feed(&x, events, COUNT(events));
	assert_null(x.response.error);
	assert_int_equal(x.times.first_content, 2000);
	assert_int_equal(x.response.content_deltas, 4);
	assert_int_equal(x.response.text_bytes, 3 + 2 + 0 + 7);
	assert_string_equal(x.response.stop_reason, "tool_calls");
	check_usage(&x.response.usage, N, N, N, N, N);
	exchange_release(&x);
}

/* The name of a called tool is output: the first token of a turn that only calls. */
static void test_tool_first(void **state)
{
	static const char *const events[] = {
		DELTA("{\"role\":\"assistant\"}"),
		DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}"),
		DELTA("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}"),
	};
	struct exchange x;
	(void)state;
	feed(&x, events, COUNT(events));
	assert_int_equal(x.times.first_content, 2000);
	exchange_release(&x);
}

static void test_where_usage_sits(void **state)
{
	static const struct {
		const char *events[3];
		int64_t merged[5], start[5];
	} cases[] = {
		/* in the last chunk with a choice */
		{{DELTA("{\"content\":\"a\"}"), FINISH("stop", "," USAGE("")), "[DONE]"},
		 {100, 7, N, N, N},
		 {N, N, N, N, N}},
		/* in every chunk */
		{{CHUNK("\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":100,"
			"\"completion_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":0}}"),
		  FINISH("stop", "," USAGE(",\"prompt_tokens_details\":null")), "[DONE]"},
		 {100, 7, 0, N, N},
		 {100, 1, 0, N, N}},
		/* nowhere */
		{{DELTA("{\"content\":\"a\"}"), FINISH("stop", ""), "[DONE]"}, {N, N, N, N, N}, {N, N, N, N, N}},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct exchange x;
		feed(&x, cases[i].events, 3);
		assert_null(x.response.error);
		check_usage(&x.response.usage, cases[i].merged[0], cases[i].merged[1], cases[i].merged[2],
			    cases[i].merged[3], cases[i].merged[4]);
		check_usage(&x.response.usage_start, cases[i].start[0], cases[i].start[1], cases[i].start[2],
			    cases[i].start[3], cases[i].start[4]);
		exchange_release(&x);
	}
}

static void test_llamacpp_timings(void **state)
{
	static const char *const events[] = {
		/* return_progress: during prefill, before anything is generated */
		CHUNK("\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}],\"prompt_progress\":{"
		      "\"total\":100,\"cache\":64,\"processed\":80,\"time_ms\":12}"),
		CHUNK("\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"timings\":{\"cache_n\":64,\"prompt_n\":36,"
		      "\"prompt_ms\":12.5,\"predicted_n\":1,\"predicted_ms\":0.1}"),
		FINISH("stop", ",\"timings\":{\"cache_n\":64,\"prompt_n\":36,\"prompt_ms\":12.5,\"predicted_n\":7,"
			       "\"predicted_ms\":70.25}"),
	};
	struct exchange x;
	(void)state;
	feed(&x, events, COUNT(events));
	assert_int_equal(x.times.message_start, 2000);
	assert_int_equal(x.times.first_content, 2000);
	assert_string_equal(x.response.engine, "llama.cpp");
	assert_true(x.response.timings.prompt_ms == 12.5);
	assert_true(x.response.timings.predicted_ms == 70.25);
	assert_int_equal(x.response.timings.prompt_tokens, 36);
	assert_int_equal(x.response.timings.cached_tokens, 64);
	assert_int_equal(x.response.timings.predicted_tokens, 7);
	exchange_release(&x);

	feed(&x, (const char *const[]){CHUNK("\"choices\":[],\"timings\":7")}, 1);
	assert_null(x.response.engine);
	assert_true(isnan(x.response.timings.prompt_ms));
	assert_int_equal(x.response.timings.prompt_tokens, N);
	exchange_release(&x);
}

static void test_engine(void **state)
{
	static const struct {
		const char *fingerprint, *engine;
	} cases[] = {
		{"b10573-1a2b3c4d", "llama.cpp"},
		{"fp_ollama", "ollama"},
		{"0.32.0-0.30.1-macOS-15.1-arm64-arm-64bit-applegpu_g16s", "mlx-lm"},
		{"0.32.0-0.30.1-Linux-6.1-x86_64", "mlx-lm"},
		{"fp_44709d6fcb", NULL},
		{"b1234", NULL},
		{"b-1a2b3c4d", NULL},
		{"b12-1a2b3c4dz", NULL},
		{"b12-1a2b", NULL},
		{"1.0-macOS-15", NULL},
		{"qwen3-0.6b", NULL},
		{"b", NULL},
		{"-", NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct exchange x;
		char event[200];
		snprintf(event, sizeof(event), CHUNK("\"choices\":[],\"system_fingerprint\":\"%s\""),
			 cases[i].fingerprint);
		feed(&x, (const char *const[]){event}, 1);
		if (cases[i].engine)
			assert_string_equal(x.response.engine, cases[i].engine);
		else
			assert_null(x.response.engine);
		exchange_release(&x);
	}
}

static void test_errors(void **state)
{
	static const struct {
		const char *event, *error;
	} cases[] = {
		{"{\"error\":{\"message\":\"bad\",\"type\":\"server_error\",\"code\":500}}", "server_error: bad"},
		{"{\"error\":\"bad\"}", "error: bad"},
		{"{\"object\":\"error\",\"message\":\"bad\",\"type\":\"BadRequest\",\"code\":400}", "BadRequest: bad"},
		{"{\"choices\":", "an event of the stream is not a JSON object"},
		{"[]", "an event of the stream is not a JSON object"},
		{"{\"choices\":7}", NULL},
		{"{\"choices\":[7,null,{\"delta\":7},{}]}", NULL},
		{"{\"error\":null,\"choices\":[]}", NULL},
	};
	struct exchange x;
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		feed(&x, &cases[i].event, 1);
		if (cases[i].error) {
			assert_string_equal(x.response.error, cases[i].error);
			/* It was no answer: nothing was generated. */
			assert_int_equal(x.times.message_start, 0);
		} else {
			assert_null(x.response.error);
		}
		exchange_release(&x);
	}
	/* A server that names its error event and leaves out the wrapping. */
	exchange_init(&x, 16, 16);
	x.api = KVS_API_OPENAI_CHAT;
	api_response_event(&x, STR("error"), STR("{\"message\":\"flat\",\"code\":500}"), 1);
	assert_string_equal(x.response.error, "flat");
	exchange_release(&x);
	/* Nothing but the end. */
	feed(&x, (const char *const[]){"[DONE]"}, 1);
	assert_null(x.response.error);
	assert_int_equal(x.times.message_start, 0);
	assert_int_equal(x.response.events, 1);
	exchange_release(&x);
}

static void test_body(void **state)
{
	struct guard guard = {NULL, 0};
	struct exchange x;
	struct str body = STR(
		"{\"id\":\"chatcmpl-2\",\"object\":\"chat.completion\",\"model\":\"qwen3\",\"choices\":[{\"index\":0,"
		"\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"reasoning_content\":\"Hm.\",\"tool_calls\":"
		"[{\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]"
		"," USAGE(",\"prompt_tokens_details\":{\"cached_tokens\":64}") ",\"timings\":{\"prompt_n\":36,"
									       "\"prompt_ms\":12.5}}");
	(void)state;
	exchange_init(&x, 16, 16);
	x.api = KVS_API_OPENAI_CHAT;
	x.response.status = 200;
	api_response_body(&x, guard_put(&guard, body), 1000);
	assert_null(x.response.error);
	assert_string_equal(x.response.id, "chatcmpl-2");
	assert_string_equal(x.response.model, "qwen3");
	assert_string_equal(x.response.stop_reason, "stop");
	assert_string_equal(x.response.engine, "llama.cpp");
	check_usage(&x.response.usage, 100, 7, 64, N, N);
	check_usage(&x.response.usage_end, 100, 7, 64, N, N);
	assert_int_equal(x.response.text_bytes, 2 + 3 + 2);
	assert_int_equal(x.times.message_start, 0);
	assert_int_equal(x.times.first_content, 0);
	exchange_release(&x);

	exchange_init(&x, 16, 16);
	x.api = KVS_API_OPENAI_CHAT;
	x.response.status = 404;
	api_response_body(&x, STR("{\"error\":\"Only 'text' content type is supported.\"}"), 1000);
	assert_string_equal(x.response.error, "error: Only 'text' content type is supported.");
	exchange_release(&x);
	guard_release(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_reasoning_and_tools),
		cmocka_unit_test(test_tool_first),
		cmocka_unit_test(test_where_usage_sits),
		cmocka_unit_test(test_llamacpp_timings),
		cmocka_unit_test(test_engine),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
