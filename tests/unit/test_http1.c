/* SPDX-License-Identifier: MIT */
#include "http/headers.h"
#include "http/http1.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define HEAD_MAX 4096

/* What was seen, as text: heads "{POST /x a=b}", bodies as they are, '.' the end of a message, '>' a switch, '!' bad,
 * '~' the end of the connection in the middle, '^' one that ends the message. */
struct seen {
	struct buf text;
	enum http1_body answer;
};

static enum http1_body on_head(void *context, const struct http1_head *head)
{
	struct seen *seen = context;
	if (head->method.p)
		buf_printf(&seen->text, "{%.*s %.*s", STR_FMT(head->method), STR_FMT(head->target));
	else
		buf_printf(&seen->text, "{%d", head->status);
	for (size_t i = 0; i < head->nheaders; i++)
		buf_printf(&seen->text, " %.*s=%.*s", STR_FMT(head->headers[i].name), STR_FMT(head->headers[i].value));
	buf_printf(&seen->text, "}%s", head->has_body && head->method.p ? "+" : "");
	return seen->answer;
}

static void on_body(void *context, struct str bytes)
{
	buf_append_str(&((struct seen *)context)->text, bytes);
}

static const struct http1_sink sink = {on_head, on_body};

/* false: not HTTP, or no longer. */
static bool feed(struct http1 *h, struct seen *seen, struct str bytes)
{
	while (bytes.n) {
		size_t used = 0;
		enum http1_result r = http1_feed(h, bytes, &used);
		buf_puts(&seen->text, r == HTTP1_END ? "." : r == HTTP1_SWITCH ? ">" : r == HTTP1_BAD ? "!" : "");
		if (r == HTTP1_SWITCH || r == HTTP1_BAD)
			return false;
		bytes.p += used;
		bytes.n -= used;
	}
	return true;
}

static void finish(struct http1 *h, struct seen *seen)
{
	enum http1_result r = http1_finish(h);
	buf_puts(&seen->text, r == HTTP1_END ? "^" : r == HTTP1_BAD ? "~" : "");
}

struct http_case {
	enum http1_side side;
	enum http1_body answer;
	const char *wire;
	const char *expected;
};

static const struct http_case cases[] = {
	{HTTP1_REQUESTS, 0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "{GET / Host=a}."},
	{HTTP1_REQUESTS, 0, "POST /v1/messages?beta=true HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
	 "{POST /v1/messages?beta=true Content-Length=3}+abc."},
	{HTTP1_REQUESTS, 0,
	 "POST /a HTTP/1.1\r\nContent-Length: 1\r\n\r\nxPOST /b HTTP/1.1\r\nContent-Length: 1\r\n\r\ny",
	 "{POST /a Content-Length=1}+x.{POST /b Content-Length=1}+y."},
	{HTTP1_REQUESTS, 0,
	 "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
	 "GET /b HTTP/1.1\r\n\r\n",
	 "{POST /a Transfer-Encoding=chunked}+abcde.{GET /b}."},
	{HTTP1_REQUESTS, 0, "GET / HTTP/1.1\r\nX:\r\nY:  z \r\n\r\n", "{GET / X= Y=z }."},
	{HTTP1_REQUESTS, 0, "GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
	 "{GET / Connection=close}.{GET /2}."},
	{HTTP1_REQUESTS, 0,
	 "POST / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nok"
	 "GET /2 HTTP/1.1\r\n\r\n",
	 "{POST / Connection=Upgrade, HTTP2-Settings Upgrade=h2c Content-Length=2}+ok.{GET /2}."},
	{HTTP1_REQUESTS, 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ">"},
	{HTTP1_REQUESTS, 0, "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", "{POST /a Content-Length=9}+abc~"},
	{HTTP1_REQUESTS, 0, "POST /a HTTP/1.1\r\nContent-Le", "~"},
	{HTTP1_REQUESTS, 0, "\x16\x03\x01\x02", "!"},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
	 "{200 Content-Length=2}ok.{404 Content-Length=0}."},
	{HTTP1_RESPONSES, 0,
	 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody",
	 "{100}.{103 Link=x}.{200}body^"},
	{HTTP1_RESPONSES, 0,
	 "HTTP/1.1 304 N\r\nContent-Length: 100\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
	 "{304 Content-Length=100}.{200 Content-Length=1}x."},
	{HTTP1_RESPONSES, 0,
	 "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\nHTTP/1.0 200\r\nContent-Length: 1\r\n\r\nx",
	 "{204 Transfer-Encoding=chunked}.{200 Content-Length=1}x."},
	{HTTP1_RESPONSES, HTTP1_BODY_NONE, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
	 "{200 Content-Length=100}.{200}."},
	{HTTP1_RESPONSES, HTTP1_BODY_TUNNEL, "HTTP/1.1 200 Established\r\n\r\n\x16\x03\x01", "{200}>"},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05",
	 "{101 Connection=upgrade Upgrade=websocket}>"},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 101 S\r\n\r\n\x81\x05", "{101}>"},
	{HTTP1_RESPONSES, 0, "HTTP/1.0 200 OK\r\nServer: s\r\n\r\nuntil the end", "{200 Server=s}until the end^"},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", "{200 Content-Length=1}x."},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	 "{200 Transfer-Encoding=chunked}ab~"},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	 "{200 Transfer-Encoding=chunked}!"},
	{HTTP1_RESPONSES, 0, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
	 "{200 A=b c Content-Length=0}."},
};

static void run_case(const struct http_case *c, size_t cut, size_t step, struct guard *guard)
{
	struct seen seen = {.answer = c->answer};
	struct http1 h;
	struct str wire = str_from(c->wire);
	bool more = true;
	buf_init(&seen.text, 65536);
	http1_init(&h, c->side, HEAD_MAX, &sink, &seen);
	for (size_t at = 0; at < wire.n && more;) {
		size_t n = step ? step : at < cut ? cut - at : wire.n - at;
		more = feed(&h, &seen, guard_put(guard, (struct str){wire.p + at, n}));
		at += n;
	}
	if (more)
		finish(&h, &seen);
	assert_string_equal(buf_str(&seen.text).p, c->expected);
	http1_release(&h);
	buf_release(&seen.text);
}

static void test_cases_split_anywhere(void **state)
{
	(void)state;
	struct guard guard = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t cut = 0; cut <= strlen(cases[i].wire); cut++)
			run_case(&cases[i], cut, 0, &guard);
		run_case(&cases[i], 0, 1, &guard);
	}
	guard_release(&guard);
}

static void test_step_over(void **state)
{
	(void)state;
	static const struct {
		const char *before;
		uint64_t gap;
		const char *after; /* NULL: cannot be stepped over */
		const char *expected;
	} holes[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 4,
		 "hijHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		 "{200 Content-Length=10}abchij.{200 Content-Length=1}x."},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 9, "jHTTP/1.1 200 OK\r\n\r\n",
		 "{200 Content-Length=10}j.{200}^"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 7, "HTTP/1.1 200 OK\r\n\r\n",
		 "{200 Content-Length=10}abc.{200}^"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 10, "HTTP/1.1 200 OK\r\n\r\n",
		 "{200 Content-Length=10}.{200}^"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 8, NULL, ""},
		{"HTTP/1.1 200 OK\r\nContent-Le", 3, NULL, ""},
		{"", 3, NULL, ""},
		{"HTTP/1.1 200 OK\r\n\r\nab", 1000, "c", "{200}abc^"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabc", 4, "h\r\n1\r\ni\r\n0\r\n\r\n",
		 "{200 Transfer-Encoding=chunked}abchi."},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabc", 5, "\r\n1\r\ni\r\n0\r\n\r\n",
		 "{200 Transfer-Encoding=chunked}abci."},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n", 7, "h\r\n0\r\n\r\n",
		 "{200 Transfer-Encoding=chunked}h."},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nabc", 6, NULL, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100", 6, NULL, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na", 1, NULL, ""},
	};
	for (size_t i = 0; i < sizeof(holes) / sizeof(*holes); i++) {
		struct seen seen = {.answer = HTTP1_BODY_AS_SAID};
		struct http1 h;
		enum http1_result r = HTTP1_MORE;
		buf_init(&seen.text, 65536);
		http1_init(&h, HTTP1_RESPONSES, HEAD_MAX, &sink, &seen);
		assert_true(feed(&h, &seen, str_from(holes[i].before)));
		assert_int_equal(http1_step_over(&h, holes[i].gap, &r), holes[i].after != NULL);
		if (holes[i].after) {
			if (r == HTTP1_END)
				buf_putc(&seen.text, '.');
			assert_true(feed(&h, &seen, str_from(holes[i].after)));
			finish(&h, &seen);
			assert_string_equal(buf_str(&seen.text).p, holes[i].expected);
		}
		http1_release(&h);
		buf_release(&seen.text);
	}
}

static void test_limits(void **state)
{
	(void)state;
	struct seen seen = {.answer = HTTP1_BODY_AS_SAID};
	struct http1 h;
	buf_init(&seen.text, 1 << 20);
	http1_init(&h, HTTP1_REQUESTS, HEAD_MAX, &sink, &seen);

	struct buf wire;
	buf_init(&wire, 1 << 20);
	buf_puts(&wire, "GET / HTTP/1.1\r\nX: ");
	for (int i = 0; i < HEAD_MAX; i++)
		buf_putc(&wire, 'x');
	assert_false(feed(&h, &seen, buf_str(&wire)));
	assert_string_equal(http1_error(&h), "the head is too long");

	/* After a restart it reads on, with nothing left of what was. */
	http1_restart(&h);
	buf_reset(&seen.text);
	assert_true(feed(&h, &seen, STR("GET /2 HTTP/1.1\r\nA: b\r\n\r\n")));
	assert_string_equal(buf_str(&seen.text).p, "{GET /2 A=b}.");

	buf_reset(&wire);
	buf_puts(&wire, "GET / HTTP/1.1\r\n");
	for (int i = 0; i <= HTTP1_HEADERS_MAX; i++)
		buf_puts(&wire, "a:b\r\n");
	assert_false(feed(&h, &seen, buf_str(&wire)));
	assert_string_equal(http1_error(&h), "the head has too many headers");
	buf_release(&wire);
	buf_release(&seen.text);
	http1_release(&h);
}

static void test_guess_head(void **state)
{
	(void)state;
	static const struct {
		enum http1_side side;
		const char *text;
		enum http1_guess guess;
	} guesses[] = {
		{HTTP1_REQUESTS, "POST /v1/messages HTTP/1.1\r\n", HTTP1_HEAD_YES},
		{HTTP1_REQUESTS, "GET / HTTP/1.0\n", HTTP1_HEAD_YES},
		{HTTP1_REQUESTS, "GET / HTTP/1.1x", HTTP1_HEAD_NO},
		{HTTP1_REQUESTS, "POSTED /v1 HTTP/1.1\r\n", HTTP1_HEAD_NO},
		{HTTP1_REQUESTS, "GET the\nnews HTTP/1.1\r\n", HTTP1_HEAD_NO},
		{HTTP1_REQUESTS, "data: POST / HTTP/1.1\r\n", HTTP1_HEAD_NO},
		{HTTP1_RESPONSES, "HTTP/1.1 200 OK\r\n", HTTP1_HEAD_YES},
		{HTTP1_RESPONSES, "HTTP/1.1 200\r\n", HTTP1_HEAD_YES},
		{HTTP1_RESPONSES, "HTTP/2 200\r\n", HTTP1_HEAD_NO},
		{HTTP1_RESPONSES, "HTTP/1.1 is old\r\n", HTTP1_HEAD_NO},
	};
	struct guard guard = {0};
	for (size_t i = 0; i < sizeof(guesses) / sizeof(*guesses); i++) {
		struct str s = str_from(guesses[i].text);
		assert_int_equal(http1_guess_head(guesses[i].side, s), guesses[i].guess);
		for (size_t n = 0; n < s.n; n++) {
			/* A part of it is undecided until it is what the whole is. */
			struct str part = guard_put(&guard, (struct str){s.p, n});
			enum http1_guess g = http1_guess_head(guesses[i].side, part);
			assert_true(g == HTTP1_HEAD_MAYBE || g == guesses[i].guess);
		}
	}
	guard_release(&guard);
}

static void test_kept_headers(void **state)
{
	(void)state;
	static const char *const secret[] = {"Authorization",
					     "x-api-key",
					     "Cookie",
					     "Set-Cookie",
					     "Proxy-Authorization",
					     "X-Stainless",
					     "anthropic-organization-id",
					     ""};
	static const char *const kept[] = {"Content-Type", "X-Stainless-Retry-Count",
					   "anthropic-ratelimit-tokens-reset", "x-claude-code-session-id", "SERVER"};
	for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++)
		assert_false(header_value_kept(str_from(secret[i])));
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		assert_true(header_value_kept(str_from(kept[i])));
}

static void test_target(void **state)
{
	(void)state;
	static const struct {
		const char *target, *path, *names;
	} targets[] = {
		{"/v1/messages", "/v1/messages", NULL},
		{"/v1/messages?beta=true", "/v1/messages", "beta"},
		{"/a?key=secret&&b&c=?=&=x", "/a", "key&b&c"},
		{"/a?", "/a", ""},
		{"http://user:pw@host:80/v1/x?y=http://z", "/v1/x", "y"},
		{"http://host", "", NULL},
		{"*", "*", NULL},
	};
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++) {
		struct str path, query;
		struct buf names;
		buf_init(&names, 100);
		target_split(str_from(targets[i].target), &path, &query);
		assert_true(str_eq(path, str_from(targets[i].path)));
		assert_int_equal(query.p == NULL, targets[i].names == NULL);
		assert_int_equal(query_names(query, &names), 0);
		assert_string_equal(buf_str(&names).p, targets[i].names ? targets[i].names : "");
		buf_release(&names);
	}
	assert_true(str_eq(media_type(STR(" text/event-stream ; charset=utf-8")), STR("text/event-stream")));
	assert_int_equal(media_type(STR_NONE).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases_split_anywhere),
		cmocka_unit_test(test_step_over),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_guess_head),
		cmocka_unit_test(test_kept_headers),
		cmocka_unit_test(test_target),
	};
	return cmocka_run_group_tests_name("http1", tests, NULL, NULL) != 0;
}
