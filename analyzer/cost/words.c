/* SPDX-License-Identifier: MIT */
/* The report's headline. */
#include "cost/cost.h"

#include "report/units.h"

#include <math.h>

/* Savings below this share of the session are none. */
#define SAVED_MIN 0.005
/* A cache that lost a smaller share of the prompts held. */
#define AGAIN_MIN 0.01
#define UNSPLIT_MAX 0.1 /* of the prefill */
#define FACTOR_MIN 1.1  /* less is told in per cent */
#define MINUTES_FROM_S 600

/* "57 of 66 minutes", "35.8 s of 40.4 s". */
static void part_of(struct buf *to, double part, double whole)
{
	char a[UNITS_CHARS], b[UNITS_CHARS];
	if (whole >= MINUTES_FROM_S && part >= 60)
		buf_printf(to, "%.0f of %.0f minutes", part / 60, whole / 60);
	else
		buf_printf(to, "%s of %s", units_seconds(part, a), units_seconds(whole, b));
}

/* what: "prompt tokens " where nothing before says so. */
static void tokens(const struct cost *c, const char *what, struct buf *to)
{
	const struct cost_tokens *t = &c->tokens;
	char again[UNITS_CHARS], fresh[UNITS_CHARS];
	const char *about = t->basis == TOKENS_REPORTED ? "" : t->unknown > 0 ? "about " : "About ";

	if (t->unknown > 0)
		buf_puts(to, "As far as the backend tells, ");
	if (t->again == 0)
		buf_printf(to, "%s%s %swere prefilled, all of them new.", about, units_count(t->prefilled, fresh),
			   what);
	else
		buf_printf(to, "%s%s %swere prefilled again although the model had seen them; %s were new.", about,
			   units_count(t->again, again), what, units_count(t->prefilled - t->again, fresh));
	if (t->unknown > 0) {
		buf_puts(to, " It does not tell for ");
		units_plural(to, t->unknown, "request");
		buf_putc(to, '.');
	}
}

/* Tokens were prefilled again, and in what time is not known; or much of the prefill could not be split. */
static bool untimed(const struct cost *c)
{
	const struct cost_seconds *s = &c->all;
	if (s->prefill_unsplit > UNSPLIT_MAX * (s->re_prefill + s->prefill_new + s->prefill_unsplit))
		return true;
	for (size_t i = 0; i < c->nexchanges; i++)
		if (c->exchanges[i].again > 0 && isnan(c->exchanges[i].re_prefill))
			return true;
	return false;
}

static void saving(const struct cost *c, struct buf *to)
{
	const struct cost_speedup *s = &c->speedup;
	char time[UNITS_CHARS];

	if (isnan(s->factor)) {
		buf_puts(to,
			 " What a prefix cache that holds would save is not known: the backend does not say how many "
			 "tokens it reused.");
		return;
	}
	if (s->saved < SAVED_MIN * s->seconds && untimed(c)) {
		buf_puts(to, " What a prefix cache that holds would save is not known.");
		return;
	}
	if (s->saved < SAVED_MIN * s->seconds && (double)c->tokens.again > AGAIN_MIN * (double)c->tokens.prefilled) {
		buf_puts(to, " A prefix cache that holds would save next to no time.");
		return;
	}
	if (s->saved < SAVED_MIN * s->seconds) {
		buf_puts(to, s->unknown ? " As far as is known, the prefix cache held." : " The prefix cache held.");
		return;
	}
	buf_printf(to, " A prefix cache that holds saves %s", s->unknown ? "at least " : "");
	if (s->seconds >= MINUTES_FROM_S && s->saved >= 60)
		buf_printf(to, "%.0f minutes", s->saved / 60);
	else
		buf_puts(to, units_seconds(s->saved, time));
	if (s->factor < FACTOR_MIN)
		buf_printf(to, " (%.0f%%, estimated).", 100 * s->saved / s->seconds);
	else
		buf_printf(to, " (%.1fx, estimated).", s->factor);
}

static double prefill_of(const struct cost *c)
{
	return c->all.re_prefill + c->all.prefill_new + c->all.prefill_unsplit;
}

static bool knows(const struct cost *c)
{
	return c->tokens.basis != TOKENS_NONE || prefill_of(c) > 0;
}

static void short_headline(const struct cost *c, const char *what, struct buf *to)
{
	double prefill = prefill_of(c);

	if (!knows(c))
		return;
	if (c->tokens.basis != TOKENS_NONE) {
		tokens(c, what, to);
		buf_putc(to, ' ');
	}
	if (!(prefill > 0)) {
		buf_puts(to, "How long the prefill took is not known.");
		return;
	}
	part_of(to, prefill, c->all.wall - c->all.idle);
	buf_puts(to, " were prefill.");
	saving(c, to);
}

void cost_short_headline(const struct cost *c, struct buf *to)
{
	short_headline(c, "prompt tokens ", to);
}

void cost_headline(const struct report *r, const struct cost *c, struct buf *to)
{
	if (!knows(c)) {
		report_headline(r, to);
		return;
	}
	report_headline_sizes(r, to);
	buf_puts(to, ". ");
	short_headline(c, "", to);
	report_headline_failed(r, to);
}
