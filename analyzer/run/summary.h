/* SPDX-License-Identifier: MIT */
#ifndef RUN_SUMMARY_H
#define RUN_SUMMARY_H

/* What people are told after a command has ended: what was seen, or why nothing was; what is missing; what it cost. */

#include "run/preflight.h"
#include "run/watch.h"

/* judge: say the verdict on the trace, too (run/afterword.h). */
void summary_say(const struct watch *w, const struct preflight *preflight, const struct collector_summary *s,
		 bool judge);

#endif
