/* SPDX-License-Identifier: MIT */
#ifndef COST_TIMELINE_H
#define COST_TIMELINE_H

/* The time of a session as the union of what its requests did. */

#include "cost/cost.h"

/* Fills `all`, `sessions` and `lineages` (arrays as in struct cost; NULL: not wanted). -1: no memory. */
int timeline_sum(const struct report *report, const struct cost_exchange *exchanges, struct cost_seconds *all,
		 struct cost_seconds *sessions, struct cost_seconds *lineages) __attribute__((warn_unused_result));

#endif
