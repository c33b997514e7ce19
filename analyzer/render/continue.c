/* SPDX-License-Identifier: MIT */
/* Rendering a prompt from what was rendered of the one before it. */
#include "base/array.h"
#include "render/rendering.h"

#include <stdlib.h>

/* A prompt of more pieces of runs than these, or with less of them in use than a third, is rendered from nothing. */
#define SLICES_MAX 96
#define UNUSED_MIN 64

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

static void survey_heads_between(struct rendering *r, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!is_message(r, i))
			add_head(r, i);
}

/* Lists the tools and system parts; what the list was goes into heads_before. */
static void survey_heads(struct rendering *r)
{
	struct rendered *out = r->out;
	struct render_heads before = out->heads_before;
	size_t from = 0, k = 0;

	out->heads_before = out->heads;
	out->heads = before;
	out->heads.n = 0;
	for (size_t i = 0; i < r->nmatches; i++) {
		const struct align_match *m = &r->matches[i];
		survey_heads_between(r, from, m->new_at);
		for (; k < out->heads_before.n && out->heads_before.list[k].at < m->old_at + m->n; k++)
			if (out->heads_before.list[k].at >= m->old_at)
				add_head(r, out->heads_before.list[k].at - m->old_at + m->new_at);
		from = m->new_at + m->n;
	}
	survey_heads_between(r, from, r->n);
}

static bool same_place(const struct trace_prompt_part *a, const struct trace_prompt_part *b)
{
	return a->part == b->part && a->message == b->message && a->index == b->index;
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

/* ---- messages */

/* What the prompt before had in front of a part of a match. */
static const struct render_mark *mark_before(const struct rendering *r, size_t i)
{
	return i < r->changed ? &r->out->marks[i] : &r->before[i - r->changed];
}

static bool in_place(const struct align_match *m)
{
	return m->old_at == m->new_at && m->shift == 0;
}

/* Fills what marks say of the prompt itself, from one part to another; the first one's own mark says it already. */
static void survey_users(struct rendering *r, size_t from, size_t to)
{
	struct render_mark *marks = r->out->marks;
	for (size_t i = from; i < to; i++)
		marks[i + 1].last_user = rendering_is_users(part_of(r, i)) ? r->prompt[i].message : marks[i].last_user;
}

static void survey(struct rendering *r)
{
	struct render_mark *marks = r->out->marks;
	size_t from = 0;

	marks[0].last_user = 0;
	for (size_t i = 0; i < r->nmatches; i++) {
		const struct align_match *m = &r->matches[i];
		survey_users(r, from, m->new_at);
		from = m->new_at;
		/* It stands in its marks. */
		if (in_place(m) && marks[from].last_user == r->fronts[i].last_user)
			from += m->n;
	}
	survey_users(r, from, r->n);
	r->last_user = marks[r->n].last_user;
}

/* Leaves out of a match what stands behind the last turn of the user in only one of the prompts. */
static void cut_behind_turn(const struct rendering *r, struct align_match *m, uint32_t old_last_user)
{
	int64_t old = (int64_t)old_last_user + (int32_t)m->shift, new = r->last_user, turn = old < new ? old : new;
	size_t n = m->n;

	if (old == new)
		return;
	for (size_t i = m->n; i-- > 0;) {
		if (!is_message(r, m->new_at + i))
			continue;
		if ((int64_t)r->prompt[m->new_at + i].message < turn)
			break;
		n = i;
	}
	m->n = n;
}

/* Tells the pieces [begin, end) of slices that their messages have other numbers. */
static void renumber(struct rendered *out, const struct render_slices *slices, size_t begin, size_t end, uint32_t shift)
{
	size_t at = 0;
	for (size_t i = 0; i < slices->n && at < end; i++) {
		const struct render_slice *s = &slices->list[i];
		struct render_piece *pieces = out->runs[s->run].pieces + s->first;
		for (size_t k = begin > at ? begin - at : 0; k < s->n && at + k < end; k++)
			pieces[k].message += shift;
		at += s->n;
	}
}

/* Takes over what was rendered of a match. */
static void take(struct rendering *r, size_t match, struct render_mark *now)
{
	const struct align_match *m = &r->matches[match];
	struct rendered *out = r->out;
	struct render_mark from = r->fronts[match], to = *mark_before(r, m->old_at + m->n);
	const struct render_mark more = {.moved = now->moved - from.moved,
					 .moved_dropped = now->moved_dropped - from.moved_dropped,
					 .pieces = now->pieces - from.pieces,
					 .dropped = now->dropped - from.dropped,
					 .refused = now->refused - from.refused};
	bool as_before =
		in_place(m) && !more.moved && !more.moved_dropped && !more.pieces && !more.dropped && !more.refused;

	if (m->shift) {
		renumber(out, &out->moved_before, from.moved, to.moved, m->shift);
		renumber(out, &out->messages_before, from.pieces, to.pieces, m->shift);
	}
	r->no_memory = r->no_memory || render_slices_copy(&out->moved, &out->moved_before, from.moved, to.moved) < 0 ||
		       render_slices_copy(&out->messages, &out->messages_before, from.pieces, to.pieces) < 0;
	for (size_t i = 0; !as_before && i <= m->n; i++) {
		const struct render_mark *old = i ? mark_before(r, m->old_at + i) : &from;
		struct render_mark *mark = &out->marks[m->new_at + i];
		mark->moved = old->moved + more.moved;
		mark->moved_dropped = old->moved_dropped + more.moved_dropped;
		mark->pieces = old->pieces + more.pieces;
		mark->dropped = old->dropped + more.dropped;
		mark->refused = old->refused + more.refused;
	}
	*now = out->marks[m->new_at + m->n];
}

/* Lets go of what a run has behind its last piece in the prompt. */
static void cut_end(struct rendered *out, enum render_run_kind run, const struct render_slices *slices)
{
	size_t n = 0;
	for (size_t i = 0; i < slices->n; i++)
		n = slices->list[i].run == run ? slices->list[i].first + slices->list[i].n : n;
	render_run_cut(&out->runs[run], n);
}

static void swap_slices(struct render_slices *a, struct render_slices *b)
{
	struct render_slices was = *a;
	*a = *b;
	*b = was;
	a->n = a->pieces = 0;
}

/* System turns in front and messages. */
static void put_together(struct rendering *r)
{
	struct rendered *out = r->out;
	struct render_mark now = {0};
	size_t from = 0;

	swap_slices(&out->moved, &out->moved_before);
	swap_slices(&out->messages, &out->messages_before);
	for (size_t i = 0; i < r->nmatches; i++) {
		const struct align_match *m = &r->matches[i];
		if (m->n == 0)
			continue;
		rendering_add_messages(r, from, m->new_at, false, &now);
		take(r, i, &now);
		from = m->new_at + m->n;
	}
	cut_end(out, RUN_MOVED, &out->moved);
	cut_end(out, RUN_MESSAGES, &out->messages);
	rendering_add_messages(r, from, r->n, true, &now);
	now.last_user = out->marks[r->n].last_user;
	out->marks[r->n] = now;
	out->refused = now.refused > 0;
	out->dropped = out->heads_dropped + now.dropped + now.moved_dropped;
}

/* Where the message begins that the first `kept` parts end with. */
static size_t message_start(const struct rendering *r, size_t kept)
{
	size_t i = kept;
	while (i > 0 && is_message(r, i - 1) && (i == kept || r->prompt[i - 1].message == r->prompt[i].message))
		i--;
	return i;
}

/* Where the messages from a turn of the user on begin; where they end, if there are none. */
static size_t turn_start(const struct rendering *r, uint32_t turn)
{
	size_t from = 0, to = r->n;
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (r->out->marks[middle + 1].last_user >= turn)
			to = middle;
		else
			from = middle + 1;
	}
	/* Without any turn of his all messages are behind it. */
	while (from < r->n && !is_message(r, from))
		from++;
	return from < r->n ? message_start(r, from + 1) : r->n;
}

/* Pieces of so many places, or so many that are in the prompt no more, that it is better rendered from nothing. */
static bool is_scattered(const struct rendered *out)
{
	size_t all = 0, used = out->moved.pieces + out->messages.pieces;
	for (int k = RUN_MOVED; k < RENDER_RUNS; k++)
		all += out->runs[k].n;
	return out->moved.n + out->messages.n > SLICES_MAX || all > 3 * used + UNUSED_MIN;
}

static void begin_anew(struct rendered *out)
{
	for (int k = 0; k < RENDER_RUNS; k++)
		render_run_cut(&out->runs[k], 0);
	out->nmarks = out->moved.n = out->messages.n = out->moved.pieces = out->messages.pieces = 0;
	out->marks[0] = (struct render_mark){0};
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
	for (int k = 0; k < RENDER_RUNS; k++) {
		struct render_run *run = &out->runs[k];
		run->index = run->index ? run->index : calloc(1, sizeof(*run->index));
		if (!run->index)
			return -1;
		run->kept = run->n;
	}
	return 0;
}

/* Keeps the marks of the prompt before where those of this one are written over them before they are read. */
static int keep_marks(struct rendering *r, size_t old)
{
	struct rendered *out = r->out;
	size_t moved = 0;

	for (size_t i = 0; i < r->nmatches; i++) {
		r->fronts[i] = out->marks[r->matches[i].old_at];
		moved += r->matches[i].new_at != r->matches[i].old_at;
	}
	r->changed = r->nmatches && r->matches[0].new_at == 0 && r->matches[0].old_at == 0 ? r->matches[0].n : 0;
	r->before = &out->marks[r->changed];
	if (moved == 0)
		return 0;
	size_t n = old + 1 - r->changed;
	struct render_mark *kept = array_grow(out->marks_before, &out->marks_before_capacity, n, sizeof(*kept));
	if (!kept)
		return -1;
	out->marks_before = kept;
	memcpy(kept, out->marks + r->changed, n * sizeof(*kept));
	r->before = kept;
	return 0;
}

/* Keeps the prompt as the wire had it, whose first parts are kept already. */
static void keep_wire(const struct rendering *r, size_t from)
{
	for (size_t i = 0; i <= r->nmatches; i++) {
		const struct align_match *m = i < r->nmatches ? &r->matches[i] : NULL;
		size_t to = m && in_place(m) ? m->new_at : r->n;
		if (m && !in_place(m))
			continue;
		if (to > from)
			memcpy(r->out->wire + from, r->prompt + from, (to - from) * sizeof(*r->prompt));
		from = m && m->new_at + m->n > from ? m->new_at + m->n : from;
	}
}

int render_continue(const struct render_rules *rules, const struct trace_part *parts,
		    const struct trace_prompt_part *prompt, size_t n, size_t kept, render_text_fn *text, void *context,
		    struct rendered *out)
{
	struct rendering r = {
		.rules = rules, .parts = parts, .prompt = prompt, .n = n, .text = text, .context = context, .out = out};

	if (reserve(out, n) < 0)
		return -1;
	size_t same = out->nmarks ? out->nmarks - 1 : 0; /* of the prompt as the wire has it */
	same = kept < same ? kept : same;
	if (out->nmarks == 0 || is_scattered(out))
		begin_anew(out);
	size_t old = out->nmarks ? out->nmarks - 1 : 0;
	uint32_t last_user = out->marks[old].last_user;
	r.nmatches = align_prompts(parts, out->wire, old, prompt, n, kept, r.matches);
	if (keep_marks(&r, old) < 0)
		return -1;
	survey_heads(&r);
	survey(&r);
	/* What a new turn of the user does away with stands behind the last one. */
	for (size_t i = 0; rules->thinking == THINKING_DROPPED_OLD && i < r.nmatches; i++)
		cut_behind_turn(&r, &r.matches[i], last_user);
	if (old == 0 || !same_heads(&out->heads, &out->heads_before))
		rendering_add_heads(&r);
	put_together(&r);
	keep_wire(&r, same);
	out->nmarks = n + 1;
	size_t turn = turn_start(&r, r.last_user);
	turn = turn < n && prompt[turn].message == r.last_user ? turn : n;
	if (!r.no_memory && rendered_lay_out(out, rules, out->marks[turn].pieces) == 0)
		return 0;
	out->nmarks = 0;
	return -1;
}

int render_prompt(const struct render_rules *rules, const struct trace_part *parts,
		  const struct trace_prompt_part *prompt, size_t n, render_text_fn *text, void *context,
		  struct rendered *out)
{
	out->nmarks = 0; /* what it held may be of another trace */
	return render_continue(rules, parts, prompt, n, 0, text, context, out);
}
