/* SPDX-License-Identifier: MIT */
#ifndef TRACE_SINK_H
#define TRACE_SINK_H

/*
 * The file of a trace, which grows by whole lines whatever the disk does. Lines are composed in memory and written some
 * at a time, or when line_sink_flush asks for it; what cannot be written waits there and is tried again with every
 * later line. After a write that stopped inside a line the file is cut back to its last whole one, so that it is good
 * at any moment.
 *
 *     struct buf *to = line_sink_begin(&s);
 *     compose(to);                                  // one or more lines, '\n' included
 *     if (line_sink_commit(&s, 1, false) < 0) ...   // nothing of them was kept
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line longer than this is given up; readers rely on it. */
#define TRACE_LINE_MAX ((size_t)512 << 20)
/* Lines that wait for a disk that is full. */
#define SINK_WAITING_MAX ((size_t)64 << 20)

struct line_sink {
	int fd;
	struct buf waiting;
	size_t done; /* bytes of waiting that are in the file; not 0 between calls only if it could not be cut */
	size_t mark; /* where the lines being composed begin */
	uint64_t file_bytes; /* written so far */
	uint64_t lost_lines;
	int trouble; /* errno of the last write if it failed, else 0 */
};

/* Creates the file 0600. Returns 0, or -1 with errno set. */
int line_sink_open(struct line_sink *s, const char *path, bool overwrite);
/* Where to append the next lines. */
struct buf *line_sink_begin(struct line_sink *s);
/*
 * Takes over what was appended since begin. -1: it is dropped and counted as `lines` lost ones, because composing it
 * failed or too much is waiting already (`always` overrides the latter).
 */
int line_sink_commit(struct line_sink *s, uint64_t lines, bool always);
/* Writes what was taken over so far. */
void line_sink_flush(struct line_sink *s);
/* Tries a last time. Returns how many bytes still wait: whole lines, in s->waiting. */
size_t line_sink_finish(struct line_sink *s);
void line_sink_release(struct line_sink *s);

#endif
