/* SPDX-License-Identifier: MIT */
#ifndef SHIM_FIXTURE_H
#define SHIM_FIXTURE_H

/*
 * The shim without its hooks, in this process, with a ring and its reader: tests report to it what hooks would, with
 * real sockets, and look at what the collector reads. Include it first. After each test nothing may be left (TEST).
 */

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

static inline int start(void **state)
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

static inline int end(void **state)
{
	(void)state;
	close(listener);
	ring_reader_close(reader);
	ring_remove(ring_path);
	free(ring_path);
	return 0;
}

/* Nothing is left: no record, no entry of the tables in use. */
static inline int nothing_left(void **state)
{
	(void)state;
	assert_int_equal(ring_reader_next(reader, &record, &payload), 0);
	for (size_t i = 0; i < CONN_MAX; i++)
		assert_int_equal(atomic_load(&conns[i].word) & 0xffffffff, 0);
	for (size_t i = 0; i < FD_MAX; i++)
		assert_int_equal(atomic_load(&fd_slots[i]), 0);
	return 0;
}

static inline uint64_t dropped(enum kvs_drop reason)
{
	struct ring_loss loss;
	ring_reader_loss(reader, &loss);
	return loss.dropped[reason];
}

static inline void next_is(enum kvs_record_type type)
{
	assert_int_equal(ring_reader_next(reader, &record, &payload), 1);
	if (record->type != type)
		fail_msg("record of type %d instead of %d", record->type, type);
}

static inline void next_is_bytes(enum kvs_record_type type, const char *bytes, uint64_t offset)
{
	next_is(type);
	assert_int_equal(payload.n, strlen(bytes));
	assert_memory_equal(payload.p, bytes, payload.n);
	assert_int_equal(record->offset, offset);
	assert_int_equal(record->wire_bytes, payload.n);
	assert_int_equal(record->flags & KVS_REC_NO_PAYLOAD, 0);
}

static inline void next_is_size(enum kvs_record_type type, uint64_t n, uint64_t offset)
{
	next_is(type);
	assert_int_equal(payload.n, 0);
	assert_int_equal(record->flags, KVS_REC_NO_PAYLOAD);
	assert_int_equal(record->wire_bytes, n);
	assert_int_equal(record->offset, offset);
}

static inline void next_is_class(enum kvs_class class)
{
	next_is(KVS_REC_CLASS);
	assert_int_equal(record->arg, class);
}

static inline void no_record(void)
{
	assert_int_equal(ring_reader_next(reader, &record, &payload), 0);
}

/* As the hooks do it. */

static inline int hooked_connect(void)
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

static inline void hooked_send(int fd, const void *p, size_t n)
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

static inline void send_text(int fd, const char *text)
{
	hooked_send(fd, text, strlen(text));
}

static inline ssize_t hooked_recv(int fd, char *p, size_t n, int flags)
{
	uint32_t slot = fd_slot(fd);
	if (slot == 0)
		return recv(fd, p, n, flags);
	struct transfer t = recv_begin(fd, slot);
	ssize_t result = recv(fd, p, n, flags);
	recv_end(&t, result, BYTES(p, n), flags);
	return result;
}

static inline void hooked_close(int fd)
{
	follow_closing(fd);
	close(fd);
}

static inline int peer(void)
{
	int fd = accept(listener, NULL, NULL);
	create_end(fd);
	assert_true(fd >= 0);
	return fd;
}

static inline void answer(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline void close_both(int fd, int other)
{
	hooked_close(fd);
	next_is(KVS_REC_CLOSE);
	hooked_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, NULL, nothing_left)

#endif
