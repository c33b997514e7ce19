/* SPDX-License-Identifier: MIT */
#include "relay/tap.h"

#include "collect/ring_reader.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define RING_BYTES ((uint64_t)KVS_RING_SLOTS_MIN * KVS_SLOT_BYTES)

struct rig {
	char *path;
	struct ring_reader *reader;
	struct tap *tap;
	const struct kvs_record *record;
	struct str payload;
};

static void rig_open(struct rig *g)
{
	char error[256] = "";
	assert_int_equal(ring_create(RING_BYTES, &g->path, error, sizeof(error)), 0);
	assert_int_equal(ring_reader_open(g->path, &g->reader, error, sizeof(error)), 0);
	assert_int_equal(tap_open(g->path, &g->tap, error, sizeof(error)), 0);
	assert_int_equal(ring_reader_next(g->reader, &g->record, &g->payload), 1);
	assert_int_equal(g->record->type, KVS_REC_PROCESS);
}

static void rig_close(struct rig *g)
{
	tap_close(g->tap);
	ring_reader_close(g->reader);
	ring_remove(g->path);
	free(g->path);
}

static void next_is(struct rig *g, enum kvs_record_type type)
{
	assert_int_equal(ring_reader_next(g->reader, &g->record, &g->payload), 1);
	assert_int_equal(g->record->type, type);
}

static void a_conversation(void **state)
{
	(void)state;
	struct rig g;
	struct tap_stream sent = {.connection = 7}, received = {.connection = 7};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(443)};
	rig_open(&g);
	tap_connected(g.tap, 7, (struct sockaddr *)&peer, sizeof(peer), 1);
	tap_sent(g.tap, &sent, STR("POST"), 2, 3);
	tap_received(g.tap, &received, STR("HTTP/1.1"), 4);
	tap_received(g.tap, &received, STR(" 200"), 5);
	tap_ended(g.tap, &received, 6);
	tap_failed(g.tap, &received, 104, 6);
	tap_closed(g.tap, 7, 7);

	next_is(&g, KVS_REC_CONNECT);
	assert_int_equal(g.payload.n, sizeof(peer));
	next_is(&g, KVS_REC_CLASS);
	assert_int_equal(g.record->arg, KVS_CLASS_RECORDED);
	next_is(&g, KVS_REC_SEND);
	assert_true(str_eq(g.payload, STR("POST")) && g.record->time_ns == 2 && g.record->end_ns == 3);
	next_is(&g, KVS_REC_RECV);
	assert_true(str_eq(g.payload, STR("HTTP/1.1")) && g.record->offset == 0);
	next_is(&g, KVS_REC_RECV);
	assert_true(str_eq(g.payload, STR(" 200")) && g.record->offset == 8 && g.record->conn == 7);
	next_is(&g, KVS_REC_EOF);
	assert_int_equal(g.record->offset, 12);
	next_is(&g, KVS_REC_ERROR);
	assert_int_equal(g.record->arg, 104);
	next_is(&g, KVS_REC_CLOSE);
	assert_int_equal(ring_reader_next(g.reader, &g.record, &g.payload), 0);
	rig_close(&g);
}

/* Many times the ring's size at once: nothing is lost, and it comes in order. */
static void a_full_ring_is_waited_for(void **state)
{
	(void)state;
	enum { N = 3 << 20 };
	struct rig g;
	struct tap_stream received = {.connection = 1};
	char *bytes = malloc(N);
	assert_non_null(bytes);
	for (size_t i = 0; i < N; i++)
		bytes[i] = (char)(i * 2654435761u >> 24);
	rig_open(&g);
	tap_received(g.tap, &received, (struct str){bytes, N}, 1);
	assert_false(tap_flush(g.tap));
	size_t got = 0;
	for (bool all = false; got < N;) {
		while (ring_reader_next(g.reader, &g.record, &g.payload) > 0) {
			assert_int_equal(g.record->offset, got);
			assert_memory_equal(g.payload.p, bytes + got, g.payload.n);
			got += g.payload.n;
			/* Only the last of one receive does not say that there is more. */
			assert_int_equal(g.record->flags & KVS_REC_MORE ? 1 : 0, got < N);
		}
		assert_false(all && got < N);
		all = tap_flush(g.tap);
	}
	struct ring_loss loss;
	ring_reader_loss(g.reader, &loss);
	assert_int_equal(loss.dropped[KVS_DROP_FULL], 0);
	free(bytes);
	rig_close(&g);
}

/* Nobody reads for good: what does not fit is counted, and the place in the stream shows it. */
static void there_is_a_limit(void **state)
{
	(void)state;
	struct rig g;
	struct tap_stream received = {.connection = 1};
	char *bytes = calloc(1, 1 << 20);
	assert_non_null(bytes);
	rig_open(&g);
	for (size_t i = 0; i < (TAP_WAITING_MAX >> 20) + 4; i++)
		tap_received(g.tap, &received, (struct str){bytes, 1 << 20}, 1);
	struct ring_loss loss;
	ring_reader_loss(g.reader, &loss);
	assert_true(loss.dropped[KVS_DROP_FULL] > 0 && loss.dropped_bytes > 0);
	uint64_t got = 0;
	for (bool all = false; !all;) {
		while (ring_reader_next(g.reader, &g.record, &g.payload) > 0)
			got += g.payload.n;
		all = tap_flush(g.tap);
	}
	while (ring_reader_next(g.reader, &g.record, &g.payload) > 0)
		got += g.payload.n;
	assert_true(got + loss.dropped_bytes == received.offset);
	free(bytes);
	rig_close(&g);
}

static void no_ring(void **state)
{
	(void)state;
	struct tap *tap;
	char error[256] = "";
	assert_int_equal(tap_open("/nonexistent/ring", &tap, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "/nonexistent/ring"));
	assert_int_equal(tap_open("/proc/self/exe", &tap, error, sizeof(error)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversation),
		cmocka_unit_test(a_full_ring_is_waited_for),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(no_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
