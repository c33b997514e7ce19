/* SPDX-License-Identifier: MIT */
#ifndef REPORT_SUMS_H
#define REPORT_SUMS_H

/* What a report's requests add up to: per session, per lineage, per system prompt and in all, and what got lost. */

#include "report/report.h"

/*
 * From traces, exchanges and lineages of the report; fills all that is a sum in it, and the order of the lineages.
 * Returns 0, -1: no memory.
 */
int sums_build(struct report *r) __attribute__((warn_unused_result));

#endif
