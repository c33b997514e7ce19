/* SPDX-License-Identifier: MIT */
#include "trace/reader.h"

#include "kvscope/trace.h"
#include "trace/index.h"
#include "trace/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_BYTES ((size_t)256 << 10)

static const char out_of_memory[] = "out of memory";

static void warn(struct trace *t, const char *what)
{
	struct buf text;
	buf_init(&text, 1 << 16);
	buf_printf(&text, "%s: line %llu: %s", t->path, (unsigned long long)t->index->line, what);
	if (t->version)
		buf_printf(&text, " (byte %llu); the trace was read up to there",
			   (unsigned long long)t->index->position);
	free(t->warning);
	t->warning = buf_steal(&text);
	buf_release(&text);
	t->index->stopped = true;
}

/* Takes the whole lines off the tail, at most `most`. Returns how many. */
static int take_lines(struct trace *t, size_t scanned, int most)
{
	struct trace_index *in = t->index;
	size_t at = 0;
	int taken = 0;

	while (taken < most && !in->stopped) {
		const char *start = in->tail.p + at;
		const char *from = in->tail.p + (scanned > at ? scanned : at);
		const char *feed = memchr(from, '\n', in->tail.n - (size_t)(from - in->tail.p));
		if (!feed)
			break;
		struct line_place place = {in->position, (uint64_t)(feed - start)};
		in->line++;
		const char *wrong = line_add(t, (struct str){start, place.bytes}, place);
		if (wrong) {
			warn(t, wrong);
			break;
		}
		taken++;
		t->lines++;
		at += place.bytes + 1;
		in->position += place.bytes + 1;
	}
	buf_consume(&in->tail, at);
	return taken;
}

static int read_lines(struct trace *t, int most, char *error, size_t error_bytes)
{
	struct trace_index *in = t->index;
	int taken = in->tail.n ? take_lines(t, 0, most) : 0;

	while (taken < most && !in->stopped) {
		size_t scanned = in->tail.n;
		char *to = buf_reserve(&in->tail, READ_BYTES);
		if (!to) {
			in->line++;
			warn(t, "a line that is too long");
			break;
		}
		ssize_t n = trace_read_bytes(t, in->position + in->tail.n, to, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			snprintf(error, error_bytes, "%s: %s", t->path, strerror(errno));
			return -1;
		}
		if (n == 0)
			break;
		in->tail.n += (size_t)n;
		in->tail.p[in->tail.n] = '\0';
		taken += take_lines(t, scanned, most - taken);
	}
	return taken;
}

/* What cannot be read twice, a pipe or a terminal, is copied to memory. Returns the descriptor to read, or -1. */
static int seekable(int fd)
{
	char bytes[65536];
	ssize_t n;

	if (fd < 0 || lseek(fd, 0, SEEK_CUR) >= 0 || errno != ESPIPE)
		return fd;
	int copy = memfd_create("trace", MFD_CLOEXEC);
	while (copy >= 0 && (n = read(fd, bytes, sizeof(bytes))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write(copy, bytes, (size_t)n) != n) {
			close(copy);
			copy = -1;
		}
	}
	int failed = errno;
	close(fd);
	errno = failed;
	return copy;
}

int trace_open(const char *path, struct trace *out, char *error, size_t error_bytes)
{
	*out = (struct trace){0};
	bool standard_input = strcmp(path, "-") == 0;
	if (standard_input)
		path = "standard input";
	out->path = strdup(path);
	out->index = calloc(1, sizeof(*out->index));
	if (out->index)
		out->index->fd = -1;
	if (!out->path || !out->index) {
		snprintf(error, error_bytes, "%s: %s", path, out_of_memory);
		return -1;
	}
	buf_init(&out->index->tail, TRACE_LINE_MAX + READ_BYTES);
	for (size_t i = 0; i < INDEX_LISTS; i++)
		out->index->lists[i].exchange = INDEX_NONE;
	out->index->fd =
		seekable(standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC));
	if (out->index->fd < 0) {
		snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
		return -1;
	}
	int lines = read_lines(out, 1, error, error_bytes);
	if (lines < 0)
		return -1;
	if (lines == 0) {
		snprintf(error, error_bytes, "%s%s", out->warning ? "" : path,
			 out->warning ? out->warning : ": no trace: it has no header line");
		return -1;
	}
	if (out->version > KVS_TRACE_VERSION) {
		snprintf(error, error_bytes, "%s: line 1: trace version %d, this kvscope reads up to version %d", path,
			 out->version, KVS_TRACE_VERSION);
		return -1;
	}
	return 0;
}

int trace_read_more(struct trace *t, char *error, size_t error_bytes)
{
	return read_lines(t, INT32_MAX, error, error_bytes);
}

int trace_read(const char *path, struct trace *out, char *error, size_t error_bytes)
{
	if (trace_open(path, out, error, error_bytes) < 0 || trace_read_more(out, error, error_bytes) < 0)
		return -1;
	if (!out->index->stopped && out->index->tail.n > 0) {
		out->index->line++;
		warn(out, "the file ends inside this line");
	}
	return 0;
}

void trace_release(struct trace *t)
{
	struct trace_index *in = t->index;

	if (in) {
		index_release_rebuilt(in, t->nparts);
		line_release_added(t);
		buf_release(&in->tail);
		if (in->fd >= 0)
			close(in->fd);
		free(in);
	}
	free(t->path);
	free(t->warning);
	*t = (struct trace){0};
}

ssize_t trace_read_bytes(const struct trace *t, uint64_t offset, char *to, size_t n)
{
	return pread(t->index->fd, to, n, (off_t)offset);
}

uint64_t trace_real_time(const struct trace *t, uint64_t monotonic_ns)
{
	return monotonic_ns ? t->realtime_ns + (monotonic_ns - t->monotonic_ns) : 0;
}
