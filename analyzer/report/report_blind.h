/* SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_BLIND_H
#define REPORT_REPORT_BLIND_H

/*
 * What the traces could not see, and what was lost, in sentences: one per line, most serious first, nothing when
 * nothing is missing. Appends.
 */

#include "report/report.h"

void report_blind(const struct report *r, struct buf *to);

#endif
