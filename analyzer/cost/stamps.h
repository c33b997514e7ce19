/* SPDX-License-Identifier: MIT */
#ifndef COST_STAMPS_H
#define COST_STAMPS_H

/* From an exchange's stamps to its times, and which requests were under way at the same time. */

#include "cost/cost.h"

/* What is known of a request before its backend's model is. */
struct stamps {
	double waited;   /* request sent to first output; NaN: not a stream, or no answer */
	double reported; /* prefill as the engine says; NaN */
	double others;   /* of `waited`: seconds of other requests to the same server */
	bool answered;   /* a model read the prompt: it counts as one of the backend's */
	uint32_t slot;   /* the last one that ended while this one waited, or COST_NO_EXCHANGE */
};

/* Sets the times of `out` (prefill and decode as if it had waited for nobody) and *stamps. */
void stamps_read(const struct report *report, const struct report_exchange *e, enum engine engine,
		 struct cost_exchange *out, struct stamps *stamps);
/* Fills `others` and `slot` of all. Time: n, and the pairs that overlap. -1: no memory. */
int stamps_overlap(const struct report *report, const struct cost_exchange *exchanges, struct stamps *stamps)
	__attribute__((warn_unused_result));
/* The time before each request that tools, client or a person took. -1: no memory. */
int stamps_gaps(const struct report *report, struct cost_exchange *exchanges) __attribute__((warn_unused_result));

#endif
