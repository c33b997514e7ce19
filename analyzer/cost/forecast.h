/* SPDX-License-Identifier: MIT */
#ifndef COST_FORECAST_H
#define COST_FORECAST_H

/*
 * What a request that was just sent will cost, from the ones before it: for `report --follow`, before the answer comes.
 * The prompt's size is estimated from its bytes, at the rate of the request it continues; what can be reused is the
 * beginning it has in common with that one, or, where that was prefilled again although nothing of it had changed, as
 * little as then. Seconds are the backend's fitted model's, or
 * at the rate of its last long prefill.
 */

#include "cost/cost.h"

struct forecast {
	const struct trace_request *request;
	const struct report_exchange *after; /* that it continues; NULL: none */
	int64_t prompt, reused, prefill;     /* estimated; TOKENS_UNKNOWN */
	double seconds;                      /* NaN: not known */
	bool as_before; /* the prompt only continues, but the backend did not use its cache the last time */
};

/* The cost must be that of the report, and the request one of the report's first trace. */
void forecast_make(const struct report *report, const struct cost *cost, const struct trace_request *request,
		   struct forecast *out);
/* Is it worth a warning? */
bool forecast_warns(const struct forecast *f);
/* One line with a line end; name: that of the lineage that goes on (report_lineage_name). Appends. */
void forecast_text(const struct forecast *f, uint32_t name, struct buf *to);

#endif
