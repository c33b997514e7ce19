/* SPDX-License-Identifier: MIT */
#include "cost/claims.h"

#include <math.h>
#include <stdlib.h>

/* Prompts of fewer tokens say nothing of a rate, and a hit of fewer saves nothing that could be seen. */
#define TOKENS_MIN 256
#define COLD_SEEN_MAX 0.2 /* of the prompt */
#define SECONDS_MIN 0.1   /* of difference */
#define TOO_SLOW 0.7      /* of a prefill of the whole prompt */
#define TOO_FAST 0.3
/* Beyond twice the prompts of the measure attention counts for more: only a hit of nearly everything is judged. */
#define HIT_SHARE 0.5
#define HIT_SHARE_FAR 0.9

struct measure {
	double rate; /* seconds per token, NaN: none */
	double longest;
};

/* The prefill's seconds, undisturbed; else NaN. */
static double seconds_of(const struct stamps *s)
{
	if (!isnan(s->reported))
		return s->reported;
	return s->others > 0 ? NAN : s->waited;
}

static bool is_cold(const struct report_exchange *e, const struct cost_exchange *c, const struct stamps *s)
{
	double prompt = (double)e->prompt;
	return c->prefilled >= TOKENS_MIN && e->seen != TOKENS_UNKNOWN && (double)e->seen <= COLD_SEEN_MAX * prompt &&
	       (double)c->reused <= COLD_SEEN_MAX * prompt && seconds_of(s) > 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static struct measure measure_of(const struct report *report, const struct cost *cost, const struct stamps *stamps,
				 uint32_t backend, double *rates)
{
	struct measure m = {.rate = NAN};
	size_t n = 0;
	for (size_t i = 0; i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		const struct cost_exchange *c = &cost->exchanges[i];
		if (c->backend != backend || !is_cold(e, c, &stamps[i]))
			continue;
		rates[n++] = seconds_of(&stamps[i]) / (double)c->prefilled;
		m.longest = fmax(m.longest, (double)e->prompt);
	}
	if (n > 0) {
		qsort(rates, n, sizeof(*rates), ascending);
		m.rate = rates[(n - 1) / 2];
	}
	return m;
}

static enum cost_claim judge(const struct report_exchange *e, const struct cost_exchange *c, double seconds,
			     const struct measure *m)
{
	double prompt = (double)e->prompt, n = (double)c->prefilled, reused = (double)c->reused;
	double seen = (double)e->seen, fresh = prompt - seen;
	double share = prompt > 2 * m->longest ? HIT_SHARE_FAR : HIT_SHARE;

	if (reused >= TOKENS_MIN && reused >= share * prompt && m->rate * reused >= SECONDS_MIN)
		return seconds >= TOO_SLOW * m->rate * prompt && seconds >= 2 * m->rate * n + SECONDS_MIN
			       ? CLAIM_HIT_TOO_SLOW
			       : CLAIM_PLAUSIBLE;
	if (n >= TOKENS_MIN && n >= prompt / 2 && seen >= prompt / 2 && m->rate * seen >= SECONDS_MIN)
		return seconds <= TOO_FAST * m->rate * n && m->rate * n - seconds >= SECONDS_MIN &&
				       seconds <= 2 * m->rate * fresh + SECONDS_MIN
			       ? CLAIM_MISS_TOO_FAST
			       : CLAIM_PLAUSIBLE;
	return CLAIM_UNCHECKED;
}

static void believe_the_time(const struct report_exchange *e, struct cost_exchange *c, struct cost_backend *b)
{
	if (c->claim == CLAIM_HIT_TOO_SLOW) {
		b->hits_too_slow++;
		c->prefilled = e->prompt;
		c->reused = 0;
	} else if (c->claim == CLAIM_MISS_TOO_FAST) {
		b->misses_too_fast++;
		c->reused = e->seen < e->prompt ? e->seen : e->prompt - 1;
		c->prefilled = e->prompt - c->reused;
	} else {
		return;
	}
	c->prefilled_basis = TOKENS_ESTIMATED;
}

int claims_check(const struct report *report, struct cost *cost, const struct stamps *stamps)
{
	double *rates = malloc((report->nexchanges + 1) * sizeof(*rates));
	struct measure *measures = malloc((cost->nbackends + 1) * sizeof(*measures));
	int result = -1;

	if (!rates || !measures)
		goto out;
	result = 0;
	for (uint32_t b = 0; b < cost->nbackends; b++)
		measures[b] = measure_of(report, cost, stamps, b, rates);
	for (size_t i = 0; i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		struct cost_exchange *c = &cost->exchanges[i];
		double seconds = seconds_of(&stamps[i]);
		if (c->prefilled == TOKENS_UNKNOWN || e->seen == TOKENS_UNKNOWN || isnan(seconds))
			continue;
		const struct measure *m = &measures[c->backend];
		if (isnan(m->rate))
			continue;
		c->claim = judge(e, c, seconds, m);
		believe_the_time(e, c, &cost->backends[c->backend]);
	}
out:
	free(rates);
	free(measures);
	return result;
}
