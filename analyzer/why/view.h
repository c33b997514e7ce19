/* SPDX-License-Identifier: MIT */
#ifndef WHY_VIEW_H
#define WHY_VIEW_H

/* Rendered prompts of a report's requests, with what their pieces are. */

#include "report/report.h"
#include "why/compare.h"

struct views {
	struct report *report; /* borrowed */
	struct render_rules rules;
	uint8_t **countdowns; /* per trace and part: not looked at yet, no countdown, a countdown */
	bool no_memory;
};

/* 0, or -1: no memory. views_release in either case. */
int views_init(struct views *v, struct report *report, const struct render_rules *rules);
void views_release(struct views *v);
/*
 * Renders the prompt of a request; reuses *out, which starts zeroed: its memory, and what the two prompts have in
 * common where that is cheaper. -1: no memory, or not readable.
 */
int view_render(struct views *v, uint32_t exchange, struct view *out);
void view_release(struct view *v);

#endif
