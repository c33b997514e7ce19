/* SPDX-License-Identifier: MIT */
#ifndef WHY_WHY_TEXT_H
#define WHY_WHY_TEXT_H

/* What `kvscope why` says, for people and as JSON. Both append; the buffer's failed flag tells of lack of memory. */

#include "base/buf.h"
#include "base/text_style.h"
#include "why/candidates.h"

/* One verdict after the other; a cause that an earlier one has told of in a line, and who is ruled out at the end.
 * style->all: every cause, and every miss of it. */
void why_text(const struct report *report, const struct why_verdicts *v, const struct text_style *style,
	      struct buf *to);
/* One object: "verdicts" with the sums for each backend, "misses" with those of all of them. */
void why_json(const struct report *report, const struct why_verdicts *v, struct buf *to);

#endif
