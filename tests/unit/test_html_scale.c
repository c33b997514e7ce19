/* SPDX-License-Identifier: MIT */
#include "html/scale.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void near(double a, double b)
{
	if (!(fabs(a - b) < 1e-9 * (1 + fabs(b))))
		fail_msg("%g is not %g", a, b);
}

static void expect_ticks(double max, size_t most, const double *expected, size_t n)
{
	double out[SCALE_TICKS_MAX];
	assert_int_equal(scale_ticks(max, most, out), n);
	for (size_t i = 0; i < n; i++)
		near(out[i], expected[i]);
}

#define TICKS(max, most, ...)                                                                                          \
	expect_ticks(max, most, (double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double))

static void ticks_are_round_and_cover(void **state)
{
	(void)state;
	TICKS(10, 5, 0, 2, 4, 6, 8, 10);
	TICKS(9.1, 5, 0, 2, 4, 6, 8, 10);
	TICKS(12300, 4, 0, 5000, 10000, 15000);
	TICKS(0.07, 4, 0, 0.02, 0.04, 0.06, 0.08);
	TICKS(1, 1, 0, 1);
	TICKS(0, 4, 0, 0.5, 1);
	TICKS(NAN, 4, 0, 0.5, 1);
	TICKS(-5, 4, 0, 0.5, 1);
	for (double max = 1e-6; max < 1e15; max *= 1.37) {
		for (size_t most = 1; most < 20; most++) {
			double out[SCALE_TICKS_MAX];
			size_t n = scale_ticks(max, most, out);
			assert_in_range(n, 2, (most < SCALE_TICKS_MAX ? most : SCALE_TICKS_MAX - 1) + 1);
			assert_true(out[n - 1] >= max * (1 - 1e-9));
			assert_true(out[n - 2] < max);
		}
	}
}

static void time_ticks_are_on_the_clock(void **state)
{
	(void)state;
	double out[SCALE_TICKS_MAX];
	assert_int_equal(scale_time_ticks(21.4, 5, out), 5);
	near(out[1], 5);
	assert_int_equal(scale_time_ticks(100, 5, out), 4);
	near(out[3], 90);
	assert_int_equal(scale_time_ticks(3900, 5, out), 5);
	near(out[1], 900);
	assert_int_equal(scale_time_ticks(0.3, 5, out), 4);
	near(out[1], 0.1);
	for (double max = 1e-3; max < 1e9; max *= 1.7) {
		size_t n = scale_time_ticks(max, 6, out);
		assert_in_range(n, 1, 7);
		assert_true(out[n - 1] <= max * (1 + 1e-9));
	}
}

static void long_gaps_are_cut(void **state)
{
	(void)state;
	struct scale_time s = {0};
	scale_time_add(&s, 100, 110);
	scale_time_add(&s, 0, 5);
	scale_time_add(&s, 4, 10);
	scale_time_add(&s, 12, 10); /* none */
	scale_time_add(&s, NAN, 3);
	assert_int_equal(scale_time_finish(&s, 0), 0);
	near(s.shown, 20);
	assert_int_equal(scale_time_finish(&s, 8), 0);
	assert_int_equal(s.n, 2);
	near(s.cut, 2);
	near(s.shown, 22);
	near(scale_time_at(&s, -5), 0);
	near(scale_time_at(&s, 0), 0);
	near(scale_time_at(&s, 10), 100.0 * 10 / 22);
	near(scale_time_at(&s, 55), 100.0 * 11 / 22); /* half of the gap is half of the cut */
	near(scale_time_at(&s, 100), 100.0 * 12 / 22);
	near(scale_time_at(&s, 110), 100);
	near(scale_time_at(&s, 1e9), 100);
	double last = -1;
	for (double t = -1; t < 112; t += 0.25) {
		double x = scale_time_at(&s, t);
		assert_true(x >= last);
		last = x;
	}
	scale_time_release(&s);
}

static void many_cuts_leave_room(void **state)
{
	(void)state;
	struct scale_time s = {0};
	for (int i = 0; i < 1000; i++)
		scale_time_add(&s, i * 100, i * 100 + 1);
	assert_int_equal(scale_time_finish(&s, 50), 0);
	assert_int_equal(s.n, 1000);
	near(s.shown, 1250);
	scale_time_release(&s);
}

static void nothing_is_a_scale(void **state)
{
	(void)state;
	struct scale_time s = {0};
	assert_int_equal(scale_time_finish(&s, 1), 0);
	near(scale_time_at(&s, 5), 0);
	scale_time_add(&s, 7, 7);
	assert_int_equal(scale_time_finish(&s, 1), 0);
	near(scale_time_at(&s, 7), 0);
	scale_time_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_round_and_cover), cmocka_unit_test(time_ticks_are_on_the_clock),
		cmocka_unit_test(long_gaps_are_cut),         cmocka_unit_test(many_cuts_leave_room),
		cmocka_unit_test(nothing_is_a_scale),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
