/* SPDX-License-Identifier: MIT */
#ifndef HTTP_SSE_H
#define HTTP_SSE_H

/*
 * Server-sent events (the text/event-stream of the HTML standard) out of bytes split anywhere. Lines end with LF, CR or
 * CRLF; a byte order mark at the start is passed over; comments, `id` and `retry` are ignored; several data lines are
 * joined with LF. As the standard has it, an event without data is none, and so is what stands after the last blank
 * line.
 *
 *     sse_init(&s, PIPELINE_EVENT_MAX, on_event, me);
 *     sse_feed(&s, bytes, time_ns);     // calls on_event for every event that these bytes complete
 *     sse_release(&s);
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name is empty where the event had none. The views live as long as the call. */
typedef void sse_event_fn(void *context, struct str name, struct str data, uint64_t time_ns);

struct sse {
	sse_event_fn *on_event;
	void *context;
	struct buf line; /* the start of a line whose end has not come */
	struct buf name;
	struct buf data;     /* of the event, each line followed by LF */
	bool has_data;       /* a data line was seen, be it an empty one */
	bool after_cr;       /* a LF that comes now belongs to the CR before it */
	bool started;        /* the byte order mark can no longer come */
	bool skipping;       /* until the next blank line: the event is too long, or bytes of it are missing */
	uint64_t incomplete; /* events given up for these reasons */
};

/* event_max bounds a line, and the data of an event; longer events are passed over and counted. */
void sse_init(struct sse *s, size_t event_max, sse_event_fn *on_event, void *context);
void sse_release(struct sse *s);
void sse_feed(struct sse *s, struct str bytes, uint64_t time_ns);
/* Bytes are missing here: the event around them is given up. */
void sse_gap(struct sse *s);

#endif
