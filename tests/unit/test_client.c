/* SPDX-License-Identifier: MIT */
#include "client/client.h"

#include "base/clock.h"

#include "answers.h"

#include <math.h>

/* ---- one client, one server, requests in a row */

struct fixture {
	struct server server;
	struct client *client;
	struct base_url base;
	struct client_answer answer;
};

static void begin(struct fixture *f, const char *const *answers, struct client_options options)
{
	char url[64];
	const char *error;

	*f = (struct fixture){0};
	server_start(&f->server, answers);
	snprintf(url, sizeof(url), "127.0.0.1:%u/v1", f->server.port);
	assert_int_equal(base_url_parse(str_from(url), &f->base, &error), 0);
	options.request_s = 20;
	f->client = client_new(&options, &error);
	assert_non_null(f->client);
	client_answer_init(&f->answer, 4096);
}

static void end(struct fixture *f)
{
	client_answer_release(&f->answer);
	client_free(f->client);
	base_url_release(&f->base);
	server_stop(&f->server);
}

static enum client_outcome ask(struct fixture *f, enum kvs_llm_api api, struct str body)
{
	const char *path = api == KVS_API_ANTHROPIC_MESSAGES ? "/v1/messages" : "/v1/chat/completions";
	struct client_request request = {.api = api, .path = path, .body = body};
	return client_fetch(f->client, &f->base, &request, &f->answer);
}

#define SSE "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#define CHUNKED(size, text) size "\r\n" text "\r\n"
#define START                                                                                                          \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,"         \
	"\"cache_read_input_tokens\":0}}}\n\n"
#define DELTA "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
#define STOP                                                                                                           \
	"event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":1}}\n\n"   \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

static void test_stream(void **state)
{
	static const char *const answers[] = {SSE "Connection: close\r\n\r\n" PAUSE
						  ": keepalive 1/2\n\n" PAUSE START PAUSE DELTA PAUSE STOP CLOSE,
					      NULL};
	struct fixture f;
	(void)state;
	begin(&f, answers, (struct client_options){0});
	assert_int_equal(ask(&f, KVS_API_ANTHROPIC_MESSAGES, STR("{}")), CLIENT_DONE);
	const struct exchange *x = &f.answer.x;
	assert_int_equal(x->response.usage.input, 10);
	assert_int_equal(x->response.usage.cache_read, 0);
	assert_int_equal(x->response.usage.cache_creation, EXCHANGE_ABSENT);
	const uint64_t stamps[] = {x->times.request_start, x->times.request_end,   x->times.headers,
				   x->times.message_start, x->times.first_content, x->times.end};
	for (size_t i = 1; i < sizeof(stamps) / sizeof(*stamps); i++)
		if (stamps[i] < stamps[i - 1] || stamps[0] == 0)
			fail_msg("stamp %zu is before the one that it follows", i);
	/* A machine that is busy may hand several packets over at once. */
	bool apart = x->times.headers < x->times.message_start && x->times.message_start < x->times.first_content &&
		     x->times.first_content < x->times.end;
	assert_int_equal(x->times.grade, apart ? GRADE_EXACT : GRADE_RECORD_LEVEL);
	assert_true(f.answer.connect_ns > 0);
	assert_null(strcasestr(f.server.heads[0], "expect"));
	assert_non_null(strstr(f.server.heads[0], "POST /v1/messages HTTP/1.1\r\n"));
	assert_non_null(strcasestr(f.server.heads[0], "anthropic-version: "));
	end(&f);
}

/* HTTP/1.0, no length, no [DONE]; usage in a chunk without choices. */
static void test_http10(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11\r\nContent-Type: text/event-stream\r\n\r\n"
		"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\n" PAUSE
		"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\r\n\r\n"
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":3}}}"
		"\r\n\r\n" CLOSE,
		NULL};
	struct fixture f;
	(void)state;
	begin(&f, answers, (struct client_options){0});
	assert_int_equal(ask(&f, KVS_API_OPENAI_CHAT, STR("{}")), CLIENT_DONE);
	assert_int_equal(f.answer.x.response.usage.input, 7);
	assert_int_equal(f.answer.x.response.usage.cache_read, 3);
	assert_string_equal(client_header(&f.answer, "server"), "BaseHTTP/0.6 Python/3.11");
	end(&f);
}

static void test_keep_alive(void **state)
{
	static const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
					      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", NULL};
	struct fixture f;
	(void)state;
	begin(&f, answers, (struct client_options){0});
	for (int i = 0; i < 2; i++) {
		struct client_request request = {.path = "/props"};
		assert_int_equal(client_fetch(f.client, &f.base, &request, &f.answer), CLIENT_DONE);
		assert_string_equal(f.answer.x.response.body.p, "{}");
	}
	assert_int_equal(f.answer.connect_ns, 0);
	assert_int_equal(f.server.connections, 1);
	assert_non_null(strstr(f.server.heads[1], "GET /props HTTP/1.1\r\n"));
	end(&f);
}

/* Each answer, and what is to come of it. */
static const struct {
	const char *answer;
	enum client_outcome outcome;
	const char *words; /* in the error */
} failures[] = {
	{SSE "\r\n" START DELTA CLOSE, CLIENT_CUT, "the stream ended before its end"},
	{SSE "Transfer-Encoding: chunked\r\n\r\n" CHUNKED("4", "data") CLOSE, CLIENT_CUT, "cut off"},
	{SSE "\r\n" START
	     "event: error\ndata: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"too much\"}}\n\n" CLOSE,
	 CLIENT_FAILED, "overloaded_error: too much"},
	{"HTTP/1.1 400 Bad\r\nContent-Length: 53\r\n\r\n"
	 "{\"error\":{\"type\":\"exceed_context\",\"message\":\"5 > 4\"}} " CLOSE,
	 CLIENT_REFUSED, "exceed_context: 5 > 4"},
	{"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n" CLOSE, CLIENT_REFUSED, "status 500"},
	{"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n" CLOSE, CLIENT_REFUSED,
	 "301"},
	{CLOSE, CLIENT_CUT, "without an answer"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"usage\"" CLOSE, CLIENT_CUT, "cut off"},
	{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello" CLOSE, CLIENT_FAILED, "not a JSON object"},
};

static void test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++) {
		const char *const answers[] = {failures[i].answer, NULL};
		struct fixture f;
		begin(&f, answers, (struct client_options){0});
		enum client_outcome outcome = ask(&f, KVS_API_ANTHROPIC_MESSAGES, STR("{}"));
		const char *words = f.answer.x.response.error;
		if (outcome != failures[i].outcome || !words || !strstr(words, failures[i].words))
			fail_msg("answer %zu: %s, %s", i, client_outcome_name(outcome), words ? words : "no words");
		end(&f);
	}
}

/* A server that answers 404 and closes without reading a long body. */
static void test_unread(void **state)
{
	static const char *const answers[] = {"HTTP/1.0 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found" CLOSE,
					      NULL};
	struct fixture f;
	size_t n = (size_t)8 << 20;
	char *body = calloc(1, n);
	(void)state;
	assert_non_null(body);
	begin(&f, answers, (struct client_options){0});
	f.server.unread = true;
	enum client_outcome outcome = ask(&f, KVS_API_ANTHROPIC_MESSAGES, (struct str){body, n});
	assert_true(outcome == CLIENT_REFUSED || outcome == CLIENT_CUT); /* a reset may overtake the answer */
	assert_non_null(f.answer.x.response.error);
	end(&f);
	free(body);
}

static void test_retry(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 429 Slow down\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 503 Loading\r\nretry-after-ms: 30\r\nContent-Length: 0\r\n\r\n",
		SSE "Connection: close\r\n\r\n" START DELTA STOP CLOSE,
		"HTTP/1.1 429 Slow down\r\nRetry-After: 100000\r\nContent-Length: 0\r\n\r\n" CLOSE, NULL};
	struct fixture f;
	(void)state;
	begin(&f, answers, (struct client_options){.retries = 5});
	assert_int_equal(ask(&f, KVS_API_ANTHROPIC_MESSAGES, STR("{}")), CLIENT_DONE);
	assert_int_equal(f.answer.attempts, 3);
	assert_true(f.answer.waited_s > 0.02 && f.answer.waited_s < 1);
	assert_int_equal(f.answer.x.response.content_deltas, 1);
	/* Too long a wait is an answer, too. */
	assert_int_equal(ask(&f, KVS_API_ANTHROPIC_MESSAGES, STR("{}")), CLIENT_REFUSED);
	assert_int_equal(f.answer.attempts, 1);
	assert_true(f.answer.retry_after_s > 99999 && f.answer.retry_after_s < 100001);
	end(&f);
}

static void test_keys(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"error\":{\"message\":\"bad sk-anthropic-1\"}}" CLOSE,
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"sk-openai-22\"" CLOSE,
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" CLOSE, NULL};
	struct fixture f;
	(void)state;
	setenv("ANTHROPIC_API_KEY", "sk-anthropic-1", 1);
	setenv("OPENAI_API_KEY", "sk-openai-22", 1);
	begin(&f, answers, (struct client_options){0});
	unsetenv("ANTHROPIC_API_KEY");
	unsetenv("OPENAI_API_KEY");
	ask(&f, KVS_API_ANTHROPIC_MESSAGES, STR("{}"));
	assert_string_equal(f.answer.x.response.error, "bad **************");
	assert_null(strstr(f.answer.x.response.body.p, "sk-"));
	ask(&f, KVS_API_OPENAI_CHAT, STR("{}"));
	assert_null(strstr(f.answer.x.response.body.p, "sk-"));
	client_fetch(f.client, &f.base, &(struct client_request){.path = "/v1/models"}, &f.answer);
	assert_non_null(strstr(f.server.heads[0], "x-api-key: sk-anthropic-1\r\n"));
	assert_null(strstr(f.server.heads[0], "sk-openai-22"));
	assert_non_null(strstr(f.server.heads[1], "Authorization: Bearer sk-openai-22\r\n"));
	assert_null(strstr(f.server.heads[1], "sk-anthropic-1"));
	assert_non_null(strstr(f.server.heads[2], "sk-anthropic-1"));
	assert_non_null(strstr(f.server.heads[2], "sk-openai-22"));
	end(&f);
}

static void test_unreachable(void **state)
{
	static const char *const none[] = {NULL};
	struct fixture f;
	(void)state;
	begin(&f, none, (struct client_options){0});
	server_stop(&f.server);
	assert_int_equal(ask(&f, KVS_API_OPENAI_CHAT, STR("{}")), CLIENT_UNREACHABLE);
	assert_non_null(strstr(f.answer.x.response.error, "127.0.0.1"));
	client_answer_release(&f.answer);
	client_free(f.client);
	base_url_release(&f.base);
}

/* ---- lanes side by side, cancelled */

static void count_cancelled(void *context, struct client_answer *answer)
{
	*(unsigned *)context += answer->outcome == CLIENT_CANCELLED && answer->x.response.error;
}

static void test_cancel(void **state)
{
	static const char *const none[] = {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" PAUSE PAUSE PAUSE PAUSE PAUSE,
					   NULL};
	volatile sig_atomic_t stop = 0;
	struct client_lane *lanes[2];
	struct fixture f;
	unsigned cancelled = 0;
	(void)state;
	begin(&f, none, (struct client_options){.stop = &stop});
	for (int i = 0; i < 2; i++) {
		lanes[i] = client_lane_new(f.client, &f.base, 100, count_cancelled, &cancelled);
		assert_non_null(lanes[i]);
		assert_int_equal(client_send(lanes[i], &(struct client_request){.path = "/"}), 0);
		assert_true(client_lane_busy(lanes[i]));
	}
	assert_int_equal(client_busy(f.client), 2);
	assert_int_equal(client_step(f.client, 1), 0);
	stop = 1;
	assert_int_equal(client_step(f.client, 1000), 0);
	assert_int_equal(cancelled, 2);
	assert_int_equal(client_busy(f.client), 0);
	end(&f);
}

static void test_first_seconds(void **state)
{
	struct client_answer a;
	struct exchange_times *t = &a.x.times;
	(void)state;
	client_answer_init(&a, 100);
	assert_true(isnan(client_first_seconds(&a)));
	*t = (struct exchange_times){.request_end = 1000000000, .first_content = 1250000000, .end = 3000000000};
	assert_float_equal(client_first_seconds(&a), 0.25, 1e-9);
	t->first_content = 0;
	assert_float_equal(client_first_seconds(&a), 2, 1e-9);
	/* The clock was read late: it came at once, which is not that it never came. */
	t->first_content = 999999000;
	assert_float_equal(client_first_seconds(&a), 0, 0);
	client_answer_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),        cmocka_unit_test(test_http10), cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_failures),      cmocka_unit_test(test_unread), cmocka_unit_test(test_retry),
		cmocka_unit_test(test_keys),          cmocka_unit_test(test_cancel), cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_first_seconds),
	};
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
