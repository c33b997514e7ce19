/* SPDX-License-Identifier: MIT */
/* From ring to trace when more comes than can be read at once: all of it is in the trace, or counted. */
#include "ring_fixture.h"

#include "collect/collector.h"
#include "trace/reader.h"

#define BODY "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"%06u\"}]}"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

struct session {
	char *ring_path;
	char trace[40];
	void *base;
	size_t bytes;
	struct ring ring;
	struct collector *collector;
	uint64_t sent, received, time_ns;
	unsigned written; /* exchanges */
};

static void open_session(struct session *s)
{
	static const char *const command[] = {"session", NULL};
	struct trace_header header = {
		.command = command, .cwd = "/", .capture_mode = "preload", .content = CONTENT_FULL};
	char error[512] = "";
	struct stat st;

	*s = (struct session){.trace = "/tmp/kvscope-test-XXXXXX", .time_ns = 1000};
	close(mkstemp(s->trace));
	if (ring_create(SMALL, &s->ring_path, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	int fd = open(s->ring_path, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	s->bytes = (size_t)st.st_size;
	s->base = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(s->base, MAP_FAILED);
	assert_int_equal(ring_attach(&s->ring, s->base, s->bytes), 0);
	if (collector_open(s->ring_path, s->trace, true, &header, &s->collector, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

static void finish_session(struct session *s, bool give_up, struct collector_summary *out)
{
	struct collector_end end = {.exit_status = 0, .signal = -1, .give_up = give_up};
	collector_finish(s->collector, &end, out);
	munmap(s->base, s->bytes);
	ring_remove(s->ring_path);
	free(s->ring_path);
}

static bool put(struct session *s, uint8_t type, const char *text)
{
	size_t n = strlen(text);
	uint64_t *offset = type == KVS_REC_SEND ? &s->sent : &s->received;
	struct kvs_record r = {.payload_bytes = (uint32_t)n,
			       .type = type,
			       .pid = getpid(),
			       .tid = getpid(),
			       .conn = 7,
			       .offset = *offset,
			       .wire_bytes = n,
			       .time_ns = s->time_ns,
			       .end_ns = type == KVS_REC_SEND ? s->time_ns : 0};
	struct ring_reservation at = {0};
	if (ring_reserve(&s->ring, kvs_record_slots(n), own_tid(), &at) < 0)
		return false;
	ring_copy(&s->ring, &at, 0, &r, sizeof(r));
	ring_copy(&s->ring, &at, sizeof(r), text, n);
	assert_int_equal(ring_commit(&at), 0);
	*offset += n;
	s->time_ns += 1000;
	return true;
}

/* Requests and answers until the ring is full. */
static void fill(struct session *s)
{
	for (;;) {
		char body[128], request[256];
		uint64_t head = atomic_load(&s->ring.header->head), tail = atomic_load(&s->ring.header->tail);
		snprintf(body, sizeof(body), BODY, s->written);
		snprintf(request, sizeof(request), "POST /v1/messages HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s",
			 strlen(body), body);
		if (s->ring.slots - (head - tail) <
		    kvs_record_slots(strlen(request)) + kvs_record_slots(sizeof(ANSWER)))
			return;
		assert_true(put(s, KVS_REC_SEND, request));
		assert_true(put(s, KVS_REC_RECV, ANSWER));
		s->written++;
	}
}

static void check_trace(const struct session *s, uint64_t exchanges)
{
	struct trace t;
	char error[512];
	struct buf body;
	if (trace_read(s->trace, &t, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_null(t.warning);
	assert_true(t.has_footer);
	assert_int_equal(t.nexchanges, exchanges);
	buf_init(&body, 4096);
	for (unsigned i = 0; i < exchanges; i++) {
		char wanted[128];
		snprintf(wanted, sizeof(wanted), BODY, i);
		buf_reset(&body);
		assert_int_equal(trace_request_body(&t, i, &body, error, sizeof(error)), 0);
		assert_string_equal(buf_str(&body).p, wanted);
		assert_int_equal(t.exchanges[i].response.status, 200);
	}
	buf_release(&body);
	trace_release(&t);
	unlink(s->trace);
}

static void test_more_than_there_is_time_for(void **state)
{
	(void)state;
	struct session s;
	struct collector_summary summary;
	open_session(&s);
	for (int i = 0; i < 50; i++) {
		fill(&s);
		/* A poll leaves room for the next burst, whatever it had time for. */
		collector_poll(s.collector);
		assert_true(atomic_load(&s.ring.header->head) - atomic_load(&s.ring.header->tail) < s.ring.slots / 2);
	}
	fill(&s);
	finish_session(&s, false, &summary);
	assert_int_equal(summary.exchanges, s.written);
	assert_int_equal(summary.lost_records, 0);
	assert_int_equal(summary.holes, 0);
	assert_true(s.written > 5000);
	check_trace(&s, s.written);
}

/* Who ends it early is told what that cost: nothing is missing without being counted. */
static void test_give_up(void **state)
{
	(void)state;
	struct session s;
	struct collector_summary summary;
	open_session(&s);
	fill(&s);
	collector_poll(s.collector);
	while (collector_behind(s.collector))
		collector_poll(s.collector);
	unsigned read = s.written;
	fill(&s);
	finish_session(&s, true, &summary);
	assert_int_equal(summary.exchanges, read);
	assert_int_equal(summary.lost_records, 2 * (s.written - read));
	check_trace(&s, read);
}

/* What is being read stays in the ring until it is written down: see ring_reader_hold. */
static void test_held(void **state)
{
	(void)state;
	struct session s;
	struct collector_summary summary;
	open_session(&s);
	assert_true(put(&s, KVS_REC_SEND, "POST /v1/messages HTTP/1.1\r\nContent-Length: 70\r\n\r\n{\"model\":\"m\","));
	uint64_t head = atomic_load(&s.ring.header->head);
	assert_int_equal(collector_poll(s.collector), 1);
	assert_int_equal(atomic_load(&s.ring.header->tail), 0);
	assert_true(put(&s, KVS_REC_SEND, "\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"0\"}]}"));
	assert_true(put(&s, KVS_REC_RECV, ANSWER));
	assert_true(atomic_load(&s.ring.header->head) > head);
	assert_int_equal(collector_poll(s.collector), 2);
	assert_int_equal(atomic_load(&s.ring.header->head), atomic_load(&s.ring.header->tail));
	/* And what has been given back is in the file. */
	struct trace t;
	char error[512];
	assert_int_equal(trace_read(s.trace, &t, error, sizeof(error)), 0);
	assert_int_equal(t.nexchanges, 1);
	trace_release(&t);
	finish_session(&s, false, &summary);
	unlink(s.trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_than_there_is_time_for),
		cmocka_unit_test(test_give_up),
		cmocka_unit_test(test_held),
	};
	return cmocka_run_group_tests_name("collector", tests, NULL, NULL);
}
