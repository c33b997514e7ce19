/* SPDX-License-Identifier: MIT */
#ifndef RENDER_ALIGN_H
#define RENDER_ALIGN_H

/*
 * What a prompt has of an earlier one of its conversation: stretches of whole messages (and of tools or system blocks)
 * that are in both, in their order, whatever was changed, added or left out between them.
 */

#include "trace/reader.h"

#include <stddef.h>
#include <stdint.h>

/* More changes than these at a time are not looked behind. */
#define ALIGN_MAX 8

/* Parts [old_at, old_at + n) of the earlier prompt are [new_at, new_at + n) of the new one. */
struct align_match {
	size_t old_at, new_at, n;
	uint32_t shift; /* what their messages' numbers grew by (modulo 2^32) */
};

/*
 * The first `kept` parts are known to be in both, in their places. Short stretches may be left out. Returns how many
 * matches there are. Costs a comparison of part numbers.
 */
size_t align_prompts(const struct trace_part *parts, const struct trace_prompt_part *old, size_t nold,
		     const struct trace_prompt_part *new, size_t nnew, size_t kept, struct align_match out[ALIGN_MAX]);

#endif
