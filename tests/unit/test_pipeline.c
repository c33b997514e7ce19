/* SPDX-License-Identifier: MIT */
#include "feed.h"
#include "guard.h"
#include "pipeline_messages.h"

#include <brotli/encode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

/* ---- the whole, however it is cut */

struct traffic {
	struct str sent, received;
	const char *seen; /* up to and with the close */
	bool eof;         /* the server closes first */
};

#define S(literal)                                                                                                     \
	{                                                                                                              \
		"" literal, sizeof(literal) - 1                                                                        \
	}

static const struct traffic traffic[] = {
	{S(REQUEST), S(RESPONSE), OK_LINE, false},
	{S(REQUEST REQUEST), S(RESPONSE RESPONSE), OK_LINE OK_LINE_2, false}, /* pipelined */
	{S(REQUEST "\r\n" REQUEST), S(RESPONSE RESPONSE), OK_LINE OK_LINE_2, false},
	{S("POST /v1/messages HTTP/1.1\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
	   "40\r\n{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\"\r\n"
	   "8;x=y\r\n:\"hi\"}]}\r\n0\r\nTrailer: t\r\n\r\n"),
	 S("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" RESPONSE),
	 "#1 POST /v1/messages model=m body=72/72 → 200 body=116/116 out=4\n", false},
	/* Until the server closes. */
	{S(REQUEST), S(STREAM), "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=367/367 events=3 out=9\n",
	 true},
	{S(REQUEST REQUEST),
	 S(STREAM_HEAD
	   "Transfer-Encoding: chunked\r\n\r\n"
	   "2d\r\nevent: message_delta\ndata: {\"type\":\"message_d\r\n"
	   "28\r\nelta\",\"delta\":{\"stop_reason\":\"end_turn\"}\r\n21\r\n,\"usage\":{\"output_tokens\":9}}\n\n  \r\n"
	   "0\r\nX-Trailer: 1\r\n\r\n" RESPONSE),
	 "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=118/118 events=1 out=9\n" OK_LINE_2, false},
	/* Other HTTP on the connection: HEAD answers have no body, 304 neither. */
	{S("HEAD /v1/messages HTTP/1.1\r\n\r\nGET /v1/models HTTP/1.1\r\n\r\n" REQUEST),
	 S("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nHTTP/1.1 304 N\r\nContent-Length: 99\r\n\r\n" RESPONSE),
	 OK_LINE "opaque http 57 77\n", false},
	{S("POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), S("HTTP/1.1 204 N\r\n\r\n"),
	 "opaque http 49 18\n", false},
	{S("POST /v1/messages/count_tokens HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"messages\":[]}"),
	 S("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{\"input_tokens\":12}"),
	 "#1 POST /v1/messages/count_tokens body=15/15 → 200 body=19/19\n", false},
	/* An API without dialect. */
	{S("POST /api/generate HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd"),
	 S("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nefg"), "#1 POST /api/generate body=4/4 → 200 body=3/3\n",
	 false},
	/* Errors. */
	{S(REQUEST), S("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 116\r\n\r\n{\"id\""),
	 "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=5/5! \"cut off: the server closed the connection\"\n",
	 true},
	{S(REQUEST), S("HTTP/1.1 200 OK\r\nContent-Le"),
	 "#1 POST /v1/messages?beta model=m body=72/72 → 0 body=0/0! \"cut off: the client closed the connection\"\n",
	 false},
	{S(REQUEST), S(""),
	 "#1 POST /v1/messages?beta model=m body=72/72 → 0 body=0/0! \"no response: the server closed the "
	 "connection\"\n",
	 true},
	{S("POST /v1/messages HTTP/1.1\r\nContent-Length: 99\r\n\r\n{\"model\":\"m\",\"messages\":[{"),
	 S("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
	 "#1 POST /v1/messages model=m body=26/26! \"cut off: the server closed the connection\" → 413 body=0/0 "
	 "\"status 413: the body is empty\"\n",
	 true},
	{S("POST /v1/messages HTTP/1.1\r\nContent-Length: 8\r\n\r\nnot JSON"), S(RESPONSE),
	 "#1 POST /v1/messages body=8/8 \"the body is not a request that can be read: not an object at byte 0\" → 200 "
	 "body=116/116 out=4\n",
	 false},
	{S("POST /v1/messages HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip"), S(RESPONSE),
	 "#1 POST /v1/messages body=0/0! \"the gzip body is damaged\" → 200 body=116/116 out=4\n", false},
	{S("POST /v1/messages HTTP/1.1\r\nContent-Encoding: rot13\r\nContent-Length: 2\r\n\r\n{}"), S(RESPONSE),
	 "#1 POST /v1/messages body=2/2! \"the content coding is not known: rot13\" → 200 body=116/116 out=4\n", false},
	/* Other protocols. */
	{S("GET /v1/responses HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
	 S("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x03"
	   "abc"),
	 "opaque websocket 71 82\n", false},
	{S("CONNECT api.example:443 HTTP/1.1\r\n\r\n"), S("HTTP/1.1 200 Established\r\n\r\n\x16\x03\x01"),
	 "opaque tls 36 31\n", false},
};

/* Sends `sent` cut at a, receives `received` cut at b; answers may overtake their requests on the way to us. */
static const char *run_traffic(const struct traffic *t, size_t a, size_t b, bool overtaken, struct guard *guard)
{
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	uint64_t start = f.now_ns;
	for (int turn = 0; turn < 2; turn++) {
		if ((turn == 0) == overtaken) {
			f.now_ns = start + 100;
			if (b)
				feed_recv(&f, guard_put(guard, (struct str){t->received.p, b}));
			if (b < t->received.n)
				feed_recv(&f, guard_put(guard, (struct str){t->received.p + b, t->received.n - b}));
		} else {
			f.now_ns = start;
			if (a)
				feed_send(&f, guard_put(guard, (struct str){t->sent.p, a}));
			if (a < t->sent.n)
				feed_send(&f, guard_put(guard, (struct str){t->sent.p + a, t->sent.n - a}));
		}
	}
	f.now_ns = start + 200;
	if (t->eof)
		feed_type(&f, KVS_REC_EOF, 0);
	feed_type(&f, KVS_REC_CLOSE, 0);
	pipeline_finish(f.pipeline); /* adds nothing */
	const char *seen = feed_seen(&f);
	feed_release(&f);
	return seen;
}

static void test_traffic_split_anywhere(void **state)
{
	(void)state;
	struct guard guard = {0};
	for (size_t i = 0; i < sizeof(traffic) / sizeof(*traffic); i++) {
		const struct traffic *t = &traffic[i];
		for (size_t a = 0; a <= t->sent.n; a++)
			assert_string_equal(run_traffic(t, a, 0, a & 1, &guard), t->seen);
		for (size_t b = 0; b <= t->received.n; b++)
			assert_string_equal(run_traffic(t, 0, b, b & 1, &guard), t->seen);
	}
	guard_release(&guard);
}

static void test_traffic_byte_by_byte_interleaved(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(traffic) / sizeof(*traffic); i++) {
		const struct traffic *t = &traffic[i];
		struct feed f;
		feed_init(&f);
		feed_open(&f);
		for (size_t at = 0; at < t->sent.n || at < t->received.n; at++) {
			if (at < t->sent.n)
				feed_send(&f, (struct str){t->sent.p + at, 1});
			if (at < t->received.n)
				feed_recv(&f, (struct str){t->received.p + at, 1});
		}
		if (t->eof)
			feed_type(&f, KVS_REC_EOF, 0);
		feed_type(&f, KVS_REC_CLOSE, 0);
		/* An interleaving that no server would make, where answers begin before their requests, but one that
		 * must not change what is read. Protocols switched before the request is out are another matter. */
		if (strncmp(t->seen, "opaque", 6) != 0)
			assert_string_equal(feed_seen(&f), t->seen);
		feed_release(&f);
	}
}

/* ---- content codings */

static void encode(const char *coding, struct str in, struct buf *out)
{
	char *to = buf_reserve(out, 4096);
	assert_non_null(to);
	if (strcmp(coding, "gzip") == 0) {
		z_stream z = {0};
		deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
		z.next_in = (Bytef *)(uintptr_t)in.p;
		z.avail_in = (uInt)in.n;
		z.next_out = (Bytef *)to;
		z.avail_out = 4096;
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		out->n += 4096 - z.avail_out;
		deflateEnd(&z);
	} else if (strcmp(coding, "br") == 0) {
		size_t n = 4096;
		BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, in.n, (const uint8_t *)in.p, &n, (uint8_t *)to);
		out->n += n;
	} else {
		out->n += ZSTD_compress(to, 4096, in.p, in.n, 3);
	}
}

static void make_message(struct buf *out, const char *head, const char *coding, struct str body)
{
	struct buf coded;
	buf_init(&coded, 8192);
	encode(coding, body, &coded);
	buf_printf(out, "%sContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", head, coding, coded.n);
	buf_append_str(out, buf_str(&coded));
	buf_release(&coded);
}

static void test_coded_bodies(void **state)
{
	(void)state;
	static const char *const codings[] = {"gzip", "br", "zstd"};
	struct guard guard = {0};
	for (size_t i = 0; i < 3; i++) {
		struct buf sent, received;
		buf_init(&sent, 8192);
		buf_init(&received, 8192);
		make_message(&sent, "POST /v1/messages HTTP/1.1\r\n", codings[i], STR(BODY));
		make_message(&received, STREAM_HEAD, codings[2 - i], STR(START DELTA STOP));
		struct traffic t = {buf_str(&sent), buf_str(&received),
				    "#1 POST /v1/messages model=m body=72/72 → 200 body=367/367 events=3 out=9\n",
				    false};
		for (size_t a = 0; a <= t.sent.n; a++)
			assert_string_equal(run_traffic(&t, a, 0, false, &guard), t.seen);
		for (size_t b = 0; b <= t.received.n; b++)
			assert_string_equal(run_traffic(&t, 0, b, false, &guard), t.seen);
		buf_release(&sent);
		buf_release(&received);
	}
	guard_release(&guard);
}

/* ---- what an exchange holds */

struct kept {
	struct buf text;
	bool request_event;
};

static void keep_headers(struct buf *b, const struct exchange_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s=%s;", headers[i].name, headers[i].value ? headers[i].value : "(kept by name)");
}

static void keep_request(void *context, const struct exchange *x)
{
	struct kept *k = context;
	assert_int_equal(x->response.status, 0);
	assert_int_equal(x->prompt.nparts, 2);
	k->request_event = true;
}

static void keep_exchange(void *context, struct exchange *x)
{
	struct kept *k = context;
	char hex[DIGEST_HEX_CHARS + 1];
	struct digest of_body = digest_of(buf_str(&x->request.body)), of_answer = digest_of(buf_str(&x->response.body));
	assert_true(k->request_event);
	assert_memory_equal(&of_body, &x->request.body_sha256, sizeof(of_body));
	assert_memory_equal(&of_answer, &x->response.body_sha256, sizeof(of_answer));
	digest_hex(&x->request.body_sha256, hex);
	assert_int_equal(x->max_tokens, 7);
	assert_true(x->wants_stream);
	assert_true(x->prompt.has_system);
	buf_printf(&k->text, "%s %s %s %s %u %s ", x->peer, x->session, x->agent ? x->agent : "-", x->capture_mode,
		   x->sequence, x->response.content_type);
	keep_headers(&k->text, x->request.headers, x->request.nheaders);
	buf_putc(&k->text, ' ');
	keep_headers(&k->text, x->response.headers, x->response.nheaders);
}

static void ignore_opaque(void *context, const struct opaque_connection *o)
{
	(void)context;
	(void)o;
}

static void test_what_an_exchange_holds(void **state)
{
	(void)state;
	struct kept kept = {.request_event = false};
	struct feed f;
	struct pipeline_events events = {
		.context = &kept, .exchange = keep_exchange, .request = keep_request, .opaque = ignore_opaque};
	feed_init(&f);
	pipeline_free(f.pipeline);
	f.pipeline = pipeline_new(&events, "preload");
	buf_init(&kept.text, 4096);
	feed_open(&f);
	feed_send(
		&f,
		STR("POST /v1/messages HTTP/1.1\r\nauthorization: Bearer secret\r\nCookie: secret\r\nUser-Agent: u\r\n"
		    "X-Claude-Code-Session-Id: s-1\r\nContent-Length: 139\r\n\r\n"
		    "{\"model\":\"m\",\"max_tokens\":7,\"stream\":true,\"system\":\"be "
		    "brief\",\"metadata\":{\"user_id\":"
		    "\"user_9\"},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}  "));
	feed_recv(&f,
		  STR("HTTP/1.1 200 OK\r\nSet-Cookie: secret\r\nServer: llama.cpp\r\nContent-Type: application/json; "
		      "charset=utf-8\r\nContent-Length: 116\r\n\r\n" JSON_ANSWER));
	assert_string_equal(
		buf_str(&kept.text).p,
		"127.0.0.1:8080 s-1 - preload 0 application/json "
		"authorization=(kept by name);Cookie=(kept by name);User-Agent=u;X-Claude-Code-Session-Id=s-1;"
		"Content-Length=139; Set-Cookie=(kept by name);Server=llama.cpp;"
		"Content-Type=application/json; charset=utf-8;Content-Length=116;");
	buf_release(&kept.text);
	feed_release(&f);
}

/* ---- limits */

static void test_body_longer_than_the_limit(void **state)
{
	(void)state;
	static char block[1 << 20];
	struct feed f;
	memset(block, 'x', sizeof(block));
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR("POST /v1/messages HTTP/1.1\r\nContent-Length: 68157440\r\n\r\n")); /* 65 MiB */
	for (int i = 0; i < 65; i++)
		feed_send(&f, (struct str){block, sizeof(block)});
	feed_recv(&f, STR(RESPONSE));
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	assert_string_equal(feed_seen(&f),
			    "#1 POST /v1/messages body=67108864/68157440! \"the body is longer than 64 MiB and "
			    "was cut there\" → 200 body=116/116 out=4\n" OK_LINE_2);
	feed_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic_split_anywhere),
		cmocka_unit_test(test_traffic_byte_by_byte_interleaved),
		cmocka_unit_test(test_coded_bodies),
		cmocka_unit_test(test_what_an_exchange_holds),
		cmocka_unit_test(test_body_longer_than_the_limit),
	};
	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL) != 0;
}
