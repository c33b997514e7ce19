/* SPDX-License-Identifier: MIT */
#include "render/rendering.h"

#include "base/json_span.h"
#include "prompt/prompt.h"

#include <stdlib.h>

#define BILLING_TEXT_MAX 4096
/* {"signature":"","thinking":"","type":"thinking"} and no more than a word in it. */
#define EMPTY_THINKING_BYTES 56
/* Longer ones are not empty, whatever their signature. */
#define SIGNED_THINKING_BYTES 1024

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

/* Adds a part to a run, and to the prompt if there are slices; false: it is not rendered. */
static bool add(struct rendering *r, enum render_run_kind kind, struct render_slices *slices,
		const struct trace_prompt_part *at)
{
	static const struct {
		enum render_place place;
		uint32_t classes;
	} of[RENDER_RUNS] = {
		[RUN_TOOLS] = {RENDER_HEAD_TOOLS, PIECE_TOOL},
		[RUN_SYSTEM] = {RENDER_HEAD_SYSTEM, 0},
		[RUN_MOVED] = {RENDER_HEAD_SYSTEM, PIECE_MOVED},
		[RUN_MOVED_CHANGED] = {RENDER_HEAD_SYSTEM, PIECE_MOVED},
		[RUN_MESSAGES] = {RENDER_MESSAGES, 0},
		[RUN_MESSAGES_CHANGED] = {RENDER_MESSAGES, 0},
	};
	const struct trace_part *part = &r->parts[at->part];
	struct render_run *run = &r->out->runs[kind];

	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_REMOVED)
		return false;
	struct render_piece piece = {.place = of[kind].place,
				     .classes = of[kind].classes,
				     .part = at->part,
				     .message = at->message,
				     .index = at->index,
				     .digest = part->normalised,
				     .bytes = part->normalised_bytes};
	piece.classes |= part->block == BLOCK_BILLING ? PIECE_BILLING : 0;
	piece.classes |= part->block == BLOCK_THINKING ? PIECE_THINKING : 0;
	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_MASKED)
		masked_digest(r, at->part, &piece.digest);
	r->no_memory = r->no_memory || render_run_add(run, &piece) < 0 ||
		       (slices && render_slices_add(slices, kind, run->n - 1, 1) < 0);
	return true;
}

static bool is_system_turn(const struct trace_part *part)
{
	return part->kind == PART_MESSAGE && part->role == ROLE_SYSTEM;
}

/* A turn that templates count as the user's: one that is not made of tool results alone. */
bool rendering_is_users(const struct trace_part *part)
{
	return part->kind == PART_MESSAGE && part->role == ROLE_USER && part->block != BLOCK_TOOL_RESULT;
}

/* ---- tools and system prompt */

void rendering_add_heads(struct rendering *r)
{
	struct rendered *out = r->out;
	render_run_cut(&out->runs[RUN_TOOLS], 0);
	render_run_cut(&out->runs[RUN_SYSTEM], 0);
	out->heads_dropped = 0;
	for (size_t i = 0; i < out->heads.n; i++) {
		const struct trace_prompt_part *at = &out->heads.list[i].part;
		bool tool = r->parts[at->part].kind == PART_TOOL;
		out->heads_dropped += !add(r, tool ? RUN_TOOLS : RUN_SYSTEM, NULL, at);
	}
}

/* ---- messages */

/* Is there nothing but white space in it, beside its signature? */
static bool is_empty_thought(const struct rendering *r, size_t i)
{
	struct json_scan s;
	struct json_level object;
	struct json_value v;
	struct buf json, words;
	struct str key;
	bool empty = false;

	if (part_of(r, i)->normalised_bytes <= EMPTY_THINKING_BYTES)
		return true;
	if (part_of(r, i)->normalised_bytes > SIGNED_THINKING_BYTES || !r->text)
		return false;
	buf_init(&json, (size_t)4 * SIGNED_THINKING_BYTES);
	buf_init(&words, (size_t)4 * SIGNED_THINKING_BYTES);
	if (r->text(r->context, r->prompt[i].part, &json) == 0) {
		json_scan_init(&s, buf_str(&json));
		if (json_peek(&s) == JSON_OBJECT && json_enter(&s, JSON_OBJECT, &object) == 0)
			while (json_next(&s, &object, &key) && json_read(&s, &v) == 0)
				if (json_string_eq(key, STR("thinking")) &&
				    json_string_decode(json_string_inner(v), &words) == 0)
					empty = strspn(words.n ? words.p : "", " \n\t\r") == words.n;
	}
	buf_release(&json);
	buf_release(&words);
	return empty;
}

static bool dropped(const struct rendering *r, size_t i)
{
	const struct trace_part *part = part_of(r, i);
	if (part->block != BLOCK_THINKING)
		return false;
	/* Templates that drop old thinking render none that is empty, wherever it stands. */
	if (r->rules->thinking == THINKING_DROPPED_OLD && is_empty_thought(r, i))
		return true;
	return r->rules->thinking == THINKING_DROPPED ||
	       (r->rules->thinking == THINKING_DROPPED_OLD && r->prompt[i].message < r->last_user);
}

/* Does a part stand behind the others of its message in the prompt, wherever it is on the wire? */
static bool goes_last(const struct rendering *r, const struct trace_part *part)
{
	switch (part->role) {
	case ROLE_USER: /* some servers put a turn's text in front of its tool results */
		return r->rules->text_before_tool_results && part->block == BLOCK_TOOL_RESULT;
	case ROLE_ASSISTANT: /* what was thought stands in front of what was said */
		return part->block != BLOCK_THINKING;
	default:
		return false;
	}
}

/* The parts [from, to) of one message. */
static void add_message(struct rendering *r, size_t from, size_t to, enum render_run_kind run, struct render_mark *now)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = from; i < to; i++) {
			if (goes_last(r, part_of(r, i)) != (pass == 1))
				continue;
			if (dropped(r, i) || !add(r, run, &r->out->messages, &r->prompt[i]))
				now->dropped++;
		}
	}
}

/* The end of the message that a part begins, or behind a part that is none. */
static size_t message_end(const struct rendering *r, size_t i)
{
	size_t end = i + 1;
	while (is_message(r, i) && end < r->n && is_message(r, end) && r->prompt[end].message == r->prompt[i].message)
		end++;
	return end;
}

void rendering_add_messages(struct rendering *r, size_t from, size_t to, bool at_end, struct render_mark *now)
{
	struct rendered *out = r->out;
	bool hoists = r->rules->system_turns == TURNS_HOISTED;

	for (size_t i = from; i < to;) {
		const struct trace_part *part = part_of(r, i);
		size_t end = message_end(r, i);
		for (size_t k = i; k < end; k++) {
			now->last_user = out->marks[k].last_user;
			out->marks[k] = *now;
		}
		if (is_system_turn(part) && hoists) {
			for (size_t k = i; k < end; k++)
				now->moved_dropped +=
					!add(r, at_end ? RUN_MOVED : RUN_MOVED_CHANGED, &out->moved, &r->prompt[k]);
		} else if (part->kind == PART_MESSAGE) {
			now->refused += is_system_turn(part) && r->rules->system_turns == TURNS_REFUSED;
			add_message(r, i, end, at_end ? RUN_MESSAGES : RUN_MESSAGES_CHANGED, now);
		}
		now->pieces = (uint32_t)out->messages.pieces;
		now->moved = (uint32_t)out->moved.pieces;
		i = end;
	}
}
