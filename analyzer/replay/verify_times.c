/* SPDX-License-Identifier: MIT */
#include "replay/verify_times.h"

#include "replay/stats.h"
#include "replay/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Times below this are the network's as much as the model's. */
#define TIMING_MIN_S 0.1
/* A request that reused what it could takes less than this of what it takes without; the same as bench's. */
#define REUSE_SHARE 0.7

size_t verify_timing(const double *tokens, const double *seconds, size_t n)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, count = (double)n;

	for (size_t i = 0; i < n; i++) {
		sx += tokens[i];
		sy += seconds[i];
		sxx += tokens[i] * tokens[i];
		sxy += tokens[i] * seconds[i];
	}
	double spread = count * sxx - sx * sx;
	double b = spread > 0 ? (count * sxy - sx * sy) / spread : 0;
	b = b > 0 ? b : 0;
	double a = n ? (sy - b * sx) / count : 0;
	if (a < 0) {
		a = 0;
		b = sxx > 0 ? sxy / sxx : 0;
	}
	for (size_t i = 0; i < n; i++)
		if (seconds[i] < (a + b * tokens[i]) / 2 && a + b * tokens[i] > TIMING_MIN_S)
			return i;
	return n;
}

/* ---- off */

/* Nothing was told: can the cold arm have been one? Of one target: two have not one speed. */
static void check_cold(const struct replay *r, size_t arm, size_t number, struct verification *v)
{
	size_t n = 0, room = r->plan->n * r->options.repeats;
	double *tokens = calloc(room + 1, sizeof(*tokens)), *seconds = calloc(room + 1, sizeof(*seconds));
	size_t *of = calloc(room + 1, sizeof(*of));

	for (unsigned k = 0; tokens && seconds && of && k < r->options.repeats; k++) {
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct sample *s = replay_sample(r, arm, k, i);
			int64_t prompt = s->prompt > 0 ? s->prompt : r->plan->requests[i].prompt;
			if (replay_target_number(r, i) != number || !sample_ok(s) || isnan(s->ttft_s) || prompt <= 0)
				continue;
			tokens[n] = (double)prompt;
			seconds[n] = s->ttft_s;
			of[n++] = i;
		}
	}
	size_t odd = n ? verify_timing(tokens, seconds, n) : 0;
	if (n > 0 && odd < n) {
		verify_reject_cold(v, replay_target_at(r, number));
		snprintf(v->reason, sizeof(v->reason),
			 "by its time: request %zu took %.2f s for %.0f tokens, less than half of what the others took",
			 of[odd] + 1, seconds[odd], tokens[odd]);
	}
	free(tokens);
	free(seconds);
	free(of);
}

/* ---- warm arms, against off */

/* The one in the middle of a request's times over the repeats; NaN. scratch has room for all. */
static double middle(const struct replay *r, size_t arm, size_t request, double *scratch)
{
	size_t n = 0;
	for (unsigned k = 0; k < r->options.repeats; k++) {
		const struct sample *s = replay_sample(r, arm, k, request);
		if (sample_ok(s) && !isnan(s->ttft_s))
			scratch[n++] = s->ttft_s;
	}
	return median_of(scratch, n);
}

/* What the first sample of a request says of its prompt: cached tokens to be expected, and how many can have been. */
static const struct sample *told(const struct replay *r, size_t arm, size_t request)
{
	for (unsigned k = 0; k < r->options.repeats; k++) {
		const struct sample *s = replay_sample(r, arm, k, request);
		if (sample_ok(s) && s->prompt > 0 && s->expected >= 0 && s->bound >= 0)
			return s;
	}
	return NULL;
}

static void check_request(const struct replay *r, size_t arm, size_t off, size_t request, double *scratch,
			  struct verification *v)
{
	const struct sample *s = told(r, arm, request);
	double cold = middle(r, off, request, scratch), warm = middle(r, arm, request, scratch);

	if (!s || !(cold > TIMING_MIN_S) || isnan(warm)) {
		v->by_time_untold++;
	} else if (s->bound == 0) {
		if (warm >= cold / 2 || v->verdict == VERDICT_REJECTED)
			return;
		verify_reject_warm(v);
		snprintf(v->reason, sizeof(v->reason),
			 "by its time: request %zu took %.2f s where off took %.2f s, though nothing of it had been "
			 "sent in this run",
			 request + 1, warm, cold);
	} else if (s->expected * 2 < s->prompt) {
		v->by_time_untold++;
	} else if (warm < REUSE_SHARE * cold) {
		v->by_time_reused++;
	} else {
		v->by_time_prefilled++;
	}
}

static void check_warm(const struct replay *r, size_t arm, struct verification *v)
{
	size_t off = summary_arm(r, ARM_OFF);
	double *scratch = calloc(r->options.repeats + 1, sizeof(*scratch));

	for (size_t i = 0; scratch && off != SIZE_MAX && i < r->plan->n; i++)
		check_request(r, arm, off, i, scratch, v);
	free(scratch);
	size_t n = v->by_time_reused + v->by_time_prefilled, used = strlen(v->reason);
	if (v->verdict == VERDICT_REJECTED)
		return;
	if (n == 0)
		snprintf(v->reason + used, sizeof(v->reason) - used, "; its times say nothing of reuse%s",
			 off == SIZE_MAX ? " without arm off" : "");
	else
		snprintf(v->reason + used, sizeof(v->reason) - used,
			 "; by time, %zu of %zu requests that could reuse a prefix did", v->by_time_reused, n);
}

void verify_times(const struct replay *r, size_t arm, struct verification *v)
{
	bool cold = arm_is_cold(&r->arms[arm]);

	for (size_t number = 0; cold && number < replay_ntargets(r) && v->verdict != VERDICT_REJECTED; number++)
		check_cold(r, arm, number, v);
	if (!cold)
		check_warm(r, arm, v);
}
