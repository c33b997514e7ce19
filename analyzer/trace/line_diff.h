/* SPDX-License-Identifier: MIT */
#ifndef TRACE_LINE_DIFF_H
#define TRACE_LINE_DIFF_H

/*
 * Two texts line by line, as people read it: "- " before what only the old one has, "+ " before what only the new one
 * has, two spaces before a line that both have. Control characters are escaped, what looks like a key is masked, long
 * lines are cut.
 */

#include "base/buf.h"

#include <stddef.h>

#define LINE_DIFF_CONTEXT 1   /* lines that both have, shown around a difference */
#define LINE_DIFF_COLUMNS 100 /* characters of a line */

struct line_diff {
	size_t removed, added; /* lines, all of them */
	size_t left_out;       /* lines that would have been shown, beyond the limit */
};

/*
 * Appends at most max lines, each with its line end and `before` in front of it; "…" stands for lines that are equal.
 * Time and memory go with the lines between the first and the last difference; of more than 2,000 on a side all of them
 * count as different. Returns 0, or -1: no memory.
 */
int line_diff(struct str old, struct str new, const char *before, size_t max, struct line_diff *counts, struct buf *out)
	__attribute__((warn_unused_result));

#endif
