/* SPDX-License-Identifier: MIT */
#include "replay/result_page.h"

#include "report/units.h"

#include <math.h>

#define ROWS_MAX 40

static void interval(struct page *p, const struct ratio *r)
{
	buf_printf(p->to, "%.2fx", r->value);
	if (!isnan(r->low))
		buf_printf(p->to, " (%.2f to %.2f)", r->low, r->high);
}

static const char *share_of(int64_t part, int64_t whole, char out[UNITS_CHARS])
{
	if (part < 0 || whole <= 0)
		snprintf(out, UNITS_CHARS, "-");
	else
		snprintf(out, UNITS_CHARS, "%.1f%%", 100.0 * (double)part / (double)whole);
	return out;
}

static void about(struct page *p)
{
	size_t samples = 0;

	for (size_t a = 0; a < p->r->narms; a++)
		for (unsigned k = 0; k < p->r->options.repeats; k++)
			for (size_t i = 0; i < p->r->plan->n; i++)
				samples += replay_sample(p->r, a, k, i)->sent;
	for (size_t number = 0; number < replay_ntargets(p->r); number++) {
		const struct target *t = replay_target_at(p->r, number);
		buf_puts(p->to, number ? "; side requests to " : "Backend ");
		units_text(p->to, t->facts.name, 100, false);
		buf_printf(p->to, " at %s, model ", t->base.root);
		units_text(p->to, t->facts.model ? t->facts.model : "-", 100, false);
	}
	buf_puts(p->to, "\n");
	units_plural(p->to, p->r->plan->n, "request");
	buf_puts(p->to, " of ");
	units_plural(p->to, p->r->plan->sessions, "session");
	buf_printf(p->to, ", %zu arms, ", p->r->narms);
	units_plural(p->to, p->r->options.repeats, "repeat");
	buf_printf(p->to, "; %zu answers in %.0f s%s\n", samples, p->r->seconds,
		   p->r->stopped ? "; stopped before its end" : "");
	if (p->r->stop_reason[0]) {
		buf_puts(p->to, p->style->red);
		units_text(p->to, p->r->stop_reason, 400, false);
		buf_printf(p->to, "%s\n", p->style->reset);
	}
}

static void comparison(struct page *p, const struct comparison_of_arms *c, bool headline)
{
	char saved[UNITS_CHARS], tokens[UNITS_CHARS];

	buf_printf(p->to, "%s%s -> %s: first token ", headline ? p->style->bold : "", p->r->arms[c->from].name,
		   p->r->arms[c->to].name);
	interval(p, &c->ttft);
	buf_printf(p->to, " faster%s, %s %s", headline ? p->style->reset : "", units_seconds(fabs(c->saved_s), saved),
		   c->saved_s < 0 ? "more" : "less");
	if (c->saved_tokens != COMPARISON_UNKNOWN)
		buf_printf(p->to, ", %s tokens %s prefilled",
			   units_count(c->saved_tokens < 0 ? -c->saved_tokens : c->saved_tokens, tokens),
			   c->saved_tokens < 0 ? "more" : "fewer");
	if (!isnan(c->session))
		buf_printf(p->to, "; session %.2fx", c->session);
	if (!c->usable)
		buf_printf(p->to, " %s(an arm was rejected: no result)%s", p->style->red, p->style->reset);
	else if (c->within_noise)
		buf_printf(p->to, " %s(within the noise: none)%s", p->style->yellow, p->style->reset);
	buf_putc(p->to, '\n');
}

static void comparisons(struct page *p)
{
	const struct summary *s = p->s;
	const struct comparison_of_arms *h = s->headline == SUMMARY_NO_HEADLINE ? NULL : &s->comparisons[s->headline];

	buf_putc(p->to, '\n');
	if (!h)
		buf_printf(p->to, "%sno speed-up can be told%s\n", p->style->yellow, p->style->reset);
	else
		comparison(p, h, true);
	for (size_t i = 0; i < s->ncomparisons; i++)
		if (&s->comparisons[i] != h)
			comparison(p, &s->comparisons[i], false);
	if (h && isnan(h->ttft.low))
		buf_puts(p->to, "one repeat: no interval\n");
	else if (h && h->over_sessions)
		buf_printf(p->to, "intervals: 95 %%, bootstrap over %zu sessions\n", h->ttft.n);
	else if (h)
		buf_printf(p->to, "intervals: 95 %%, %zu paired repeats, this session\n", h->ttft.n);
	if (s->noise.n > 0) {
		buf_printf(p->to, "noise floor: %s ", summary_noise_words(s));
		interval(p, &s->noise);
		buf_printf(p->to, ", at most %.1f %% apart\n", 100 * s->noise_worst);
	} else if (h) {
		buf_puts(p->to, "noise floor: not measured (arm asis2, or two repeats)\n");
	}
}

static void arms(struct page *p)
{
	page_title(p, "Arms");
	buf_puts(p->to, "                        TTFT   prefill    prompt    cached    share   session  verified\n");
	for (size_t i = 0; i < p->r->narms; i++) {
		const struct arm_sums *a = &p->s->arms[i];
		const struct verification *v = &a->verification;
		char c[6][UNITS_CHARS];
		bool some = a->requests > 0;
		buf_printf(p->to, "  %-18s %8s %9s %9s %9s %8s %9s  ", p->r->arms[i].name,
			   units_seconds(some ? a->ttft_s : NAN, c[0]), units_count(some ? a->prefilled : -1, c[1]),
			   units_count(some ? a->prompt : -1, c[2]), units_count(some ? a->cached : -1, c[3]),
			   share_of(some ? a->cached : -1, a->prompt, c[4]), units_seconds(a->session_s, c[5]));
		const char *colour = v->verdict == VERDICT_REJECTED   ? p->style->red
				     : v->verdict == VERDICT_VERIFIED ? p->style->green
								      : p->style->yellow;
		buf_printf(p->to, "%s%s%s", colour, verdict_name(v->verdict), p->style->reset);
		if (a->requests < p->r->plan->n)
			buf_printf(p->to, ", %zu of %zu requests", a->requests, p->r->plan->n);
		if (a->errors)
			buf_printf(p->to, ", %zu errors", a->errors);
		buf_putc(p->to, '\n');
	}
	for (size_t i = 0; i < p->r->narms; i++) {
		const struct verification *v = &p->s->arms[i].verification;
		if (!v->reason[0])
			continue;
		buf_printf(p->to, "  %s: %s\n", p->r->arms[i].name, v->reason);
		if (v->remedy)
			buf_printf(p->to, "    %s\n", v->remedy);
		if (v->relaunch)
			buf_printf(p->to, "    or run this arm alone (--arms off) on a server without a cache: %s\n",
				   v->relaunch);
	}
}

/* The mean over the repeats; -1: unknown. */
static int64_t mean_count(const struct replay *r, size_t arm, size_t request, bool expected)
{
	int64_t sum = 0, n = 0;
	for (unsigned k = 0; k < r->options.repeats; k++) {
		const struct sample *s = replay_sample(r, arm, k, request);
		int64_t v = expected ? s->expected : s->cached;
		if (sample_ok(s) && v >= 0) {
			sum += v;
			n++;
		}
	}
	return n ? sum / n : -1;
}

static int64_t prompt_of(const struct replay *r, size_t request)
{
	for (size_t a = 0; a < r->narms; a++)
		for (unsigned k = 0; k < r->options.repeats; k++)
			if (replay_sample(r, a, k, request)->prompt > 0)
				return replay_sample(r, a, k, request)->prompt;
	return -1;
}

static bool any_sent(const struct replay *r, size_t arm, size_t request)
{
	for (unsigned k = 0; k < r->options.repeats; k++)
		if (replay_sample(r, arm, k, request)->sent)
			return true;
	return false;
}

static void request_row(struct page *p, size_t i)
{
	const struct replay *r = p->r;
	char lineage[8], c[UNITS_CHARS];

	report_lineage_name(r->plan->requests[i].lineage, lineage);
	buf_printf(p->to, "  %4zu  %-3s %7s", i + 1, lineage, units_count(prompt_of(r, i), c));
	for (size_t a = 0; a < r->narms; a++) {
		if (!arm_is_main(&r->arms[a]))
			continue;
		double seconds = summary_ttft(r, a, i);
		if (isnan(seconds) && any_sent(r, a, i))
			buf_puts(p->to, "      error");
		else
			buf_printf(p->to, "  %9s", units_seconds(seconds, c));
		if (!arm_is_cold(&r->arms[a])) {
			buf_printf(p->to, " %7s", units_count(mean_count(r, a, i, false), c));
			buf_printf(p->to, "/%-6s", units_count(mean_count(r, a, i, true), c));
		}
	}
	buf_putc(p->to, '\n');
}

static void requests(struct page *p)
{
	size_t n = p->r->plan->n, skip = !p->style->all && n > ROWS_MAX ? n - ROWS_MAX : 0;

	page_title(p, "Requests (seconds to the first token; cached tokens / expected)");
	buf_puts(p->to, "     #  in   prompt");
	for (size_t a = 0; a < p->r->narms; a++)
		if (arm_is_main(&p->r->arms[a]))
			buf_printf(p->to, arm_is_cold(&p->r->arms[a]) ? "  %9s" : "  %9s  cached/exp.  ",
				   p->r->arms[a].name);
	buf_putc(p->to, '\n');
	for (size_t i = 0; i < n; i++) {
		if (skip && i == ROWS_MAX / 2) {
			buf_printf(p->to, "   ... %zu more (--all)\n", skip);
			i += skip;
		}
		request_row(p, i);
	}
}

static void ranking(const struct result *list, size_t n, const struct text_style *style, struct buf *to)
{
	char c[UNITS_CHARS];
	double best = NAN;

	buf_printf(to, "%sWhich backend for this session%s\n", style->bold, style->reset);
	for (size_t i = 0; i < n; i++) {
		size_t arm = 0;
		double seconds = result_seconds(&list[i], &arm);
		buf_printf(to, "  %zu. %-9s ", i + 1, units_seconds(seconds, c));
		units_text(to, list[i].replay->main.facts.name, 60, false);
		buf_puts(to, " at ");
		result_backend(list[i].replay, to);
		if (!isnan(seconds))
			buf_printf(to, ", %s", list[i].replay->arms[arm].name);
		else
			buf_puts(to, ": no usable result");
		if (i > 0 && !isnan(seconds))
			buf_printf(to, ": %.2fx as long", seconds / best);
		best = i ? best : seconds;
		buf_putc(to, '\n');
	}
	buf_puts(to, "  (session time, re-timed with this backend's prefill and the captured tool time)\n");
}

void result_text(const struct result *list, size_t n, const struct text_style *style, struct buf *to)
{
	if (n > 1)
		ranking(list, n, style, to);
	for (size_t i = 0; i < n; i++) {
		struct page p = {&list[i], list[i].replay, &list[i].summary, style, to};
		if (n > 1)
			buf_putc(to, '\n');
		about(&p);
		comparisons(&p);
		arms(&p);
		requests(&p);
		page_every_answer(&p);
		page_errors(&p);
		page_notes(&p);
	}
}
