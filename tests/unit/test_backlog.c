/* SPDX-License-Identifier: MIT */
/* Records that wait between ring and pipeline: in order and whole through memory and file, and nothing of them left. */
#include "collect/backlog.h"

#include "collect/pace.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CANARY "sk-ant-canary-in-a-backlog"
#define CHUNK BACKLOG_CHUNK_BYTES

static char folder[] = "/tmp/kvscope-test-XXXXXX";
static char beside[sizeof(folder) + 16];

static int setup(void **state)
{
	(void)state;
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	snprintf(beside, sizeof(beside), "%s/trace.jsonl", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(folder); /* fails if anything was left in it */
}

/* Of many sizes, the longest and none among them. */
static size_t size_of(uint64_t tag)
{
	return tag % 97 == 0 ? KVS_RECORD_PAYLOAD_MAX : (size_t)(tag * 2654435761u % 9000);
}

static char *payload_of(uint64_t tag, size_t n)
{
	char *p = malloc(n + sizeof(CANARY));
	assert_non_null(p);
	for (size_t i = 0; i < n; i += sizeof(CANARY) - 1)
		memcpy(p + i, CANARY, sizeof(CANARY) - 1);
	for (size_t i = 40; i < n; i += 64)
		p[i] = (char)(tag + i);
	return p;
}

static int put(struct backlog *b, uint64_t tag)
{
	size_t n = size_of(tag);
	char *p = payload_of(tag, n);
	struct kvs_record r = {
		.payload_bytes = (uint32_t)n, .type = KVS_REC_SEND, .conn = tag, .wire_bytes = n, .time_ns = tag * 3};
	bool room = backlog_room(b);
	int status = backlog_put(b, &r, (struct str){p, n});
	free(p);
	if (room)
		assert_int_equal(status, 0);
	return status;
}

/* The next record's tag, checked; 0: none. */
static uint64_t take(struct backlog *b)
{
	const struct kvs_record *r;
	struct str got;
	if (backlog_next(b, &r, &got) == 0)
		return 0;
	assert_int_equal(r->time_ns, r->conn * 3);
	assert_int_equal(got.n, size_of(r->conn));
	char *p = payload_of(r->conn, got.n);
	assert_memory_equal(got.p, p, got.n);
	free(p);
	return r->conn;
}

/* The descriptor of a file without a name in our folder; -1: there is none. */
static int nameless(void)
{
	char link[64], target[PATH_MAX];
	for (int fd = 3; fd < 64; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, target, sizeof(target) - 1);
		if (n > 0 && strncmp(target, folder, strlen(folder)) == 0)
			return fd;
	}
	return -1;
}

static bool folder_is_empty(void)
{
	DIR *d = opendir(folder);
	size_t n = 0;
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n == 2;
}

static void test_order(void **state)
{
	(void)state;
	struct backlog *b = backlog_new(beside, 3 * CHUNK, 64 * CHUNK);
	uint64_t in = 0, out = 0, most = 0;
	assert_non_null(b);
	assert_int_equal(take(b), 0);
	/* In waves: it grows into the file, shrinks, is emptied and grows again. */
	for (int wave = 1; wave <= 5; wave++) {
		for (int i = 0; i < 2000 * wave; i++) {
			assert_int_equal(put(b, ++in), 0);
			if (i % 3 == 0)
				assert_int_equal(take(b), ++out);
		}
		most = backlog_on_disk(b) > most ? backlog_on_disk(b) : most;
		assert_int_equal(backlog_records(b), in - out);
		while (out < in - (wave == 3 ? 0 : 100))
			assert_int_equal(take(b), ++out);
		if (wave == 3) {
			struct stat st;
			assert_int_equal(take(b), 0);
			assert_int_equal(backlog_on_disk(b), 0);
			assert_int_equal(fstat(nameless(), &st), 0);
			assert_int_equal(st.st_size, 0);
		}
	}
	assert_true(most > 10 * CHUNK);
	while (out < in)
		assert_int_equal(take(b), ++out);
	assert_int_equal(take(b), 0);
	assert_int_equal(backlog_bytes(b), 0);
	backlog_free(b);
}

static void test_nothing_readable(void **state)
{
	(void)state;
	struct backlog *b = backlog_new(beside, 2 * CHUNK, 64 * CHUNK);
	struct stat st;
	for (uint64_t tag = 1; backlog_on_disk(b) < 4 * CHUNK; tag++)
		assert_int_equal(put(b, tag), 0);
	int fd = nameless();
	assert_true(fd >= 0);
	assert_true(folder_is_empty());
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	char *all = malloc((size_t)st.st_size);
	assert_non_null(all);
	assert_int_equal(pread(fd, all, (size_t)st.st_size, 0), st.st_size);
	assert_null(memmem(all, (size_t)st.st_size, CANARY, 12));
	/* Nor do two chunks that begin alike look alike. */
	assert_int_not_equal(memcmp(all, all + CHUNK, 64), 0);
	free(all);
	backlog_free(b);
}

/* Puts until nothing more goes in; returns how many. */
static uint64_t fill(struct backlog *b, uint64_t from)
{
	uint64_t n = 0;
	while (backlog_room(b)) {
		assert_int_equal(put(b, from + n), 0);
		n++;
	}
	return n;
}

static void test_full(void **state)
{
	(void)state;
	struct backlog *b = backlog_new(beside, 2 * CHUNK, 3 * CHUNK);
	uint64_t n = fill(b, 1), out = 0;
	assert_int_equal(backlog_on_disk(b), 3 * CHUNK);
	assert_true(backlog_crowded(b));
	assert_false(backlog_room(b));
	/* Room again as soon as a chunk has been read. */
	while (!backlog_room(b))
		assert_int_equal(take(b), ++out);
	assert_true(out > 10 && out < n);
	n += fill(b, n + 1);
	while (out < n)
		assert_int_equal(take(b), ++out);
	assert_int_equal(take(b), 0);
	assert_false(backlog_crowded(b));
	backlog_free(b);
}

static void test_full_disk(void **state)
{
	(void)state;
	struct backlog *b = backlog_new(beside, 2 * CHUNK, 64 * CHUNK);
	struct rlimit limit, before;
	uint64_t records, bytes, out = 0;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = CHUNK + CHUNK / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	uint64_t n = fill(b, 1);
	assert_int_equal(backlog_on_disk(b), CHUNK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	/* What could not be written is still there. */
	while (out < n)
		assert_int_equal(take(b), ++out);
	backlog_lost(b, &records, &bytes);
	assert_int_equal(records, 0);
	backlog_free(b);
}

static void test_no_folder(void **state)
{
	(void)state;
	struct backlog *b = backlog_new("/no/such/folder/trace.jsonl", 2 * CHUNK, 64 * CHUNK);
	uint64_t n = fill(b, 1), out = 0;
	assert_int_equal(backlog_on_disk(b), 0);
	assert_true(n > 100);
	assert_true(backlog_crowded(b));
	while (out < n)
		assert_int_equal(take(b), ++out);
	backlog_free(b);
}

static void test_file_that_is_cut(void **state)
{
	(void)state;
	struct backlog *b = backlog_new(beside, 2 * CHUNK, 64 * CHUNK);
	uint64_t in = 0, got = 0, last = 0, tag, records, bytes;
	while (backlog_on_disk(b) < 3 * CHUNK)
		assert_int_equal(put(b, ++in), 0);
	assert_int_equal(ftruncate(nameless(), CHUNK), 0);
	while ((tag = take(b)) != 0) {
		assert_true(tag > last);
		last = tag;
		got++;
	}
	assert_int_equal(last, in);
	backlog_lost(b, &records, &bytes);
	assert_int_equal(got + records, in);
	assert_true(records > 0 && bytes > 0);
	assert_int_equal(backlog_records(b), 0);
	assert_int_equal(backlog_bytes(b), 0);
	backlog_free(b);
}

static void test_pace(void **state)
{
	(void)state;
	uint64_t allowed = PACE_MAX_NS;
	assert_int_equal(pace_next(allowed, true, false), PACE_MAX_NS);
	/* Company: less and less, but never nothing. */
	for (int i = 0; i < 10; i++)
		allowed = pace_next(allowed, i % 2, true);
	assert_int_equal(allowed, PACE_MIN_NS);
	assert_int_equal(pace_next(allowed, false, false), PACE_MIN_NS);
	for (int i = 0; i < 10; i++)
		allowed = pace_next(allowed, true, false);
	assert_int_equal(allowed, PACE_MAX_NS);

	struct pace p = {0};
	pace_begin(&p, false);
	assert_false(pace_over(&p));
	p.begin_ns -= PACE_MAX_NS;
	assert_true(pace_over(&p));
	pace_begin(&p, true);
	p.begin_ns -= PACE_MAX_NS;
	assert_false(pace_over(&p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_readable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
		cmocka_unit_test(test_no_folder),
		cmocka_unit_test_setup_teardown(test_file_that_is_cut, setup, teardown),
		cmocka_unit_test(test_pace),
	};
	return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
