/* SPDX-License-Identifier: MIT */
#ifndef COST_MODEL_H
#define COST_MODEL_H

/*
 * How long a backend takes to prefill n tokens behind P reused ones:
 *
 *     t = a + b n + c n (P + n/2) + d (P + n)      seconds, all coefficients >= 0
 *
 * a: per request; b: the layers' matrix products; c: attention, each new token over all before it; d: what goes with
 * the whole prompt (tokenizing, looking up the cache). Fitted by non-negative least squares of the relative error, so
 * that a request of 50 ms counts as much as one of 50 s. Requests that are far off (queues nobody saw, wrong counts)
 * are left out. Where the n of all requests are about the same, all is laid to b: a and d cannot be told from it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cost_point {
	double n, p, seconds;
};

struct cost_model {
	double a, b, c, d;
	size_t points;               /* that the fit rests on; 0: there is none */
	size_t left_out;             /* that did not fit */
	double residual;             /* root mean square of the relative error, 0.05: five per cent */
	double n_min, n_max;         /* observed, what was left out or too short to time among it */
	double total_min, total_max; /* ... of n + p */
};

#define COST_MODEL_POINTS_MIN 3
/* Below this a time is the clock's and the network's more than the model's. */
#define COST_MODEL_SECONDS_MIN 0.001

/* Returns 0, or -1: no memory. Too few points: out->points is 0. */
int cost_model_fit(const struct cost_point *points, size_t n, struct cost_model *out)
	__attribute__((warn_unused_result));
/* NaN without a model, and outside twice the observed range. */
double cost_model_seconds(const struct cost_model *m, double n, double p);
/*
 * Relative cost of the tokens from place `from` to `to` of a prompt, to compare such stretches with each other:
 * b (to - from) + c (to^2 - from^2) / 2. Without a model, or one that knows of neither b nor c, their number.
 */
double cost_model_stretch(const struct cost_model *m, double from, double to);
/* The same for several stretches at once, of which the sums of (to - from) and of (to^2 - from^2) are known. */
double cost_model_stretches(const struct cost_model *m, double lengths, double squares);

#endif
