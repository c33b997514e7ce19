/* SPDX-License-Identifier: MIT */
#include "render/render.h"

#include "base/array.h"
#include "prompt/prompt.h"

#include <stdlib.h>

const struct render_rules render_wire = {
	.tools = TOOLS_BEFORE_SYSTEM,
	.system_turns = TURNS_IN_PLACE,
	.billing = BILLING_KEPT,
	.thinking = THINKING_KEPT,
	.block_tokens = 1,
};

#define BILLING_TEXT_MAX 4096
/* {"signature":"","thinking":"","type":"thinking"} and no more than a word in it. */
#define EMPTY_THINKING_BYTES 56

struct rendering {
	const struct render_rules *rules;
	const struct trace_part *parts;
	const struct trace_prompt_part *prompt;
	size_t n;
	render_text_fn *text;
	void *context;
	struct rendered *out;
	uint32_t last_user; /* message index of the last turn in which the user himself spoke */
};

void rendered_release(struct rendered *r)
{
	free(r->pieces);
	*r = (struct rendered){0};
}

size_t rendered_common(const struct rendered *a, const struct rendered *b)
{
	size_t n = a->n < b->n ? a->n : b->n, i = 0;
	while (i < n && memcmp(&a->pieces[i].digest, &b->pieces[i].digest, sizeof(a->pieces[i].digest)) == 0)
		i++;
	return i;
}

static const struct trace_part *part_of(const struct rendering *r, size_t i)
{
	return &r->parts[r->prompt[i].part];
}

/* The block without the value of cch=: what follows it up to a semicolon is what servers overwrite. */
static bool masked_digest(struct rendering *r, uint32_t part, struct digest *out)
{
	struct buf text;
	bool found = false;
	buf_init(&text, BILLING_TEXT_MAX);
	if (r->text && r->text(r->context, part, &text) == 0) {
		char *value = strstr(text.p, "cch=");
		for (value = value ? value + 4 : NULL; value && *value && *value != ';' && *value != '"'; value++)
			*value = 'f';
		*out = digest_of(buf_str(&text));
		found = true;
	}
	buf_release(&text);
	return found;
}

static void add(struct rendering *r, size_t i, enum render_place place, bool moved)
{
	const struct trace_prompt_part *at = &r->prompt[i];
	const struct trace_part *part = part_of(r, i);
	struct rendered *out = r->out;

	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_REMOVED) {
		out->dropped++;
		return;
	}
	struct render_piece *piece = &out->pieces[out->n++];
	*piece = (struct render_piece){.place = place,
				       .part = at->part,
				       .message = at->message,
				       .index = at->index,
				       .moved = moved,
				       .digest = part->normalised,
				       .bytes = part->normalised_bytes};
	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_MASKED)
		masked_digest(r, at->part, &piece->digest);
	out->bytes += piece->bytes;
}

/* Adds the parts of one kind, in their order. */
static void add_kind(struct rendering *r, enum part_kind kind, enum render_place place)
{
	for (size_t i = 0; i < r->n; i++)
		if (part_of(r, i)->kind == kind)
			add(r, i, place, false);
}

static bool is_system_turn(const struct trace_part *part)
{
	return part->kind == PART_MESSAGE && part->role == ROLE_SYSTEM;
}

/* A turn that templates count as the user's: one that is not made of tool results alone. */
static void find_last_user(struct rendering *r)
{
	r->last_user = 0;
	for (size_t i = 0; i < r->n; i++) {
		const struct trace_part *part = part_of(r, i);
		if (part->kind == PART_MESSAGE && part->role == ROLE_USER && part->block != BLOCK_TOOL_RESULT)
			r->last_user = r->prompt[i].message;
	}
}

static bool dropped(const struct rendering *r, size_t i)
{
	const struct trace_part *part = part_of(r, i);
	if (part->block != BLOCK_THINKING)
		return false;
	/* Templates that drop old thinking render none that is empty, wherever it stands. */
	if (r->rules->thinking == THINKING_DROPPED_OLD && part->normalised_bytes <= EMPTY_THINKING_BYTES)
		return true;
	return r->rules->thinking == THINKING_DROPPED ||
	       (r->rules->thinking == THINKING_DROPPED_OLD && r->prompt[i].message < r->last_user);
}

/* The parts [from, to) of one message. Some servers put a turn's text in front of its tool results. */
static void add_message(struct rendering *r, size_t from, size_t to)
{
	bool reorder = r->rules->text_before_tool_results && part_of(r, from)->role == ROLE_USER;
	for (int pass = reorder ? 0 : 1; pass < 2; pass++) {
		for (size_t i = from; i < to; i++) {
			bool result = part_of(r, i)->block == BLOCK_TOOL_RESULT;
			if (reorder && result != (pass == 1))
				continue;
			if (dropped(r, i))
				r->out->dropped++;
			else
				add(r, i, RENDER_MESSAGES, false);
		}
	}
}

static void add_messages(struct rendering *r)
{
	bool tools_inside = r->rules->tools == TOOLS_BEFORE_LAST_USER, tools_done = !tools_inside;
	for (size_t i = 0; i < r->n;) {
		const struct trace_part *part = part_of(r, i);
		if (part->kind != PART_MESSAGE) {
			i++;
			continue;
		}
		size_t end = i + 1;
		while (end < r->n && part_of(r, end)->kind == PART_MESSAGE &&
		       r->prompt[end].message == r->prompt[i].message)
			end++;
		if (!tools_done && r->prompt[i].message == r->last_user) {
			add_kind(r, PART_TOOL, RENDER_HEAD_TOOLS);
			tools_done = true;
		}
		if (is_system_turn(part) && r->rules->system_turns == TURNS_REFUSED)
			r->out->refused = true;
		if (!is_system_turn(part) || r->rules->system_turns != TURNS_HOISTED)
			add_message(r, i, end);
		i = end;
	}
	if (!tools_done)
		add_kind(r, PART_TOOL, RENDER_HEAD_TOOLS);
}

int render_prompt(const struct render_rules *rules, const struct trace_part *parts,
		  const struct trace_prompt_part *prompt, size_t n, render_text_fn *text, void *context,
		  struct rendered *out)
{
	struct rendering r = {rules, parts, prompt, n, text, context, out, 0};
	out->n = 0;
	out->bytes = 0;
	out->dropped = 0;
	out->refused = false;
	struct render_piece *grown = array_grow(out->pieces, &out->capacity, n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	out->pieces = grown;
	find_last_user(&r);

	if (rules->tools == TOOLS_BEFORE_SYSTEM)
		add_kind(&r, PART_TOOL, RENDER_HEAD_TOOLS);
	add_kind(&r, PART_SYSTEM, RENDER_HEAD_SYSTEM);
	if (rules->system_turns == TURNS_HOISTED) {
		for (size_t i = 0; i < n; i++)
			if (is_system_turn(part_of(&r, i)))
				add(&r, i, RENDER_HEAD_SYSTEM, true);
	}
	if (rules->tools == TOOLS_AFTER_SYSTEM)
		add_kind(&r, PART_TOOL, RENDER_HEAD_TOOLS);
	add_messages(&r);
	return 0;
}
