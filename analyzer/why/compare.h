/* SPDX-License-Identifier: MIT */
#ifndef WHY_COMPARE_H
#define WHY_COMPARE_H

/*
 * Two rendered prompts side by side, with the means to look behind a difference that has been explained: whole classes
 * of pieces can be passed over, and single differences taken as if they were none.
 */

#include "render/render.h"

#include <stdint.h>

/* A rendered prompt with the trace that its pieces point into. */
struct view {
	struct trace *trace;
	uint32_t next; /* 1 + which of its exchanges; 0: none yet */
	struct rendered rendered;
	/* Per system turn that was moved, by run: how many up to it are total_tokens reminders. */
	struct view_countdowns {
		uint32_t *counts;
		size_t capacity;
	} countdowns[2]; /* of RUN_MOVED and RUN_MOVED_CHANGED */
};

#define COMPARE_EXCUSED_MAX 8

/* A difference that is taken as none: so many pieces of either prompt stand for each other. */
struct excuse {
	uint32_t old_pieces, new_pieces;
};

struct comparison {
	uint32_t passed_over; /* classes */
	struct excuse excuses[COMPARE_EXCUSED_MAX];
	size_t nexcuses; /* for the differences in their order */
	/* Result: where they differ; a piece index equal to rendered.n is the end. */
	size_t old_piece, new_piece;
	uint64_t old_common_bytes; /* of the old prompt, before old_piece */
	uint64_t common_bytes;     /* of the new prompt, before new_piece */
	uint64_t equal_bytes;      /* of them those of pieces that are equal, not excused or passed over */
	bool differs;              /* the old prompt is not wholly contained */
};

static inline const struct render_piece *piece_of(const struct view *v, size_t piece)
{
	return rendered_piece(&v->rendered, piece);
}
static inline uint32_t piece_classes(const struct view *v, size_t piece)
{
	return piece_of(v, piece)->classes;
}
const struct trace_part *piece_part(const struct view *v, size_t piece);
/* Both are there and a model sees them as equal. */
bool piece_equal(const struct view *a, size_t i, const struct view *b, size_t k);
bool piece_in_messages(const struct view *v, size_t piece);

/* Bytes of the first pieces that are not passed over. */
uint64_t view_counted(const struct view *v, size_t pieces, uint32_t passed_over);
/* Where `new` stops being `old`. Costs time for what differs. */
void compare(const struct view *old, const struct view *new, struct comparison *c);

#endif
