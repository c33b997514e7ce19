/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_STATS_H
#define REPLAY_STATS_H

/*
 * A ratio of times with an interval. Each pair is one time with and one without; the logarithms of their ratios are
 * averaged, so that 2x and 1/2x weigh the same. Few pairs: Student's t of their spread. Pairs that are means over whole
 * sessions: the bootstrap, since turns of one session do not vary independently of each other.
 */

#include <stddef.h>
#include <stdint.h>

struct ratio {
	double value;     /* geometric mean; NaN: no pair */
	double low, high; /* 95 per cent; NaN: fewer than two pairs */
	size_t n;
};

/* logs: natural logarithms of before / after. */
struct ratio ratio_student(const double *logs, size_t n);
/* The percentiles 2.5 and 97.5 of `draws` resampled means, by a generator with this seed. */
struct ratio ratio_bootstrap(const double *logs, size_t n, size_t draws, uint64_t seed);

/*
 * Of two samples that are not paired, with spreads of their own: Welch's t, of the logarithms (a / b), or of the values
 * (a - b, which value, low and high then are). All values positive for the ratio.
 */
struct ratio ratio_welch(const double *a, size_t na, const double *b, size_t nb);
struct ratio difference_welch(const double *a, size_t na, const double *b, size_t nb);

/* The two-sided 95 per cent quantile of Student's t; df >= 1. */
double student_t95(size_t df);
double mean_of(const double *v, size_t n);
double median_of(double *v, size_t n); /* sorts v; NaN for n = 0 */
/* Sample standard deviation; NaN for n < 2. */
double deviation_of(const double *v, size_t n);

/* xorshift64*: the same numbers everywhere. state must not be 0. */
uint64_t random_next(uint64_t *state);
/* Fisher and Yates' shuffle. */
void random_shuffle(size_t *v, size_t n, uint64_t *state);

#endif
