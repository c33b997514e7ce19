/* SPDX-License-Identifier: MIT */
#include "cost/cost_text.h"

#include "report/units.h"

#include <math.h>

#define BAR_CHARS 30
#define BACKENDS_ROWS 4
#define EXAMPLES 3
#define IDLE_MIN_S 1
#define SECONDS_MIN 0.0005 /* less is shown as 0 */

static void row(struct buf *to, const char *what, double seconds, double whole, int64_t tokens)
{
	char time[UNITS_CHARS], count[UNITS_CHARS], bar[BAR_CHARS + 1];
	double part = whole > 0 ? seconds / whole : 0;
	size_t filled = (size_t)lround(part * BAR_CHARS);

	if (!(seconds >= SECONDS_MIN))
		return;
	for (size_t i = 0; i < BAR_CHARS; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_CHARS] = '\0';
	buf_printf(to, "  %-16s%5.1f%%  %s%9s", what, part * 100, bar, units_seconds(seconds, time));
	if (tokens != TOKENS_UNKNOWN)
		buf_printf(to, "%10s", units_count(tokens, count));
	buf_putc(to, '\n');
}

static void times(const struct cost *c, const struct text_style *style, struct buf *to)
{
	const struct cost_seconds *s = &c->all;
	bool known = c->tokens.basis != TOKENS_NONE && c->tokens.unknown == 0;
	double whole = s->wall - s->idle;
	char time[UNITS_CHARS];

	buf_printf(to, "\n%sWhere the time went%s (", style->bold, style->reset);
	if (s->idle >= IDLE_MIN_S)
		buf_printf(to, "%s waiting for a person not counted", units_seconds(s->idle, time));
	else
		buf_printf(to, "%s in all", units_seconds(whole, time));
	buf_printf(to, ")\n%s  %-16s%6s  %-*s%9s%10s%s\n", style->dim, "", "", BAR_CHARS, "", "", "tokens",
		   style->reset);
	row(to, "prefilled again", s->re_prefill, whole, known ? c->tokens.again : TOKENS_UNKNOWN);
	row(to, "new prefill", s->prefill_new, whole, known ? c->tokens.prefilled - c->tokens.again : TOKENS_UNKNOWN);
	row(to, "other prefill", s->prefill_unsplit, whole, TOKENS_UNKNOWN);
	row(to, "decode", s->decode, whole, TOKENS_UNKNOWN);
	row(to, "tools, client", s->client, whole, TOKENS_UNKNOWN);
	row(to, "unknown", s->unknown, whole, TOKENS_UNKNOWN);
}

static void backends(const struct cost *c, struct buf *to)
{
	size_t shown = 0;
	for (size_t i = 0; i < c->nbackends && shown < BACKENDS_ROWS; i++) {
		const struct cost_backend *b = &c->backends[i];
		const struct cost_model *m = &b->model_fit;
		char low[UNITS_CHARS], high[UNITS_CHARS], rate[UNITS_CHARS];
		if (m->points == 0)
			continue;
		/* The rate of a long new prompt: what of it grows with the prompt. */
		double t = m->b * m->n_max + m->c * m->n_max * m->n_max / 2 + m->d * m->n_max;
		buf_puts(to, "  ");
		units_text(to, b->model, 40, false);
		buf_puts(to, " at ");
		units_text(to, b->peer, 40, false);
		if (t > 0)
			buf_printf(to, ": prefill %s tokens", units_rate(m->n_max / t, rate));
		else
			buf_puts(to, ": prefill does not grow with the tokens");
		buf_printf(to, " (%zu requests of %s to %s, off by %.0f%%)\n", m->points,
			   units_count((int64_t)m->n_min, low), units_count((int64_t)m->n_max, high),
			   ceil(m->residual * 100));
		shown++;
	}
}

static void contradictions(const struct report *r, const struct cost *c, enum cost_claim claim, const char *words,
			   const struct text_style *style, struct buf *to)
{
	uint64_t n = 0;
	struct buf list;
	buf_init(&list, 4096);
	for (size_t i = 0; i < c->nexchanges; i++) {
		char name[32];
		if (c->exchanges[i].claim != claim)
			continue;
		report_exchange_name(r, &r->exchanges[i], name);
		if (n++ < EXAMPLES)
			buf_printf(&list, "%s%s", n == 1 ? "" : ", ", name);
	}
	if (n > 0) {
		buf_printf(to, "  %s", style->yellow);
		units_plural(to, n, "request");
		buf_printf(to, " %s%s (%.*s%s)\n", words, style->reset, (int)list.n, list.p,
			   n > EXAMPLES ? ", ..." : "");
	}
	buf_release(&list);
}

void cost_text(const struct report *r, const struct cost *c, const struct text_style *style, struct buf *to)
{
	if (!(c->all.wall > 0))
		return;
	times(c, style, to);
	if (c->tokens.estimated > 0) {
		buf_puts(to, "  Of ");
		units_plural(to, c->tokens.estimated, "request");
		buf_puts(
			to,
			" the backend does not say what it reused: estimated, as much as a cache of its kind could.\n");
	}
	backends(c, to);
	contradictions(r, c, CLAIM_HIT_TOO_SLOW, "said to be cached took as long as if they were not", style, to);
	contradictions(r, c, CLAIM_MISS_TOO_FAST, "said not to be cached were as fast as if they were", style, to);
}
