/* SPDX-License-Identifier: MIT */
#ifndef TRACE_LINE_REQUEST_H
#define TRACE_LINE_REQUEST_H

/* The line of a request that is complete and has no response yet (docs/trace-format.md). */

#include "collect/continues.h"
#include "trace/fields.h"

/* As it is read. Strings are owned; NULL: not said. */
struct trace_request {
	uint64_t id; /* of the exchange that will come */
	char *peer, *session, *agent, *model;
	uint64_t time_ns; /* CLOCK_MONOTONIC: its last byte was sent */
	uint64_t bytes;   /* of the body */
	uint64_t parts, prompt_bytes;
	/* The earlier request it has most in common with; exchange 0: none. */
	uint64_t exchange, same_parts, same_bytes;
	bool whole;
	char *path; /* of what comes behind the common beginning */
};

void line_request(struct buf *to, const struct exchange *x, const struct continues *c);
/* Returns NULL, or what is wrong with it (static text). trace_request_release in either case. */
const char *line_read_request(const cJSON *line, struct trace_request *out);
void trace_request_release(struct trace_request *r);

#endif
