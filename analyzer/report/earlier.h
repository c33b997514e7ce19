/* SPDX-License-Identifier: MIT */
#ifndef REPORT_EARLIER_H
#define REPORT_EARLIER_H

/* What the same model and server had been given before, by whichever conversation: all that a cache could hold. */

#include "report/report.h"

/*
 * Fills `seen` and `seen_basis` of each exchange; prompt, basis and the split must be there. A request that failed or
 * only counts tokens has left nothing to reuse. Time grows with the parts that are new. -1: no memory.
 */
int earlier_exchanges(const struct prompt_tree *tree, const struct lineage_request *requests,
		      struct report_exchange *exchanges, size_t n);

#endif
