/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_TRACE_FILE_H
#define TESTS_UNIT_TRACE_FILE_H

/* A trace in a scratch folder, written and read again, for the tests of the trace. */

#include "trace/reader.h"
#include "unit/conversation.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/kvscope-test-trace-XXXXXX";
static char path[64];
static char error[512];

static const char *const command[] = {"claude", "-p", "argument-canary", NULL};
static const struct trace_header header = {
	.run_id = {1, 2, 3, 0xff},
	.monotonic_ns = 1234567890123,
	.realtime_ns = UINT64_C(1763937181000000000),
	.command = command,
	.cwd = "/home/me/project",
	.capture_mode = "preload",
};
static const struct trace_footer footer = {.end_ns = 99, .exit_status = 3, .signal = -1, .complete = true};

static inline struct trace_writer *open_writer(enum content_mode content)
{
	struct trace_header h = header;
	struct trace_writer *w;
	h.content = content;
	assert_int_equal(trace_writer_open(path, true, &h, &w, error, sizeof(error)), 0);
	return w;
}

/* What a program that shares no code with this one makes of the file: its schema, and each body by its SHA-256. */
static inline void check_by_others(void)
{
	char line[128], output[2000];

	/* The tests run in the top folder; elsewhere there is no script. */
	if (access("tests/check_trace.py", R_OK) < 0)
		return;
	snprintf(line, sizeof(line), "python3 tests/check_trace.py %s 2>&1", path);
	FILE *p = popen(line, "r");
	assert_non_null(p);
	output[fread(output, 1, sizeof(output) - 1, p)] = '\0';
	int status = pclose(p);
	if (status != 0 && WEXITSTATUS(status) != 127) /* 127: no python3 here */
		fail_msg("%s", output);
}

static inline void close_writer(struct trace_writer *w)
{
	struct ring_loss ring = {.dropped = {[KVS_DROP_FULL] = 7}, .dropped_bytes = 70, .processes = 2};
	struct pipeline_loss pipeline = {.holes = 1, .hole_bytes = 12, .blind = {[KVS_BLIND_SENDFILE] = 5}};
	assert_int_equal(trace_writer_close(w, &ring, &pipeline, &footer, error, sizeof(error)), 0);
}

static inline void write_next(struct trace_writer *w, struct conversation *c, uint64_t id)
{
	struct exchange x;
	conversation_exchange(c, id, &x);
	trace_writer_exchange(w, &x);
	exchange_release(&x);
}

static inline long long file_size(void)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return (long long)st.st_size;
}

static inline void slurp(struct buf *out)
{
	FILE *f = fopen(path, "r");
	char chunk[65536];
	size_t n;
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_append(out, chunk, n);
	fclose(f);
}

static inline void read_trace(struct trace *t)
{
	if (trace_read(path, t, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	if (t->warning)
		fail_msg("%s", t->warning);
}

static inline int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/trace.jsonl", folder);
	return 0;
}

static inline int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

#endif
