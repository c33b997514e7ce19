/* SPDX-License-Identifier: MIT */
/* What the time went into, in one to three sentences. */
#include "cost/cost.h"

#include "report/units.h"

#include <math.h>

/* "57 of 66 minutes"; "9.98 s of 21.3 s" where the units differ. */
static void part_of(struct buf *to, double part, double whole)
{
	char a[UNITS_CHARS], b[UNITS_CHARS];
	if (whole >= 600)
		buf_printf(to, "%.0f of %.0f minutes", part / 60, whole / 60);
	else
		buf_printf(to, "%s of %s", units_seconds(part, a), units_seconds(whole, b));
}

static double prefill_of(const struct cost_seconds *s)
{
	return s->re_prefill + s->prefill_new + s->prefill_unsplit;
}

static void saving(const struct cost *c, struct buf *to)
{
	const struct cost_speedup *s = &c->speedup;
	char time[UNITS_CHARS];

	if (isnan(s->factor)) {
		buf_puts(to, " What a prefix cache that holds would save is not known: the backend does not say how "
			     "many tokens it took from its cache.");
		return;
	}
	if (s->saved < 0.005 * s->seconds) {
		buf_puts(to, " Next to nothing was prefilled again: the prefix cache held.");
	} else {
		buf_puts(to, " A prefix cache that holds saves ");
		if (s->seconds >= 600 && s->saved >= 60)
			buf_printf(to, "%.0f minutes", s->saved / 60);
		else
			buf_puts(to, units_seconds(s->saved, time));
		buf_printf(to, " (%s%.1fx, %s).", s->unknown ? "at least " : "", s->factor,
			   s->basis == COST_MODELLED ? "estimated" : "estimated from measured times");
	}
	if (s->unknown) {
		buf_puts(to, " Of ");
		units_plural(to, s->unknown, "request");
		buf_puts(to, " it is not known.");
	}
}

void cost_headline(const struct cost *c, struct buf *to)
{
	const struct cost_seconds *s = &c->all;
	if (isnan(s->wall))
		return;
	double active = s->wall - s->idle, prefill = prefill_of(s);
	if (!(prefill > 0)) {
		buf_puts(to, "How much of the time was prefill is not known: no answer was a stream.");
		return;
	}
	part_of(to, prefill, active);
	buf_puts(to, " were prefill.");
	saving(c, to);
}
