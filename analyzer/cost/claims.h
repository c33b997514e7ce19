/* SPDX-License-Identifier: MIT */
#ifndef COST_CLAIMS_H
#define COST_CLAIMS_H

/*
 * Does the time of a request fit the count of cached tokens that came with its answer? The measure is what the same
 * server and model took per token for prompts that it cannot have known (nothing of them had been sent before, nothing
 * claimed to be cached): the median of those. Against it stand a claimed hit that took as long as all of its prompt,
 * and a claimed miss that took no longer than its new tokens alone.
 *
 * Where they contradict each other the time is believed, and the counts become estimates.
 */

#include "cost/stamps.h"

/* Sets claim and corrects prefilled and reused of the exchanges. -1: no memory. */
int claims_check(const struct report *report, struct cost *cost, const struct stamps *stamps)
	__attribute__((warn_unused_result));

#endif
