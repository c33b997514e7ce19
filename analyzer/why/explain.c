/* SPDX-License-Identifier: MIT */
#include "why/explain.h"

#include "why/signs.h"

void explain_add_behind(const struct breaker *behind[WHY_BEHIND_MAX], const struct breaker *first,
			const struct breaker *cause)
{
	if (cause == first)
		return;
	for (size_t i = 0; i < WHY_BEHIND_MAX; i++) {
		if (behind[i] == cause)
			return;
		if (!behind[i]) {
			behind[i] = cause;
			return;
		}
	}
}

/* The bytes of tools that come again in another place: those that a comparison which passes over all tools leaves out.
 */
static uint64_t tools_again(const struct view *old, const struct view *new, size_t from)
{
	const struct render_run *a = &old->rendered.runs[RUN_TOOLS], *b = &new->rendered.runs[RUN_TOOLS];
	uint64_t bytes = 0;
	size_t at, end;
	rendered_find(&new->rendered, KIND_TOOLS, &at, &end);
	for (size_t i = 0; i < b->n; i++) {
		size_t k = 0;
		while (k < a->n && memcmp(&a->pieces[k].digest, &b->pieces[i].digest, sizeof(struct digest)) != 0)
			k++;
		bytes += at + i >= from && k < a->n ? b->pieces[i].bytes : 0;
	}
	return bytes;
}

/* Finds the place inside the two parts, and how much of the new one is before and behind it. */
static void locate(const struct report *report, uint32_t exchange, const struct view *old, const struct view *new,
		   struct explained *x, uint64_t *tail)
{
	const struct comparison *c = &x->first;
	char error[256];

	x->prefix = c->common_bytes;
	*tail = 0;
	if (c->new_piece == new->rendered.n)
		return;
	const struct render_piece *a = piece_of(old, c->old_piece), *b = piece_of(new, c->new_piece);
	const struct report_exchange *e = &report->exchanges[exchange];
	const struct trace_prompt_part at = {b->part, b->message, b->index};
	const struct trace_part *part = &new->trace->parts[b->part];
	if (prompt_place_find(old->trace, a->part, new->trace, (size_t)(e->x - new->trace->exchanges), &at, &x->place,
			      error, sizeof(error)) < 0)
		return;
	if (a->place != b->place || part->bytes == 0)
		return;
	double scale = (double)b->bytes / (double)part->bytes;
	uint64_t before = (uint64_t)((double)x->place.byte * scale);
	x->prefix += before < b->bytes ? before : b->bytes;
	*tail = (uint64_t)((double)x->place.tail * scale);
}

/* The bytes of equal pieces behind the first difference. */
static uint64_t equal_behind(const struct view *new, const struct comparison *first, const struct comparison *c)
{
	uint64_t before = view_counted(new, first->new_piece, c->passed_over);
	return c->equal_bytes > before ? c->equal_bytes - before : 0;
}

void explain(const struct report *report, uint32_t exchange, const struct view *old, const struct view *new,
	     const struct comparison *found, bool across, struct explained *x)
{
	struct comparison c = *found;
	uint64_t tail = 0;
	bool tools = false;

	*x = (struct explained){.first = c};
	for (unsigned i = 0; i < COMPARE_EXCUSED_MAX; i++) {
		uint64_t so_far = equal_behind(new, found, &c);
		struct comparison next = c;
		const struct breaker *cause = signs_cause(old, new, &next);
		if (across && !cause->across)
			break;
		compare(old, new, &next);
		if (!x->cause) {
			x->cause = cause;
			if (signs_moved_countdown(old, new) && strcmp(cause->name, "system_turn_hoisted") == 0)
				explain_add_behind(x->behind, cause, breaker_find("total_tokens_reminder"));
		} else if (cause->expected || equal_behind(new, found, &next) > so_far) {
			explain_add_behind(x->behind, x->cause, cause);
		}
		if (cause->expected)
			break;
		tools = tools || (next.passed_over & PIECE_TOOL);
		c = next;
		if (!c.differs || c.new_piece == new->rendered.n)
			break;
	}
	if (!x->cause)
		return;
	locate(report, exchange, old, new, x, &tail);
	if (x->cause->expected)
		return;
	x->regained = equal_behind(new, found, &c) + tail;
	if (tools)
		x->regained += tools_again(old, new, x->first.new_piece);
}

void explained_release(struct explained *x)
{
	prompt_place_release(&x->place);
}
