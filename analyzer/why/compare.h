/* SPDX-License-Identifier: MIT */
#ifndef WHY_COMPARE_H
#define WHY_COMPARE_H

/*
 * Two rendered prompts side by side, with the means to look behind a difference that has been explained: whole
 * classes of pieces can be passed over, and single pairs taken as equal.
 */

#include "render/render.h"

#include <stdint.h>

/* A rendered prompt with the trace that its pieces point into. */
struct view {
	struct trace *trace;
	struct rendered rendered;
	uint32_t *classes; /* per piece: enum piece_class bits */
	size_t classes_capacity;
};

enum piece_class {
	PIECE_BILLING = 1,
	PIECE_TOOL = 2,
	PIECE_MOVED = 4,
	PIECE_THINKING = 8,
	PIECE_COUNTDOWN = 16, /* a total_tokens reminder */
};

#define COMPARE_EXCUSED_MAX 8

struct comparison {
	uint32_t passed_over; /* classes */
	unsigned excuse;      /* so many differing pairs are taken as equal */
	/* Result: where they differ; a piece index equal to rendered.n is the end. */
	size_t old_piece, new_piece;
	uint64_t common_bytes; /* of the new prompt, before new_piece */
	bool differs;          /* the old prompt is not wholly contained */
};

/* Where `new` stops being `old`. */
void compare(const struct view *old, const struct view *new, struct comparison *c);

#endif
