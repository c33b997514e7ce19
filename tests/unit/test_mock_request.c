/* SPDX-License-Identifier: MIT */
#include "mock/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct mock_rendering as_sent;

static struct mock_request read_as(enum mock_api api, const char *json)
{
	struct mock_request r;
	char why[160] = "";
	int status = mock_request_read(&r, api, &as_sent, str_from(json), why, sizeof(why));
	if (status < 0)
		fail_msg("%s", why);
	return r;
}

static bool same_prompt(const struct mock_request *a, const struct mock_request *b)
{
	return a->prompt.n == b->prompt.n &&
	       memcmp(a->prompt.ids, b->prompt.ids, a->prompt.n * sizeof(*a->prompt.ids)) == 0;
}

/* How many tokens at the start of both are the same. */
static size_t common(const struct mock_request *a, const struct mock_request *b)
{
	size_t n = 0;
	while (n < a->prompt.n && n < b->prompt.n && a->prompt.ids[n] == b->prompt.ids[n])
		n++;
	return n;
}

#define CHECK_SAME(expected, api_a, a, api_b, b)                                                                       \
	do {                                                                                                           \
		struct mock_request first_ = read_as(api_a, a), second_ = read_as(api_b, b);                           \
		assert_int_equal(same_prompt(&first_, &second_), expected);                                            \
		mock_request_release(&first_);                                                                         \
		mock_request_release(&second_);                                                                        \
	} while (0)

#define SAME(a, b) CHECK_SAME(true, MOCK_ANTHROPIC_MESSAGES, a, MOCK_ANTHROPIC_MESSAGES, b)
#define DIFFERENT(a, b) CHECK_SAME(false, MOCK_ANTHROPIC_MESSAGES, a, MOCK_ANTHROPIC_MESSAGES, b)

static void test_fields(void **state)
{
	(void)state;
	struct mock_request r =
		read_as(MOCK_ANTHROPIC_MESSAGES,
			"{\"model\":\"m\",\"max_tokens\":7,\"stream\":true,\"system\":[{\"type\":\"text\",\"text\":"
			"\"be good\"}],"
			"\"tools\":[{\"name\":\"Bash\",\"input_schema\":{}}],\"messages\":["
			"{\"role\":\"user\",\"content\":\"first\"},{\"role\":\"assistant\",\"content\":\"a\"},"
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"second\"}]},"
			"{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"name\":\"Bash\",\"input\":{}}]},"
			"{\"role\":\"system\",\"content\":\"a late word\"}]}");
	assert_string_equal(r.model, "m");
	assert_int_equal(r.max_tokens, 7);
	assert_true(r.stream);
	assert_int_equal(r.turn, 2);
	assert_string_equal(r.last_user.p, "second\n");
	assert_string_equal(r.system.p, "be good\na late word\n");
	assert_true(mock_request_offers_tool(&r, "Bash"));
	assert_true(mock_request_offers_tool(&r, NULL));
	assert_false(mock_request_offers_tool(&r, "Read"));
	mock_request_release(&r);

	r = read_as(
		MOCK_OPENAI_CHAT,
		"{\"stream_options\":{\"include_usage\":true},\"max_completion_tokens\":9,\"tools\":[{\"type\":"
		"\"function\",\"function\":{\"name\":\"ls\",\"parameters\":{}}}],\"messages\":[{\"role\":\"developer\","
		"\"content\":\"be good\"},{\"role\":\"user\",\"content\":\"hi\"}]}");
	assert_null(r.model);
	assert_int_equal(r.max_tokens, 9);
	assert_true(r.include_usage);
	assert_false(r.stream);
	assert_true(mock_request_offers_tool(&r, "ls"));
	assert_string_equal(r.system.p, "be good\n");
	mock_request_release(&r);
}

static void test_what_no_model_sees_is_no_token(void **state)
{
	(void)state;
	/* Shape of content, cache_control, spaces, order and fields beside the prompt. */
	SAME("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
	     "{\"max_tokens\": 5, \"messages\" : [ {\"content\":[{\"cache_control\":{\"type\":\"ephemeral\"},\"type\":"
	     "\"text\",\"text\":\"hi\"}], \"role\":\"user\"} ]}");
	SAME("{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"system\":\"s\"}",
	     "{\"system\":[{\"type\":\"text\",\"text\":\"s\"}],\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
	SAME("{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"x\","
	     "\"input\":{\"a\":1}}]}]}",
	     "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"2\",\"name\":\"x\","
	     "\"input\":{ \"a\": 1 }}]}]}");
}

static void test_what_a_model_sees_is_a_token(void **state)
{
	(void)state;
	static const char plain[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
	DIFFERENT(plain, "{\"messages\":[{\"role\":\"user\",\"content\":\"ho\"}]}");
	DIFFERENT(plain, "{\"messages\":[{\"role\":\"assistant\",\"content\":\"hi\"}]}");
	DIFFERENT(plain, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"system\":\"s\"}");
	DIFFERENT(plain, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"name\":\"t\"}]}");
	DIFFERENT(plain,
		  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hi\"}]}]}");
	DIFFERENT("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":\"1\"}]}]}",
		  "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":\"2\"}]}]}");
	DIFFERENT(
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"data\":\"aa\"}}]}]}",
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"data\":\"bb\"}}]}]}");
}

/* Tools, system, messages: whatever their order on the wire. */
static void test_order_of_the_prompt(void **state)
{
	(void)state;
#define TAIL "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
	struct mock_request all =
		read_as(MOCK_ANTHROPIC_MESSAGES,
			"{\"system\":\"sys\",\"tools\":[{\"name\":\"t\",\"description\":\"d\"}]," TAIL);
	struct mock_request tools =
		read_as(MOCK_ANTHROPIC_MESSAGES,
			"{\"system\":\"other\",\"tools\":[{\"name\":\"t\",\"description\":\"d\"}]," TAIL);
	struct mock_request system = read_as(MOCK_ANTHROPIC_MESSAGES, "{\"system\":\"sys\"," TAIL);
#undef TAIL
	assert_int_equal(all.prompt.ids[0], MARK_TOOL);
	assert_int_equal(system.prompt.ids[0], MARK_SYSTEM);
	assert_int_equal(common(&all, &tools), 7); /* tool, t, block, d, block; system, block */
	assert_int_equal(all.prompt.ids[all.prompt.n - 1], MARK_ASSISTANT);
	mock_request_release(&all);
	mock_request_release(&tools);
	mock_request_release(&system);
}

static void test_openai_tool_calls(void **state)
{
	(void)state;
	CHECK_SAME(
		false, MOCK_OPENAI_CHAT,
		"{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
		"\"arguments\":\"{}\"}}]}]}",
		MOCK_OPENAI_CHAT, "{\"messages\":[{\"role\":\"assistant\",\"content\":null}]}");
	/* An answer reads the same in both APIs. */
	CHECK_SAME(true, MOCK_OPENAI_CHAT,
		   "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"tool_calls\":[{\"function\":{\"name\":"
		   "\"f\","
		   "\"arguments\":\"{\\\"a\\\":1}\"}}]}]}",
		   MOCK_ANTHROPIC_MESSAGES,
		   "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":"
		   "\"tool_use\",\"name\":\"f\",\"input\":{\"a\":1}}]}]}");
}

static void test_bad_requests(void **state)
{
	(void)state;
	static const struct {
		const char *body, *why;
	} bad[] = {
		{"", "the body is not JSON: byte 0"},
		{"{\"a\":", "the body is not JSON: byte 4"},
		{"{}x", "the body is not JSON: byte 2"},
		{"[]", "the body must be a JSON object"},
		{"{}", "messages: a list with at least one message is required"},
		{"{\"messages\":[]}", "messages: a list with at least one message is required"},
		{"{\"messages\":{}}", "messages: a list with at least one message is required"},
		{"{\"model\":1,\"messages\":[1]}", "model: must be a string"},
		{"{\"max_tokens\":0,\"messages\":[1]}", "max_tokens: must be a positive integer"},
		{"{\"max_tokens\":\"1\",\"messages\":[1]}", "max_tokens: must be a positive integer"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mock_request r;
		char why[160] = "";
		assert_int_equal(mock_request_read(&r, MOCK_ANTHROPIC_MESSAGES, &as_sent, str_from(bad[i].body), why,
						   sizeof(why)),
				 -1);
		assert_string_equal(why, bad[i].why);
		mock_request_release(&r);
	}
}

/* JSON of the right shape at the top and nonsense below it: read somehow, never a crash. */
static void test_absurd_requests(void **state)
{
	(void)state;
	static const char *const absurd[] = {
		"{\"messages\":[null,1,\"x\",[],{}]}",
		"{\"messages\":[{\"role\":1,\"content\":2}]}",
		"{\"messages\":[{\"role\":\"user\",\"content\":[1,null,\"x\",[],{\"type\":5}]}]}",
		("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":"
		 "\"tool_result\",\"content\":[{\"type\":\"tool_result\"}]}]}]}]}"),
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[1,{\"function\":2},{\"function\":{}}]}]}",
		"{\"messages\":[1],\"tools\":[1,null,{\"name\":2}],\"system\":{\"a\":1},\"stream_options\":1}",
		"{\"messages\":[1],\"tools\":5,\"system\":5,\"stream\":\"yes\",\"model\":\"\\u0000\"}",
	};
	for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++) {
		struct mock_request r = read_as(MOCK_ANTHROPIC_MESSAGES, absurd[i]);
		assert_true(r.prompt.n > 0);
		assert_false(r.stream);
		mock_request_release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_what_no_model_sees_is_no_token),
		cmocka_unit_test(test_what_a_model_sees_is_a_token),
		cmocka_unit_test(test_order_of_the_prompt),
		cmocka_unit_test(test_openai_tool_calls),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_absurd_requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
