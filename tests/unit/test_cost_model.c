/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cost/model.h"

#include <math.h>

#define POINTS 60

struct truth {
	double a, b, c, d;
};

static double seconds(const struct truth *m, double n, double p)
{
	return m->a + m->b * n + m->c * n * (p + n / 2) + m->d * (p + n);
}

/* Prompts that grow, with a prefix that is reused more or less, and noise of so many per cent. */
static void make(const struct truth *m, struct cost_point *points, double noise)
{
	uint32_t state = 12345;
	for (int i = 0; i < POINTS; i++) {
		double total = 2000 + 1500 * i, reused = i % 3 == 0 ? 0 : i % 3 == 1 ? total * 0.9 : total * 0.5;
		state = state * 1664525u + 1013904223u;
		double by = 1 + noise * ((double)(state >> 8) / (double)(1 << 23) - 1);
		points[i] = (struct cost_point){
			.n = total - reused, .p = reused, .seconds = seconds(m, total - reused, reused) * by};
	}
}

static void assert_near(double got, double expected, double share)
{
	if (!(fabs(got - expected) <= share * fabs(expected)))
		fail_msg("%.9g, expected %.9g", got, expected);
}

static void exact_data_gives_the_coefficients(void **state)
{
	(void)state;
	const struct truth truths[] = {
		{0.05, 0.0005, 4e-9, 2e-6}, {0, 0.001, 0, 0}, {0.2, 0, 1e-8, 0}, {0, 0.0002, 0, 1e-5}};
	for (size_t i = 0; i < sizeof(truths) / sizeof(*truths); i++) {
		struct cost_point points[POINTS];
		struct cost_model m;
		make(&truths[i], points, 0);
		assert_int_equal(cost_model_fit(points, POINTS, &m), 0);
		assert_int_equal(m.points, POINTS);
		assert_int_equal(m.left_out, 0);
		assert_true(m.residual < 1e-6);
		assert_near(m.a + 1, truths[i].a + 1, 1e-5);
		assert_near(m.b + 1e-4, truths[i].b + 1e-4, 1e-3);
		assert_near(m.c + 1e-9, truths[i].c + 1e-9, 1e-3);
		assert_near(m.d + 1e-6, truths[i].d + 1e-6, 1e-2);
	}
}

/* A term that would come out negative is 0, and the others make the best of it. */
static void no_coefficient_is_negative(void **state)
{
	(void)state;
	struct cost_point points[POINTS];
	struct cost_model m;
	for (int i = 0; i < POINTS; i++) /* each further token is cheaper: concave, as no model of ours is */
		points[i] = (struct cost_point){.n = 100 * (i + 1), .p = 0, .seconds = sqrt(100 * (i + 1)) / 10};
	assert_int_equal(cost_model_fit(points, POINTS, &m), 0);
	assert_true(m.a >= 0 && m.b >= 0 && m.c >= 0 && m.d >= 0);
	assert_true(m.a > 0 && m.b + m.d > 0 && m.c == 0);
}

static void noise_is_told_and_borne(void **state)
{
	(void)state;
	const struct truth truth = {0.05, 0.0005, 4e-9, 0};
	struct cost_point points[POINTS];
	struct cost_model m;
	make(&truth, points, 0.1);
	assert_int_equal(cost_model_fit(points, POINTS, &m), 0);
	assert_true(m.residual > 0.02 && m.residual < 0.1);
	assert_near(cost_model_seconds(&m, 30000, 30000), seconds(&truth, 30000, 30000), 0.05);
}

/* Queues that nobody saw, counts that are wrong: a few of them do not bend the model. */
static void what_does_not_fit_is_left_out(void **state)
{
	(void)state;
	const struct truth truth = {0.05, 0.0005, 4e-9, 0};
	struct cost_point points[POINTS];
	struct cost_model m;
	make(&truth, points, 0.02);
	for (int i = 5; i < POINTS; i += 10)
		points[i].seconds *= i % 20 == 5 ? 6 : 0.1;
	assert_int_equal(cost_model_fit(points, POINTS, &m), 0);
	assert_int_equal(m.left_out, 6);
	assert_int_equal(m.points, POINTS - 6);
	assert_near(cost_model_seconds(&m, 30000, 30000), seconds(&truth, 30000, 30000), 0.02);
}

/*
 * Long prompts, and few short ones of which one or two took as long as a busy machine likes, or were stamped late:
 * whatever they took, what lies between them is known, and no further off than if they were missing.
 */
static void disturbed_short_requests_cost_no_range(void **state)
{
	(void)state;
	for (double first = 0; first < 40; first = fmax(0.0002, first * 1.3)) {
		for (double second = 0.12; second < 40; second *= 1.3) {
			const struct cost_point points[] = {
				{1834, 0, 0.459}, {2033, 0, 0.511}, {2223, 0, 0.557},   {8, 912, first},
				{943, 0, 0.236},  {943, 0, 0.237},  {479, 464, second},
			};
			struct cost_model m;
			assert_int_equal(cost_model_fit(points, 7, &m), 0);
			assert_true(m.points >= 4 && m.points + m.left_out >= 6);
			double seconds = cost_model_seconds(&m, 191, 2032);
			assert_true(seconds >= 0.04 && seconds <= 0.557);
		}
	}
}

/*
 * Prompts of one session are of a length, and what was reused of a small one was, too: only short prompts tell what a
 * request costs from what a reused token costs. With them a request that reuses twice as much is known.
 */
static void short_prompts_tell_the_cost_of_a_request(void **state)
{
	(void)state;
	double worst = 0;
	const struct truth truths[] = {{0.09, 0.0002, 0, 0}, {0.002, 0.0002, 0, 0.00002}};
	for (size_t i = 0; i < 2; i++) {
		const struct truth *t = &truths[i];
		struct cost_point points[] = {{1666, 0, 1.02}, {1751, 0, 1},  {1827, 0, 1.01}, {1924, 0, 1.03},
					      {1, 1007, 1.01}, {1, 1007, 1},  {1, 1007, 1.04}, {28, 10, 1.02},
					      {28, 10, 1},     {28, 10, 1.03}};
		struct cost_model m;
		for (size_t k = 0; k < 10; k++)
			points[k].seconds *= seconds(t, points[k].n, points[k].p);
		assert_int_equal(cost_model_fit(points, 10, &m), 0);
		assert_near(cost_model_seconds(&m, 85, 1740), seconds(t, 85, 1740), 0.05);
		/* Without them it is one of the two whatever the truth is. */
		assert_int_equal(cost_model_fit(points, 7, &m), 0);
		worst = fmax(worst, fabs(cost_model_seconds(&m, 85, 1740) / seconds(t, 85, 1740) - 1));
	}
	assert_true(worst > 0.15);
}

/* Four requests of a size: an overhead cannot be told from the tokens' own time, and is not invented. */
static void alike_requests_give_a_rate(void **state)
{
	(void)state;
	const struct cost_point points[] = {{20000, 0, 0.52}, {20400, 0, 0.515}, {20900, 16, 0.53}, {21000, 16, 0.52}};
	struct cost_model m;
	assert_int_equal(cost_model_fit(points, 4, &m), 0);
	assert_true(m.a == 0 && m.c == 0 && m.d == 0);
	assert_near(m.b, 0.5212 / 20575, 0.01);
}

static void nothing_is_said_outside_twice_the_range(void **state)
{
	(void)state;
	const struct cost_point points[] = {{1000, 0, 1}, {2000, 0, 2}, {4000, 0, 4}, {1000, 3000, 1}};
	struct cost_model m;
	assert_int_equal(cost_model_fit(points, 4, &m), 0);
	assert_near(cost_model_seconds(&m, 3000, 0), 3, 1e-6);
	assert_near(cost_model_seconds(&m, 8000, 0), 8, 1e-6);
	assert_true(isnan(cost_model_seconds(&m, 8001, 0)));
	assert_true(isnan(cost_model_seconds(&m, 499, 3000)));
	assert_true(isnan(cost_model_seconds(&m, 1000, 7001)));
	assert_true(isnan(cost_model_seconds(&m, -1, 1000)));
}

static void too_little_gives_no_model(void **state)
{
	(void)state;
	const struct cost_point points[] = {{1000, 0, 1}, {2000, 0, 2}, {0, 4000, 0.1}, {3000, 0, 0}, {3000, 0, NAN}};
	struct cost_model m;
	assert_int_equal(cost_model_fit(points, 5, &m), 0);
	assert_int_equal(m.points, 0);
	assert_true(isnan(cost_model_seconds(&m, 1000, 0)));
	assert_int_equal(cost_model_fit(NULL, 0, &m), 0);
	assert_int_equal(m.points, 0);
	/* Without one, a stretch is as long as it has tokens. */
	assert_near(cost_model_stretch(&m, 100, 350), 250, 1e-9);
}

/* Attention: the same number of tokens costs more the later it stands. */
static void later_tokens_cost_more(void **state)
{
	(void)state;
	struct cost_model m = {.b = 0.001, .c = 1e-6, .points = 3};
	assert_near(cost_model_stretch(&m, 0, 1000), 1 + 0.5, 1e-9);
	assert_near(cost_model_stretch(&m, 1000, 2000), 1 + 1.5, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_data_gives_the_coefficients),
		cmocka_unit_test(no_coefficient_is_negative),
		cmocka_unit_test(noise_is_told_and_borne),
		cmocka_unit_test(what_does_not_fit_is_left_out),
		cmocka_unit_test(disturbed_short_requests_cost_no_range),
		cmocka_unit_test(short_prompts_tell_the_cost_of_a_request),
		cmocka_unit_test(alike_requests_give_a_rate),
		cmocka_unit_test(nothing_is_said_outside_twice_the_range),
		cmocka_unit_test(too_little_gives_no_model),
		cmocka_unit_test(later_tokens_cost_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
