/* SPDX-License-Identifier: MIT */
#include "replay/stats.h"

#include <math.h>
#include <stdlib.h>

double student_t95(size_t df)
{
	static const double table[] = {
		12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
		2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
		2.0796,  2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
	};
	const double z = 1.959964;

	if (df == 0)
		return NAN;
	if (df <= sizeof(table) / sizeof(*table))
		return table[df - 1];
	/* Cornish and Fisher's expansion: right to four digits from 30 on. */
	double v = (double)df;
	return z + (z * z * z + z) / (4 * v) + (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * v * v);
}

double mean_of(const double *v, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	return n ? sum / (double)n : NAN;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double median_of(double *v, size_t n)
{
	if (n == 0)
		return NAN;
	qsort(v, n, sizeof(*v), ascending);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

double deviation_of(const double *v, size_t n)
{
	double mean = mean_of(v, n), sum = 0;
	if (n < 2)
		return NAN;
	for (size_t i = 0; i < n; i++)
		sum += (v[i] - mean) * (v[i] - mean);
	return sqrt(sum / (double)(n - 1));
}

struct ratio ratio_student(const double *logs, size_t n)
{
	double mean = mean_of(logs, n), half = NAN;

	if (n >= 2)
		half = student_t95(n - 1) * deviation_of(logs, n) / sqrt((double)n);
	return (struct ratio){exp(mean), exp(mean - half), exp(mean + half), n};
}

/* Half the width of the interval, by the squares of the two means' standard errors. NaN: too few values. */
static double welch_half(double ea, size_t na, double eb, size_t nb)
{
	if (na < 2 || nb < 2)
		return NAN;
	if (ea + eb <= 0)
		return 0;
	double df = (ea + eb) * (ea + eb) / (ea * ea / (double)(na - 1) + eb * eb / (double)(nb - 1));
	return student_t95(df > 1 ? (size_t)df : 1) * sqrt(ea + eb);
}

struct ratio difference_welch(const double *a, size_t na, const double *b, size_t nb)
{
	double value = mean_of(a, na) - mean_of(b, nb);
	double da = deviation_of(a, na), db = deviation_of(b, nb);
	double half = welch_half(da * da / (double)na, na, db * db / (double)nb, nb);

	return (struct ratio){value, value - half, value + half, na < nb ? na : nb};
}

struct ratio ratio_welch(const double *a, size_t na, const double *b, size_t nb)
{
	double *logs = malloc((na + nb + 1) * sizeof(*logs));
	struct ratio r = {NAN, NAN, NAN, 0};

	if (!logs)
		return r;
	for (size_t i = 0; i < na + nb; i++)
		logs[i] = log(i < na ? a[i] : b[i - na]);
	r = difference_welch(logs, na, logs + na, nb);
	free(logs);
	return (struct ratio){exp(r.value), exp(r.low), exp(r.high), r.n};
}

uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(2685821657736338717);
}

void random_shuffle(size_t *v, size_t n, uint64_t *state)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = (size_t)(random_next(state) >> 11) % i, swap = v[i - 1];
		v[i - 1] = v[k];
		v[k] = swap;
	}
}

static double percentile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;
	return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

struct ratio ratio_bootstrap(const double *logs, size_t n, size_t draws, uint64_t seed)
{
	struct ratio r = {exp(mean_of(logs, n)), NAN, NAN, n};
	double *means = n >= 2 && draws >= 2 ? calloc(draws, sizeof(*means)) : NULL;
	uint64_t state = seed ? seed : 1;

	if (!means)
		return r;
	for (size_t d = 0; d < draws; d++) {
		double sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += logs[(size_t)(random_next(&state) >> 11) % n];
		means[d] = sum / (double)n;
	}
	qsort(means, draws, sizeof(*means), ascending);
	r.low = exp(percentile(means, draws, 0.025));
	r.high = exp(percentile(means, draws, 0.975));
	free(means);
	return r;
}
