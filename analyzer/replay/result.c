/* SPDX-License-Identifier: MIT */
#include "replay/result.h"

#include <math.h>
#include <stdlib.h>

double result_seconds(const struct result *r, size_t *arm)
{
	double best = NAN;

	for (size_t i = 0; i < r->replay->narms; i++) {
		const struct arm_sums *a = &r->summary.arms[i];
		const struct arm *kind = &r->replay->arms[i];
		if (arm_is_cold(kind) || !arm_is_main(kind) || a->verification.verdict == VERDICT_REJECTED ||
		    a->verification.verdict == VERDICT_EMPTY || isnan(a->session_s))
			continue;
		if (isnan(best) || a->session_s < best) {
			best = a->session_s;
			*arm = i;
		}
	}
	return best;
}

static int better(const void *a, const void *b)
{
	size_t arm;
	double x = result_seconds(a, &arm), y = result_seconds(b, &arm);

	if (isnan(x) || isnan(y))
		return isnan(x) - isnan(y);
	return (x > y) - (x < y);
}

void result_rank(struct result *list, size_t n)
{
	if (n > 1)
		qsort(list, n, sizeof(*list), better);
}

void result_backend(const struct replay *r, struct buf *to)
{
	buf_puts(to, r->main.base.root);
	if (r->side.url)
		buf_printf(to, ", side requests to %s", r->side.base.root);
}

double result_worst_lag(const struct replay *r)
{
	double worst = NAN;
	for (size_t a = 0; a < r->narms; a++)
		for (unsigned k = 0; k < r->options.repeats; k++)
			for (size_t i = 0; i < r->plan->n; i++) {
				double lag = replay_sample(r, a, k, i)->lag_s;
				if (replay_sample(r, a, k, i)->sent && !isnan(lag) && (isnan(worst) || lag > worst))
					worst = lag;
			}
	return worst;
}
