/* SPDX-License-Identifier: MIT */
#include "feed.h"
#include "pipeline_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

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

/* Where nobody waited for the end, it lasted until the client left. A server that breaks off tells no such time. */
static void test_the_client_leaves(void **state)
{
	(void)state;
	for (int answered = 0; answered <= 1; answered++) {
		for (int peer = 0; peer <= 1; peer++) {
			struct feed f;
			feed_init(&f);
			feed_open(&f);
			feed_send(&f, STR(REQUEST));
			f.now_ns = 6000;
			if (answered)
				feed_recv(&f, STR(STREAM_HEAD "Content-Length: 900\r\n\r\n"));
			if (answered)
				feed_recv(&f, STR(START DELTA));
			f.now_ns = 9000;
			if (peer)
				feed_type(&f, KVS_REC_EOF, 0);
			feed_type(&f, KVS_REC_CLOSE, 0);
			assert_int_equal(f.times.end, !peer ? 9000 : answered ? 6001 : 0);
			assert_int_equal(f.times.first_content, answered ? 6001 : 0);
			assert_int_equal(strstr(feed_seen(&f), EXCHANGE_CLIENT_LEFT) != NULL, !peer);
			feed_release(&f);
		}
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamps_and_arrivals),  cmocka_unit_test(test_grades),
		cmocka_unit_test(test_the_client_leaves),    cmocka_unit_test(test_long_receive_is_one_arrival),
		cmocka_unit_test(test_records_out_of_order), cmocka_unit_test(test_response_without_request),
	};
	return cmocka_run_group_tests_name("pipeline_times", tests, NULL, NULL) != 0;
}
