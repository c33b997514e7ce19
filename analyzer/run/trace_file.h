/* SPDX-License-Identifier: MIT */
#ifndef RUN_TRACE_FILE_H
#define RUN_TRACE_FILE_H

/* Names of trace files that people give, and those derived from them. */

#include <stddef.h>

/*
 * May a trace be written to path? An older trace may be overwritten, and what is no regular file (a pipe, /dev/null);
 * any other file with contents is somebody's work and a slip of the finger, and what belongs to another user is none
 * of our business. Returns 0, or -1 with one line in error.
 */
int trace_file_check(const char *path, char *error, size_t error_bytes);

/*
 * A free name beside an unfinished trace for what is collected later: "X.jsonl" gives "X-later.jsonl",
 * "X-later2.jsonl", and so on; the name itself if there is no such file any more. Caller frees; NULL: no memory, or a
 * hundred are taken.
 */
char *trace_file_later(const char *trace);

#endif
