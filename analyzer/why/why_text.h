/* SPDX-License-Identifier: MIT */
#ifndef WHY_WHY_TEXT_H
#define WHY_WHY_TEXT_H

/* What `kvscope why` says, for people and as JSON. Both append; the buffer's failed flag tells of lack of memory. */

#include "why/candidates.h"

#include "base/buf.h"

struct why_text_style {
	bool all; /* every cause, and every miss of it */
	const char *bold, *dim, *red, *green, *yellow, *reset;
};

/* One verdict after the other; a cause that an earlier one has told of in a line, and who is ruled out at the end. */
void why_text(const struct report *report, const struct why_verdicts *v, const struct why_text_style *style,
	      struct buf *to);
/* One object: "verdicts" with the sums for each backend, "misses" with those of all of them. */
void why_json(const struct report *report, const struct why_verdicts *v, struct buf *to);

#endif
