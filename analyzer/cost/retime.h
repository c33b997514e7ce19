/* SPDX-License-Identifier: MIT */
#ifndef COST_RETIME_H
#define COST_RETIME_H

/*
 * The session as it would have gone with a cache that holds: every request without its re-prefill, and everything
 * that waited for it sooner. What a request waited for:
 *
 *   the lineage's answer before it, and whatever time client or person took after it;
 *   the sub-agents that began after that answer and had finished;
 *   for the first request of a lineage, the answer of the session that came last before it;
 *   for that of a session, whatever had ended in the trace before it, if nothing was under way;
 *   where it waited for a slot, the request of the same server that left it.
 *
 *     main  ██▒▒▒▒▒▒··········██        A and B begin after main's first answer, main goes on when both have ended;
 *     A          ██▒▒▒                  B waits for A's slot
 *     B             ..██▒▒▒▒
 */

#include "cost/cost.h"

/* waited_for: per exchange the one whose slot it got, or COST_NO_EXCHANGE. -1: no memory. */
int retime_held(const struct report *report, const struct cost_exchange *exchanges, const uint32_t *waited_for,
		const struct cost_seconds *as_it_was, struct cost_speedup *out) __attribute__((warn_unused_result));

#define COST_NO_EXCHANGE UINT32_MAX

#endif
