/* SPDX-License-Identifier: MIT */
#include "why/signs.h"

#include "base/json_span.h"
#include "why/afresh.h"
#include "why/message_signs.h"
#include "why/text_signs.h"

#define TEXT_MAX ((size_t)8 << 20)

/* Appends every string under "text", "thinking" or "content" of a block, in order; false: no such string. */
static bool block_strings(struct str json, struct buf *out)
{
	struct json_scan s;
	struct json_level levels[8];
	unsigned depth = 0;
	bool found = false;
	struct json_value v;
	struct str key;

	json_scan_init(&s, json);
	enum json_type type = json_peek(&s);
	if (type == JSON_STRING)
		return json_read(&s, &v) == 0 && json_string_decode(json_string_inner(v), out) == 0;
	if (type != JSON_OBJECT || json_enter(&s, JSON_OBJECT, &levels[0]) < 0)
		return false;
	for (;;) {
		if (!json_next(&s, &levels[depth], &key)) {
			if (s.error || depth == 0)
				break;
			depth--;
			continue;
		}
		bool wanted = key.p == NULL || json_string_eq(key, STR("text")) ||
			      json_string_eq(key, STR("thinking")) || json_string_eq(key, STR("content"));
		type = json_peek(&s);
		if (wanted && (type == JSON_OBJECT || type == JSON_ARRAY) && depth + 1 < 8) {
			if (json_enter(&s, type, &levels[depth + 1]) < 0)
				break;
			depth++;
		} else if (wanted && type == JSON_STRING) {
			if (json_read(&s, &v) < 0 || json_string_decode(json_string_inner(v), out) < 0)
				break;
			found = true;
		} else {
			json_skip(&s);
		}
	}
	return found && !s.error;
}

int signs_part_text(struct trace *t, uint32_t part, struct buf *out)
{
	char error[256];
	struct buf json;
	int result = -1;

	buf_init(&json, TEXT_MAX);
	if (trace_part_text(t, part, &json, error, sizeof(error)) == 0) {
		const struct trace_part *p = &t->parts[part];
		size_t before = out->n;
		bool spoken = p->block == BLOCK_TEXT || p->block == BLOCK_THINKING || p->block == BLOCK_TOOL_RESULT ||
			      p->block == BLOCK_BILLING;
		if (!spoken || !block_strings(buf_str(&json), out)) {
			out->n = before;
			buf_append_str(out, buf_str(&json));
		}
		result = out->failed ? -1 : 0;
	}
	buf_release(&json);
	return result;
}

/* ---- tools: last turn's and this one's as sets */

static bool has_tool(const struct view *v, const struct digest *digest)
{
	const struct render_run *tools = &v->rendered.runs[RUN_TOOLS];
	for (size_t i = 0; i < tools->n; i++)
		if (memcmp(&tools->pieces[i].digest, digest, sizeof(*digest)) == 0)
			return true;
	return false;
}

/* How many tools of a b does not have. */
static size_t missing_tools(const struct view *a, const struct view *b)
{
	const struct render_run *tools = &a->rendered.runs[RUN_TOOLS];
	size_t missing = 0;
	for (size_t i = 0; i < tools->n; i++)
		missing += !has_tool(b, &tools->pieces[i].digest);
	return missing;
}

/* In the same order, too. */
static bool same_tools(const struct view *old, const struct view *new)
{
	const struct render_run *a = &old->rendered.runs[RUN_TOOLS], *b = &new->rendered.runs[RUN_TOOLS];
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = memcmp(&a->pieces[i].digest, &b->pieces[i].digest, sizeof(struct digest)) == 0;
	return same;
}

static const char *tools_cause(const struct view *old, const struct view *new)
{
	if (same_tools(old, new))
		return "tools_moved_by_template";
	size_t gone = missing_tools(old, new), come = missing_tools(new, old);
	if (gone == 0 && come == 0 && old->rendered.runs[RUN_TOOLS].n == new->rendered.runs[RUN_TOOLS].n)
		return "tools_reordered";
	return gone > 0 && come > 0 ? "tools_changed" : "tools_grown";
}

/* ---- messages */

/* A piece with a reminder stands in another message of the other prompt. */
static bool migrated(const struct view *a, size_t piece, struct str text, const struct view *b)
{
	if (!text_contains(text, STR("<system-reminder>")))
		return false;
	size_t k = rendered_search(&b->rendered, &piece_of(a, piece)->digest, 0);
	return k < b->rendered.n && piece_of(b, k)->message != piece_of(a, piece)->message;
}

/* How many pieces of either side stand for each other: one came, one went, or one became another. */
static struct excuse step_over(const struct view *old, const struct view *new, const struct comparison *c)
{
	if (piece_equal(old, c->old_piece, new, c->new_piece + 1))
		return (struct excuse){0, 1};
	if (piece_equal(old, c->old_piece + 1, new, c->new_piece))
		return (struct excuse){1, 0};
	return (struct excuse){1, 1};
}

static const char *reminder_cause(const struct view *old, const struct view *new, const struct comparison *c,
				  struct str s, struct str t, const struct excuse *step)
{
	const struct str tag = STR("<system-reminder>");
	if (step->old_pieces && step->new_pieces && piece_part(old, c->old_piece)->block == BLOCK_TOOL_RESULT &&
	    piece_part(new, c->new_piece)->block == BLOCK_TOOL_RESULT)
		return text_reminder_differs(s, t) ? "reminder_folded_into_tool_result" : NULL;
	/* A text that is compared with nothing holds no tag, so the other one alone is looked for. */
	if (migrated(old, c->old_piece, s, new) || migrated(new, c->new_piece, t, old))
		return "reminder_migrated";
	if (step->old_pieces == 0)
		return text_contains(t, tag) ? "reminder_changed" : NULL;
	if (step->new_pieces == 0)
		return text_contains(s, tag) ? "reminder_changed" : NULL;
	return text_reminder_differs(s, t) ? "reminder_changed" : NULL;
}

static const char *section_cause(struct str old, struct str new)
{
	enum text_section section = text_section_of_difference(old, new);
	/* A whole block came or went. */
	if ((!old.n || !new.n) && text_contains(old.n ? old : new, STR("# claudeMd")))
		section = SECTION_MEMORY;
	switch (section) {
	case SECTION_GIT:
		return "git_status_changed";
	case SECTION_ENVIRONMENT:
		return "environment_changed";
	case SECTION_MEMORY:
		return "memory_changed";
	case SECTION_NONE:
		break;
	}
	return NULL;
}

static const char *text_cause(const struct view *old, const struct view *new, const struct comparison *c,
			      struct excuse *step)
{
	bool message = piece_in_messages(old, c->old_piece);
	const char *cause = NULL;
	struct buf x, y;

	buf_init(&x, TEXT_MAX);
	buf_init(&y, TEXT_MAX);
	/* What came or went is compared with nothing. */
	if ((!step->old_pieces || signs_part_text(old->trace, piece_of(old, c->old_piece)->part, &x) == 0) &&
	    (!step->new_pieces || signs_part_text(new->trace, piece_of(new, c->new_piece)->part, &y) == 0)) {
		struct str s = x.n ? buf_str(&x) : STR(""), t = y.n ? buf_str(&y) : STR("");
		if (text_is_compaction(s, t))
			cause = "compaction";
		else if (text_is_countdown(s) || text_is_countdown(t))
			cause = "total_tokens_reminder";
		else if (text_date_changed(s, t))
			cause = "date_changed";
		else if (message && text_attestation(s, t))
			cause = "attestation_in_history";
		else if (!message && text_identity_changed(s, t))
			cause = "identity_changed";
		if (!cause)
			cause = section_cause(s, t);
		if (!cause && message)
			cause = reminder_cause(old, new, c, s, t, step);
		if (!cause && message && message_same_text(old, new, c, step))
			cause = "content_shape_changed";
	}
	buf_release(&x);
	buf_release(&y);
	return cause ? cause : message ? "messages_changed" : "system_changed";
}

static uint32_t moved_countdowns(const struct view *v)
{
	const struct render_slices *moved = &v->rendered.moved;
	uint32_t n = 0;
	for (size_t i = 0; i < moved->n; i++) {
		const struct render_slice *s = &moved->list[i];
		const uint32_t *counts = v->countdowns[s->run == RUN_MOVED ? 0 : 1].counts;
		n += counts[s->first + s->n - 1] - (s->first ? counts[s->first - 1] : 0);
	}
	return n;
}

bool signs_moved_countdown(const struct view *old, const struct view *new)
{
	return moved_countdowns(old) != moved_countdowns(new);
}

static void excuse(struct comparison *c, struct excuse step)
{
	if (c->nexcuses < COMPARE_EXCUSED_MAX)
		c->excuses[c->nexcuses++] = step;
}

const struct breaker *signs_cause(const struct view *old, const struct view *new, struct comparison *c)
{
	bool ended = c->new_piece == new->rendered.n;
	uint32_t either = piece_classes(old, c->old_piece) | (ended ? 0 : piece_classes(new, c->new_piece));

	if (either & PIECE_MOVED) {
		c->passed_over |= PIECE_MOVED;
		return breaker_find("system_turn_hoisted");
	}
	if (either & PIECE_TOOL) {
		c->passed_over |= PIECE_TOOL;
		return breaker_find(tools_cause(old, new));
	}
	if (either & PIECE_BILLING) {
		c->passed_over |= PIECE_BILLING;
		return breaker_find("billing_header");
	}
	if (afresh_by_summary(old, new, c)) {
		excuse(c, (struct excuse){1, 1});
		return breaker_find("compaction");
	}
	if (afresh_by_clear(old, new, c)) {
		excuse(c, (struct excuse){1, 1});
		return breaker_find("clear");
	}
	if (ended) {
		excuse(c, (struct excuse){1, 1});
		return breaker_find("messages_changed");
	}
	if (message_thinking_left_out(old, new, c)) {
		c->passed_over |= PIECE_THINKING;
		return breaker_find("thinking_dropped_by_template");
	}
	if (message_thinking_gone(old, new, c)) {
		c->passed_over |= PIECE_THINKING;
		return breaker_find("thinking_dropped_by_client");
	}
	uint32_t gone;
	if (message_trimmed(old, new, c, &gone)) {
		excuse(c, (struct excuse){gone, 0});
		return breaker_find("history_trimmed");
	}
	uint32_t texts;
	if (message_text_moved(old, new, c, &texts)) {
		excuse(c, (struct excuse){0, texts});
		return breaker_find("text_moved_before_results");
	}
	struct excuse step = step_over(old, new, c);
	const char *cause = text_cause(old, new, c, &step);
	excuse(c, step);
	return breaker_find(cause);
}
