/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_RESULT_PAGE_H
#define REPLAY_RESULT_PAGE_H

/* Inside of the result as text: one backend's part of it. All append to page.to. */

#include "replay/result.h"

struct page {
	const struct result *result;
	const struct replay *r;
	const struct summary *s;
	const struct text_style *style;
	struct buf *to;
};

void page_title(struct page *p, const char *text);
void page_every_answer(struct page *p); /* only if all is asked for */
void page_errors(struct page *p);
void page_notes(struct page *p);

#endif
