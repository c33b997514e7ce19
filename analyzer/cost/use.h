/* SPDX-License-Identifier: MIT */
#ifndef COST_USE_H
#define COST_USE_H

/*
 * What became of a prompt's tokens, whosever fault it was: taken from the cache, read again although they had been sent
 * before, new. `again` is what a cache that holds would have given (cost.again), or, where that is more, what the
 * conversation had sent before and a break at the client's side put out of any cache's reach.
 */

#include "cost/cost.h"
#include "why/why.h"

/* A prompt in three parts that do not overlap; TOKENS_UNKNOWN where not known. */
struct cost_use {
	int64_t reused; /* as the backend reports; where it reports nothing, as it could at most (estimated) */
	int64_t again;
	int64_t new;
	enum tokens_basis basis; /* TOKENS_NONE: not known */
};

/*
 * Of a request, an index in report.exchanges. What its conversation had sent before is its parent's prompt; after an
 * expected miss, whose texts are others, the repeated prefix.
 */
struct cost_use cost_use_of(const struct report *report, const struct cost *cost, const struct why *why,
			    size_t exchange);

#endif
