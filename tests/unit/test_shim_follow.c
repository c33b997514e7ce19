/* SPDX-License-Identifier: MIT */
/* The bytes of a connection, from what the hooks report to what the collector reads. */
#include "shim_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};
	return cmocka_run_group_tests(tests, start, end) != 0;
}
