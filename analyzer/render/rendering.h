/* SPDX-License-Identifier: MIT */
#ifndef RENDER_RENDERING_H
#define RENDER_RENDERING_H

/* Private to render/: a prompt on its way from parts to pieces. */

#include "render/align.h"
#include "render/render.h"

struct rendering {
	const struct render_rules *rules;
	const struct trace_part *parts;
	const struct trace_prompt_part *prompt;
	size_t n;
	render_text_fn *text;
	void *context;
	struct rendered *out;
	uint32_t last_user; /* see struct render_mark */
	bool no_memory;
	/* What is also in the prompt before, whose marks from the first change on are `before`. */
	struct align_match matches[ALIGN_MAX];
	struct render_mark fronts[ALIGN_MAX]; /* in front of them in the prompt before */
	size_t nmatches, changed;
	const struct render_mark *before;
};

static inline const struct trace_part *part_of(const struct rendering *r, size_t i)
{
	return &r->parts[r->prompt[i].part];
}

static inline bool is_message(const struct rendering *r, size_t i)
{
	return part_of(r, i)->kind == PART_MESSAGE;
}

/* render.c: adds the tools and system parts, which are listed in heads, in place of those that were there. */
void rendering_add_heads(struct rendering *r);
/*
 * Adds the messages in [from, to), at the end of the prompt or in the midst of what stays. Marks say of them when the
 * user spoke; `now` is how far the rendering has come.
 */
void rendering_add_messages(struct rendering *r, size_t from, size_t to, bool at_end, struct render_mark *now);
/* A turn that templates count as the user's: one that is not made of tool results alone. */
bool rendering_is_users(const struct trace_part *part);

#endif
