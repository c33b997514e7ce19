/* SPDX-License-Identifier: MIT */
#ifndef TRACE_PROMPT_DIFF_H
#define TRACE_PROMPT_DIFF_H

/*
 * Where two prompts of a trace part, and in which parts they differ, as a model sees them: normalised, in the canonical
 * order tools → system → messages, whatever the order on the wire.
 */

#include "trace/prompt_place.h"
#include "trace/reader.h"

enum prompt_change { PROMPT_ADDED, PROMPT_REMOVED, PROMPT_CHANGED };

/* A part of either prompt that the other has not. Indices into old_parts and new_parts, SIZE_MAX where there is none.
 */
struct prompt_difference {
	enum prompt_change change;
	size_t old_part, new_part;
};

struct prompt_diff {
	struct trace_prompt_part *old_parts, *new_parts; /* in canonical order */
	size_t nold, nnew;
	size_t common;         /* leading parts that are equal; the first difference is at this index of both */
	uint64_t common_bytes; /* normalised */
	struct prompt_difference *list; /* in the order of the new prompt, then of what was removed */
	size_t n;
	size_t moved; /* behind the first difference, yet in both prompts */

	/* Of the first differing parts; not known where one prompt simply ends. */
	struct prompt_place place;
};

/* Returns 0, or -1 with one line in error. The caller releases *out in either case. */
int prompt_diff(struct trace *t, size_t old_exchange, size_t new_exchange, struct prompt_diff *out, char *error,
		size_t error_bytes);
void prompt_diff_release(struct prompt_diff *d);

/* "tools[3]", "system[0]", "messages[2].content[1]"; for a part in messages[] of another API "messages[2]". */
void prompt_part_path(const struct trace *t, const struct exchange *x, const struct trace_prompt_part *p,
		      struct buf *out);

#endif
