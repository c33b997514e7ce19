/* SPDX-License-Identifier: MIT */
#ifndef DIFF_DIFF_TEXT_H
#define DIFF_DIFF_TEXT_H

/* What `kvscope diff` says, for people and as JSON (docs/diff.md). Both append. */

#include "diff/diff.h"

struct diff_text_style {
	bool all; /* every change of tools and system blocks */
	const char *bold, *dim, *red, *green, *yellow, *reset;
};

/* checked: the flags of diff_worse that count, or 0 when nobody asked. */
void diff_text(const struct diff *d, const struct diff_text_style *style, struct buf *to);
void diff_text_verdict(const struct diff *d, unsigned worse, double tolerance, const struct diff_text_style *style,
		       struct buf *to);
void diff_json(const struct diff *d, unsigned worse, double tolerance, struct buf *to);

#endif
