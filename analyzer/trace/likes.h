/* SPDX-License-Identifier: MIT */
#ifndef TRACE_LIKES_H
#define TRACE_LIKES_H

/*
 * Texts of parts written lately, by what a model sees of them. A client that moves its cache marker along sends each
 * block twice, with the marker and without: the second is then written as the few bytes in which it differs.
 */

#include "trace/lines.h"

/* All texts together, and what one must have to be worth it. */
#define LIKES_BYTES_MAX ((size_t)16 << 20)
#define LIKES_TEXT_MIN 256

struct like_text;
struct likes {
	struct like_text *by_digest;
	size_t bytes;
};

/* True and *out set if a text with this normalised digest is there and shares most of its bytes. */
bool likes_find(const struct likes *l, const struct digest *normalised, struct str text, struct line_like *out);
/* Remembers a text that is in the trace in full. Without memory it is not remembered. */
void likes_keep(struct likes *l, const struct digest *normalised, uint32_t part, struct str text);
void likes_release(struct likes *l);

#endif
