/* SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_JSON_H
#define REPORT_REPORT_JSON_H

/* The report as one JSON document (docs/report.md lists the fields). Unknown values are null. anatomy may be NULL.
 * Appends. */

#include "anatomy/anatomy.h"

void report_json(const struct report *r, const struct cost *cost, const struct anatomy *anatomy, struct buf *to);

#endif
