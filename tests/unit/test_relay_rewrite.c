/* SPDX-License-Identifier: MIT */
#include "relay/rewrite.h"
#include "relay/upstream.h"
#include "run/relayed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct rewrite_rule rule = {{"t0k", 3}, {"", 0}, {"api.test", 8}};
static const struct rewrite_rule below = {{"t0k", 3}, {"/base", 5}, {"api.test:8443", 13}};

struct wire_case {
	const struct rewrite_rule *rule;
	const char *from_client;
	const char *to_server; /* of what was let through */
	enum rewrite_result result;
};

static const struct wire_case cases[] = {
	{&rule, "GET /t0k/v1/models HTTP/1.1\r\nHost: 127.0.0.1:9\r\nA: b\r\n\r\n",
	 "GET /v1/models HTTP/1.1\r\nHost: api.test\r\nA: b\r\n\r\n", REWRITE_OK},
	{&below, "POST /t0k/v1/messages?x=1 HTTP/1.1\r\nA:\r\nhOST:x\r\nContent-Length: 2\r\n\r\nab",
	 "POST /base/v1/messages?x=1 HTTP/1.1\r\nA:\r\nhOST:api.test:8443\r\nContent-Length: 2\r\n\r\nab", REWRITE_OK},
	{&rule, "GET /t0k HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n", REWRITE_OK},
	{&rule, "GET /t0k?a HTTP/1.1\r\nHost: x\r\n\r\n", "GET /?a HTTP/1.1\r\nHost: api.test\r\n\r\n", REWRITE_OK},
	{&below, "GET /t0k HTTP/1.1\r\nHost: x\r\n\r\n", "GET /base HTTP/1.1\r\nHost: api.test:8443\r\n\r\n",
	 REWRITE_OK},
	{&rule, "GET /t0k/a HTTP/1.0\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n", REWRITE_OK},
	{&rule, "GET /t0k/a HTTP/1.1\nHost: x\n\n", "GET /a HTTP/1.1\nHost: api.test\n\n", REWRITE_OK},
	/* A body may hold anything. */
	{&rule, "POST /t0k/a HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\nGET /t0k/b\r\nHost: x\r\n\r\n",
	 "POST /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 21\r\n\r\nGET /t0k/b\r\nHost: x\r\n\r\n", REWRITE_OK},
	{&rule,
	 "POST /t0k/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n4\r\nHost\r\n1;x=y\r\n:\r\n0\r\nHost: "
	 "x\r\n\r\nGET /t0k/b HTTP/1.1\r\nHost: y\r\n\r\n",
	 "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: "
	 "api.test\r\n\r\n4\r\nHost\r\n1;x=y\r\n:\r\n0\r\nHost: "
	 "x\r\n\r\nGET /b HTTP/1.1\r\nHost: api.test\r\n\r\n",
	 REWRITE_OK},
	{&rule,
	 "POST /t0k/a HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx\r\nGET /t0k/b HTTP/1.1\r\n\r\n",
	 "POST /a HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx\r\nGET /b HTTP/1.1\r\n\r\n", REWRITE_OK},
	{&rule, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "", REWRITE_REFUSED},
	{&rule, "GET /t0kx/a HTTP/1.1\r\nHost: x\r\n\r\n", "", REWRITE_REFUSED},
	{&rule, "GET /t0 HTTP/1.1\r\n\r\n", "", REWRITE_REFUSED},
	{&rule, "GET //t0k/a HTTP/1.1\r\n\r\n", "", REWRITE_REFUSED},
	{&rule, "GET http://x/t0k/a HTTP/1.1\r\nHost: x\r\n\r\n", "", REWRITE_REFUSED},
	{&rule, "GET /t0k/a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n", REWRITE_REFUSED},
	{&rule, "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", "", REWRITE_BAD},
	{&rule, "GET /t0k/a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "", REWRITE_BAD},
	{&rule, "GET /t0k/a HTTP/1.1\r\nHost:\r\n\r\n", "", REWRITE_BAD},
	{&rule, "what is this\r\n\r\n", "", REWRITE_BAD},
	{&rule, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", REWRITE_BAD},
};

/* In pieces of n bytes, each from memory of its own, so that a view that outlives its piece is found out. */
static enum rewrite_result feed(struct rewrite *w, const char *text, size_t n, struct buf *out)
{
	enum rewrite_result r = REWRITE_OK;
	for (struct str left = str_from(text); left.n > 0 && r == REWRITE_OK;) {
		size_t take = left.n < n ? left.n : n;
		char *piece = malloc(take);
		assert_non_null(piece);
		memcpy(piece, left.p, take);
		r = rewrite_feed(w, (struct str){piece, take}, out);
		free(piece);
		left.p += take;
		left.n -= take;
	}
	return r;
}

static void rewrites_target_and_host_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t n = 1; n <= strlen(cases[i].from_client); n++) {
			struct rewrite w;
			struct buf out;
			buf_init(&out, 1 << 16);
			rewrite_init(&w, cases[i].rule);
			enum rewrite_result r = feed(&w, cases[i].from_client, n, &out);
			assert_string_equal(buf_str(&out).p ? buf_str(&out).p : "", cases[i].to_server);
			assert_int_equal(r, cases[i].result);
			rewrite_release(&w);
			buf_release(&out);
		}
	}
}

static void another_protocol_passes(void **state)
{
	(void)state;
	static const char ask[] = "GET /t0k/ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
	struct rewrite w;
	struct buf out;
	buf_init(&out, 1 << 16);
	rewrite_init(&w, &rule);
	assert_int_equal(feed(&w, ask, sizeof(ask), &out), REWRITE_OK);
	rewrite_answered(&w, STR("HTTP/1.1 101 Switching Protocols\r\n"));
	buf_reset(&out);
	assert_int_equal(feed(&w, "\x81 /t0k", 64, &out), REWRITE_OK);
	assert_string_equal(buf_str(&out).p, "\x81 /t0k");
	rewrite_release(&w);

	/* A server that does not agree goes on with HTTP. */
	rewrite_init(&w, &rule);
	assert_int_equal(feed(&w, ask, 7, &out), REWRITE_OK);
	rewrite_answered(&w, STR("HTTP/1.1 200 OK\r\n"));
	buf_reset(&out);
	assert_int_equal(feed(&w, "GET /t0k/next HTTP/1.1\r\n\r\n", 5, &out), REWRITE_OK);
	assert_string_equal(buf_str(&out).p, "GET /next HTTP/1.1\r\n\r\n");
	rewrite_release(&w);
	buf_release(&out);
}

static void a_head_has_its_limit(void **state)
{
	(void)state;
	struct rewrite w;
	struct buf out;
	char *junk = malloc(REWRITE_HEAD_MAX);
	assert_non_null(junk);
	memset(junk, 'a', REWRITE_HEAD_MAX);
	buf_init(&out, 1 << 16);
	rewrite_init(&w, &rule);
	assert_int_equal(rewrite_feed(&w, STR("GET /t0k/"), &out), REWRITE_OK);
	assert_int_equal(rewrite_feed(&w, (struct str){junk, REWRITE_HEAD_MAX}, &out), REWRITE_BAD);
	assert_int_equal(out.n, 0);
	rewrite_release(&w);
	buf_release(&out);
	free(junk);
}

static void urls(void **state)
{
	(void)state;
	static const struct {
		const char *text, *url, *host, *path;
	} good[] = {
		{"https://api.anthropic.com", "https://api.anthropic.com", "api.anthropic.com", ""},
		{"https://api.anthropic.com/", "https://api.anthropic.com", "api.anthropic.com", ""},
		{"https://a.test:443/x/y//", "https://a.test", "a.test", "/x/y"},
		{"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080", "127.0.0.1:8080", "/v1"},
		{"https://[::1]:8443", "https://[::1]:8443", "[::1]:8443", ""},
	};
	static const char *const bad[] = {"",          "a.test",           "ftp://a.test",       "https://",
					  "file:///x", "https://a.test?q", "https://u:p@a.test", "https://a.test/#f"};
	struct upstream u;
	char error[512];
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(upstream_parse(good[i].text, &u, error, sizeof(error)), 0);
		assert_string_equal(u.url, good[i].url);
		assert_string_equal(u.host, good[i].host);
		assert_string_equal(u.path, good[i].path);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		error[0] = '\0';
		assert_int_equal(upstream_parse(bad[i], &u, error, sizeof(error)), -1);
		assert_true(error[0] && !strstr(error, "u:p"));
	}
	assert_int_equal(upstream_parse("https://api.anthropic.com", &u, error, sizeof(error)), 0);
	assert_true(upstream_is_of(&u, "anthropic.com") && upstream_is_of(&u, "api.anthropic.com"));
	assert_false(upstream_is_of(&u, "thropic.com"));
}

static void exempts_the_relay(void **state)
{
	(void)state;
	static const char *const merged[][2] = {
		{NULL, "127.0.0.1"}, {"", "127.0.0.1"}, {"a.test,b", "a.test,b,127.0.0.1"}};
	for (size_t i = 0; i < 3; i++) {
		char *value = relayed_no_proxy(merged[i][0], "127.0.0.1");
		assert_string_equal(value, merged[i][1]);
		free(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rewrites_target_and_host_alone),
		cmocka_unit_test(another_protocol_passes),
		cmocka_unit_test(a_head_has_its_limit),
		cmocka_unit_test(urls),
		cmocka_unit_test(exempts_the_relay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
