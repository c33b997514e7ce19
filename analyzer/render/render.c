/* SPDX-License-Identifier: MIT */
#include "render/render.h"

#include "base/array.h"
#include "base/json_span.h"
#include "prompt/prompt.h"

#include <stdlib.h>

#define BILLING_TEXT_MAX 4096
/* {"signature":"","thinking":"","type":"thinking"} and no more than a word in it. */
#define EMPTY_THINKING_BYTES 56
/* Longer ones are not empty, whatever their signature. */
#define SIGNED_THINKING_BYTES 1024

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
};

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

/* Adds a part to a run; false: it is not rendered. */
static bool add(struct rendering *r, enum render_run_kind run, const struct trace_prompt_part *at)
{
	static const enum render_place places[RENDER_RUNS] = {
		[RUN_TOOLS] = RENDER_HEAD_TOOLS,
		[RUN_SYSTEM] = RENDER_HEAD_SYSTEM,
		[RUN_MOVED] = RENDER_HEAD_SYSTEM,
		[RUN_MESSAGES] = RENDER_MESSAGES,
	};
	const struct trace_part *part = &r->parts[at->part];

	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_REMOVED)
		return false;
	struct render_piece piece = {.place = places[run],
				     .part = at->part,
				     .message = at->message,
				     .index = at->index,
				     .digest = part->normalised,
				     .bytes = part->normalised_bytes};
	piece.classes |= run == RUN_TOOLS ? PIECE_TOOL : run == RUN_MOVED ? PIECE_MOVED : 0;
	piece.classes |= part->block == BLOCK_BILLING ? PIECE_BILLING : 0;
	piece.classes |= part->block == BLOCK_THINKING ? PIECE_THINKING : 0;
	if (part->block == BLOCK_BILLING && r->rules->billing == BILLING_MASKED)
		masked_digest(r, at->part, &piece.digest);
	r->no_memory = r->no_memory || render_run_add(&r->out->runs[run], &piece) < 0;
	return true;
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

static bool same_place(const struct trace_prompt_part *a, const struct trace_prompt_part *b)
{
	return a->part == b->part && a->message == b->message && a->index == b->index;
}

/* ---- tools and system prompt */

static void add_head(struct rendering *r, size_t i)
{
	struct render_heads *heads = &r->out->heads;
	struct render_head *grown = array_grow(heads->list, &heads->capacity, heads->n + 1, sizeof(*grown));
	if (!grown) {
		r->no_memory = true;
		return;
	}
	heads->list = grown;
	grown[heads->n++] = (struct render_head){i, r->prompt[i]};
}

/*
 * Begins the list of tools and system parts and leaves what it was in heads_before. Returns up to where the messages
 * are those of the prompt before: the first `kept` parts are its, and behind them parts of the head may be others.
 */
static size_t survey_heads(struct rendering *r, size_t kept)
{
	struct rendered *out = r->out;
	struct render_heads before = out->heads_before;
	size_t old = out->nmarks ? out->nmarks - 1 : 0, i = kept < old ? kept : old;

	out->heads_before = out->heads;
	out->heads = before;
	out->heads.n = 0;
	for (size_t k = 0; k < out->heads_before.n && out->heads_before.list[k].at < i; k++)
		add_head(r, out->heads_before.list[k].at);
	for (; i < old && i < r->n; i++) {
		bool head = part_of(r, i)->kind != PART_MESSAGE;
		if (head != (r->parts[out->wire[i].part].kind != PART_MESSAGE))
			break;
		if (head)
			add_head(r, i);
		else if (!same_place(&out->wire[i], &r->prompt[i]))
			break;
	}
	return i;
}

static bool same_heads(const struct render_heads *a, const struct render_heads *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!same_place(&a->list[i].part, &b->list[i].part))
			return false;
	return true;
}

static void add_heads(struct rendering *r)
{
	struct rendered *out = r->out;
	render_run_cut(&out->runs[RUN_TOOLS], 0);
	render_run_cut(&out->runs[RUN_SYSTEM], 0);
	out->heads_dropped = 0;
	for (size_t i = 0; i < out->heads.n; i++) {
		const struct trace_prompt_part *at = &out->heads.list[i].part;
		bool tool = r->parts[at->part].kind == PART_TOOL;
		out->heads_dropped += !add(r, tool ? RUN_TOOLS : RUN_SYSTEM, at);
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
static void add_message(struct rendering *r, size_t from, size_t to, struct render_mark *now)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = from; i < to; i++) {
			if (goes_last(r, part_of(r, i)) != (pass == 1))
				continue;
			if (dropped(r, i) || !add(r, RUN_MESSAGES, &r->prompt[i]))
				now->dropped++;
		}
	}
}

/* The end of the message that a part begins or goes on with. */
static size_t message_end(const struct rendering *r, size_t i)
{
	size_t end = i + 1;
	while (end < r->n && part_of(r, end)->kind == PART_MESSAGE && r->prompt[end].message == r->prompt[i].message)
		end++;
	return end;
}

/* The messages from a part on, whose mark says how far they had come. */
static void add_messages(struct rendering *r, size_t from)
{
	struct rendered *out = r->out;
	bool hoists = r->rules->system_turns == TURNS_HOISTED;
	struct render_mark now = out->marks[from];

	render_run_cut(&out->runs[RUN_MESSAGES], now.pieces);
	render_run_cut(&out->runs[RUN_MOVED], now.moved);
	for (size_t i = from; i < r->n;) {
		const struct trace_part *part = part_of(r, i);
		size_t end = part->kind == PART_MESSAGE ? message_end(r, i) : i + 1;
		for (size_t k = i; k < end; k++) {
			now.last_user = out->marks[k].last_user;
			out->marks[k] = now;
		}
		if (part->kind == PART_MESSAGE && is_system_turn(part) && hoists) {
			for (size_t k = i; k < end; k++)
				now.moved_dropped += !add(r, RUN_MOVED, &r->prompt[k]);
		} else if (part->kind == PART_MESSAGE) {
			now.refused = now.refused || (is_system_turn(part) && r->rules->system_turns == TURNS_REFUSED);
			add_message(r, i, end, &now);
		}
		now.pieces = (uint32_t)out->runs[RUN_MESSAGES].n;
		now.moved = (uint32_t)out->runs[RUN_MOVED].n;
		i = end;
	}
	now.last_user = out->marks[r->n].last_user;
	out->marks[r->n] = now;
	out->refused = now.refused;
	out->dropped = out->heads_dropped + now.dropped + now.moved_dropped;
}

/* ---- going on */

/* Where the message begins that the first `kept` parts end with: more of it may come, or less. */
static size_t message_start(const struct rendering *r, size_t kept)
{
	size_t i = kept;
	while (i > 0 && part_of(r, i - 1)->kind == PART_MESSAGE &&
	       (i == kept || r->prompt[i - 1].message == r->prompt[i].message))
		i--;
	return i;
}

/* Where the messages from a turn of the user on begin, among the first parts; where these end, if there are none. */
static size_t turn_start(const struct rendering *r, uint32_t turn, size_t parts)
{
	size_t from = 0, to = parts;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (r->out->marks[middle + 1].last_user >= turn)
			to = middle;
		else
			from = middle + 1;
	}
	/* Without any turn of his all messages are behind it. */
	while (from < parts && part_of(r, from)->kind != PART_MESSAGE)
		from++;
	return from < parts ? message_start(r, from + 1) : parts;
}

/* Fills what marks say of the prompt itself, from a part on whose own mark says it already. */
static void survey(struct rendering *r, size_t from)
{
	struct render_mark *marks = r->out->marks;
	for (size_t i = from; i < r->n; i++)
		marks[i + 1].last_user = is_users(part_of(r, i)) ? r->prompt[i].message : marks[i].last_user;
	r->last_user = marks[r->n].last_user;
}

static int reserve(struct rendered *out, size_t n)
{
	struct trace_prompt_part *wire = array_grow(out->wire, &out->wire_capacity, n + 1, sizeof(*wire));
	if (!wire)
		return -1;
	out->wire = wire;
	struct render_mark *marks = array_grow(out->marks, &out->marks_capacity, n + 1, sizeof(*marks));
	if (!marks)
		return -1;
	out->marks = marks;
	return 0;
}

int render_continue(const struct render_rules *rules, const struct trace_part *parts,
		    const struct trace_prompt_part *prompt, size_t n, size_t kept, render_text_fn *text, void *context,
		    struct rendered *out)
{
	struct rendering r = {rules, parts, prompt, n, text, context, out, 0, false};
	size_t old = out->nmarks ? out->nmarks - 1 : 0;

	if (reserve(out, n) < 0)
		return -1;
	if (old == 0)
		out->marks[0] = (struct render_mark){0};
	kept = kept < old ? kept : old;
	uint32_t last_user = out->marks[old].last_user;
	size_t same = survey_heads(&r, kept < n ? kept : n), from = message_start(&r, same);
	for (size_t i = same; i < n; i++)
		if (part_of(&r, i)->kind != PART_MESSAGE)
			add_head(&r, i);
	survey(&r, from);
	/* What a new turn of the user does away with stands behind the last one. */
	if (rules->thinking == THINKING_DROPPED_OLD && r.last_user != last_user)
		from = turn_start(&r, last_user < r.last_user ? last_user : r.last_user, from);
	if (old == 0 || !same_heads(&out->heads, &out->heads_before))
		add_heads(&r);
	out->moved_kept = out->marks[from].moved;
	add_messages(&r, from);
	if (n > kept)
		memcpy(out->wire + kept, prompt + kept, (n - kept) * sizeof(*prompt));
	out->nmarks = n + 1;
	size_t turn = turn_start(&r, r.last_user, n);
	rendered_lay_out(out, rules, out->marks[turn < n && prompt[turn].message == r.last_user ? turn : n].pieces);
	if (!r.no_memory)
		return 0;
	out->nmarks = 0;
	return -1;
}

int render_prompt(const struct render_rules *rules, const struct trace_part *parts,
		  const struct trace_prompt_part *prompt, size_t n, render_text_fn *text, void *context,
		  struct rendered *out)
{
	return render_continue(rules, parts, prompt, n, 0, text, context, out);
}
