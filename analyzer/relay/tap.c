/* SPDX-License-Identifier: MIT */
#include "relay/tap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "kvscope/ring.h"
#include "ring_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tap {
	struct ring ring;
	size_t ring_bytes;
	size_t payload_max; /* of a record: several must fit into the ring, or one would wait for ever */
	int32_t pid, tid;
	struct buf waiting; /* records whole, header and payload, one after the other */
	size_t done;        /* of its bytes the ring has these already */
	bool broken;
};

/* ---- writing */

static void lose(struct tap *t, enum kvs_drop reason, uint64_t bytes)
{
	atomic_fetch_add_explicit(&t->ring.header->dropped[reason], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->ring.header->dropped_bytes, bytes, memory_order_relaxed);
}

/* False: the ring has no room. */
static bool put(struct tap *t, const struct kvs_record *r, const char *payload)
{
	struct ring_reservation at;
	int result = ring_reserve(&t->ring, kvs_record_slots(r->payload_bytes), (uint64_t)t->tid, &at);
	if (result == KVS_RING_FULL)
		return false;
	if (result < 0) {
		t->broken = true;
		lose(t, KVS_DROP_INTERNAL, r->wire_bytes);
		return true;
	}
	ring_copy(&t->ring, &at, 0, r, sizeof(*r));
	if (r->payload_bytes > 0)
		ring_copy(&t->ring, &at, sizeof(*r), payload, r->payload_bytes);
	ring_commit(&at);
	return true;
}

bool tap_flush(struct tap *t)
{
	struct kvs_record r;
	while (t->waiting.n - t->done >= sizeof(r)) {
		memcpy(&r, t->waiting.p + t->done, sizeof(r));
		if (!t->broken && !put(t, &r, t->waiting.p + t->done + sizeof(r)))
			break;
		t->done += sizeof(r) + r.payload_bytes;
	}
	bool all = t->done == t->waiting.n;
	/* Moving the rest each time would cost more than the records themselves. */
	if (t->done > t->waiting.n / 2) {
		buf_consume(&t->waiting, t->done);
		t->done = 0;
	}
	return all;
}

static void write_record(struct tap *t, struct kvs_record *r, const char *payload)
{
	/* Nobody reads any more, or never will: nothing is kept for him. */
	if (t->broken || atomic_load_explicit(&t->ring.header->closed, memory_order_relaxed))
		return;
	r->pid = t->pid;
	r->tid = t->tid;
	r->fd = -1;
	if (tap_flush(t) && put(t, r, payload))
		return;
	struct buf *w = &t->waiting;
	if (w->max - w->n < sizeof(*r) + r->payload_bytes || !buf_reserve(w, sizeof(*r) + r->payload_bytes)) {
		w->failed = false;
		lose(t, KVS_DROP_FULL, r->wire_bytes);
		return;
	}
	buf_append(w, r, sizeof(*r));
	if (r->payload_bytes > 0)
		buf_append(w, payload, r->payload_bytes);
}

static void write_bytes(struct tap *t, struct tap_stream *s, struct kvs_record head, struct str bytes)
{
	head.conn = s->connection;
	while (bytes.n > 0) {
		struct kvs_record r = head;
		size_t n = bytes.n < t->payload_max ? bytes.n : t->payload_max;
		r.offset = s->offset;
		r.payload_bytes = (uint32_t)n;
		r.wire_bytes = n;
		r.flags = bytes.n > n ? KVS_REC_MORE : 0;
		write_record(t, &r, bytes.p);
		s->offset += n;
		bytes.p += n;
		bytes.n -= n;
	}
}

void tap_sent(struct tap *t, struct tap_stream *s, struct str bytes, uint64_t begin_ns, uint64_t end_ns)
{
	write_bytes(t, s, (struct kvs_record){.type = KVS_REC_SEND, .time_ns = begin_ns, .end_ns = end_ns}, bytes);
}

void tap_received(struct tap *t, struct tap_stream *s, struct str bytes, uint64_t time_ns)
{
	write_bytes(t, s, (struct kvs_record){.type = KVS_REC_RECV, .time_ns = time_ns}, bytes);
}

void tap_connected(struct tap *t, uint64_t connection, const struct sockaddr *peer, socklen_t peer_bytes,
		   uint64_t time_ns)
{
	struct sockaddr_storage address = {0};
	memcpy(&address, peer, peer_bytes);
	struct kvs_record connect = {.type = KVS_REC_CONNECT,
				     .conn = connection,
				     .payload_bytes = (uint32_t)peer_bytes,
				     .time_ns = time_ns,
				     .end_ns = time_ns};
	struct kvs_record class = {
		.type = KVS_REC_CLASS, .arg = KVS_CLASS_RECORDED, .conn = connection, .time_ns = time_ns};
	write_record(t, &connect, (const char *)&address);
	write_record(t, &class, NULL);
}

void tap_ended(struct tap *t, const struct tap_stream *received, uint64_t time_ns)
{
	struct kvs_record r = {
		.type = KVS_REC_EOF, .conn = received->connection, .offset = received->offset, .time_ns = time_ns};
	write_record(t, &r, NULL);
}

void tap_failed(struct tap *t, const struct tap_stream *received, int error, uint64_t time_ns)
{
	struct kvs_record r = {.type = KVS_REC_ERROR,
			       .arg = (uint16_t)error,
			       .conn = received->connection,
			       .offset = received->offset,
			       .time_ns = time_ns};
	write_record(t, &r, NULL);
}

void tap_closed(struct tap *t, uint64_t connection, uint64_t time_ns)
{
	struct kvs_record r = {.type = KVS_REC_CLOSE, .conn = connection, .time_ns = time_ns};
	write_record(t, &r, NULL);
}

/* ---- the ring */

static void make_known(struct tap *t)
{
	struct {
		struct kvs_process head;
		char exe[PATH_MAX];
	} process = {.head = {.ppid = getppid(), .uid = getuid()}};
	struct stat st;
	if (stat("/proc/self/ns/pid", &st) == 0)
		process.head.pidns_inode = st.st_ino;
	ssize_t n = readlink("/proc/self/exe", process.exe, sizeof(process.exe));
	size_t bytes = sizeof(process.head) + (n > 0 ? (size_t)n : 0);
	atomic_fetch_add_explicit(&t->ring.header->processes, 1, memory_order_relaxed);
	struct kvs_record r = {.type = KVS_REC_PROCESS,
			       .flags = KVS_REC_AFTER_FORK,
			       .payload_bytes = (uint32_t)bytes,
			       .wire_bytes = bytes,
			       .time_ns = clock_monotonic_ns()};
	write_record(t, &r, (const char *)&process);
}

int tap_open(const char *ring_path, struct tap **out, char *error, size_t error_bytes)
{
	struct tap *t = calloc(1, sizeof(*t));
	struct stat st;
	void *base = MAP_FAILED;
	const char *why = NULL;
	int fd = open(ring_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (t && fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0)
		base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!t || base == MAP_FAILED)
		why = strerror(t ? errno : ENOMEM);
	else if (ring_attach(&t->ring, base, (uint64_t)st.st_size) < 0)
		why = "is no ring";
	if (fd >= 0)
		close(fd);
	if (why) {
		if (base != MAP_FAILED)
			munmap(base, (size_t)st.st_size);
		free(t);
		snprintf(error, error_bytes, "%s: %s", ring_path, why);
		return -1;
	}
	t->ring_bytes = (size_t)st.st_size;
	t->payload_max = kvs_payload_max(t->ring.slots);
	t->pid = getpid();
	t->tid = (int32_t)syscall(SYS_gettid);
	buf_init(&t->waiting, TAP_WAITING_MAX);
	make_known(t);
	*out = t;
	return 0;
}

void tap_close(struct tap *t)
{
	if (!t)
		return;
	munmap(t->ring.header, t->ring_bytes);
	buf_release(&t->waiting);
	free(t);
}
