/* SPDX-License-Identifier: MIT */
#ifndef COST_USE_H
#define COST_USE_H

/*
 * What became of a prompt's tokens: taken from the cache, read again although they had been sent before, new. From
 * cost, where the backend says what it reused; else, estimated, from what why judges that it could have reused at most.
 */

#include "cost/cost.h"
#include "why/why.h"

/* A prompt in three parts that do not overlap; TOKENS_UNKNOWN where not known. */
struct cost_use {
	int64_t reused;
	int64_t again;
	int64_t new;
	enum tokens_basis basis; /* TOKENS_NONE: not known */
};

/*
 * Of a request, an index in report.exchanges. Where it is estimated, what its conversation had sent before is its
 * parent's prompt; after an expected miss, whose texts are others, the repeated prefix.
 */
struct cost_use cost_use_of(const struct report *report, const struct cost *cost, const struct why *why,
			    size_t exchange);

#endif
