/* SPDX-License-Identifier: MIT */
#ifndef WHY_SIGNS_H
#define WHY_SIGNS_H

/*
 * From the first difference of two rendered prompts to its cause: looks at the two pieces, their texts where they are
 * kept, and their surroundings. What the bytes do not support is not claimed.
 */

#include "why/breaker.h"
#include "why/compare.h"

/* Text of a part as a model sees it: the decoded text of its block, or the JSON of the part. -1: not kept. */
int signs_part_text(struct trace *t, uint32_t part, struct buf *out);

/* Do the system turns that were moved to the head differ by a countdown? Then it is behind the hoist. */
bool signs_moved_countdown(const struct view *old, const struct view *new);

/*
 * The cause of the difference that `c` found, and how to look behind it: c->passed_over or c->excuses are changed so
 * that the next compare does not stop there. Never NULL.
 */
const struct breaker *signs_cause(const struct view *old, const struct view *new, struct comparison *c);

#endif
