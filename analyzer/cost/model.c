/* SPDX-License-Identifier: MIT */
#include "cost/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TERMS 4
/* A request that is off by this many times the usual error, and by this share at least, is left out of the fit. */
#define OUTLIER_FACTOR 4.0
#define OUTLIER_SHARE 0.3
/* Rounds towards the smallest sum of absolute errors, and below what an error counts as none. */
#define ROUNDS 12
#define ERROR_FLOOR 0.01
/* Pivots below this share of their column say nothing new: the column repeats others. */
#define PIVOT_MIN 1e-9
/* Where n spans less than this factor, what goes with n and what does not cannot be told apart: all of it is b then. */
#define SPAN_MIN 3.0
#define ONLY_B (1u << 1)

static void terms_of(double n, double p, double *out)
{
	out[0] = 1;
	out[1] = n;
	out[2] = n * (p + n / 2);
	out[3] = p + n;
}

static double value(const double *x, double n, double p)
{
	double t[TERMS], sum = 0;
	terms_of(n, p, t);
	for (int i = 0; i < TERMS; i++)
		sum += x[i] * t[i];
	return sum;
}

/* Normal equations, columns scaled to length one. */
struct equations {
	double ata[TERMS][TERMS], atb[TERMS], btb;
	double scale[TERMS];
};

/* weights: 0 leaves a point out. */
static void set_up(const struct cost_point *points, const double *weights, size_t n, struct equations *e)
{
	*e = (struct equations){.btb = 0};
	for (size_t i = 0; i < n; i++) {
		double t[TERMS];
		if (weights[i] == 0)
			continue;
		terms_of(points[i].n, points[i].p, t);
		/* Relative error: everything over the measured time, which itself becomes 1. */
		for (int r = 0; r < TERMS; r++)
			t[r] /= points[i].seconds;
		for (int r = 0; r < TERMS; r++) {
			e->atb[r] += weights[i] * t[r];
			for (int c = 0; c < TERMS; c++)
				e->ata[r][c] += weights[i] * t[r] * t[c];
		}
		e->btb += weights[i];
	}
	for (int r = 0; r < TERMS; r++)
		e->scale[r] = e->ata[r][r] > 0 ? sqrt(e->ata[r][r]) : 1;
	for (int r = 0; r < TERMS; r++) {
		e->atb[r] /= e->scale[r];
		for (int c = 0; c < TERMS; c++)
			e->ata[r][c] /= e->scale[r] * e->scale[c];
	}
}

/* Least squares over the terms of `set`. False: they are not independent. */
static bool solve(const struct equations *e, unsigned set, double *x)
{
	double m[TERMS][TERMS + 1];
	int at[TERMS] = {0}, k = 0;

	for (int i = 0; i < TERMS; i++)
		if (set & (1u << i))
			at[k++] = i;
	for (int r = 0; r < k; r++) {
		for (int c = 0; c < k; c++)
			m[r][c] = e->ata[at[r]][at[c]];
		m[r][k] = e->atb[at[r]];
	}
	/* Symmetric and positive: elimination needs no exchange of rows. */
	for (int p = 0; p < k; p++) {
		if (!(m[p][p] > PIVOT_MIN))
			return false;
		for (int r = p + 1; r < k; r++) {
			double f = m[r][p] / m[p][p];
			for (int c = p; c <= k; c++)
				m[r][c] -= f * m[p][c];
		}
	}
	memset(x, 0, TERMS * sizeof(*x));
	for (int r = k - 1; r >= 0; r--) {
		double sum = m[r][k];
		for (int c = r + 1; c < k; c++)
			sum -= m[r][c] * x[at[c]];
		x[at[r]] = sum / m[r][r];
	}
	return true;
}

static double squares(const struct equations *e, const double *x)
{
	double sum = e->btb;
	for (int r = 0; r < TERMS; r++) {
		sum -= 2 * x[r] * e->atb[r];
		for (int c = 0; c < TERMS; c++)
			sum += x[r] * x[c] * e->ata[r][c];
	}
	return sum;
}

/*
 * With four terms the exact solution is the best of the 15 sets of terms whose unconstrained solution is nowhere
 * negative.
 */
static bool fit_once(const struct cost_point *points, const double *weights, size_t n, double *out)
{
	struct equations e;
	double best = INFINITY, n_min = INFINITY, n_max = 0;
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		if (weights[i] > 0) {
			n_min = fmin(n_min, points[i].n);
			n_max = fmax(n_max, points[i].n);
		}
	}
	bool narrow = n_max < SPAN_MIN * n_min;

	set_up(points, weights, n, &e);
	for (unsigned set = 1; set < 1u << TERMS; set++) {
		double x[TERMS];
		bool negative = false;
		if ((narrow && set != ONLY_B) || !solve(&e, set, x))
			continue;
		for (int i = 0; i < TERMS; i++)
			negative = negative || x[i] < 0;
		double sum = negative ? INFINITY : squares(&e, x);
		if (sum < best - 1e-12) {
			best = sum;
			found = true;
			for (int i = 0; i < TERMS; i++)
				out[i] = x[i] / e.scale[i];
		}
	}
	return found;
}

static bool usable(const struct cost_point *p)
{
	return p->seconds >= COST_MODEL_SECONDS_MIN && p->n > 0;
}

static double off(const double *x, const struct cost_point *p)
{
	return fabs(value(x, p->n, p->p) / p->seconds - 1);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/*
 * A few gross errors would bend a least squares fit until nothing looks wrong with them: first the smallest sum of
 * absolute errors is sought, by weighting each point with the inverse of its error.
 */
static bool fit_robust(const struct cost_point *points, double *weights, size_t n, double *x)
{
	for (int round = 0; round < ROUNDS; round++) {
		if (!fit_once(points, weights, n, x))
			return false;
		for (size_t i = 0; i < n; i++)
			if (weights[i] > 0)
				weights[i] = 1 / fmax(off(x, &points[i]), ERROR_FLOOR);
	}
	return true;
}

/* Weight 0 for what is far off; at least half of the points stay. Others get 1. */
static void leave_out(const struct cost_point *points, double *weights, size_t n, const double *x, double *scratch)
{
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (weights[i] > 0)
			scratch[k++] = off(x, &points[i]);
	qsort(scratch, k, sizeof(*scratch), ascending);
	double limit = fmax(OUTLIER_FACTOR * scratch[k / 2], OUTLIER_SHARE);
	for (size_t i = 0; i < n; i++)
		if (weights[i] > 0)
			weights[i] = off(x, &points[i]) <= limit ? 1 : 0;
}

static void describe(const struct cost_point *points, const double *weights, size_t n, struct cost_model *m)
{
	const double x[TERMS] = {m->a, m->b, m->c, m->d};
	double sum = 0;
	m->n_min = m->total_min = INFINITY;
	for (size_t i = 0; i < n; i++) {
		const struct cost_point *p = &points[i];
		if (!(p->n > 0 && p->seconds >= 0))
			continue;
		/* What was left out or took no time worth measuring was observed, too: no request takes an end of the
		 * range away by being disturbed. */
		m->n_min = fmin(m->n_min, p->n);
		m->total_min = fmin(m->total_min, p->n + p->p);
		if (!usable(p))
			continue;
		m->n_max = fmax(m->n_max, p->n);
		m->total_max = fmax(m->total_max, p->n + p->p);
		if (weights[i] == 0)
			continue;
		m->points++;
		sum += off(x, p) * off(x, p);
	}
	m->residual = sqrt(sum / (double)m->points);
}

int cost_model_fit(const struct cost_point *points, size_t n, struct cost_model *out)
{
	double *weights = malloc((n + 1) * sizeof(*weights));
	double *scratch = malloc((n + 1) * sizeof(*scratch));
	double x[TERMS];
	size_t total = 0;
	int result = -1;

	*out = (struct cost_model){.points = 0};
	if (!weights || !scratch)
		goto out;
	result = 0;
	for (size_t i = 0; i < n; i++) {
		weights[i] = usable(&points[i]) ? 1 : 0;
		total += usable(&points[i]);
	}
	if (total < COST_MODEL_POINTS_MIN || !fit_robust(points, weights, n, x))
		goto out;
	leave_out(points, weights, n, x, scratch);
	if (!fit_once(points, weights, n, x))
		goto out;
	*out = (struct cost_model){.a = x[0], .b = x[1], .c = x[2], .d = x[3]};
	describe(points, weights, n, out);
	out->left_out = total - out->points;
	if (out->points < COST_MODEL_POINTS_MIN)
		*out = (struct cost_model){.points = 0};
out:
	free(weights);
	free(scratch);
	return result;
}

double cost_model_seconds(const struct cost_model *m, double n, double p)
{
	const double x[TERMS] = {m->a, m->b, m->c, m->d};
	if (m->points == 0 || n < 0 || p < 0 || n > 2 * m->n_max || n < m->n_min / 2 || n + p > 2 * m->total_max ||
	    n + p < m->total_min / 2)
		return NAN;
	return value(x, n, p);
}

double cost_model_stretches(const struct cost_model *m, double lengths, double squares)
{
	return m->points > 0 && m->b + m->c > 0 ? m->b * lengths + m->c * squares / 2 : lengths;
}

double cost_model_stretch(const struct cost_model *m, double from, double to)
{
	return cost_model_stretches(m, to - from, to * to - from * from);
}
