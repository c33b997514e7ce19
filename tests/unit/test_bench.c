/* SPDX-License-Identifier: MIT */
#include "bench/figures.h"
#include "bench/result.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define REPEATS 2

static struct bench bench;

static void close_to(double got, double expected, double tolerance)
{
	if (!(fabs(got - expected) <= tolerance))
		fail_msg("%.12g is not %.12g", got, expected);
}

static struct bench_sample answered(double total, double ttft, int64_t prompt, int64_t cached)
{
	return (struct bench_sample){.outcome = CLIENT_DONE,
				     .status = 200,
				     .total_s = total,
				     .ttft_s = ttft,
				     .prefill_s = NAN,
				     .decode_s = total - ttft,
				     .prompt = prompt,
				     .cached = cached,
				     .output = 3};
}

/* T is 10 s, B 1 s, W 2 s; to the first token 9, 0.5 and 1 s. */
static int setup(void **state)
{
	static char name[] = "http://127.0.0.1:1";
	(void)state;

	bench = (struct bench){.options = {.repeats = REPEATS, .nsizes = 1, .query_tokens = {50}, .max_tokens = 3},
			       .repeats_asked = REPEATS,
			       .seconds = 1};
	bench.base.root = name;
	bench.facts.profile = engine_profile_named(STR("mock"));
	snprintf(bench.facts.name, sizeof(bench.facts.name), "mock");
	bench.runs = calloc(REPEATS * BENCH_MODES, sizeof(*bench.runs));
	for (unsigned i = 0; i < REPEATS * BENCH_MODES; i++) {
		struct bench_run *run = &bench.runs[bench.nruns++];
		run->mode = (enum bench_mode)(i % BENCH_MODES);
		run->repeat = i / BENCH_MODES;
		for (unsigned k = 0; k < BENCH_WITH; k++)
			run->samples[k] =
				run->mode == BENCH_ON && k > 0 ? answered(2, 1, 1050, 1000) : answered(10, 9, 1050, 0);
		run->samples[BENCH_WITH] = answered(1, 0.5, 50, 0);
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(bench.runs);
	return 0;
}

static void test_formulas(void **state)
{
	struct bench_figures f;
	(void)state;

	bench_figures(&bench, 0, 10, &f);
	const struct bench_costs *c = &f.costs[BENCH_TOTAL], *first = &f.costs[BENCH_TTFT];
	close_to(c->overhead_s.value, 9, 1e-9);
	close_to(c->share.value, 0.9, 1e-9);
	close_to(c->relative.value, 9, 1e-9);
	close_to(c->ratio.value, 10, 1e-9);
	close_to(c->ratio.low, 10, 1e-6); /* nothing scatters */
	close_to(c->gain.value, 5, 1e-9);
	close_to(c->project_off_s, 100, 1e-9);
	close_to(c->project_on_s, 28, 1e-9);
	close_to(c->project.value, 100.0 / 28, 1e-9);
	close_to(first->share.value, 1 - 0.5 / 9, 1e-9);
	close_to(first->gain.value, 9, 1e-9);
	assert_int_equal(f.prompt_with, 1050);
	assert_int_equal(f.prompt_without, 50);
	assert_int_equal(f.proof, BENCH_PROVED);
	assert_int_equal(f.answered, REPEATS * BENCH_MODES * (BENCH_WITH + 1));
}

static void test_proofs(void **state)
{
	struct bench_figures f;
	(void)state;

	bench.runs[0].samples[1].cached = 500; /* of an off request */
	bench_figures(&bench, 0, 10, &f);
	assert_int_equal(f.proof, BENCH_NOT_COLD);
	bench.runs[0].samples[1].cached = 16; /* a template's head */
	bench_figures(&bench, 0, 10, &f);
	assert_int_equal(f.proof, BENCH_PROVED);
	for (unsigned i = 0; i < REPEATS * BENCH_MODES; i++)
		for (unsigned k = 0; k < BENCH_WITH; k++)
			bench.runs[i].samples[k].cached = 0;
	bench_figures(&bench, 0, 10, &f);
	assert_int_equal(f.proof, BENCH_NOT_REUSED);
	/* Not told is not 0: the times decide. */
	for (unsigned i = 0; i < REPEATS * BENCH_MODES; i++)
		for (unsigned k = 0; k <= BENCH_WITH; k++)
			bench.runs[i].samples[k].cached = -1;
	bench_figures(&bench, 0, 10, &f);
	assert_int_equal(f.proof, BENCH_BY_TIME);
	assert_int_equal(f.cached_off, -1);
}

/* Failed requests are counted and are no samples; with nothing left nothing is known. */
static void test_failures(void **state)
{
	struct bench_figures f;
	struct buf text;
	(void)state;

	bench.runs[0].samples[0] = (struct bench_sample){.outcome = CLIENT_REFUSED, .status = 500, .total_s = 0.001};
	bench_figures(&bench, 0, 10, &f);
	assert_int_equal(f.failed, 1);
	close_to(f.costs[BENCH_TOTAL].with_s, 10, 1e-9);
	for (unsigned i = 0; i < REPEATS * BENCH_MODES; i++)
		for (unsigned k = 0; k <= BENCH_WITH; k++)
			bench.runs[i].samples[k].outcome = CLIENT_NONE;
	bench_figures(&bench, 0, 10, &f);
	assert_int_equal(f.proof, BENCH_UNKNOWN);
	assert_true(isnan(f.costs[BENCH_TOTAL].ratio.value));
	buf_init(&text, BUF_UNLIMITED);
	bench_text(&bench, 10, &text);
	bench_json(&bench, 10, &text);
	bench_chart(&bench, 10, &text);
	assert_false(text.failed);
	assert_null(strstr(text.p, "nan"));
	buf_release(&text);
}

static void test_verdict(void **state)
{
	struct bench_figures f;
	struct buf text;
	(void)state;

	buf_init(&text, BUF_UNLIMITED);
	bench_figures(&bench, 0, 10, &f);
	bench_verdict(&bench, &f, &text);
	assert_non_null(strstr(text.p, "90 % of a request, within"));
	assert_non_null(strstr(text.p, "9.0, within"));
	assert_non_null(strstr(text.p, "5.0 times as fast"));
	buf_reset(&text);
	f.costs[BENCH_TOTAL].share.value = 0.4;
	f.costs[BENCH_TOTAL].relative.value = 0.7;
	bench_verdict(&bench, &f, &text);
	assert_non_null(strstr(text.p, "less than the 70 to 90 %"));
	assert_non_null(strstr(text.p, "fully loaded"));
	assert_non_null(strstr(text.p, "below the 5 to 100"));
	buf_release(&text);
}

static void test_welch(void **state)
{
	/* By hand: means 5 and 3, variances 2.5 and 1, standard error sqrt(2.5/5 + 1/3). */
	const double a[] = {3, 4, 5, 6, 7}, b[] = {2, 3, 4};
	struct ratio r = difference_welch(a, 5, b, 3);
	(void)state;

	close_to(r.value, 2, 1e-12);
	/* 5.88 degrees of freedom, taken as 5: t = 2.5706. */
	close_to(r.high - r.value, 2.5706 * sqrt(0.5 + 1.0 / 3), 1e-9);
	assert_true(isnan(difference_welch(a, 5, b, 1).low));
	close_to(ratio_welch(a, 1, b, 1).value, 1.5, 1e-12);
}

static void test_texts(void **state)
{
	(void)state;
	char *one = bench_prose(4000), *question = bench_question(1, 300), *other = bench_question(2, 300);

	assert_in_range(strlen(one), 4000, 4100);
	assert_in_range(strlen(question), 200, 400);
	assert_string_not_equal(question, other);
	free(one);
	free(question);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_formulas, setup, teardown),
		cmocka_unit_test_setup_teardown(test_proofs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verdict, setup, teardown),
		cmocka_unit_test(test_welch),
		cmocka_unit_test(test_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
