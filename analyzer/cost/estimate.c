/* SPDX-License-Identifier: MIT */
#include "cost/estimate.h"

/* Relative error of the model above which the counts cannot have been these. */
#define RESIDUAL_MAX 0.35
/* Of the seconds of the longest new prompt. */
#define NEW_SHARE_MIN 0.5

static bool silent(const struct report_exchange *e, const struct cost_exchange *c)
{
	return c->backend != COST_NO_BACKEND && e->cached == TOKENS_UNKNOWN && e->prompt != TOKENS_UNKNOWN;
}

void estimate_counts(const struct report *report, const struct why *why, struct cost *cost)
{
	for (size_t i = 0; i < cost->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		const struct why_request *r = &why->requests[i];
		struct cost_exchange *c = &cost->exchanges[i];
		int64_t reused = r->matched_any_tokens > r->matched_tokens ? r->matched_any_tokens : r->matched_tokens;
		if (!silent(e, c) || c->prefilled != TOKENS_UNKNOWN || reused == TOKENS_UNKNOWN)
			continue;
		c->reused = reused < e->prompt ? reused : e->prompt - 1;
		c->prefilled = e->prompt - c->reused;
		c->prefilled_basis = TOKENS_ESTIMATED;
	}
}

/*
 * Do the counts explain the seconds? Not if they leave much unexplained, nor if a long new prompt costs mostly what
 * goes with its whole length: then those that are said to be reused took as long as if they were not.
 */
static bool clock_agrees(const struct cost_model *m)
{
	if (m->points < COST_MODEL_POINTS_MIN || m->residual > RESIDUAL_MAX)
		return false;
	double new = m->b * m->n_max + m->c * m->n_max * m->n_max / 2;
	return new >= NEW_SHARE_MIN *(new + m->a + m->d * m->n_max);
}

void estimate_check(const struct report *report, struct cost *cost)
{
	cost->tokens.estimated = 0;
	for (size_t i = 0; i < cost->nexchanges; i++) {
		struct cost_exchange *c = &cost->exchanges[i];
		if (!silent(&report->exchanges[i], c) || c->prefilled_basis != TOKENS_ESTIMATED)
			continue;
		if (clock_agrees(&cost->backends[c->backend].model_fit)) {
			cost->tokens.estimated++;
			continue;
		}
		c->reused = c->prefilled = TOKENS_UNKNOWN;
		c->prefilled_basis = TOKENS_NONE;
	}
	for (size_t b = 0; b < cost->nbackends; b++) {
		struct cost_model *m = &cost->backends[b].model_fit;
		bool any = false;
		for (size_t i = 0; i < cost->nexchanges; i++)
			any = any ||
			      (cost->exchanges[i].backend == b && cost->exchanges[i].prefilled != TOKENS_UNKNOWN);
		if (!any)
			*m = (struct cost_model){.points = 0};
	}
}
