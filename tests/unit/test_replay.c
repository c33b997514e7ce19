/* SPDX-License-Identifier: MIT */
#include "replay/plan.h"
#include "replay/stats.h"
#include "replay/summary.h"
#include "replay/verify.h"
#include "replay/verify_times.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void close_to(double got, double expected, double by)
{
	if (!(fabs(got - expected) <= by))
		fail_msg("got %.6f, expected %.6f", got, expected);
}

/* ---- statistics: known answers */

static void test_student(void **state)
{
	(void)state;
	close_to(student_t95(1), 12.706, 0.001);
	close_to(student_t95(4), 2.776, 0.001);
	close_to(student_t95(30), 2.042, 0.001);
	close_to(student_t95(31), 2.0395, 0.0005);
	close_to(student_t95(120), 1.9799, 0.0005);
	assert_true(isnan(student_t95(0)));

	/* 2x, 3x, 4x: logs 0.693, 1.099, 1.386: mean 1.0593, deviation 0.3483, half width 4.3027 * 0.3483 / sqrt(3). */
	const double logs[] = {log(2), log(3), log(4)};
	struct ratio r = ratio_student(logs, 3);
	close_to(r.value, cbrt(24), 1e-9);
	close_to(r.low, 1.2139, 0.001);
	close_to(r.high, 6.8539, 0.005);
	assert_int_equal(r.n, 3);

	/* Reversed it is the reciprocal; one pair has no interval; none has no value. */
	const double reversed[] = {-log(2), -log(3), -log(4)};
	close_to(ratio_student(reversed, 3).value * r.value, 1, 1e-9);
	assert_true(isnan(ratio_student(logs, 1).low));
	close_to(ratio_student(logs, 1).value, 2, 1e-9);
	assert_true(isnan(ratio_student(logs, 0).value));
}

static void test_bootstrap(void **state)
{
	double same[8], spread[40];
	(void)state;
	for (size_t i = 0; i < 8; i++)
		same[i] = log(5);
	struct ratio r = ratio_bootstrap(same, 8, 1000, 3);
	close_to(r.value, 5, 1e-9);
	close_to(r.low, 5, 1e-9);
	close_to(r.high, 5, 1e-9);
	/* Of 40 values spread evenly over -1 to 1: standard error 0.0925, so 0.181 on either side of 0. */
	for (size_t i = 0; i < 40; i++)
		spread[i] = -1 + 2 * (double)i / 39;
	r = ratio_bootstrap(spread, 40, 20000, 3);
	close_to(log(r.low), -0.183, 0.01);
	close_to(log(r.high), 0.183, 0.01);
	struct ratio again = ratio_bootstrap(spread, 40, 20000, 3);
	assert_true(r.low == again.low && r.high == again.high);
}

static void test_median(void **state)
{
	double v[] = {5, 1, 3, 2};
	const double d[] = {2, 4, 4, 4, 5, 5, 7, 9};
	(void)state;
	close_to(median_of(v, 4), 2.5, 0);
	close_to(median_of(v, 3), 2, 0); /* sorted by now */
	assert_true(isnan(median_of(v, 0)));
	close_to(deviation_of(d, 8), 2.13809, 1e-4);
}

static void test_shuffle(void **state)
{
	size_t v[6] = {0, 1, 2, 3, 4, 5}, sum = 0;
	uint64_t seed = 99;
	(void)state;
	random_shuffle(v, 6, &seed);
	for (size_t i = 0; i < 6; i++)
		sum |= (size_t)1 << v[i];
	assert_int_equal(sum, 63);
}

/* ---- session time on the causal graph */

static void test_session_seconds(void **state)
{
	/*
	 *   0 main ──┬── 1 a ──┐
	 *            └── 2 b ──┴── 3 main ── (a person) ── 4 main
	 */
	uint32_t deps[] = {0, 0, 0, 1, 2, 3};
	struct plan_request requests[] = {
		{.first_dep = 0, .ndeps = 0},
		{.first_dep = 0, .ndeps = 1, .gap_s = 0.5},
		{.first_dep = 1, .ndeps = 1, .gap_s = 0.5},
		{.first_dep = 2, .ndeps = 3, .gap_s = 1},
		{.first_dep = 5, .ndeps = 1, .gap_s = 100, .idle = true},
	};
	const struct plan plan = {.requests = requests, .n = 5, .deps = deps, .ndeps = 6};
	double durations[] = {2, 3, 7, 1, 4};
	(void)state;
	/* 2; a to 5.5, b to 9.5; 3 from 10.5 to 11.5; 4 to 15.5. */
	close_to(plan_session_seconds(&plan, durations), 15.5, 1e-9);
	durations[2] = 1; /* now a is what 3 waits for */
	close_to(plan_session_seconds(&plan, durations), 5.5 + 1 + 1 + 4, 1e-9);
	durations[1] = NAN;
	assert_true(isnan(plan_session_seconds(&plan, durations)));
}

/* ---- verification */

static void test_cold_limit(void **state)
{
	(void)state;
	assert_int_equal(verify_cold_limit(10000, 16, -1), 100); /* 1 % */
	assert_int_equal(verify_cold_limit(100, 16, -1), 16);    /* a block */
	assert_int_equal(verify_cold_limit(1000, 16, 150), 166); /* the template's head, to the next block's end */
	assert_int_equal(verify_cold_limit(10000, 16, 20), 100);
}

static void test_shortfall(void **state)
{
	struct target t = {.slack_tokens = 16, .layout_known = true};
	(void)state;
	assert_int_equal(verify_shortfall(1000, 990, &t, false), SHORT_NONE);
	assert_int_equal(verify_shortfall(1000, 1100, &t, true), SHORT_NONE);
	assert_int_equal(verify_shortfall(1000, 100, &t, true), SHORT_EVICTED);
	assert_int_equal(verify_shortfall(1000, 0, &t, false), SHORT_NOT_TRIMMABLE);
	assert_int_equal(verify_shortfall(1000, 700, &t, false), SHORT_OTHER);
	/* What was tried goes before what is likely. */
	t.facts.cut_back = KNOWN_YES;
	assert_int_equal(verify_shortfall(1000, 0, &t, false), SHORT_OTHER);
	t.facts.cut_back = KNOWN_NO;
	assert_int_equal(verify_shortfall(1000, 700, &t, false), SHORT_NOT_TRIMMABLE);
	/* Where the layout is not known, neither is what was to be expected. */
	t = (struct target){.slack_tokens = 16};
	assert_int_equal(verify_shortfall(1000, 0, &t, false), SHORT_LAYOUT);
	assert_int_equal(verify_shortfall(1000, 700, &t, false), SHORT_LAYOUT);
	assert_int_equal(verify_shortfall(1000, 100, &t, true), SHORT_EVICTED);
	assert_int_equal(verify_shortfall(1000, 990, &t, false), SHORT_NONE);
}

static void test_timing(void **state)
{
	const double tokens[] = {1000, 2000, 3000, 4000, 5000};
	const double cold[] = {1.1, 2.0, 3.2, 4.0, 5.1}, warm[] = {1.1, 2.0, 3.2, 0.3, 5.1};
	(void)state;
	assert_int_equal(verify_timing(tokens, cold, 5), 5);
	assert_int_equal(verify_timing(tokens, warm, 5), 3);
}

/* A replay of two requests in one lineage, three arms (or four, with asis2), two repeats, with made-up samples. */
struct made {
	struct report report;
	struct lineage_session session;
	struct plan plan;
	struct plan_request requests[2];
	uint32_t deps[1];
	struct replay r;
};

enum { OFF, ASIS, FIXED, ASIS2 };

static void sample(struct made *m, size_t arm, unsigned repeat, size_t request, double ttft, int64_t cached)
{
	*replay_sample(&m->r, arm, repeat, request) = (struct sample){
		.sent = true,
		.outcome = CLIENT_DONE,
		.ttft_s = ttft,
		.prefill_s = NAN,
		.lag_s = NAN,
		.prompt = request ? 2000 : 1000,
		.cached = cached,
		.expected = arm == OFF ? 0
			    : request  ? 1000
				       : 0,
		.bound = arm == OFF ? 0
			 : request  ? 1200
				    : 300,
		.output = 1,
	};
}

static void make_arms(struct made *m, bool twin)
{
	*m = (struct made){0};
	m->requests[1] = (struct plan_request){.first_dep = 0, .ndeps = 1, .gap_s = 1};
	m->plan = (struct plan){.requests = m->requests, .n = 2, .deps = m->deps, .ndeps = 1, .sessions = 1};
	m->report.lineages = (struct lineage_set){.nsessions = 1, .sessions = &m->session};
	replay_init(&m->r, &m->report, &m->plan, &(struct replay_options){.repeats = 2, .max_tokens = 1});
	m->r.main.facts.profile = engine_profile_named(STR("mock"));
	m->r.main.slack_tokens = 16;
	m->r.main.layout_known = true;
	m->r.main.header_tokens = 20;
	assert_int_equal(replay_add_arm(&m->r, ARM_OFF, 0), 0);
	assert_int_equal(replay_add_arm(&m->r, ARM_ASIS, 0), 0);
	assert_int_equal(replay_add_arm(&m->r, ARM_FIXED, FIX_SORT_TOOLS), 0);
	if (twin)
		assert_int_equal(replay_add_arm(&m->r, ARM_ASIS2, 0), 0);
	assert_int_equal(replay_prepare(&m->r), 0);
	for (unsigned k = 0; k < 2; k++) {
		sample(m, OFF, k, 0, 1.0, 0);
		sample(m, OFF, k, 1, 2.0, 0);
		sample(m, ASIS, k, 0, 1.0, 0);
		sample(m, ASIS, k, 1, k ? 1.2 : 1.0, 1000);
		sample(m, FIXED, k, 0, 0.5, 0);
		sample(m, FIXED, k, 1, 0.5, 1000);
		if (!twin)
			continue;
		sample(m, ASIS2, k, 0, 1.0, 0);
		sample(m, ASIS2, k, 1, k ? 0.7 : 1.5, 1000);
	}
}

static void make(struct made *m)
{
	make_arms(m, false);
}

static void test_verified(void **state)
{
	struct made m;
	struct verification v;
	(void)state;
	make(&m);
	verify_arm(&m.r, OFF, &v);
	assert_int_equal(v.verdict, VERDICT_VERIFIED);
	assert_int_equal(v.checked, 4);
	verify_arm(&m.r, ASIS, &v);
	assert_int_equal(v.verdict, VERDICT_VERIFIED);
	assert_int_equal(v.expected_tokens, 2000);
	assert_int_equal(v.cached_tokens, 2000);
	assert_int_equal(v.short_tokens, 0);

	/* A cold request that was warm: rejected, with the remedy. */
	replay_sample(&m.r, OFF, 1, 1)->cached = 900;
	verify_arm(&m.r, OFF, &v);
	assert_int_equal(v.verdict, VERDICT_REJECTED);
	assert_int_equal(v.worst, 900);
	assert_int_equal(v.worst_request, 1);
	assert_non_null(strstr(v.reason, "request 2"));
	assert_non_null(v.remedy);

	/* More than was sent: rejected. Less: a result. */
	replay_sample(&m.r, ASIS, 0, 1)->cached = 1999;
	verify_arm(&m.r, ASIS, &v);
	assert_int_equal(v.verdict, VERDICT_REJECTED);
	replay_sample(&m.r, ASIS, 0, 1)->cached = 0;
	verify_arm(&m.r, ASIS, &v);
	assert_int_equal(v.verdict, VERDICT_VERIFIED);
	assert_int_equal(v.short_requests[SHORT_NOT_TRIMMABLE], 1);
	assert_int_equal(v.short_tokens, 1000);

	/* Nothing told is not nothing cached. */
	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; i < 2; i++)
			replay_sample(&m.r, OFF, k, i)->cached = -1;
	verify_arm(&m.r, OFF, &v);
	assert_int_equal(v.verdict, VERDICT_NOT_VERIFIED);
	assert_int_equal(v.unknown, 4);

	/* A failed request is no sample. */
	for (unsigned k = 0; k < 2; k++)
		for (size_t i = 0; i < 2; i++)
			replay_sample(&m.r, FIXED, k, i)->outcome = CLIENT_REFUSED;
	verify_arm(&m.r, FIXED, &v);
	assert_int_equal(v.verdict, VERDICT_EMPTY);
	replay_release(&m.r);
}

/* The second request is a side request, and goes to another engine: it has its own rules, remedies and speed. */
static void make_sided(struct made *m)
{
	make(m);
	m->requests[1].role = LINEAGE_SIDE;
	m->r.side = m->r.main;
	m->r.main.facts.profile = engine_profile_named(STR("llama.cpp"));
	m->r.main.facts.reuses = true;
	m->r.side.facts.profile = engine_profile_named(STR("vllm"));
	m->r.side.url = "http://side";
}

static void test_side_backend(void **state)
{
	struct made m;
	struct verification v;
	(void)state;
	make_sided(&m);
	const struct engine_profile *llama = m.r.main.facts.profile, *vllm = m.r.side.facts.profile;

	/* What to do against a warm off is what that backend needs. */
	replay_sample(&m.r, OFF, 0, 1)->cached = 900;
	verify_arm(&m.r, OFF, &v);
	assert_int_equal(v.verdict, VERDICT_REJECTED);
	assert_string_equal(v.remedy, vllm->cold_remedy);
	assert_string_equal(v.relaunch, vllm->cold_launch);
	replay_sample(&m.r, OFF, 0, 0)->cached = 900;
	verify_arm(&m.r, OFF, &v);
	assert_string_equal(v.remedy, llama->cold_remedy);
	assert_string_equal(v.relaunch, llama->cold_launch);

	/* It alone reuses nothing; the main one does, of small prompts, too. */
	for (unsigned k = 0; k < 2; k++) {
		replay_sample(&m.r, ASIS, k, 0)->cached = 100;
		replay_sample(&m.r, ASIS, k, 1)->cached = 0;
	}
	verify_arm(&m.r, ASIS, &v);
	assert_int_equal(v.verdict, VERDICT_VERIFIED);
	assert_int_equal(v.short_requests[SHORT_CACHE_OFF], 2);
	assert_int_equal(v.short_requests[SHORT_NONE], 2);
	assert_null(v.relaunch);
	m.r.side.facts.reuses = true;
	verify_arm(&m.r, ASIS, &v);
	assert_int_equal(v.short_requests[SHORT_CACHE_OFF], 0);
	/* Not that the main conversation took its place: it is on another machine. */
	assert_int_equal(v.short_requests[SHORT_EVICTED], 0);
	assert_int_equal(v.short_requests[SHORT_NOT_TRIMMABLE], 2);

	/* It alone tells nothing, for want of its flag. */
	for (unsigned k = 0; k < 2; k++)
		replay_sample(&m.r, ASIS, k, 1)->cached = -1;
	verify_arm(&m.r, ASIS, &v);
	assert_int_equal(v.verdict, VERDICT_NOT_VERIFIED);
	assert_non_null(strstr(v.reason, "for side requests"));
	assert_non_null(strstr(v.reason, vllm->cached_switch));
	replay_release(&m.r);
}

/* Where neither tells anything: a backend that is faster than the other one is not warm for that. */
static void test_side_backend_times(void **state)
{
	struct plan_request requests[6] = {0};
	struct made m;
	struct verification v;
	(void)state;
	make_sided(&m);
	struct target main = m.r.main, side = m.r.side;
	replay_release(&m.r);
	for (int i = 3; i < 6; i++)
		requests[i].role = LINEAGE_SIDE;
	m.plan = (struct plan){.requests = requests, .n = 6, .sessions = 1};
	replay_init(&m.r, &m.report, &m.plan, &(struct replay_options){.repeats = 1, .max_tokens = 1});
	m.r.main = main;
	m.r.side = side;
	assert_int_equal(replay_add_arm(&m.r, ARM_OFF, 0), 0);
	assert_int_equal(replay_prepare(&m.r), 0);
	/* A millisecond a token, and a tenth of it. */
	for (size_t i = 0; i < 6; i++) {
		sample(&m, OFF, 0, i, i < 3 ? 3.0 + (double)i : 0.3 + 0.1 * (double)(i - 3), -1);
		replay_sample(&m.r, OFF, 0, i)->prompt = 3000 + 1000 * (int64_t)(i % 3);
	}
	verify_arm(&m.r, OFF, &v);
	assert_int_equal(v.verdict, VERDICT_NOT_VERIFIED);
	replay_sample(&m.r, OFF, 0, 4)->ttft_s = 0.1;
	verify_arm(&m.r, OFF, &v);
	assert_int_equal(v.verdict, VERDICT_REJECTED);
	assert_non_null(strstr(v.reason, "request 5"));
	assert_string_equal(v.remedy, side.facts.profile->cold_remedy);

	/* And each has a model of its own. */
	struct summary s;
	for (size_t i = 0; i < 6; i++)
		replay_sample(&m.r, OFF, 0, i)->cached = 0;
	replay_sample(&m.r, OFF, 0, 4)->ttft_s = 0.4;
	assert_int_equal(summary_build(&m.r, &s), 0);
	for (size_t i = 0; i < 6; i++) {
		const struct sample *one = replay_sample(&m.r, OFF, 0, i);
		close_to(summary_modelled(&s, i, one), one->ttft_s, 0.01);
	}
	summary_release(&s);
	replay_release(&m.r);
}

static void test_summary(void **state)
{
	struct made m;
	struct summary s;
	(void)state;
	make(&m);
	assert_int_equal(summary_build(&m.r, &s), 0);
	close_to(s.arms[OFF].ttft_s, 3.0, 1e-9);
	close_to(s.arms[ASIS].ttft_s, 2.1, 1e-9);
	close_to(s.arms[FIXED].ttft_s, 1.0, 1e-9);
	assert_int_equal(s.arms[ASIS].prompt, 3000);
	assert_int_equal(s.arms[ASIS].prefilled, 2000);
	/* Requests one after the other, with a second of tool time between them. */
	close_to(s.arms[FIXED].session_s, 2.0, 1e-9);
	/* The headline is asis to fixed: 2.0/1.0 and 2.2/1.0. */
	const struct comparison_of_arms *h = &s.comparisons[s.headline];
	assert_int_equal(h->from, ASIS);
	assert_int_equal(h->to, FIXED);
	close_to(h->ttft.value, sqrt(2.0 * 2.2), 1e-9);
	close_to(h->saved_s, 1.1, 1e-9);
	assert_int_equal(h->saved_tokens, 0);
	assert_true(h->ttft.low < h->ttft.value && h->ttft.value < h->ttft.high);
	assert_false(h->over_sessions);
	/* The noise floor without asis2: 2.0 against 2.2 of the next repeat. */
	close_to(s.noise_worst, 0.1, 1e-9);
	assert_string_equal(summary_noise_words(&s), "asis against its next repeat");
	assert_false(h->within_noise);
	summary_release(&s);

	/* A rejected arm gives no headline. */
	replay_sample(&m.r, FIXED, 0, 0)->cached = 999;
	assert_int_equal(summary_build(&m.r, &s), 0);
	h = &s.comparisons[s.headline];
	assert_int_equal(h->from, OFF);
	assert_int_equal(h->to, ASIS);
	summary_release(&s);
	replay_release(&m.r);
}

/* asis against asis2 of the same repeat: 2.0 and 2.5, 2.2 and 1.7. */
static void test_noise(void **state)
{
	struct made m;
	struct summary s;
	(void)state;
	make_arms(&m, true);
	assert_int_equal(summary_build(&m.r, &s), 0);
	assert_int_equal(s.noise.n, 2);
	close_to(s.noise.value, sqrt(2.0 / 2.5 * 2.2 / 1.7), 1e-9);
	close_to(s.noise_worst, 2.2 / 1.7 - 1, 1e-9);
	assert_string_equal(summary_noise_words(&s), "asis against asis2");
	/* It is compared with nothing else, and 2.1x is no noise. */
	assert_int_equal(s.ncomparisons, 3);
	assert_false(s.comparisons[s.headline].within_noise);
	summary_release(&s);

	/* One repeat has a floor, too; fixed half a second from asis is within it. */
	m.r.options.repeats = 1;
	struct sample *all = m.r.samples;
	struct sample few[8];
	for (size_t a = 0; a < 4; a++)
		for (size_t i = 0; i < 2; i++)
			few[a * 2 + i] = all[a * 4 + i];
	few[FIXED * 2].ttft_s = 1.0;
	few[FIXED * 2 + 1].ttft_s = 1.2;
	m.r.samples = few;
	assert_int_equal(summary_build(&m.r, &s), 0);
	assert_int_equal(s.noise.n, 1);
	assert_true(isnan(s.noise.low));
	close_to(s.noise_worst, 0.25, 1e-9);
	assert_int_equal(s.comparisons[s.headline].to, FIXED);
	assert_true(s.comparisons[s.headline].within_noise);
	summary_release(&s);

	/* What was rejected measures nothing. */
	few[ASIS2 * 2].cached = 900;
	assert_int_equal(summary_build(&m.r, &s), 0);
	assert_int_equal(s.noise.n, 0);
	assert_true(isnan(s.noise_worst));
	summary_release(&s);
	m.r.samples = all;
	m.r.options.repeats = 2;
	replay_release(&m.r);
}

static void test_fixes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FIXES; i++)
		assert_int_equal(fix_named(str_from(fix_name(i))), 1u << i);
	assert_null(fix_name(FIXES));
	assert_int_equal(fix_named(STR("nothing")), 0);
	assert_int_equal(fix_of_cause("billing_header"), FIX_STRIP_BILLING);
	assert_int_equal(fix_of_cause("slot_evicted"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_student),         cmocka_unit_test(test_bootstrap),
		cmocka_unit_test(test_median),          cmocka_unit_test(test_shuffle),
		cmocka_unit_test(test_session_seconds), cmocka_unit_test(test_cold_limit),
		cmocka_unit_test(test_shortfall),       cmocka_unit_test(test_timing),
		cmocka_unit_test(test_verified),        cmocka_unit_test(test_summary),
		cmocka_unit_test(test_noise),           cmocka_unit_test(test_fixes),
		cmocka_unit_test(test_side_backend),    cmocka_unit_test(test_side_backend_times),
	};
	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
