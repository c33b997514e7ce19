/* SPDX-License-Identifier: MIT */
/*
 * The speed of the collector, from ring to trace, on one core: collector-bench TURNS [PAIRS]
 *
 * A session of TURNS requests whose context grows to 1 MB goes through a ring of the usual size. The records are
 * written and collected in turn by this one thread, and only the collector's CPU time is counted. SHA-256 of as many
 * bytes, in one piece each, is measured between the parts of the session, so that both see the same machine.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "collect/collector.h"
#include "ring_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONTEXT_BYTES (1u << 20)
#define STATIC_BYTES (96u << 10) /* system prompt and tools of a coding agent */
#define RING_BYTES (8u << 20)

struct session {
	struct ring ring;
	uint64_t sent, received, now_ns;
	struct buf messages, fixed, body;
	struct collector *collector;
	uint64_t request_bytes, collected_ns, sha_ns;
};

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "collector-bench: %s\n", what);
	exit(1);
}

static void words(struct buf *to, unsigned *state, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*state = *state * 1664525u + 1013904223u;
		unsigned c = *state >> 26;
		/* As in source code: a quote or a line's end, escaped, every twenty bytes or so. */
		if (c < 2)
			buf_puts(to, "\\\"");
		else if (c == 2)
			buf_puts(to, "\\n");
		else
			buf_putc(to, "abcdefghijklmnopqrstuvwxyz,.(){}=;0123456789 _->          eeaattssonn"[c]);
	}
}

static void collect(struct session *s)
{
	uint64_t begin = cpu_ns();
	if (collector_poll(s->collector) < 0)
		fail("the ring is damaged");
	s->collected_ns += cpu_ns() - begin;
}

static void put(struct session *s, uint8_t type, struct str bytes)
{
	uint64_t *offset = type == KVS_REC_SEND ? &s->sent : &s->received;
	while (bytes.n > 0) {
		size_t n = bytes.n < KVS_RECORD_PAYLOAD_MAX ? bytes.n : KVS_RECORD_PAYLOAD_MAX;
		struct kvs_record r = {.payload_bytes = (uint32_t)n,
				       .type = type,
				       .pid = (int32_t)getpid(),
				       .tid = (int32_t)getpid(),
				       .conn = 7,
				       .offset = *offset,
				       .wire_bytes = n,
				       .time_ns = s->now_ns,
				       .end_ns = type == KVS_REC_SEND ? s->now_ns : 0};
		struct ring_reservation at = {0};
		if (ring_reserve(&s->ring, kvs_record_slots(n), (uint64_t)getpid(), &at) < 0) {
			collect(s);
			if (ring_reserve(&s->ring, kvs_record_slots(n), (uint64_t)getpid(), &at) < 0)
				fail("the ring stays full");
		}
		ring_copy(&s->ring, &at, 0, &r, sizeof(r));
		ring_copy(&s->ring, &at, sizeof(r), bytes.p, n);
		ring_commit(&at);
		*offset += n;
		bytes.p += n;
		bytes.n -= n;
	}
	s->now_ns += 1000;
}

static void text_block(struct buf *to, unsigned *state, size_t n, bool marker)
{
	buf_puts(to, "{\"type\":\"text\",\"text\":\"");
	words(to, state, n);
	buf_puts(to, marker ? "\",\"cache_control\":{\"type\":\"ephemeral\"}}" : "\"}");
}

static void turn(struct session *s, unsigned n, unsigned turns)
{
	static const char *const events[] = {
		"event: message_start\ndata: "
		"{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\","
		"\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
		"{\"type\":\"text\",\"text\":\"\"}}\n\n",
		"event: message_delta\ndata: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
		"{\"output_tokens\":40}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	};
	size_t each = (CONTEXT_BYTES - STATIC_BYTES) / turns / 2 - 64;
	unsigned state = n * 7919 + 1;
	struct buf head, last;
	buf_init(&head, 4096);
	buf_init(&last, BUF_UNLIMITED);

	/* The newest message carries the cache marker, and loses it in the next request. */
	unsigned again = state;
	buf_puts(&last, "{\"role\":\"user\",\"content\":[");
	text_block(&last, &again, each, true);
	buf_puts(&last, "]}");
	buf_reset(&s->body);
	buf_puts(&s->body, "{\"model\":\"claude-sonnet-4-5\",\"messages\":[");
	buf_append_str(&s->body, buf_str(&s->messages));
	buf_append_str(&s->body, buf_str(&last));
	buf_append_str(&s->body, buf_str(&s->fixed));
	if (s->body.failed || last.failed)
		fail("out of memory");

	buf_printf(
		&head,
		"POST /v1/messages HTTP/1.1\r\nHost: x\r\nX-Claude-Code-Session-Id: s\r\nContent-Length: %zu\r\n\r\n",
		s->body.n);
	uint64_t begin = cpu_ns();
	digest_of(buf_str(&s->body));
	s->sha_ns += cpu_ns() - begin;
	s->request_bytes += s->body.n;
	put(s, KVS_REC_SEND, buf_str(&head));
	put(s, KVS_REC_SEND, buf_str(&s->body));

	put(s, KVS_REC_RECV,
	    STR("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 22; i++) {
		struct buf chunk, event;
		buf_init(&chunk, 4096);
		buf_init(&event, 4096);
		if (i == 0 || i == 1 || i == 21)
			buf_puts(&event, events[i == 21 ? 2 : i]);
		else
			buf_puts(&event,
				 "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
				 "\"delta\":{\"type\":\"text_delta\",\"text\":\"some words\"}}\n\n");
		buf_printf(&chunk, "%zx\r\n%s\r\n", event.n, buf_str(&event).p);
		put(s, KVS_REC_RECV, buf_str(&chunk));
		buf_release(&chunk);
		buf_release(&event);
	}
	put(s, KVS_REC_RECV, STR("0\r\n\r\n"));
	collect(s);

	buf_puts(&s->messages, "{\"role\":\"user\",\"content\":[");
	text_block(&s->messages, &state, each, false);
	buf_puts(&s->messages, "]},{\"role\":\"assistant\",\"content\":[");
	text_block(&s->messages, &state, each, false);
	buf_puts(&s->messages, "]},");
	buf_release(&head);
	buf_release(&last);
}

static void map_ring(const char *path, struct ring *ring)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		fail("no ring");
	void *base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (base == MAP_FAILED || ring_attach(ring, base, (uint64_t)st.st_size) < 0)
		fail("no ring");
}

int main(int argc, char **argv)
{
	unsigned turns = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000;
	static const char *const command[] = {"session", NULL};
	struct trace_header header = {
		.command = command, .cwd = "/", .capture_mode = "preload", .content = CONTENT_FULL};
	struct collector_end end = {.exit_status = 0, .signal = -1};
	struct collector_summary summary;
	struct session s = {.now_ns = 1000};
	char error[512], *ring_path, trace[64] = "/tmp/kvscope-bench-XXXXXX";
	unsigned state = 1;
	struct rusage used;
	struct stat st;

	if (turns < 1 || ring_create(RING_BYTES, &ring_path, error, sizeof(error)) < 0)
		fail("no ring");
	map_ring(ring_path, &s.ring);
	int fd = mkstemp(trace);
	if (fd < 0 || collector_open(ring_path, trace, true, &header, &s.collector, error, sizeof(error)) < 0)
		fail("no trace");
	collector_hurry(s.collector);
	buf_init(&s.messages, BUF_UNLIMITED);
	buf_init(&s.fixed, BUF_UNLIMITED);
	buf_init(&s.body, BUF_UNLIMITED);
	buf_puts(&s.fixed, "],\"system\":[");
	text_block(&s.fixed, &state, STATIC_BYTES / 3, true);
	buf_puts(&s.fixed, "],\"tools\":[");
	for (int i = 0; i < 20; i++) {
		buf_printf(&s.fixed,
			   "%s{\"name\":\"tool_%d\",\"input_schema\":{\"type\":\"object\"},\"description\":\"",
			   i ? "," : "", i);
		words(&s.fixed, &state, STATIC_BYTES / 30);
		buf_puts(&s.fixed, "\"}");
	}
	buf_puts(&s.fixed, "],\"max_tokens\":32000,\"stream\":true}");

	long first_kb = 0;
	for (unsigned i = 0; i < turns; i++) {
		turn(&s, i, turns);
		if (i == turns / 10) {
			getrusage(RUSAGE_SELF, &used);
			first_kb = used.ru_maxrss;
		}
	}
	uint64_t begin = cpu_ns();
	collector_finish(s.collector, &end, &summary);
	s.collected_ns += cpu_ns() - begin;
	fstat(fd, &st);
	close(fd);
	unlink(trace);
	ring_remove(ring_path);
	if (summary.exchanges != turns || summary.lost_records || summary.holes)
		fail("the session was not collected whole");

	double mb = (double)s.request_bytes / 1e6;
	double collected = mb / ((double)s.collected_ns / 1e9), sha = mb / ((double)s.sha_ns / 1e9);
	getrusage(RUSAGE_SELF, &used);
	printf("  %u requests, context up to %zu kB, %.0f MB sent: collector %.0f MB/s, sha256 %.0f MB/s, ratio %.2f\n",
	       turns, s.body.n / 1000, mb, collected, sha, collected / sha);
	printf("  trace %.1f MB; memory of the process at most %ld kB (%ld kB after a tenth of the session)\n",
	       (double)st.st_size / 1e6, used.ru_maxrss, first_kb);
	return 0;
}
