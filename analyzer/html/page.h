/* SPDX-License-Identifier: MIT */
#ifndef HTML_PAGE_H
#define HTML_PAGE_H

/*
 * The report as one HTML page that needs nothing else: no script, no font, no network. What `report --html` writes.
 *
 * However long the session, the page stays below a few megabytes: charts of many requests show them in groups, tables
 * are shortened in their middle, and the page says so.
 */

#include "anatomy/anatomy.h"
#include "cost/cost.h"
#include "why/why.h"

struct page_input {
	const struct report *report;
	const struct cost *cost;       /* of the report */
	const struct anatomy *anatomy; /* of the report and cost */
	const struct why *why;         /* of the report, with its seconds_lost set */
};

/* Reads the texts of system prompts that differ. Returns 0, or -1: no memory. */
int page_html(const struct page_input *in, struct buf *to) __attribute__((warn_unused_result));

#endif
