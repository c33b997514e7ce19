/* SPDX-License-Identifier: MIT */
#ifndef DIFF_DIFF_TEXT_H
#define DIFF_DIFF_TEXT_H

/* What `kvscope diff` says, for people and as JSON (docs/diff.md). Both append. */

#include "base/text_style.h"
#include "diff/diff.h"

/* style->all: every change of tools and system blocks. */
void diff_text(const struct diff *d, const struct text_style *style, struct buf *to);
/* worse: the flags of diff_worse that count. */
void diff_text_verdict(const struct diff *d, unsigned worse, double tolerance, const struct text_style *style,
		       struct buf *to);
void diff_json(const struct diff *d, unsigned worse, double tolerance, struct buf *to);

#endif
