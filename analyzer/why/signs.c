/* SPDX-License-Identifier: MIT */
#include "why/signs.h"

#include "prompt/json_span.h"

#include <ctype.h>

#define TEXT_MAX ((size_t)8 << 20)
/* How far around a difference its surroundings are looked at. */
#define NEAR 64

static bool contains(struct str s, struct str word)
{
	return word.n > 0 && s.n >= word.n && memmem(s.p, s.n, word.p, word.n) != NULL;
}

static const struct trace_part *part_of(const struct view *v, size_t piece)
{
	return &v->trace->parts[v->rendered.pieces[piece].part];
}

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

bool signs_is_countdown(struct str text)
{
	return text.n < 400 && contains(text, STR("<total_tokens>")) && contains(text, STR("tokens left"));
}

/* ---- tools: last turn's and this one's as sets */

static bool has_tool(const struct view *v, const struct digest *digest)
{
	for (size_t i = 0; i < v->rendered.n; i++)
		if ((v->classes[i] & PIECE_TOOL) && memcmp(&v->rendered.pieces[i].digest, digest, sizeof(*digest)) == 0)
			return true;
	return false;
}

/* Tools of a that b does not have; *n counts those of a. */
static size_t missing_tools(const struct view *a, const struct view *b, size_t *n)
{
	size_t missing = 0;
	*n = 0;
	for (size_t i = 0; i < a->rendered.n; i++) {
		if (!(a->classes[i] & PIECE_TOOL))
			continue;
		++*n;
		missing += !has_tool(b, &a->rendered.pieces[i].digest);
	}
	return missing;
}

static const char *tools_cause(const struct view *old, const struct view *new)
{
	size_t nold, nnew;
	size_t gone = missing_tools(old, new, &nold), come = missing_tools(new, old, &nnew);
	if (gone == 0 && come == 0 && nold == nnew)
		return "tools_reordered";
	return gone > 0 && come > 0 ? "tools_changed" : "tools_grown";
}

/* ---- texts */

static size_t common_prefix(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n, i = 0;
	while (i < n && a.p[i] == b.p[i])
		i++;
	return i;
}

/* The texts differ only in digits, and around the difference a date stands. */
static bool only_date(struct str a, struct str b)
{
	size_t at = common_prefix(a, b), end = 0;
	while (end < a.n - at && end < b.n - at && a.p[a.n - 1 - end] == b.p[b.n - 1 - end])
		end++;
	struct str old = {a.p + at, a.n - at - end}, new = {b.p + at, b.n - at - end};
	if (old.n > 32 || new.n > 32)
		return false;
	for (size_t i = 0; i < old.n; i++)
		if (!isalnum((unsigned char)old.p[i]) && !strchr("-/., ", old.p[i]))
			return false;
	for (size_t i = 0; i < new.n; i++)
		if (!isalnum((unsigned char)new.p[i]) && !strchr("-/., ", new.p[i]))
			return false;
	size_t from = at > NEAR ? at - NEAR : 0;
	struct str before = {a.p + from, at - from};
	return contains(before, STR("date")) || contains(before, STR("Date"));
}

static bool in_git_status(struct str text, size_t at)
{
	struct str before = {text.p, at};
	if (!contains(before, STR("gitStatus")) && !contains(before, STR("git status")))
		return false;
	/* The snapshot ends where the next section of the prompt begins. */
	const char *last = NULL;
	for (size_t i = 0; i + 9 <= before.n; i++)
		if (memcmp(before.p + i, "gitStatus", 9) == 0 ||
		    (i + 10 <= before.n && memcmp(before.p + i, "git status", 10) == 0))
			last = before.p + i;
	struct str since = {last, (size_t)(before.p + before.n - last)};
	return !contains(since, STR("\n# "));
}

static bool is_compaction(struct str old, struct str new)
{
	return contains(new, STR("[Old tool result content cleared]")) ||
	       (contains(new, STR("This session is being continued from a previous conversation")) &&
		!contains(old, STR("This session is being continued from a previous conversation")));
}

/* One has a reminder that the other has not; without reminders they begin alike. */
static bool reminder_differs(struct str old, struct str new)
{
	size_t at = common_prefix(old, new);
	struct str rest_old = {old.p + at, old.n - at}, rest_new = {new.p + at, new.n - at};
	/* The difference may begin inside the tag's own "<" or after a line end that both have. */
	size_t back = at > 18 ? 18 : at;
	struct str near_old = {rest_old.p - back, rest_old.n + back}, near_new = {rest_new.p - back, rest_new.n + back};
	return contains(near_old, STR("<system-reminder>")) != contains(near_new, STR("<system-reminder>"));
}

/* All text of the message that a piece belongs to. */
static int message_text(const struct view *v, size_t piece, struct buf *out, size_t *blocks)
{
	const struct render_piece *pieces = v->rendered.pieces;
	size_t i = piece;
	*blocks = 0;
	while (i > 0 && pieces[i - 1].place == pieces[piece].place && pieces[i - 1].message == pieces[piece].message)
		i--;
	for (;
	     i < v->rendered.n && pieces[i].place == pieces[piece].place && pieces[i].message == pieces[piece].message;
	     i++) {
		++*blocks;
		if (signs_part_text(v->trace, pieces[i].part, out) < 0)
			return -1;
	}
	return 0;
}

static bool same_text_other_blocks(const struct view *old, const struct view *new, const struct comparison *c)
{
	struct buf a, b;
	size_t na, nb;
	buf_init(&a, TEXT_MAX);
	buf_init(&b, TEXT_MAX);
	bool same = message_text(old, c->old_piece, &a, &na) == 0 && message_text(new, c->new_piece, &b, &nb) == 0 &&
		    na != nb && a.n > 0 && str_eq(buf_str(&a), buf_str(&b));
	buf_release(&a);
	buf_release(&b);
	return same;
}

static const char *text_cause(const struct view *old, const struct view *new, const struct comparison *c)
{
	const struct render_piece *a = &old->rendered.pieces[c->old_piece], *b = &new->rendered.pieces[c->new_piece];
	const char *place = a->place == RENDER_MESSAGES ? "messages_changed" : "system_changed";
	const char *cause = place;
	struct buf x, y;

	buf_init(&x, TEXT_MAX);
	buf_init(&y, TEXT_MAX);
	if (signs_part_text(old->trace, a->part, &x) == 0 && signs_part_text(new->trace, b->part, &y) == 0) {
		struct str s = buf_str(&x), t = buf_str(&y);
		if (is_compaction(s, t))
			cause = "compaction";
		else if (signs_is_countdown(s) || signs_is_countdown(t))
			cause = "total_tokens_reminder";
		else if (only_date(s, t))
			cause = "date_changed";
		else if (in_git_status(s, common_prefix(s, t)))
			cause = "git_status_changed";
		else if (part_of(old, c->old_piece)->block == BLOCK_TOOL_RESULT && reminder_differs(s, t))
			cause = "reminder_folded_into_tool_result";
		else if (a->place == RENDER_MESSAGES && same_text_other_blocks(old, new, c))
			cause = "content_shape_changed";
	}
	buf_release(&x);
	buf_release(&y);
	return cause;
}

/* Does this request still send the thinking of the last one, though it is not rendered any more? */
static bool thinking_left_out(const struct view *old, const struct view *new, const struct comparison *c)
{
	return (old->classes[c->old_piece] & PIECE_THINKING) && new->rendered.dropped > old->rendered.dropped;
}

bool signs_moved_countdown(const struct view *old, const struct view *new)
{
	const uint32_t both = PIECE_MOVED | PIECE_COUNTDOWN;
	size_t n[2] = {0, 0};
	const struct view *views[2] = {old, new};
	for (int k = 0; k < 2; k++)
		for (size_t i = 0; i < views[k]->rendered.n; i++)
			n[k] += (views[k]->classes[i] & both) == both;
	return n[0] != n[1];
}

const struct breaker *signs_cause(const struct view *old, const struct view *new, struct comparison *c)
{
	uint32_t old_class = old->classes[c->old_piece];
	bool ended = c->new_piece == new->rendered.n;
	uint32_t new_class = ended ? 0 : new->classes[c->new_piece];
	uint32_t either = old_class | new_class;

	if (either & PIECE_MOVED) {
		c->passed_over |= PIECE_MOVED;
		return breaker_find("system_turn_hoisted");
	}
	if (either & PIECE_BILLING) {
		c->passed_over |= PIECE_BILLING;
		return breaker_find("billing_header");
	}
	if (either & PIECE_TOOL) {
		c->passed_over |= PIECE_TOOL;
		return breaker_find(tools_cause(old, new));
	}
	if (ended) {
		c->excuse++;
		return breaker_find(c->new_piece == 0 ? "clear" : "messages_changed");
	}
	if (thinking_left_out(old, new, c)) {
		c->passed_over |= PIECE_THINKING;
		return breaker_find("thinking_dropped_by_template");
	}
	c->excuse++;
	return breaker_find(text_cause(old, new, c));
}
