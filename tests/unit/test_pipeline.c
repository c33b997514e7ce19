/* SPDX-License-Identifier: MIT */
#include "feed.h"

#include "guard.h"

#include <brotli/encode.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define BODY "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define REQUEST                                                                                                        \
	"POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\nx-api-key: secret\r\nContent-Length: 72\r\n\r\n" BODY
#define JSON_ANSWER                                                                                                    \
	"{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],"                    \
	"\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 116\r\n\r\n" JSON_ANSWER
#define START                                                                                                          \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"i\",\"model\":\"m\","           \
	"\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
#define DELTA                                                                                                          \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"                             \
	"\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n"
#define STOP                                                                                                           \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"            \
	"\"usage\":{\"output_tokens\":9}}\n\n"
#define STREAM_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
#define STREAM STREAM_HEAD "\r\n" START DELTA STOP

#define OK_LINE "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=116/116 out=4\n"
#define OK_LINE_2 "#2 POST /v1/messages?beta model=m body=72/72 → 200 body=116/116 out=4\n"

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

/* ---- times */

static void test_stamps_and_arrivals(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	f.now_ns = 5000;
	feed_send(&f, STR("POST /v1/messages HTTP/1.1\r\nContent-Length: 72\r\n\r\n")); /* 5000 to 5001 */
	feed_send(&f, STR(BODY));                                                       /* 5002 to 5003 */
	f.now_ns = 6000;
	feed_recv(&f, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	f.now_ns = 7000;
	feed_recv(&f, STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
	feed_recv(&f, STR("Content-Length: 367\r\n\r\n"));
	feed_recv(&f, STR(START));
	feed_recv(&f, STR(DELTA));
	feed_recv(&f, STR(STOP));
	assert_string_equal(feed_seen(&f),
			    "#1 POST /v1/messages model=m body=72/72 → 200 body=367/367 events=3 out=9\n");
	assert_int_equal(f.times.request_start, 5000);
	assert_int_equal(f.times.request_end, 5003);
	assert_int_equal(f.times.first_byte, 7000);
	assert_int_equal(f.times.headers, 7001);
	assert_int_equal(f.times.message_start, 7002);
	assert_int_equal(f.times.first_content, 7003);
	assert_int_equal(f.times.end, 7004);
	assert_int_equal(f.times.grade, GRADE_EXACT);
	assert_int_equal(f.response.narrivals, 5);
	assert_int_equal(f.response.wire_bytes, strlen("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
						       "Content-Length: 367\r\n\r\n") +
							367);
	feed_release(&f);
}

static enum timing_grade grade_of(const char *const pieces[], size_t *arrivals)
{
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	for (size_t i = 0; pieces[i]; i++)
		feed_recv(&f, str_from(pieces[i]));
	feed_type(&f, KVS_REC_EOF, 0);
	*arrivals = f.response.narrivals;
	enum timing_grade grade = f.times.grade;
	feed_release(&f);
	return grade;
}

static void test_grades(void **state)
{
	(void)state;
	size_t n;
	const char *const exact[] = {STREAM_HEAD "\r\n", START, DELTA, STOP, NULL};
	const char *const no_start[] = {STREAM_HEAD "\r\n", DELTA, STOP, NULL};
	const char *const shared[] = {STREAM_HEAD "\r\n", START DELTA, STOP, NULL};
	const char *const with_end[] = {STREAM_HEAD "\r\n", START, DELTA STOP, NULL};
	const char *const at_once[] = {STREAM, NULL};
	const char *const no_stream[] = {"HTTP/1.1 200 OK\r\nContent-Length: 116\r\n\r\n", JSON_ANSWER, NULL};
	assert_int_equal(grade_of(exact, &n), GRADE_EXACT);
	assert_int_equal(n, 4);
	assert_int_equal(grade_of(no_start, &n), GRADE_EXACT);
	assert_int_equal(grade_of(shared, &n), GRADE_RECORD_LEVEL);
	assert_int_equal(grade_of(with_end, &n), GRADE_RECORD_LEVEL);
	assert_int_equal(grade_of(at_once, &n), GRADE_DEGENERATE);
	assert_int_equal(n, 1);
	assert_int_equal(grade_of(no_stream, &n), GRADE_DEGENERATE);
	assert_int_equal(n, 2);
}

/* One receive of 100 KB is two records with the same time: one arrival. */
static void test_long_receive_is_one_arrival(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	struct kvs_record r = {.type = KVS_REC_RECV, .flags = KVS_REC_MORE, .time_ns = 9000};
	feed_record(&f, r, STR("HTTP/1.1 200 OK\r\nContent-Length: 116\r\n\r\n"));
	r.offset = strlen("HTTP/1.1 200 OK\r\nContent-Length: 116\r\n\r\n");
	feed_record(&f, r, STR(JSON_ANSWER));
	assert_string_equal(feed_seen(&f), OK_LINE);
	assert_int_equal(f.response.narrivals, 1);
	feed_release(&f);
}

/* ---- order */

static void test_records_out_of_order(void **state)
{
	(void)state;
	/* Three pieces of each side, in all 36 pairs of orders. */
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	for (int code = 0; code < 36; code++) {
		struct feed f;
		feed_init(&f);
		feed_open(&f);
		for (int i = 0; i < 3; i++) {
			struct str q = STR(REQUEST), a = STR(RESPONSE);
			int at = orders[code % 6][i];
			size_t from = q.n * (size_t)at / 3, to = q.n * (size_t)(at + 1) / 3;
			struct kvs_record r = {.type = KVS_REC_SEND,
					       .offset = from,
					       .time_ns = 2000 + (uint64_t)at,
					       .end_ns = 2000 + (uint64_t)at};
			feed_record(&f, r, (struct str){q.p + from, to - from});
			at = orders[code / 6][i];
			from = a.n * (size_t)at / 3;
			to = a.n * (size_t)(at + 1) / 3;
			r = (struct kvs_record){.type = KVS_REC_RECV, .offset = from, .time_ns = 3000 + (uint64_t)at};
			feed_record(&f, r, (struct str){a.p + from, to - from});
		}
		assert_string_equal(feed_seen(&f), OK_LINE);
		assert_int_equal(f.times.first_byte, 3000);
		assert_int_equal(f.times.end, 3002);
		feed_release(&f);
	}
}

/* A server that gives up waiting says so unasked; the next request must not take that for its answer. */
static void test_response_without_request(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	feed_recv(&f, STR("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
	assert_string_equal(feed_seen(&f), OK_LINE);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	assert_string_equal(feed_seen(&f), OK_LINE_2);
	feed_recv(&f, STR("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
	pipeline_finish(f.pipeline);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.responses_without_request, 2);
	assert_int_equal(loss.holes + loss.http_errors + loss.requests_without_response, 0);
	feed_release(&f);
}

/* ---- holes */

static void skip_sent(struct feed *f, size_t n)
{
	f->sent += n;
}

static void skip_received(struct feed *f, size_t n)
{
	f->received += n;
}

/* Past STREAM_WAIT_NS, so that nobody waits for what is missing any more. */
static void let_time_pass(struct feed *f)
{
	f->now_ns += UINT64_C(3000000000);
}

static void test_hole_in_identity_bodies(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	struct str q = STR(REQUEST), a = STR(RESPONSE);
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, (struct str){q.p, q.n - 30});
	skip_sent(&f, 20);
	feed_send(&f, (struct str){q.p + q.n - 10, 10});
	let_time_pass(&f);
	feed_recv(&f, (struct str){a.p, a.n - 30});
	skip_received(&f, 20);
	feed_recv(&f, (struct str){a.p + a.n - 10, 10});
	let_time_pass(&f);
	feed_send(&f, q); /* and the next exchange is whole */
	feed_recv(&f, a);
	assert_string_equal(
		feed_seen(&f),
		"#1 POST /v1/messages?beta model=m body=42/72! \"20 bytes are missing at "
		"byte 42 of the body\" → 200 body=86/116! \"20 bytes are missing at byte 86 of the body\"\n" OK_LINE_2);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.holes, 2);
	assert_int_equal(loss.hole_bytes, 40);
	assert_int_equal(loss.unreadable_bytes, 0);
	feed_release(&f);
}

/* A hole of any length at any place in the middle of three exchanges: the first and the last are not harmed. */
static void test_hole_anywhere(void **state)
{
	(void)state;
	struct str q = STR(REQUEST), a = STR(RESPONSE);
	for (int side = 0; side < 2; side++) {
		struct str hit = side ? a : q;
		for (size_t at = 0; at < hit.n; at++) {
			for (size_t n = 1; n <= hit.n - at; n += 1 + (hit.n - at) / 7) {
				struct feed f;
				feed_init(&f);
				feed_open(&f);
				feed_send(&f, q);
				feed_recv(&f, a);
				if (side == 0) {
					if (at)
						feed_send(&f, (struct str){q.p, at});
					skip_sent(&f, n);
					if (at + n < q.n)
						feed_send(&f, (struct str){q.p + at + n, q.n - at - n});
					feed_recv(&f, a);
				} else {
					feed_send(&f, q);
					if (at)
						feed_recv(&f, (struct str){a.p, at});
					skip_received(&f, n);
					if (at + n < a.n)
						feed_recv(&f, (struct str){a.p + at + n, a.n - at - n});
				}
				let_time_pass(&f);
				feed_send(&f, q);
				feed_recv(&f, a);
				let_time_pass(&f);
				feed_type(&f, KVS_REC_CLOSE, 0);
				char *seen = f.seen.p;
				assert_int_equal(strncmp(seen, OK_LINE, strlen(OK_LINE)), 0);
				/* Where the second request's head is lost, the third is the second that is seen. */
				const char *last = strstr(seen, "#3 ");
				if (!last && side == 0)
					last = strstr(seen, "#2 ");
				if (!last || strncmp(last + 3, &OK_LINE[3], strlen(OK_LINE) - 3) != 0)
					fail_msg("side %d, %zu bytes at %zu:\n%s", side, n, at, seen);
				/* None is made up: what was harmed says so, or is not there. */
				struct pipeline_loss loss;
				pipeline_loss(f.pipeline, &loss);
				assert_int_equal(loss.holes, 1);
				assert_int_equal(loss.hole_bytes, n);
				assert_null(strstr(seen, "#4"));
				feed_release(&f);
			}
		}
	}
}

/* In a chunked stream a hole loses the place, but the response is followed to its end, and the next is found. */
static void test_hole_in_a_chunked_stream(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(STREAM_HEAD "Transfer-Encoding: chunked\r\n\r\n"));
	feed_recv(&f, STR("83\r\n" START "\r\n"));
	skip_received(&f, 300);
	feed_recv(&f, STR("6\r\nlater\n\r\n"));
	let_time_pass(&f);
	feed_recv(&f, STR("0\r\n\r\n"));
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	assert_string_equal(feed_seen(&f),
			    "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=131/131! events=1 out=1 "
			    "\"300 bytes are missing at byte 131 of the body\"\n" OK_LINE_2);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.holes, 1);
	assert_int_equal(loss.hole_bytes, 300);
	assert_int_equal(loss.unreadable_bytes, 16);
	assert_int_equal(loss.http_errors, 0);
	feed_release(&f);
}

static void test_end_of_a_response_behind_a_hole(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(STREAM_HEAD "Transfer-Encoding: chunked\r\n\r\n"));
	skip_received(&f, 300);
	let_time_pass(&f);
	feed_recv(&f, STR("6\r\nlater\n\r\n"));
	let_time_pass(&f);
	uint64_t last = f.now_ns;
	feed_recv(&f, STR("0\r\n\r\n"));
	feed_type(&f, KVS_REC_CLOSE, 0);
	assert_int_equal(f.times.end, last);
	assert_non_null(strstr(feed_seen(&f), "300 bytes are missing"));
	feed_release(&f);
}

/* Text that looks like a head, in a record that does not begin with it, is no head. */
static void test_search_is_not_fooled_by_text(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR("POST /v1/messages HTTP/1.1\r\nContent-Le"));
	skip_sent(&f, 50);
	feed_send(&f, STR("the docs say:\r\n\r\nPOST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"));
	let_time_pass(&f);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	feed_type(&f, KVS_REC_CLOSE, 0);
	assert_string_equal(feed_seen(&f),
			    OK_LINE "opaque unreadable 106 0 \"no HTTP message could be found in it\"\n");
	feed_release(&f);
}

/* The head behind a hole may come in pieces too. */
static void test_search_finds_a_split_head(void **state)
{
	(void)state;
	struct str q = STR(REQUEST), a = STR(RESPONSE);
	for (size_t cut = 1; cut < 60; cut++) {
		struct feed f;
		feed_init(&f);
		feed_open(&f);
		skip_sent(&f, 10);
		skip_received(&f, 10);
		feed_send(&f, (struct str){q.p, cut});
		let_time_pass(&f);
		feed_send(&f, (struct str){q.p + cut, q.n - cut});
		feed_recv(&f, (struct str){a.p, cut});
		let_time_pass(&f);
		feed_recv(&f, (struct str){a.p + cut, a.n - cut});
		assert_string_equal(feed_seen(&f), OK_LINE);
		feed_release(&f);
	}
}

static void test_not_http(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR("\x01\x02 rubbish"));
	feed_recv(&f, STR("more of it"));
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	feed_recv(&f, STR("HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n"));
	feed_type(&f, KVS_REC_CLOSE, 0);
	assert_non_null(strstr(feed_seen(&f), "opaque unreadable"));
	pipeline_loss(f.pipeline, &loss);
	assert_true(loss.http_errors >= 2);
	assert_true(loss.unreadable_bytes > 0);
	feed_release(&f);

	/* In the middle of a response: the exchange says so, and the next one is found. */
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(STREAM_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"));
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	const char *seen = feed_seen(&f);
	assert_non_null(strstr(seen, "body=3/3! \"the response is not valid HTTP: "));
	assert_non_null(strstr(seen, OK_LINE_2));
	feed_release(&f);
}

/* ---- connections and processes */

static void test_watched_then_recorded(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	struct kvs_record r = {.type = KVS_REC_CONNECT};
	feed_record(&f, r, STR_NONE);
	feed_type(&f, KVS_REC_CLASS, KVS_CLASS_WATCHED);
	r = (struct kvs_record){.type = KVS_REC_SEND, .flags = KVS_REC_NO_PAYLOAD, .wire_bytes = 40};
	feed_record(&f, r, STR_NONE);
	r = (struct kvs_record){.type = KVS_REC_RECV, .flags = KVS_REC_NO_PAYLOAD, .wire_bytes = 500};
	feed_record(&f, r, STR_NONE);
	f.sent = 40;
	f.received = 500;
	feed_type(&f, KVS_REC_CLASS, KVS_CLASS_RECORDED);
	feed_send(&f, STR(REQUEST));
	/* The rest of the answer to what was only watched, then ours. */
	feed_recv(&f, STR("{\"the rest\": 1}"));
	feed_recv(&f, STR(RESPONSE));
	feed_type(&f, KVS_REC_CLOSE, 0);
	const char *seen = feed_seen(&f);
	assert_int_equal(strncmp(seen, OK_LINE, strlen(OK_LINE)), 0);
	feed_release(&f);
}

static void test_opaque_connections(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_CONNECT, .conn = 1}, STR_NONE);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_CLASS, .arg = KVS_CLASS_OPAQUE, .conn = 1},
		    STR("api.example"));
	struct kvs_record r = {.type = KVS_REC_SEND, .flags = KVS_REC_NO_PAYLOAD, .wire_bytes = 517, .conn = 1};
	feed_record(&f, r, STR_NONE);
	r.type = KVS_REC_RECV;
	r.wire_bytes = 4000;
	feed_record(&f, r, STR_NONE);
	/* A second one that is dropped, a third that never says anything. */
	feed_record(&f, (struct kvs_record){.type = KVS_REC_CONNECT, .conn = 2}, STR_NONE);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_CLASS, .arg = KVS_CLASS_DROPPED, .conn = 2}, STR_NONE);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_CONNECT, .conn = 3}, STR_NONE);
	assert_string_equal(feed_seen(&f), "");
	pipeline_finish(f.pipeline);
	assert_string_equal(feed_seen(&f), "opaque tls api.example 517 4000\n");
	feed_release(&f);
}

static void feed_process(struct feed *f, int32_t pid, bool forked)
{
	char payload[sizeof(struct kvs_process) + 8];
	struct kvs_process head = {.ppid = 1};
	memcpy(payload, &head, sizeof(head));
	memcpy(payload + sizeof(head), "/bin/cat", 8);
	feed_record(f,
		    (struct kvs_record){.type = KVS_REC_PROCESS, .flags = forked ? KVS_REC_AFTER_FORK : 0, .pid = pid},
		    (struct str){payload, sizeof(payload)});
}

static void test_processes(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_process(&f, FEED_PID, false);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_process(&f, 200, true);
	assert_string_equal(feed_seen(&f), "process 100 of 1 /bin/cat\nprocess 200 of 1 /bin/cat forked\n");
	pipeline_process_gone(f.pipeline, 200, f.now_ns);
	assert_string_equal(feed_seen(&f), "");
	pipeline_process_gone(f.pipeline, FEED_PID, f.now_ns);
	assert_string_equal(feed_seen(&f),
			    "#1 POST /v1/messages?beta model=m body=72/72 → 0 body=0/0! \"no response: the "
			    "process ended\"\n");
	/* exec: the connections of the program before it are gone without a word. */
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_process(&f, FEED_PID, false);
	assert_string_equal(feed_seen(&f),
			    "#2 POST /v1/messages?beta model=m body=72/72 → 0 body=0/0! \"no response: the "
			    "process became another program\"\nprocess 100 of 1 /bin/cat\n");
	feed_release(&f);
}

/* A child that goes on with its parent's connection has offsets that do not begin at 0. */
static void test_inherited_connection(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	f.sent = 1000;
	f.received = 2000;
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR(RESPONSE));
	assert_string_equal(feed_seen(&f), OK_LINE);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.holes, 0);
	feed_release(&f);
}

static void test_errors_that_end_a_connection(void **state)
{
	(void)state;
	struct feed f;
	feed_init(&f);
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_recv(&f, STR("HTTP/1.1 200 OK\r\nContent-Length: 116\r\n\r\n{"));
	feed_type(&f, KVS_REC_ERROR, ECONNRESET);
	assert_string_equal(feed_seen(&f), "#1 POST /v1/messages?beta model=m body=72/72 → 200 body=1/1! \"cut off: "
					   "Connection reset by peer\"\n");
	feed_type(&f, KVS_REC_CLOSE, 0);
	assert_string_equal(feed_seen(&f), "");

	/* Nobody reads what is sent any more, but the server's last words are still there. */
	feed_open(&f);
	feed_send(&f, STR(REQUEST));
	feed_type(&f, KVS_REC_ERROR, EPIPE);
	feed_recv(&f, STR(RESPONSE));
	assert_string_equal(feed_seen(&f), OK_LINE_2);
	feed_release(&f);
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

static void test_many_connections(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	for (uint64_t i = 1; i <= PIPELINE_CONNECTIONS_MAX + 5; i++)
		feed_record(&f, (struct kvs_record){.type = KVS_REC_CONNECT, .conn = i}, STR_NONE);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.connections_refused, 5);
	feed_release(&f);
}

static void test_requests_that_are_never_answered(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	feed_open(&f);
	for (int i = 0; i < 1000; i++)
		feed_send(&f, STR(REQUEST));
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.requests_without_response, 1000 - 256);
	pipeline_finish(f.pipeline);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.requests_without_response, 1000);
	feed_release(&f);
}

static void test_malformed_records(void **state)
{
	(void)state;
	struct feed f;
	struct pipeline_loss loss;
	feed_init(&f);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_PROCESS}, STR("short"));
	feed_record(&f, (struct kvs_record){.type = KVS_REC_CLASS, .arg = 99}, STR_NONE);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_SEND, .offset = UINT64_MAX}, STR("xy"));
	feed_record(&f, (struct kvs_record){.type = 77}, STR("of a later version"));
	struct kvs_record r = {.type = KVS_REC_SEND, .pid = 1, .conn = 1, .payload_bytes = 3, .time_ns = 1};
	pipeline_feed(f.pipeline, &r, STR("xy"));
	r = (struct kvs_record){.type = KVS_REC_SEND, .pid = 1, .payload_bytes = 2, .time_ns = 1};
	pipeline_feed(f.pipeline, &r, STR("xy"));
	feed_record(&f, (struct kvs_record){.type = KVS_REC_BLIND, .arg = 2}, STR_NONE);
	feed_record(&f, (struct kvs_record){.type = KVS_REC_BLIND, .arg = 200}, STR_NONE);
	pipeline_finish(f.pipeline);
	pipeline_loss(f.pipeline, &loss);
	assert_int_equal(loss.malformed_records, 5);
	assert_int_equal(loss.blind[2], 1);
	assert_string_equal(feed_seen(&f), "");
	feed_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_traffic_split_anywhere),
		cmocka_unit_test(test_traffic_byte_by_byte_interleaved),
		cmocka_unit_test(test_coded_bodies),
		cmocka_unit_test(test_stamps_and_arrivals),
		cmocka_unit_test(test_grades),
		cmocka_unit_test(test_long_receive_is_one_arrival),
		cmocka_unit_test(test_records_out_of_order),
		cmocka_unit_test(test_response_without_request),
		cmocka_unit_test(test_hole_in_identity_bodies),
		cmocka_unit_test(test_hole_anywhere),
		cmocka_unit_test(test_hole_in_a_chunked_stream),
		cmocka_unit_test(test_end_of_a_response_behind_a_hole),
		cmocka_unit_test(test_search_is_not_fooled_by_text),
		cmocka_unit_test(test_search_finds_a_split_head),
		cmocka_unit_test(test_not_http),
		cmocka_unit_test(test_watched_then_recorded),
		cmocka_unit_test(test_opaque_connections),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_inherited_connection),
		cmocka_unit_test(test_errors_that_end_a_connection),
		cmocka_unit_test(test_what_an_exchange_holds),
		cmocka_unit_test(test_body_longer_than_the_limit),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_requests_that_are_never_answered),
		cmocka_unit_test(test_malformed_records),
	};
	return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL) != 0;
}
