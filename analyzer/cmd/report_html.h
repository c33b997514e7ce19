/* SPDX-License-Identifier: MIT */
#ifndef CMD_REPORT_HTML_H
#define CMD_REPORT_HTML_H

/* `kvscope report --html FILE`: judges the misses and writes the page. */

#include "anatomy/anatomy.h"

/*
 * file: "-" is stdout. engine: --engine's argument, NULL: not given. Returns an exit status, after having said on
 * stderr what is wrong or what was written.
 */
int report_html(const char *file, const char *engine, struct report *report, const struct cost *cost,
		const struct anatomy *anatomy);

#endif
