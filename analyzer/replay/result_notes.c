/* SPDX-License-Identifier: MIT */
/* Of the result as text: every answer (--all), the errors, and how it was done. */
#include "replay/result_page.h"

#include "report/units.h"

#include <math.h>

#define ERRORS_MAX 5

void page_title(struct page *p, const char *text)
{
	buf_printf(p->to, "\n%s%s%s\n", p->style->bold, text, p->style->reset);
}

/* ---- every answer */

static void answer_row(struct page *p, size_t request, size_t arm, unsigned repeat)
{
	const struct sample *s = replay_sample(p->r, arm, repeat, request);
	char c[7][UNITS_CHARS];

	if (!s->sent)
		return;
	int64_t fresh = s->prompt < 0 || s->cached < 0 ? -1 : s->prompt - s->cached;
	buf_printf(p->to, "  %4zu  %-22s %3u  %8s %8s %8s %8s %8s %8s  ", request + 1, p->r->arms[arm].name, repeat + 1,
		   units_seconds(sample_ok(s) ? s->ttft_s : NAN, c[0]), units_seconds(s->prefill_s, c[1]),
		   units_seconds(sample_ok(s) ? s->decode_s : NAN, c[2]), units_count(s->prompt, c[3]),
		   units_count(s->cached, c[4]), units_count(fresh, c[5]));
	if (s->status)
		buf_printf(p->to, "%d%s", s->status, sample_ok(s) ? "" : " ");
	buf_printf(p->to, "%s\n", sample_ok(s) ? "" : client_outcome_name(s->outcome));
}

void page_every_answer(struct page *p)
{
	if (!p->style->all)
		return;
	page_title(p, "Answers (prefill as the engine reports it)");
	buf_puts(p->to, "     #  arm                      k      TTFT  prefill   decode   prompt   cached      new  "
			"status\n");
	for (size_t i = 0; i < p->r->plan->n; i++)
		for (size_t a = 0; a < p->r->narms; a++)
			for (unsigned k = 0; k < p->r->options.repeats; k++)
				answer_row(p, i, a, k);
}

/* ---- errors and notes */

void page_errors(struct page *p)
{
	size_t shown = 0;

	for (size_t a = 0; a < p->r->narms; a++) {
		for (unsigned k = 0; k < p->r->options.repeats; k++) {
			for (size_t i = 0; i < p->r->plan->n; i++) {
				const struct sample *s = replay_sample(p->r, a, k, i);
				if (!s->sent || sample_ok(s) || shown++ >= ERRORS_MAX)
					continue;
				if (shown == 1)
					page_title(p, "Errors (no samples)");
				buf_printf(p->to, "  request %zu, %s, repeat %u: %s: ", i + 1, p->r->arms[a].name,
					   k + 1, client_outcome_name(s->outcome));
				units_text(p->to, s->error ? s->error : "-", 300, false);
				buf_putc(p->to, '\n');
			}
		}
	}
	if (shown > ERRORS_MAX)
		buf_printf(p->to, "  ... %zu more\n", shown - ERRORS_MAX);
}

static void shortfalls(struct page *p)
{
	for (size_t a = 0; a < p->r->narms; a++) {
		const struct verification *v = &p->s->arms[a].verification;
		for (int why = SHORT_NONE + 1; why < SHORTFALLS; why++)
			if (v->short_requests[why])
				buf_printf(p->to, "  %s: %zu answers reused less than could be expected: %s\n",
					   p->r->arms[a].name, v->short_requests[why],
					   shortfall_words((enum shortfall)why));
	}
}

static void prefill_reported(struct page *p)
{
	char c[UNITS_CHARS];
	bool any = false;

	for (size_t a = 0; a < p->r->narms; a++) {
		const struct arm_sums *s = &p->s->arms[a];
		if (s->requests == 0 || isnan(s->prefill_s))
			continue;
		buf_printf(p->to, "%s%s %s", any ? ", " : "  prefill as the engine reports it: ", p->r->arms[a].name,
			   units_seconds(s->prefill_s, c));
		any = true;
	}
	buf_puts(p->to, any ? "\n" : "");
}

static void cold_by(struct page *p, size_t number)
{
	const struct target *t = replay_target_at(p->r, number);
	uint32_t by = t->cold_by;

	buf_printf(p->to, "  %scold by: %s%s%s%s%s\n", number ? "side requests " : "",
		   by & COLD_SALT ? "a salt per request" : "a nonce per request",
		   by & COLD_RESET ? ", cache emptied before each" : "",
		   by & COLD_UNMARKED ? ", cache marks taken out" : "",
		   by & COLD_UNLOAD ? ", model loaded anew before each run" : "",
		   t->header_tokens > 0 ? ", constant head of the template measured" : "");
}

void page_notes(struct page *p)
{
	const struct replay *r = p->r;
	uint32_t changes = 0;
	bool any = false;
	char text[UNITS_CHARS];

	for (size_t a = 0; a < r->narms; a++)
		for (unsigned k = 0; k < r->options.repeats; k++)
			for (size_t i = 0; i < r->plan->n; i++)
				changes |= replay_sample(r, a, k, i)->changes;
	page_title(p, "How it was done");
	for (size_t number = 0; number < replay_ntargets(r); number++)
		cold_by(p, number);
	if (r->options.cold_sample && r->options.cold_sample < r->plan->n)
		buf_printf(p->to, "  off is a sample: %zu of %zu requests, spread over the prompts' lengths\n",
			   r->options.cold_sample, r->plan->n);
	buf_puts(p->to, "  changed against the capture: ");
	for (unsigned i = 0; i < CHANGES; i++) {
		if (!(changes & (1u << i)))
			continue;
		buf_printf(p->to, "%s%s", any ? ", " : "", change_name(i));
		any = true;
	}
	buf_puts(p->to, any ? "\n" : "nothing\n");
	for (size_t a = 0; a < r->narms; a++) {
		if (r->arms[a].kind != ARM_FIXED || !r->arms[a].fixes)
			continue;
		buf_puts(p->to, "  fixed is:");
		for (unsigned i = 0; i < FIXES; i++)
			if (r->arms[a].fixes & (1u << i))
				buf_printf(p->to, " %s", fix_name(i));
		buf_putc(p->to, '\n');
	}
	prefill_reported(p);
	double lag = result_worst_lag(r);
	if (!isnan(lag))
		buf_printf(p->to, "  pace as recorded: requests were sent at most %s late\n", units_seconds(lag, text));
	if (!isnan(p->s->tokens_error))
		buf_printf(p->to, "  predicted cached tokens of asis: half of them within %.1f %%\n",
			   100 * p->s->tokens_error);
	if (!isnan(p->s->model_error))
		buf_printf(p->to, "  predicted seconds of asis, by a model of off: half of them within %.0f %%\n",
			   100 * p->s->model_error);
	for (size_t number = 0; number < replay_ntargets(r); number++)
		if (!replay_target_at(r, number)->layout_known)
			buf_printf(p->to,
				   "  where %s template puts tools and system turns is not known: expected tokens are "
				   "a guess (--engine ENGINE+TEMPLATE)\n",
				   number ? "the side backend's" : "its");
	shortfalls(p);
	if (r->plan->failed)
		buf_printf(p->to, "  %zu captured requests had failed and were left out\n", r->plan->failed);
	if (r->plan->unreadable)
		buf_printf(p->to, "  %zu captured requests cannot be replayed and were left out\n",
			   r->plan->unreadable);
}
