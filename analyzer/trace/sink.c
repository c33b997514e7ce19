/* SPDX-License-Identifier: MIT */
#include "trace/sink.h"

#include "trace/quiet_write.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Memory kept for the next line; one huge line is no reason to hold on to its size. */
#define SINK_IDLE_MAX ((size_t)8 << 20)
/* So much is composed before it is written: a call of the kernel for every line costs more than the line. */
#define SINK_BATCH ((size_t)256 << 10)

/*
 * A file that was there may be open to others, who must not see what comes into it, or be another user's, who could
 * open it again whatever its mode. Returns 0, or -1 with errno.
 */
static int take_over(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_uid != geteuid()) {
		errno = EPERM;
		return -1;
	}
	return fchmod(fd, 0600) == 0 && ftruncate(fd, 0) == 0 ? 0 : -1;
}

int line_sink_open(struct line_sink *s, const char *path, bool overwrite)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | (overwrite ? 0 : O_EXCL), 0600);
	if (fd < 0)
		return -1;
	if (overwrite && take_over(fd) < 0) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	*s = (struct line_sink){.fd = fd};
	buf_init(&s->waiting, TRACE_LINE_MAX + SINK_WAITING_MAX);
	return 0;
}

/* After a write that stopped inside a line: back to the last whole one, in the file and in memory. */
static void cut_to_whole_line(struct line_sink *s)
{
	const char *last = s->done ? memrchr(s->waiting.p, '\n', s->done) : NULL;
	size_t whole = last ? (size_t)(last - s->waiting.p) + 1 : 0;
	size_t part = s->done - whole;

	if (part && ftruncate(s->fd, (off_t)(s->file_bytes - part)) == 0) {
		s->file_bytes -= part;
		s->done = whole;
	}
	/* Where the file cannot be cut, the next write goes on inside the line. */
	buf_consume(&s->waiting, whole);
	s->done -= whole;
}

static void flush(struct line_sink *s)
{
	s->trouble = 0;
	while (s->done < s->waiting.n) {
		ssize_t n = quiet_write(s->fd, s->waiting.p + s->done, s->waiting.n - s->done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->trouble = n < 0 ? errno : EIO;
			cut_to_whole_line(s);
			return;
		}
		s->done += (size_t)n;
		s->file_bytes += (uint64_t)n;
	}
	s->done = 0;
	if (s->waiting.capacity > SINK_IDLE_MAX)
		buf_release(&s->waiting);
	else
		buf_reset(&s->waiting);
}

void line_sink_flush(struct line_sink *s)
{
	if (s->waiting.n)
		flush(s);
}

struct buf *line_sink_begin(struct line_sink *s)
{
	if (s->trouble)
		flush(s);
	s->mark = s->waiting.n;
	return &s->waiting;
}

int line_sink_commit(struct line_sink *s, uint64_t lines, bool always)
{
	struct buf *w = &s->waiting;
	bool refused = w->failed || w->n - s->mark > TRACE_LINE_MAX;
	if (s->trouble && !always && w->n > SINK_WAITING_MAX)
		refused = true;
	if (refused) {
		w->n = s->mark;
		w->failed = false;
		if (w->p)
			w->p[w->n] = '\0';
		s->lost_lines += lines;
		return -1;
	}
	if (w->n >= SINK_BATCH || s->trouble)
		flush(s);
	return 0;
}

size_t line_sink_finish(struct line_sink *s)
{
	line_sink_flush(s);
	return s->waiting.n;
}

void line_sink_release(struct line_sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	buf_release(&s->waiting);
	s->fd = -1;
}
