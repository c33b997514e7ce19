/* SPDX-License-Identifier: MIT */
#include "feed.h"
#include "pipeline_messages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

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

/* ---- limits */

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
		cmocka_unit_test(test_watched_then_recorded),
		cmocka_unit_test(test_opaque_connections),
		cmocka_unit_test(test_processes),
		cmocka_unit_test(test_inherited_connection),
		cmocka_unit_test(test_errors_that_end_a_connection),
		cmocka_unit_test(test_many_connections),
		cmocka_unit_test(test_requests_that_are_never_answered),
		cmocka_unit_test(test_malformed_records),
	};
	return cmocka_run_group_tests_name("pipeline_connections", tests, NULL, NULL) != 0;
}
