/* SPDX-License-Identifier: MIT */
#ifndef REPORT_REPORT_TEXT_H
#define REPORT_REPORT_TEXT_H

/* The report for people. Appends. */

#include "base/text_style.h"
#include "anatomy/anatomy.h"

/* A table of requests longer than this is shortened in its middle. */
#define REPORT_TEXT_ROWS 40

/* style->all: no table is shortened; columns less than 80 are taken as 80. */
void report_text(const struct report *r, const struct cost *cost, const struct anatomy *anatomy,
		 const struct text_style *style, struct buf *to);
/* One line about one request, with a line end, for `report --follow`; name: the lineage's (report_lineage_name). */
void report_text_line(const struct report *r, const struct report_exchange *e, uint32_t name,
		      const struct text_style *style, struct buf *to);

#endif
