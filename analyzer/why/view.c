/* SPDX-License-Identifier: MIT */
#include "why/view.h"

#include "base/array.h"
#include "why/signs.h"
#include "why/text_signs.h"

#include <stdlib.h>

/* Texts longer than this are no countdown. */
#define SHORT_PART_BYTES 600

enum { NOT_LOOKED_AT, NO_COUNTDOWN, COUNTDOWN };

int views_init(struct views *v, struct report *report, const struct render_rules *rules)
{
	*v = (struct views){.report = report, .rules = *rules};
	v->countdowns = calloc(report->ntraces + 1, sizeof(*v->countdowns));
	for (size_t i = 0; v->countdowns && i < report->ntraces; i++) {
		v->countdowns[i] = calloc(report->traces[i].nparts + 1, 1);
		v->no_memory = v->no_memory || !v->countdowns[i];
	}
	v->no_memory = v->no_memory || !v->countdowns;
	return v->no_memory ? -1 : 0;
}

void views_release(struct views *v)
{
	for (size_t i = 0; v->countdowns && i < v->report->ntraces; i++)
		free(v->countdowns[i]);
	free(v->countdowns);
	*v = (struct views){0};
}

static int part_text(void *context, uint32_t part, struct buf *out)
{
	char error[256];
	return trace_part_text(context, part, out, error, sizeof(error));
}

/* A part stands in thousands of prompts and is looked at once. */
static bool is_countdown(struct views *v, uint32_t trace, uint32_t part)
{
	uint8_t *known = &v->countdowns[trace][part];
	if (*known == NOT_LOOKED_AT) {
		struct buf text;
		buf_init(&text, (size_t)4 * SHORT_PART_BYTES);
		bool found = signs_part_text(&v->report->traces[trace], part, &text) == 0 &&
			     text_is_countdown(buf_str(&text));
		*known = found ? COUNTDOWN : NO_COUNTDOWN;
		buf_release(&text);
	}
	return *known == COUNTDOWN;
}

/* Counts the countdowns among the system turns that were moved, from those on that are not the ones before. */
static int count_countdowns(struct views *v, uint32_t trace, const struct render_run *moved,
			    struct view_countdowns *out)
{
	uint32_t *counts = array_grow(out->counts, &out->capacity, moved->n + 1, sizeof(*counts));
	if (!counts)
		return -1;
	out->counts = counts;
	for (size_t i = moved->kept; i < moved->n; i++) {
		uint32_t part = moved->pieces[i].part;
		bool is = v->report->traces[trace].parts[part].bytes < SHORT_PART_BYTES && is_countdown(v, trace, part);
		counts[i] = (i ? counts[i - 1] : 0) + is;
	}
	return 0;
}

int view_render(struct views *v, uint32_t exchange, struct view *out)
{
	const struct report_exchange *e = &v->report->exchanges[exchange];
	const struct trace_prompt_part *prompt;
	struct trace *t = &v->report->traces[e->trace];
	char error[256];
	size_t n, number = (size_t)(e->x - t->exchanges), kept = 0;
	uint32_t before = out->trace == t ? out->next : 0;

	out->trace = t;
	out->next = 0;
	if (trace_prompt(t, number, &prompt, &n, error, sizeof(error)) < 0)
		return -1;
	if (before)
		kept = trace_prompt_kept(t, number, before - 1);
	else
		out->rendered.nmarks = 0; /* numbers of parts are another trace's */
	if (render_continue(&v->rules, t->parts, prompt, n, kept < n ? kept : n, part_text, t, &out->rendered) < 0)
		goto no_memory;
	const struct render_run *runs = out->rendered.runs;
	if (count_countdowns(v, e->trace, &runs[RUN_MOVED], &out->countdowns[0]) < 0 ||
	    count_countdowns(v, e->trace, &runs[RUN_MOVED_CHANGED], &out->countdowns[1]) < 0)
		goto no_memory;
	out->next = (uint32_t)number + 1;
	return 0;
no_memory:
	v->no_memory = true;
	return -1;
}

void view_release(struct view *v)
{
	rendered_release(&v->rendered);
	free(v->countdowns[0].counts);
	free(v->countdowns[1].counts);
	*v = (struct view){0};
}
