/* SPDX-License-Identifier: MIT */
#ifndef TRACE_LINES_H
#define TRACE_LINES_H

/*
 * The lines of a trace as text, one function per type (docs/trace-format.md). Each appends one JSON document and a line
 * feed; the caller looks at to->failed.
 */

#include "trace/body.h"
#include "trace/hide.h"
#include "trace/writer.h"

/* How a request body is written: null if there are no items; base 0: not a delta. */
struct line_body {
	const struct body_items *items;
	const struct body_ops *ops;
	uint64_t base;
};

/* A text that differs from an earlier part's in the middle only (a cache marker that came or went). */
struct line_like {
	uint32_t part;
	size_t head, tail; /* bytes shared at both ends */
};

void line_header(struct buf *to, const struct trace_header *h);
/* like NULL: the text as it is. */
void line_part(struct buf *to, uint32_t id, const struct prompt_part *part, struct str text,
	       const struct line_like *like, const struct hide *hide);
void line_exchange(struct buf *to, const struct exchange *x, const struct line_body *body, const struct hide *hide);
void line_process(struct buf *to, const struct pipeline_process *p);
void line_opaque(struct buf *to, const struct opaque_connection *c);
void line_loss(struct buf *to, const struct ring_loss *ring, const struct pipeline_loss *pipeline, uint64_t lines_lost);
void line_footer(struct buf *to, const struct trace_footer *f, uint64_t exchanges, uint64_t parts);

#endif
