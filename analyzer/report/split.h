/* SPDX-License-Identifier: MIT */
#ifndef REPORT_SPLIT_H
#define REPORT_SPLIT_H

/* How many of a prompt's tokens were new, and how many tools, system prompt and messages have. */

#include "report/report.h"

/*
 * Fills prompt, basis, new, repeated, split and bytes of each exchange from its reported usage and its parts. nodes and
 * requests run beside exchanges. -1: no memory.
 */
int split_exchanges(const struct prompt_tree *tree, const struct lineage_request *requests,
		    struct report_exchange *exchanges, size_t n);

#endif
