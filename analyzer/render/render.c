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
	uint32_t last_user; /* see struct render_mark */
};

void rendered_release(struct rendered *r)
{
	free(r->pieces);
	free(r->marks);
	*r = (struct rendered){0};
}

size_t rendered_common(const struct rendered *a, const struct rendered *b)
{
	size_t same = 0, end = a->n < b->n ? a->n : b->n;
	while (same < end) {
		size_t middle = same + (end - same) / 2;
		if (memcmp(a->pieces[middle].chain, b->pieces[middle].chain, sizeof(a->pieces[middle].chain)) == 0)
			same = middle + 1;
		else
			end = middle;
	}
	return same;
}

uint64_t rendered_bytes(const struct rendered *r, size_t pieces)
{
	return pieces < r->n ? r->pieces[pieces].before : r->bytes;
}

/* The digests are hashes already: mixing them in keeps 128 bits apart. */
static void chain(uint64_t hash[2], const struct digest *digest)
{
	uint64_t words[4];
	memcpy(words, digest, sizeof(words));
	for (int i = 0; i < 2; i++) {
		hash[i] = (hash[i] ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + words[i + 2];
		hash[i] ^= hash[i] >> 29;
	}
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
				       .bytes = part->normalised_bytes,
				       .before = out->bytes};
	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_MASKED)
		masked_digest(r, at->part, &piece->digest);
	if (out->n > 1)
		memcpy(piece->chain, piece[-1].chain, sizeof(piece->chain));
	chain(piece->chain, &piece->digest);
	out->bytes += piece->bytes;
	if (place != RENDER_MESSAGES)
		out->heads = out->n;
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
static bool is_users(const struct trace_part *part)
{
	return part->kind == PART_MESSAGE && part->role == ROLE_USER && part->block != BLOCK_TOOL_RESULT;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* Fills what marks say of the prompt itself, from a part on whose own mark says it already. */
static void survey(struct rendering *r, size_t from)
{
	struct render_mark *marks = r->out->marks;
	for (size_t i = from; i < r->n; i++) {
		const struct trace_part *part = part_of(r, i);
		const struct trace_prompt_part *at = &r->prompt[i];
		marks[i + 1].last_user = is_users(part) ? at->message : marks[i].last_user;
		marks[i + 1].heads = marks[i].heads;
		if (part->kind != PART_MESSAGE)
			marks[i + 1].heads =
				mix(mix(marks[i].heads, at->part + 1), (uint64_t)at->message << 32 | at->index);
	}
	r->last_user = marks[r->n].last_user;
}

static void mark(struct rendering *r, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct render_mark *m = &r->out->marks[i];
		m->pieces = (uint32_t)r->out->n;
		m->dropped = r->out->dropped;
		m->refused = r->out->refused;
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
static void add_message(struct rendering *r, size_t from, size_t to)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = from; i < to; i++) {
			if (goes_last(r, part_of(r, i)) != (pass == 1))
				continue;
			if (dropped(r, i))
				r->out->dropped++;
			else
				add(r, i, RENDER_MESSAGES, false);
		}
	}
}

/* The messages from a part on. */
static void add_messages(struct rendering *r, size_t from)
{
	bool tools_inside = r->rules->tools == TOOLS_BEFORE_LAST_USER, tools_done = !tools_inside;
	for (size_t i = from; i < r->n;) {
		const struct trace_part *part = part_of(r, i);
		if (part->kind != PART_MESSAGE) {
			mark(r, i, i + 1);
			i++;
			continue;
		}
		size_t end = i + 1;
		while (end < r->n && part_of(r, end)->kind == PART_MESSAGE &&
		       r->prompt[end].message == r->prompt[i].message)
			end++;
		mark(r, i, end);
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
	mark(r, r->n, r->n + 1);
}

/* Where the message begins that the first `kept` parts end with: more of it may come, or less. */
static size_t message_start(const struct rendering *r, size_t kept)
{
	size_t i = kept;
	while (i > 0 && part_of(r, i - 1)->kind == PART_MESSAGE &&
	       (i == kept || r->prompt[i - 1].message == r->prompt[i].message))
		i--;
	return i;
}

/* Goes on from what *out holds, where that comes to the same. */
static bool go_on(struct rendering *r, size_t kept)
{
	struct rendered *out = r->out;
	size_t from = kept < out->nmarks ? message_start(r, kept) : 0;
	if (from == 0 || r->rules->tools == TOOLS_BEFORE_LAST_USER || r->rules->system_turns == TURNS_HOISTED)
		return false;
	const struct render_mark before = out->marks[out->nmarks - 1];
	survey(r, from);
	const struct render_mark *now = &out->marks[r->n];
	if (now->heads != before.heads ||
	    (r->rules->thinking == THINKING_DROPPED_OLD && now->last_user != before.last_user))
		return false;
	const struct render_mark *m = &out->marks[from];
	out->bytes = rendered_bytes(out, m->pieces);
	out->n = m->pieces;
	out->dropped = m->dropped;
	out->refused = m->refused;
	out->kept = out->n;
	add_messages(r, from);
	return true;
}

int render_continue(const struct render_rules *rules, const struct trace_part *parts,
		    const struct trace_prompt_part *prompt, size_t n, size_t kept, render_text_fn *text, void *context,
		    struct rendered *out)
{
	struct rendering r = {rules, parts, prompt, n, text, context, out, 0};
	struct render_piece *grown = array_grow(out->pieces, &out->capacity, n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	out->pieces = grown;
	struct render_mark *marks = array_grow(out->marks, &out->marks_capacity, n + 1, sizeof(*marks));
	if (!marks)
		return -1;
	out->marks = marks;
	bool done = go_on(&r, kept);
	out->nmarks = n + 1;
	if (done)
		return 0;

	out->n = out->kept = out->heads = 0;
	out->bytes = 0;
	out->dropped = 0;
	out->refused = false;
	marks[0] = (struct render_mark){0};
	survey(&r, 0);

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
	add_messages(&r, 0);
	return 0;
}

int render_prompt(const struct render_rules *rules, const struct trace_part *parts,
		  const struct trace_prompt_part *prompt, size_t n, render_text_fn *text, void *context,
		  struct rendered *out)
{
	return render_continue(rules, parts, prompt, n, 0, text, context, out);
}
