/* SPDX-License-Identifier: MIT */
/* The life of a connection, from what the hooks report to what the collector reads; with real sockets. */
#define KVS_UNIT_TEST
#include "collect/ring_reader.h"
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST "POST /v1/messages HTTP/1.1\r\n\r\n"
#define OTHER "GET /index.html HTTP/1.1\r\n\r\n"

static char *ring_path;
static struct ring_reader *reader;
static int listener;
static struct sockaddr_in address;

static const struct kvs_record *record;
static struct str payload;

static int start(void **state)
{
	(void)state;
	char error[256] = "";
	struct stat st;
	if (ring_create(1 << 20, &ring_path, error, sizeof(error)) < 0 ||
	    ring_reader_open(ring_path, &reader, error, sizeof(error)) < 0) {
		fprintf(stderr, "%s\n", error);
		return -1;
	}
	int fd = open(ring_path, O_RDWR);
	fstat(fd, &st);
	void *base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (ring_attach(&shim.ring, base, (uint64_t)st.st_size) < 0)
		return -1;
	shim.fork_pid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (madvise((void *)(uintptr_t)shim.fork_pid, 4096, MADV_WIPEONFORK) < 0)
		return -1;
	shim.pid = (int32_t)getpid();
	atomic_store(shim.fork_pid, shim.pid);
	atomic_store(&shim.tids_known, true);
	shim.main_stack_top = (uintptr_t)environ;
	record_start();
	if (ring_reader_next(reader, &record, &payload) != 1 || record->type != KVS_REC_PROCESS)
		return -1;

	socklen_t n = sizeof(address);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind(listener, (struct sockaddr *)&address, n) || listen(listener, 16) ||
	       getsockname(listener, (struct sockaddr *)&address, &n);
}

static int end(void **state)
{
	(void)state;
	close(listener);
	ring_reader_close(reader);
	ring_remove(ring_path);
	free(ring_path);
	return 0;
}

/* Nothing is left: no record, no entry of the tables in use. */
static int nothing_left(void **state)
{
	(void)state;
	assert_int_equal(ring_reader_next(reader, &record, &payload), 0);
	for (size_t i = 0; i < CONN_MAX; i++)
		assert_int_equal(atomic_load(&conns[i].word) & 0xffffffff, 0);
	for (size_t i = 0; i < FD_MAX; i++)
		assert_int_equal(atomic_load(&fd_slots[i]), 0);
	return 0;
}

static uint64_t dropped(enum kvs_drop reason)
{
	struct ring_loss loss;
	ring_reader_loss(reader, &loss);
	return loss.dropped[reason];
}

static void next_is(enum kvs_record_type type)
{
	assert_int_equal(ring_reader_next(reader, &record, &payload), 1);
	if (record->type != type)
		fail_msg("record of type %d instead of %d", record->type, type);
}

static void next_is_bytes(enum kvs_record_type type, const char *bytes, uint64_t offset)
{
	next_is(type);
	assert_int_equal(payload.n, strlen(bytes));
	assert_memory_equal(payload.p, bytes, payload.n);
	assert_int_equal(record->offset, offset);
	assert_int_equal(record->wire_bytes, payload.n);
	assert_int_equal(record->flags & KVS_REC_NO_PAYLOAD, 0);
}

static void next_is_size(enum kvs_record_type type, uint64_t n, uint64_t offset)
{
	next_is(type);
	assert_int_equal(payload.n, 0);
	assert_int_equal(record->flags, KVS_REC_NO_PAYLOAD);
	assert_int_equal(record->wire_bytes, n);
	assert_int_equal(record->offset, offset);
}

static void next_is_class(enum kvs_class class)
{
	next_is(KVS_REC_CLASS);
	assert_int_equal(record->arg, class);
}

static void no_record(void)
{
	assert_int_equal(ring_reader_next(reader, &record, &payload), 0);
}

/* As the hooks do it. */

static int hooked_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	create_end(fd);
	uint64_t begin = connect_begin();
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), begin, result);
	assert_int_equal(result, 0);
	assert_int_not_equal(fd_slot(fd), 0);
	next_is(KVS_REC_CONNECT);
	assert_int_equal(payload.n, sizeof(address));
	assert_memory_equal(payload.p, &address, sizeof(address));
	assert_true(record->time_ns >= begin && record->conn != 0);
	return fd;
}

static void hooked_send(int fd, const void *p, size_t n)
{
	uint32_t slot = fd_slot(fd);
	if (slot == 0) {
		assert_int_equal(write(fd, p, n), n);
		return;
	}
	struct transfer t = send_begin(fd, slot);
	ssize_t result = write(fd, p, n);
	errno = 4711;
	send_end(&t, result, BYTES(p, n), 0);
	assert_int_equal(errno, 4711);
	assert_int_equal(result, n);
}

static void send_text(int fd, const char *text)
{
	hooked_send(fd, text, strlen(text));
}

static ssize_t hooked_recv(int fd, char *p, size_t n, int flags)
{
	uint32_t slot = fd_slot(fd);
	if (slot == 0)
		return recv(fd, p, n, flags);
	struct transfer t = recv_begin(fd, slot);
	ssize_t result = recv(fd, p, n, flags);
	recv_end(&t, result, BYTES(p, n), flags);
	return result;
}

static void hooked_close(int fd)
{
	follow_closing(fd);
	close(fd);
}

static int peer(void)
{
	int fd = accept(listener, NULL, NULL);
	create_end(fd);
	assert_true(fd >= 0);
	return fd;
}

static void answer(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void close_both(int fd, int other)
{
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
	hooked_close(other);
}

static void request_and_response_are_recorded(void **state)
{
	(void)state;
	char room[100];
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is_bytes(KVS_REC_SEND, REQUEST, 0);
	assert_true(record->time_ns <= record->end_ns && record->fd == fd && record->pid == getpid());
	send_text(fd, "body");
	next_is_bytes(KVS_REC_SEND, "body", strlen(REQUEST));
	answer(other, "HTTP/1.1 200 OK");
	assert_int_equal(hooked_recv(fd, room, 5, 0), 5);
	next_is_bytes(KVS_REC_RECV, "HTTP/", 0);
	assert_int_equal(hooked_recv(fd, room, sizeof(room), MSG_PEEK), 10);
	no_record();
	assert_int_equal(hooked_recv(fd, room, 4, MSG_TRUNC), 4);
	next_is_size(KVS_REC_RECV, 4, 5);
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 6);
	next_is_bytes(KVS_REC_RECV, "200 OK", 9);
	shutdown_end(fd, SHUT_WR, shutdown(fd, SHUT_WR));
	next_is(KVS_REC_SHUTDOWN);
	assert_int_equal(record->arg, SHUT_WR);
	assert_int_equal(shutdown(other, SHUT_WR), 0);
	assert_int_equal(hooked_recv(fd, room, 0, 0), 0);
	no_record();
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 0);
	next_is(KVS_REC_EOF);
	assert_int_equal(record->offset, 15);
	close_both(fd, other);
}

static void reset_by_the_peer(void **state)
{
	(void)state;
	char room[10];
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	assert_int_equal(hooked_recv(fd, room, sizeof(room), MSG_DONTWAIT), -1);
	no_record();
	/* With unread bytes in it: the kernel answers with a reset. */
	close(other);
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), -1);
	assert_int_equal(errno, ECONNRESET);
	next_is(KVS_REC_ERROR);
	assert_int_equal(record->arg, ECONNRESET);
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
}

/* A request line in any two pieces is recorded whole, as if it had come at once. */
static void request_line_in_pieces(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < strlen(REQUEST); cut++) {
		int fd = hooked_connect(), other = peer();
		hooked_send(fd, REQUEST, cut);
		hooked_send(fd, &REQUEST[cut], strlen(REQUEST) - cut);
		next_is_class(KVS_CLASS_RECORDED);
		next_is(KVS_REC_SEND);
		assert_int_equal(payload.n, cut);
		assert_memory_equal(payload.p, REQUEST, cut);
		assert_int_equal(record->offset, 0);
		next_is_bytes(KVS_REC_SEND, &REQUEST[cut], cut);
		close_both(fd, other);
	}
	/* Byte by byte: everything up to the verdict comes as one record. */
	int fd = hooked_connect(), other = peer();
	for (size_t i = 0; i < strlen(REQUEST); i++)
		hooked_send(fd, &REQUEST[i], 1);
	next_is_class(KVS_CLASS_RECORDED);
	next_is_bytes(KVS_REC_SEND, "POST /v1/messages", 0);
	for (size_t i = strlen("POST /v1/messages"); i < strlen(REQUEST); i++) {
		next_is(KVS_REC_SEND);
		assert_int_equal(record->offset, i);
		assert_int_equal(payload.p[0], REQUEST[i]);
	}
	close_both(fd, other);
}

/* All entries for first bytes are in use: a connection too many is dropped and counted, and they come back. */
static void prefixes_are_bounded(void **state)
{
	(void)state;
	int fds[PREFIX_MAX + 1], others[PREFIX_MAX + 1];
	for (int round = 0; round < 2; round++) {
		uint64_t before = dropped(KVS_DROP_CONNS);
		for (int i = 0; i <= PREFIX_MAX; i++) {
			fds[i] = hooked_connect();
			others[i] = peer();
			send_text(fds[i], "POS");
		}
		next_is_class(KVS_CLASS_DROPPED);
		assert_int_equal(dropped(KVS_DROP_CONNS), before + 1);
		for (int i = 0; i <= PREFIX_MAX; i++) {
			hooked_close(fds[i]);
			if (i < PREFIX_MAX)
				next_is(KVS_REC_CLOSE);
			hooked_close(others[i]);
		}
	}
}

static void other_http_is_watched_and_promoted(void **state)
{
	(void)state;
	char room[100];
	int fd = hooked_connect(), other = peer();
	send_text(fd, OTHER);
	next_is_class(KVS_CLASS_WATCHED);
	next_is_size(KVS_REC_SEND, strlen(OTHER), 0);
	answer(other, "secret page");
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 11);
	next_is_size(KVS_REC_RECV, 11, 0);
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is_bytes(KVS_REC_SEND, REQUEST, strlen(OTHER));
	answer(other, "answer");
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 6);
	next_is_bytes(KVS_REC_RECV, "answer", 11);
	close_both(fd, other);
}

static void tls_is_opaque(void **state)
{
	(void)state;
	static const char hello[] = "\x16\x03\x01\x00\x7b\x01";
	int fd = hooked_connect(), other = peer();
	hooked_send(fd, hello, 6);
	next_is_class(KVS_CLASS_OPAQUE);
	next_is_size(KVS_REC_SEND, 6, 0);
	send_text(fd, REQUEST);
	next_is_size(KVS_REC_SEND, strlen(REQUEST), 6);
	close_both(fd, other);
	/* Behind a proxy's CONNECT. */
	fd = hooked_connect();
	other = peer();
	send_text(fd, "CONNECT x:443 HTTP/1.1\r\n\r\n");
	next_is_class(KVS_CLASS_WATCHED);
	next_is(KVS_REC_SEND);
	hooked_send(fd, hello, 6);
	next_is_class(KVS_CLASS_OPAQUE);
	next_is(KVS_REC_SEND);
	close_both(fd, other);
}

static void anything_else_is_dropped(void **state)
{
	(void)state;
	char room[10];
	int fd = hooked_connect(), other = peer();
	send_text(fd, "SSH-2.0\r\n");
	next_is_class(KVS_CLASS_DROPPED);
	assert_int_equal(fd_slot(fd), 0);
	send_text(fd, REQUEST);
	hooked_close(fd);
	hooked_close(other);
	/* A server that speaks first is no HTTP server. */
	fd = hooked_connect();
	other = peer();
	answer(other, "220 hi");
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 6);
	next_is_class(KVS_CLASS_DROPPED);
	assert_int_equal(fd_slot(fd), 0);
	hooked_close(fd);
	hooked_close(other);
}

/* The answer is read by another thread before the sender's hook came to judge what it had sent. */
static void answer_that_overtakes_the_verdict(void **state)
{
	(void)state;
	char room[10];
	int fd = hooked_connect(), other = peer();
	struct transfer t = send_begin(fd, fd_slot(fd));
	assert_int_equal(write(fd, REQUEST, strlen(REQUEST)), strlen(REQUEST));
	answer(other, "HTTP");
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 4);
	assert_int_equal(dropped(KVS_DROP_UNDECIDED), 1);
	send_end(&t, (ssize_t)strlen(REQUEST), BYTES(REQUEST, strlen(REQUEST)), 0);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	answer(other, "/1.1");
	assert_int_equal(hooked_recv(fd, room, sizeof(room), 0), 4);
	next_is_bytes(KVS_REC_RECV, "/1.1", 4);
	close_both(fd, other);
}

/* More than one record holds, gathered from many buffers. */
static void long_send_is_cut(void **state)
{
	(void)state;
	enum { N = 3 * KVS_RECORD_PAYLOAD_MAX + 1000, PIECE = 7001 };
	char *big = malloc(N);
	for (size_t i = 0; i < N; i++)
		big[i] = (char)(i * 31 + (i >> 9));
	memcpy(big, REQUEST, strlen(REQUEST));
	struct iovec iov[N / PIECE + 3];
	size_t n = 0;
	for (size_t at = 0; at < N; at += PIECE, n++)
		iov[n] = (struct iovec){big + at, at + PIECE <= N ? PIECE : N - at};
	/* Empty buffers are allowed anywhere. */
	iov[n++] = (struct iovec){NULL, 0};
	int fd = hooked_connect(), other = peer();
	struct transfer t = send_begin(fd, fd_slot(fd));
	/* Pretended: a socket would take it in several steps. */
	send_end(&t, N, VECTOR(iov, n), 0);
	next_is_class(KVS_CLASS_RECORDED);
	size_t got = 0;
	while (got < N) {
		next_is(KVS_REC_SEND);
		assert_int_equal(record->offset, got);
		assert_memory_equal(payload.p, big + got, payload.n);
		got += payload.n;
		assert_int_equal(record->flags, got < N ? KVS_REC_MORE : 0);
	}
	assert_int_equal(got, N);
	close_both(fd, other);
	free(big);
	/* A small ring is not filled by one record either. */
	assert_int_equal(kvs_payload_max(shim.ring.slots), KVS_RECORD_PAYLOAD_MAX);
	assert_int_equal(kvs_payload_max(KVS_RING_SLOTS_MIN), KVS_RING_SLOTS_MIN * KVS_SLOT_BYTES / 4);
}

/* kB of our mapping of the ring that are in our page tables. */
static long mapped_kb(void)
{
	char line[300];
	unsigned long begin, end, ring = (unsigned long)(uintptr_t)shim.ring.data;
	bool inside = false;
	long kb = -1;
	FILE *f = fopen("/proc/self/smaps", "r");
	while (f && kb < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			inside = ring >= begin && ring < end;
		if (inside)
			sscanf(line, "Rss: %ld", &kb);
	}
	if (f)
		fclose(f);
	return kb;
}

/* A piece of the ring is mapped at once by a process that records, and by no other. A child begins anew. */
static void pages_come_in_pieces_where_payload_is_copied(void **state)
{
	(void)state;
	int status, fd = hooked_connect(), other = peer(), second = hooked_connect(), second_other = peer();
	pid_t child = fork();
	if (child == 0) {
		long kb[4] = {mapped_kb()};
		send_text(fd, OTHER);
		kb[1] = mapped_kb();
		send_text(second, REQUEST);
		kb[2] = mapped_kb();
		send_text(second, "more");
		kb[3] = mapped_kb();
		/* Reading maps some pages around, too. */
		_exit(kb[0] != 0 ? 1 : kb[1] > 128 ? 2 : kb[2] - kb[1] < 200 ? 3 : kb[3] != kb[2] ? 4 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	while (ring_reader_next(reader, &record, &payload) == 1)
		;
	close_both(fd, other);
	close_both(second, second_other);
}

static void full_ring_leaves_a_hole_that_offsets_show(void **state)
{
	(void)state;
	static char big[200000];
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	uint64_t sent = strlen(REQUEST), seen = sent, holes = 0;
	for (int i = 0; i < 8; i++) {
		struct transfer t = send_begin(fd, fd_slot(fd));
		send_end(&t, sizeof(big), BYTES(big, sizeof(big)), 0);
		sent += sizeof(big);
	}
	assert_true(dropped(KVS_DROP_FULL) > 0);
	while (ring_reader_next(reader, &record, &payload) == 1) {
		holes += record->offset - seen;
		seen = record->offset + record->wire_bytes;
	}
	send_text(fd, "end");
	next_is(KVS_REC_SEND);
	assert_int_equal(record->offset, sent);
	holes += record->offset - seen;
	struct ring_loss loss;
	ring_reader_loss(reader, &loss);
	assert_true(holes > 0);
	close_both(fd, other);
}

static void duplicates_share_the_connection(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	int copy = dup(fd);
	dup_end(fd, copy);
	send_text(copy, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is_bytes(KVS_REC_SEND, REQUEST, 0);
	hooked_close(fd);
	no_record();
	send_text(copy, "more");
	next_is_bytes(KVS_REC_SEND, "more", strlen(REQUEST));
	/* Onto itself: nothing happens. Onto another connection: that one ends. */
	dup_end(copy, copy);
	int second = hooked_connect(), other2 = peer();
	uint64_t second_conn = record->conn;
	assert_int_equal(dup2(copy, second), second);
	dup_end(copy, second);
	next_is(KVS_REC_CLOSE);
	assert_int_equal(record->conn, second_conn);
	follow_closing_range((unsigned)(copy < second ? copy : second), ~0U);
	next_is(KVS_REC_CLOSE);
	close(copy);
	close(second);
	close(other);
	close(other2);
}

/*
 * The host closes the socket behind our back and its number comes back as a file, a pipe, another socket. Not a byte of
 * these may be recorded, whatever state the connection was in.
 */
static void stale_number_leaks_nothing(void **state)
{
	(void)state;
	char room[16];
	const char *const firsts[] = {REQUEST, OTHER, "PO", ""};
	for (int kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < 4; i++) {
			int fd = hooked_connect(), other = peer(), ends[2];
			if (firsts[i][0])
				send_text(fd, firsts[i]);
			while (ring_reader_next(reader, &record, &payload) == 1)
				;
			close(fd);
			if (kind == 0)
				assert_int_equal(pipe(ends), 0);
			else
				assert_int_equal(socketpair(AF_UNIX, kind == 1 ? SOCK_STREAM : SOCK_SEQPACKET, 0, ends),
						 0);
			int at = ends[0] == fd ? ends[1] : ends[0];
			assert_true(ends[0] == fd || ends[1] == fd);
			uint64_t before = dropped(KVS_DROP_IDENTITY);
			if (kind == 0 && ends[0] == fd) {
				/* The reading end of a pipe has our number. */
				assert_int_equal(write(at, "canary", 6), 6);
				struct transfer t = recv_begin(fd, fd_slot(fd));
				ssize_t n = read(fd, room, sizeof(room));
				recv_end(&t, n, BYTES(room, sizeof(room)), 0);
			} else {
				send_text(fd, REQUEST "canary");
			}
			while (ring_reader_next(reader, &record, &payload) == 1) {
				assert_int_equal(payload.n, 0);
				assert_true(record->type == KVS_REC_CLOSE || record->type == KVS_REC_CLASS ||
					    record->flags == KVS_REC_NO_PAYLOAD);
			}
			if (i == 0) {
				assert_int_equal(dropped(KVS_DROP_IDENTITY), before + 1);
				assert_int_equal(fd_slot(fd), 0);
			}
			hooked_close(ends[0]);
			hooked_close(ends[1]);
			hooked_close(other);
			while (ring_reader_next(reader, &record, &payload) == 1)
				assert_int_equal(record->type, KVS_REC_CLOSE);
		}
	}
}

/* What the parent of a vfork child remembers is not the child's to change: they share the memory. */
static void vfork_child_changes_nothing(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	/* As the child sees it: the page holds a pid that is not its own. */
	atomic_store(shim.fork_pid, shim.pid + 1);
	follow_closing(fd);
	follow_closing_range(3, ~0U);
	follow_created(fd);
	dup_end(fd, other);
	atomic_store(shim.fork_pid, shim.pid);
	no_record();
	assert_int_equal(fd_slot(other), 0);
	send_text(fd, "still there");
	next_is_bytes(KVS_REC_SEND, "still there", strlen(REQUEST));
	close_both(fd, other);
}

static void forked_child_makes_itself_known_when_it_talks(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	for (int talks = 0; talks < 2; talks++) {
		pid_t child = fork();
		if (child == 0) {
			if (talks)
				send_text(fd, "from the child");
			hooked_close(fd);
			_exit(0);
		}
		int status;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		if (talks) {
			next_is(KVS_REC_PROCESS);
			assert_int_equal(record->pid, child);
			assert_int_equal(record->flags, KVS_REC_AFTER_FORK);
			struct kvs_process head;
			memcpy(&head, payload.p, sizeof(head));
			assert_int_equal(head.ppid, getpid());
			next_is_bytes(KVS_REC_SEND, "from the child", strlen(REQUEST));
			assert_int_equal(record->pid, child);
			assert_int_equal(record->tid, child);
			next_is(KVS_REC_CLOSE);
		}
		no_record();
	}
	send_text(fd, "from the parent");
	next_is_bytes(KVS_REC_SEND, "from the parent", strlen(REQUEST));
	assert_int_equal(record->pid, getpid());
	close_both(fd, other);
}

static int talking_fd, raise_at;
static sigjmp_buf out_of_handler;
static bool jump;

static void talk_in_handler(int signal)
{
	(void)signal;
	ring_step = NULL;
	if (jump)
		siglongjmp(out_of_handler, 1);
	send_text(talking_fd, "nested");
}

static void raise_at_step(int step)
{
	if (step == raise_at)
		raise(SIGUSR1);
}

/* A handler that talks in the middle of its thread's own record: passed on, counted, and the record is whole. */
static void handler_that_talks_inside_a_record(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	signal(SIGUSR1, talk_in_handler);
	talking_fd = fd;
	jump = false;
	uint64_t offset = strlen(REQUEST);
	for (raise_at = 1; raise_at <= 7; raise_at++) {
		uint64_t before = dropped(KVS_DROP_NESTED);
		ring_step = raise_at_step;
		send_text(fd, "outer");
		next_is_bytes(KVS_REC_SEND, "outer", offset);
		no_record();
		assert_int_equal(dropped(KVS_DROP_NESTED), before + 1);
		offset += strlen("outer") + strlen("nested");
	}
	close_both(fd, other);
}

/* A handler that jumps out of the middle of a record: the next call from the same place goes on, the ring is not stuck.
 */
static void handler_that_jumps_out_of_a_record(void **state)
{
	(void)state;
	int fd = hooked_connect(), other = peer();
	send_text(fd, REQUEST);
	next_is_class(KVS_CLASS_RECORDED);
	next_is(KVS_REC_SEND);
	struct ring_loss before, after;
	ring_reader_loss(reader, &before);
	signal(SIGUSR1, talk_in_handler);
	talking_fd = fd;
	jump = true;
	for (volatile int step = 1; step <= 6; step++) {
		if (sigsetjmp(out_of_handler, 1) == 0) {
			raise_at = step;
			ring_step = raise_at_step;
			send_text(fd, "lost");
			fail_msg("step %d was not reached", step);
		}
		send_text(fd, "goes on");
		next_is(KVS_REC_SEND);
		assert_int_equal(payload.n, strlen("goes on"));
		no_record();
	}
	ring_reader_loss(reader, &after);
	/* From step 3 on there was something to void. */
	assert_int_equal(after.voided - before.voided, 4);
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
	hooked_close(other);
	/* The pins that the jumps left behind cost this one entry; undone here for the checks of the other tests. */
	for (size_t i = 0; i < CONN_MAX; i++)
		atomic_store(&conns[i].word, atomic_load(&conns[i].word) & ~UINT64_C(0xffffffff));
}

static void connections_are_bounded_and_come_back(void **state)
{
	(void)state;
	uint32_t slot, first = 0;
	for (int i = 0; i < CONN_MAX; i++) {
		struct conn *c = conn_new(1, &slot);
		assert_non_null(c);
		if (i == 0)
			first = slot;
	}
	assert_null(conn_new(1, &slot));
	uint64_t before = dropped(KVS_DROP_CONNS);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, result);
	assert_int_equal(dropped(KVS_DROP_CONNS), before + 1);
	assert_int_equal(fd_slot(fd), 0);
	close(fd);
	close(accept(listener, NULL, NULL));
	for (int i = 0; i < CONN_MAX; i++) {
		assert_true(conn_remove_fd(&conns[i]));
		/* Closed but still in use: nobody else gets in, nor gets the entry. */
		assert_null(conn_new(1, &slot));
		conn_unpin(&conns[i]);
		assert_non_null(conn_new(1, &slot));
		assert_ptr_equal(conn_of(slot), &conns[i]);
	}
	/* A slot of the former owner leads nowhere. */
	assert_null(conn_pin(first));
	for (int i = 0; i < CONN_MAX; i++) {
		conn_remove_fd(&conns[i]);
		conn_unpin(&conns[i]);
	}
}

static void only_tcp_is_followed(void **state)
{
	(void)state;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int result = connect(fd, (struct sockaddr *)&address, sizeof(address));
	assert_int_equal(result, 0);
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, result);
	assert_int_equal(fd_slot(fd), 0);
	close(fd);
	struct sockaddr local = {.sa_family = AF_UNIX};
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	connect_end(ends[0], &local, sizeof(local), 1, 0);
	assert_int_equal(fd_slot(ends[0]), 0);
	close(ends[0]);
	close(ends[1]);
	/* Failed: not followed; in progress: followed. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	errno = ECONNREFUSED;
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(fd_slot(fd), 0);
	errno = EINPROGRESS;
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, -1);
	assert_int_equal(errno, EINPROGRESS);
	next_is(KVS_REC_CONNECT);
	/* Asked again for the outcome: still the same connection. */
	connect_end(fd, (struct sockaddr *)&address, sizeof(address), 1, 0);
	no_record();
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, nothing_left)
		TEST(request_and_response_are_recorded),
		TEST(reset_by_the_peer),
		TEST(request_line_in_pieces),
		TEST(prefixes_are_bounded),
		TEST(other_http_is_watched_and_promoted),
		TEST(tls_is_opaque),
		TEST(anything_else_is_dropped),
		TEST(answer_that_overtakes_the_verdict),
		TEST(long_send_is_cut),
		TEST(pages_come_in_pieces_where_payload_is_copied),
		TEST(full_ring_leaves_a_hole_that_offsets_show),
		TEST(duplicates_share_the_connection),
		TEST(stale_number_leaks_nothing),
		TEST(vfork_child_changes_nothing),
		TEST(forked_child_makes_itself_known_when_it_talks),
		TEST(handler_that_talks_inside_a_record),
		TEST(handler_that_jumps_out_of_a_record),
		TEST(connections_are_bounded_and_come_back),
		TEST(only_tcp_is_followed),
	};
	return cmocka_run_group_tests(tests, start, end) != 0;
}
