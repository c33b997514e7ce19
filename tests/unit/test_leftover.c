/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "collect/ring_reader.h"
#include "run/leftover.h"
#include "run/ring_users.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char runtime[] = "/dev/shm/kvs-test-XXXXXX";

static int make_runtime(void **state)
{
	(void)state;
	return mkdtemp(runtime) ? setenv("XDG_RUNTIME_DIR", runtime, 1) : -1;
}

static int remove_runtime(void **state)
{
	(void)state;
	return rmdir(runtime);
}

static char *make_ring(void)
{
	char *ring = NULL, error[256];
	if (ring_create(65536, &ring, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_memory_equal(ring, runtime, strlen(runtime));
	return ring;
}

static void note_for(char *ring, enum content_mode content)
{
	char *command[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"echo \"a\nb\" \\ \t"}, (char[]){""}, NULL};
	struct leftover note = {.ring = ring,
				.command = command,
				.cwd = (char[]){"/some where"},
				.trace = (char[]){"/t.jsonl"},
				.content = content};
	assert_int_equal(leftover_write(&note), 0);
	/* The first one stays. */
	assert_int_equal(leftover_write(&note), -1);
	assert_int_equal(errno, EEXIST);
}

static void rewrite_note(const char *ring, const char *text, size_t n)
{
	char path[4096];
	snprintf(path, sizeof(path), "%.*s/run.json", (int)(strrchr(ring, '/') - ring), ring);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

static void test_note_comes_back(void **state)
{
	char *ring = make_ring(), error[256];
	struct leftover note;
	struct stat st;
	(void)state;
	assert_int_equal(leftover_read(ring, &note, error, sizeof(error)), -1);
	assert_non_null(strstr(error, "No such file"));
	leftover_release(&note);

	note_for(ring, CONTENT_FULL);
	assert_int_equal(leftover_read(ring, &note, error, sizeof(error)), 0);
	assert_string_equal(note.ring, ring);
	assert_string_equal(note.command[0], "sh");
	assert_string_equal(note.command[2], "echo \"a\nb\" \\ \t");
	assert_string_equal(note.command[3], "");
	assert_null(note.command[4]);
	assert_string_equal(note.cwd, "/some where");
	assert_string_equal(note.trace, "/t.jsonl");
	assert_int_equal(note.content, CONTENT_FULL);
	leftover_release(&note);

	leftover_remove(ring);
	assert_int_equal(stat(ring, &st), -1);
	free(ring);
}

/* A note cut anywhere is refused; one that does not say that content may be kept keeps none. */
static void test_damaged_notes(void **state)
{
	static const char good[] =
		"{\"ring\":\"x\",\"command\":[\"a\"],\"cwd\":null,\"trace\":null,\"content\":\"none\"}";
	static const char *const bad[] = {"",
					  "null",
					  "[]",
					  "{}",
					  "{\"command\":[],\"content\":1}",
					  "{\"command\":7,\"content\":\"full\"}",
					  "{\"command\":[7],\"content\":\"full\"}"};
	char *ring = make_ring(), error[256];
	struct leftover note;
	(void)state;
	for (size_t n = 0; n < sizeof(good); n++) {
		rewrite_note(ring, good, n);
		assert_int_equal(leftover_read(ring, &note, error, sizeof(error)), n == sizeof(good) - 1 ? 0 : -1);
		if (n == sizeof(good) - 1) {
			assert_int_equal(note.content, CONTENT_NONE);
			assert_null(note.cwd);
			assert_null(note.trace);
		}
		leftover_release(&note);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rewrite_note(ring, bad[i], strlen(bad[i]));
		assert_int_equal(leftover_read(ring, &note, error, sizeof(error)), -1);
		leftover_release(&note);
	}
	leftover_remove(ring);
	free(ring);
}

struct seen {
	char path[4096];
	size_t n;
};

static void see(void *context, const char *ring)
{
	struct seen *seen = context;
	if (strncmp(ring, runtime, strlen(runtime)) != 0)
		return; /* another run's, on this machine */
	snprintf(seen->path, sizeof(seen->path), "%s", ring);
	seen->n++;
}

static size_t orphans(struct seen *seen)
{
	*seen = (struct seen){.n = 0};
	leftover_each(see, seen);
	return seen->n;
}

static void test_orphans(void **state)
{
	char *ring = make_ring(), error[256];
	struct ring_reader *reader;
	struct seen seen;
	(void)state;
	assert_int_equal(orphans(&seen), 0); /* without a note it is nobody's */
	note_for(ring, CONTENT_NONE);
	assert_int_equal(orphans(&seen), 1);
	assert_string_equal(seen.path, ring);

	assert_int_equal(ring_reader_open(ring, &reader, error, sizeof(error)), 0);
	assert_int_equal(orphans(&seen), 0);
	ring_reader_close(reader);
	assert_int_equal(orphans(&seen), 1);

	/* A note that points elsewhere is not followed. */
	rewrite_note(ring, "{\"ring\":\"/etc/passwd\"}", 22);
	assert_int_equal(orphans(&seen), 0);
	leftover_remove(ring);
	free(ring);
}

/* Makes a record of this type the first and only one of the ring. */
static void put_record(const char *ring, enum kvs_record_type type)
{
	struct stat st;
	int fd = open(ring, O_RDWR);
	assert_int_equal(fstat(fd, &st), 0);
	struct kvs_ring_header *h = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(h != MAP_FAILED);
	close(fd);
	struct kvs_record record = {.type = (uint8_t)type, .conn = 1};
	uint64_t word = kvs_meta_word(1, 0, KVS_META_DONE, 0);
	memcpy((char *)h + h->data_offset, &record, sizeof(record));
	memcpy((char *)h + h->meta_offset, &word, sizeof(word));
	atomic_store(&h->head, 1);
	munmap(h, (size_t)st.st_size);
}

/* A ring that a process has mapped stays; one that nobody uses goes, unless something is in it. */
static void test_sweep(void **state)
{
	char *ring = make_ring(), byte;
	struct seen seen;
	int32_t users[4] = {0};
	int status, ready[2];
	(void)state;
	note_for(ring, CONTENT_NONE);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(ring, O_RDWR);
		void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		if (p == MAP_FAILED || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(ring_users(ring, users, 4), 1);
	assert_int_equal(users[0], pid);
	leftover_sweep();
	assert_int_equal(orphans(&seen), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);

	/* With bytes that somebody sent it stays, with the end of a connection alone it goes. */
	put_record(ring, KVS_REC_SEND);
	leftover_sweep();
	assert_int_equal(orphans(&seen), 1);
	put_record(ring, KVS_REC_CLOSE);
	leftover_sweep();
	assert_int_equal(orphans(&seen), 0);
	assert_int_equal(access(ring, F_OK), -1);
	close(ready[0]);
	close(ready[1]);
	free(ring);
}

static void test_library_link(void **state)
{
	char *ring = make_ring(), link[4096], target[64] = "";
	(void)state;
	assert_int_equal(leftover_link_library(ring, "/odd place/libkvscope.so", link, sizeof(link)), 0);
	assert_int_equal(readlink(link, target, sizeof(target) - 1), 24);
	assert_string_equal(target, "/odd place/libkvscope.so");
	leftover_remove(ring);
	assert_int_equal(access(ring, F_OK), -1);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_note_comes_back), cmocka_unit_test(test_damaged_notes),
		cmocka_unit_test(test_orphans),         cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_library_link),
	};
	return cmocka_run_group_tests(tests, make_runtime, remove_runtime) != 0;
}
