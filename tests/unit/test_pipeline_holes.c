/* SPDX-License-Identifier: MIT */
#include "feed.h"
#include "pipeline_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hole_in_identity_bodies),
		cmocka_unit_test(test_hole_anywhere),
		cmocka_unit_test(test_hole_in_a_chunked_stream),
		cmocka_unit_test(test_end_of_a_response_behind_a_hole),
		cmocka_unit_test(test_search_is_not_fooled_by_text),
		cmocka_unit_test(test_search_finds_a_split_head),
		cmocka_unit_test(test_not_http),
	};
	return cmocka_run_group_tests_name("pipeline_holes", tests, NULL, NULL) != 0;
}
