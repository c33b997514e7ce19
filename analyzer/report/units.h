/* SPDX-License-Identifier: MIT */
#ifndef REPORT_UNITS_H
#define REPORT_UNITS_H

/* Numbers for people. All are short enough for a column and append to a buffer or fill an array of UNITS_CHARS. */

#include "base/str.h"
#include "base/buf.h"

#include <stdint.h>

#define UNITS_CHARS 24

/* "812", "25.9k", "310k", "4.97M"; "-" for a negative count: unknown. */
const char *units_count(int64_t n, char out[UNITS_CHARS]);
/* "812 B", "25.9 kB", "4.97 MB" (powers of 1000). */
const char *units_bytes(uint64_t n, char out[UNITS_CHARS]);
/* "0 ms", "350 ms", "1.24 s", "41.0 s", "312 s", "66 min"; "-" for NaN: unknown. */
const char *units_seconds(double s, char out[UNITS_CHARS]);
/* "4.5/s", "45/s", "14.9k/s"; "-" for NaN. */
const char *units_rate(double per_second, char out[UNITS_CHARS]);
/* "12 requests", "1 request". */
void units_plural(struct buf *to, uint64_t n, const char *noun);

/*
 * Text from a trace as it may stand on a terminal: control characters and bytes that are no UTF-8 become '?', what is
 * longer than `columns` ends in "...". Padded with blanks to `columns` if pad is set.
 */
void units_text(struct buf *to, const char *s, size_t columns, bool pad);

#endif
