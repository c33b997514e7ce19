/* SPDX-License-Identifier: MIT */
#ifndef TRACE_EXCERPT_H
#define TRACE_EXCERPT_H

/*
 * A few characters of a text around a place, fit for a terminal and for a bug report: control characters and bytes that
 * are no UTF-8 escaped, what looks like a key replaced by "[masked]".
 */

#include "base/buf.h"

/* Characters to each side of the byte at `at`, which may be the end of the text. "…" stands where the text goes on. */
void excerpt(struct str text, size_t at, size_t characters, struct buf *out);
/* Appends the text with control characters and bytes that are no UTF-8 escaped. */
void escape_for_terminal(struct str text, struct buf *out);

#endif
