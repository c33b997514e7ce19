/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_RING_FIXTURE_H
#define TESTS_UNIT_RING_FIXTURE_H

/*
 * A small ring with a writer's and a reader's mapping of it, and records whose every byte tells where it belongs: a
 * record that is torn, or mixed of two, is found out when it is read.
 */
#define KVS_UNIT_TEST
#include "collect/ring_reader.h"
#include "ring_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL (KVS_RING_SLOTS_MIN * KVS_SLOT_BYTES)

struct fixture {
	char *path;
	void *base;
	size_t bytes;
	struct ring ring;
	struct ring_reader *reader;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char error[256] = "";
	struct stat st;
	if (ring_create(SMALL, &f->path, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	int fd = open(f->path, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	f->bytes = (size_t)st.st_size;
	f->base = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_ptr_not_equal(f->base, MAP_FAILED);
	assert_int_equal(ring_attach(&f->ring, f->base, f->bytes), 0);
	assert_int_equal(ring_reader_open(f->path, &f->reader, error, sizeof(error)), 0);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	ring_step = NULL;
	ring_reader_close(f->reader);
	munmap(f->base, f->bytes);
	ring_remove(f->path);
	assert_int_not_equal(access(f->path, F_OK), 0);
	free(f->path);
	free(f);
	return 0;
}

/*
 * Lets the writers use the reader's mapping. Where there are two of one file, as there are in life, ThreadSanitizer
 * does not see that an order made in one of them holds in the other.
 */
static inline void share_mapping(struct fixture *f)
{
	union {
		const struct kvs_ring_header *in;
		void *out;
	} base = {ring_reader_header(f->reader)};
	assert_int_equal(ring_attach(&f->ring, base.out, f->bytes), 0);
}

static inline uint64_t own_tid(void)
{
	return (uint64_t)syscall(SYS_gettid);
}

/* A payload that tells where each of its bytes belongs. */
static inline uint8_t pattern(uint64_t tag, size_t i)
{
	return (uint8_t)(tag * 131 + i * 7 + (i >> 8));
}

static inline int write_record(const struct ring *ring, uint64_t tag, uint32_t n)
{
	struct kvs_record r = {.payload_bytes = n, .type = KVS_REC_SEND, .conn = tag, .wire_bytes = n};
	struct ring_reservation at = {0};
	uint8_t *payload = malloc(n + 1);
	for (uint32_t i = 0; i < n; i++)
		payload[i] = pattern(tag, i);
	int result = ring_reserve(ring, kvs_record_slots(n), own_tid(), &at);
	if (result == 0) {
		ring_copy(ring, &at, 0, &r, sizeof(r));
		/* In two pieces, as two iovecs would be. */
		ring_copy(ring, &at, sizeof(r), payload, n / 3);
		ring_copy(ring, &at, sizeof(r) + n / 3, payload + n / 3, n - n / 3);
		result = ring_commit(&at);
	}
	free(payload);
	return result;
}

static inline void check_record(const struct kvs_record *r, struct str payload)
{
	assert_int_equal(payload.n, r->payload_bytes);
	for (size_t i = 0; i < payload.n; i++) {
		if ((uint8_t)payload.p[i] != pattern(r->conn, i))
			fail_msg("record %llu: byte %zu of %zu is wrong", (unsigned long long)r->conn, i, payload.n);
	}
}

/* The next record, checked; its tag, or 0 if there is none. */
static inline uint64_t read_tag(struct fixture *f)
{
	const struct kvs_record *r;
	struct str payload;
	int result = ring_reader_next(f->reader, &r, &payload);
	assert_true(result >= 0);
	if (result == 0)
		return 0;
	check_record(r, payload);
	return r->conn;
}

#endif
