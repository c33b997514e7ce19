/* SPDX-License-Identifier: MIT */
#include "hand_trace.h"

#include <math.h>
#include <stdio.h>

static void build(struct hand_trace *h, struct report *r)
{
	char error[256];
	assert_int_equal(report_build_with(hand_prompt, &h->t, 1, r, error, sizeof(error)), 0);
}

static void assert_seconds(double found, double expected)
{
	if (!(fabs(found - expected) < 1e-6))
		fail_msg("%.9f s, expected %.9f s", found, expected);
}

/* Each prompt of a growing conversation repeats exactly what was reported for the one before. */
static void reported_tokens_are_split_exactly(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	hand_usage(hand_add(h, "s", NULL, 0, 2, 1, "T:bash*400 S:sys*200 U:task"), 100, -1, 11);
	hand_usage(hand_add(h, "s", NULL, 5, 1, 2, "T:bash*400 S:sys*200 U:task A:call R:out"), 30, 100, 21);
	hand_usage(hand_add(h, "s", NULL, 10, 1, 0.5, "T:bash*400 S:sys*200 U:task A:call R:out A:x U:y"), 40, 130, 1);
	build(h, &r);
	assert_int_equal(r.nexchanges, 3);
	assert_int_equal(r.exchanges[1].prompt, 130);
	assert_int_equal(r.exchanges[1].cached, 100);
	assert_int_equal(r.exchanges[0].cached, TOKENS_UNKNOWN);
	assert_int_equal(r.exchanges[0].repeated, 0);
	assert_int_equal(r.exchanges[0].new, 100);
	assert_int_equal(r.exchanges[1].repeated, 100);
	assert_int_equal(r.exchanges[2].repeated, 130);
	assert_int_equal(r.exchanges[2].new, 40);
	const struct report_tokens *t = &r.all.tokens;
	assert_int_equal(t->sent, 400);
	assert_int_equal(t->repeated, 230);
	assert_int_equal(t->new, 170);
	assert_int_equal(t->unsplit, 0);
	assert_int_equal(t->unknown, 0);
	assert_int_equal(t->basis, TOKENS_REPORTED);
	assert_int_equal(t->split_basis, TOKENS_REPORTED);
	assert_int_equal(t->cached, 230);
	assert_int_equal(t->cached_of, 2);
	assert_int_equal(t->output, 33);
	assert_seconds(r.all.seconds.ttft, 4);
	assert_seconds(r.all.seconds.decode, 3.5);
	assert_seconds(r.all.seconds.requests, 7.503);
	assert_seconds(r.all.seconds.wall, 11.501);
	assert_seconds(r.exchanges[0].decode_rate, 10);
	assert_seconds(r.exchanges[1].decode_rate, 10);
	assert_true(isnan(r.exchanges[2].decode_rate)); /* one token: nothing after the first */

	/* Tools, system, history and new do not overlap and leave nothing out. */
	assert_int_equal(r.split.tools + r.split.system + r.split.history + r.split.new, 400);
	assert_int_equal(r.split_bytes.tools, 1200);
	assert_int_equal(r.split_bytes.system, 600);
	assert_int_equal(r.split_bytes.history, 10 + 30);
	assert_int_equal(r.split_bytes.new, 10 + 20 + 20);
	report_release(&r);
	hand_free(h);
}

/* A break in the middle: what is left of the prefix is a share of the bytes, and labelled so. */
static void a_broken_prefix_is_estimated(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	hand_usage(hand_add(h, "s", NULL, 0, 1, 1, "T:a*400 S:one*430 U:q*430"), 300, -1, 9);
	hand_usage(hand_add(h, "s", NULL, 5, 1, 1, "T:a*400 S:two*430 U:q*430 A:r*430"), 400, 0, 9);
	build(h, &r);
	assert_int_equal(r.lineages.n, 1);
	assert_int_equal(r.exchanges[1].repeated, 100); /* the tool: a quarter by estimate, of 400 */
	assert_int_equal(r.exchanges[1].new, 300);
	assert_int_equal(r.exchanges[1].basis, TOKENS_REPORTED);
	assert_int_equal(r.exchanges[1].split_basis, TOKENS_ESTIMATED);
	assert_int_equal(r.all.tokens.split_basis, TOKENS_MIXED);
	assert_int_equal(r.exchanges[1].split.tools, 100);
	assert_int_equal(r.exchanges[1].split.system, 100);
	assert_int_equal(r.exchanges[1].split.history, 0);
	assert_int_equal(r.exchanges[1].split.new, 200);
	assert_int_equal(r.exchanges[1].cached, 0); /* reported as 0 is not unknown */
	report_release(&r);
	hand_free(h);
}

static void estimates_learn_from_reports_of_the_same_model(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	/* 860 bytes of prose: 200 tokens by the default ratio, 300 as reported. */
	hand_usage(hand_add(h, "s", NULL, 0, 1, 1, "S:sys*430 U:q*430"), 300, -1, 9);
	hand_add(h, "s", NULL, 5, 1, 1, "S:sys*430 U:q*430 A:r*430 U:t*430");
	build(h, &r);
	assert_int_equal(r.exchanges[1].prompt, 600);
	assert_int_equal(r.exchanges[1].basis, TOKENS_ESTIMATED);
	assert_int_equal(r.exchanges[1].repeated, 300);
	assert_int_equal(r.exchanges[1].split_basis, TOKENS_ESTIMATED);
	assert_int_equal(r.all.tokens.sent, 900);
	assert_int_equal(r.all.tokens.basis, TOKENS_MIXED);
	report_release(&r);
	hand_free(h);
}

static void unknown_stays_unknown(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	struct exchange *x = hand_add(h, NULL, NULL, 0, 1, 1, "");
	x->api = KVS_API_OLLAMA_CHAT;
	x->times.end = x->times.first_content + 5000;
	x->response.usage.output = 300;
	build(h, &r);
	assert_true(isnan(r.exchanges[0].decode_rate)); /* a burst of 5 us is no speed */
	report_release(&r);

	x->times.grade = GRADE_DEGENERATE;
	build(h, &r);
	assert_int_equal(r.exchanges[0].prompt, TOKENS_UNKNOWN);
	assert_int_equal(r.exchanges[0].new, TOKENS_UNKNOWN);
	assert_int_equal(r.exchanges[0].basis, TOKENS_NONE);
	assert_true(isnan(r.exchanges[0].ttft));
	assert_true(isnan(r.exchanges[0].decode));
	assert_int_equal(r.all.tokens.unknown, 1);
	assert_int_equal(r.all.tokens.basis, TOKENS_NONE);
	assert_true(isnan(r.all.seconds.ttft));
	assert_int_equal(r.all.seconds.ttft_of, 0);
	report_release(&r);

	/* A size is reported, but there is no prompt to split. */
	hand_usage(x, 50, -1, 3);
	build(h, &r);
	assert_int_equal(r.all.tokens.sent, 50);
	assert_int_equal(r.all.tokens.unsplit, 50);
	assert_int_equal(r.all.tokens.split_basis, TOKENS_NONE);
	report_release(&r);
	hand_free(h);
}

/* OpenAI's input includes what came from the cache, Anthropic's does not. */
static void usage_of_each_api(void **state)
{
	(void)state;
	struct exchange x;
	exchange_init(&x, 0, 0);
	x.api = KVS_API_ANTHROPIC_MESSAGES;
	assert_int_equal(tokens_reported_prompt(&x), TOKENS_UNKNOWN);
	x.response.usage =
		(struct usage){.input = 10, .output = 5, .cache_read = 700, .cache_creation = 30, .reasoning = -1};
	assert_int_equal(tokens_reported_prompt(&x), 740);
	assert_int_equal(tokens_reported_cached(&x), 700);
	x.response.usage.cache_creation = EXCHANGE_ABSENT;
	x.response.usage.cache_read = EXCHANGE_ABSENT;
	assert_int_equal(tokens_reported_prompt(&x), 10);
	assert_int_equal(tokens_reported_cached(&x), TOKENS_UNKNOWN);
	x.api = KVS_API_OPENAI_CHAT;
	x.response.usage.cache_read = 4;
	assert_int_equal(tokens_reported_prompt(&x), 10);
	x.response.usage = USAGE_NONE;
	x.response.timings.prompt_tokens = 8;
	assert_int_equal(tokens_reported_prompt(&x), TOKENS_UNKNOWN);
	x.response.timings.cached_tokens = 90;
	assert_int_equal(tokens_reported_prompt(&x), 98);
	assert_int_equal(tokens_reported_cached(&x), 90);
	/* Absurd counts cannot overflow a sum. */
	x.api = KVS_API_ANTHROPIC_MESSAGES;
	x.response.usage = (struct usage){INT64_MAX, 1, INT64_MAX, INT64_MAX, -1};
	assert_true(tokens_reported_prompt(&x) > 0);
	exchange_release(&x);
}

static void counting_requests_are_in_no_sum(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	struct exchange *x = hand_add(h, "s", NULL, 0, 1, 1, "S:sys*100 U:task");
	x->api = KVS_API_ANTHROPIC_COUNT_TOKENS;
	hand_usage(x, 40, -1, -1);
	hand_usage(hand_add(h, "s", NULL, 3, 1, 1, "S:sys*100 U:task"), 41, -1, 5);
	build(h, &r);
	assert_int_equal(r.count_requests, 1);
	assert_int_equal(r.all.requests, 2);
	assert_int_equal(r.all.tokens.sent, 41);
	assert_int_equal(r.all.tokens.repeated, 0);
	assert_int_equal(r.exchanges[0].prompt, 40);
	assert_seconds(r.all.seconds.ttft, 1);
	assert_int_equal(r.nsystems, 1);
	assert_int_equal(r.systems[0].requests, 1);
	report_release(&r);
	hand_free(h);
}

/* Sums over parallel conversations, and the order in the file (that of the ends) does not matter. */
static void parallel_lineages_sum_up(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	hand_usage(hand_add(h, "s", "a", 2, 1, 1, "T:b S:agent*50 U:left"), 200, -1, 2);
	hand_usage(hand_add(h, "s", NULL, 0, 5, 1, "T:b T:c S:main*80 U:do"), 1000, -1, 2);
	hand_usage(hand_add(h, "s", "a", 5, 1, 1, "T:b S:agent*50 U:left A:l R:x"), 20, 200, 2);
	hand_usage(hand_add(h, "s", "b", 2, 9, 1, "T:b S:agent*50 U:right"), 210, -1, 2);
	hand_usage(hand_add(h, "s", NULL, 13, 1, 1, "T:b T:c S:main*80 U:do A:m R:y"), 100, 1000, 2);
	h->exchanges[3].response.status = 529;
	build(h, &r);
	assert_int_equal(r.exchanges[0].x->id, 2);
	assert_int_equal(r.lineages.n, 3);
	assert_int_equal(r.lineages.lineages[0].role, LINEAGE_MAIN);
	assert_int_equal(r.lineage_groups[0].tokens.sent, 2100);
	assert_int_equal(r.lineage_groups[0].tokens.repeated, 1000);
	assert_int_equal(r.lineage_groups[1].tokens.sent, 420);
	assert_int_equal(r.lineage_groups[1].tokens.repeated, 200);
	assert_int_equal(r.lineage_groups[2].tokens.repeated, 0);
	assert_int_equal(r.lineage_groups[2].failed, 1);
	assert_int_equal(r.lineages.nsessions, 1);
	assert_int_equal(r.session_groups[0].tokens.sent, 2100 + 420 + 210);
	assert_int_equal(r.session_groups[0].tokens.new, 1100 + 220 + 210);
	assert_int_equal(r.all.failed, 1);
	assert_seconds(r.all.seconds.wall, 15.001);
	assert_int_equal(r.nsystems, 2);
	assert_int_equal(r.systems[0].bytes, 2 * 80);
	assert_int_equal(r.systems[0].bytes_each, 80);
	assert_int_equal(r.systems[1].requests, 3);
	report_release(&r);
	hand_free(h);
}

/* The billing line changes with every request; no comparison sees it. */
static void billing_blocks_are_left_out(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	struct report r;
	hand_usage(hand_add(h, "s", NULL, 0, 1, 1, "B:cch=1*80 S:sys*200 U:task"), 100, -1, 2);
	hand_usage(hand_add(h, "s", NULL, 5, 1, 1, "B:cch=2*80 S:sys*200 U:task A:a U:b"), 120, -1, 2);
	build(h, &r);
	assert_int_equal(r.exchanges[1].repeated, 100);
	assert_int_equal(r.billing_requests, 2);
	assert_int_equal(r.billing_variants, 2);
	assert_int_equal(r.nsystems, 1);
	assert_int_equal(r.systems[0].bytes_each, 200);
	report_release(&r);
	hand_free(h);
}

/* Two traces a day apart: one conversation goes on, the night is nobody's wall time, losses add up. */
static void several_traces(void **state)
{
	(void)state;
	struct hand_trace *h[2] = {hand_new(), hand_new()};
	struct report r;
	char error[256], name[32];
	hand_usage(hand_add(h[0], "s", NULL, 0, 1, 1, "S:sys*200 U:task"), 100, -1, 2);
	hand_usage(hand_add(h[1], "s", NULL, 0, 1, 1, "S:sys*200 U:task A:a U:b"), 120, -1, 2);
	h[1]->t.realtime_ns += 86400 * NS_PER_S;
	h[1]->t.monotonic_ns -= 900 * NS_PER_S; /* another boot */
	h[1]->exchanges[0].times.request_start -= 900 * NS_PER_S;
	h[1]->exchanges[0].times.request_end -= 900 * NS_PER_S;
	h[1]->exchanges[0].times.first_content -= 900 * NS_PER_S;
	h[1]->exchanges[0].times.end -= 900 * NS_PER_S;
	for (int i = 0; i < 2; i++) {
		h[i]->t.ring_loss.dropped[KVS_DROP_FULL] = 3;
		h[i]->t.pipeline_loss.holes = 1;
	}
	/* The later one is named first. */
	struct trace traces[2] = {h[1]->t, h[0]->t};
	assert_int_equal(report_build_with(hand_prompt, traces, 2, &r, error, sizeof(error)), 0);
	assert_int_equal(r.nexchanges, 2);
	assert_int_equal(r.exchanges[0].trace, 1);
	assert_int_equal(r.lineages.n, 1);
	assert_int_equal(r.exchanges[1].repeated, 100);
	assert_seconds(r.all.seconds.wall, 2 * 2.001);
	assert_int_equal(r.ring_loss.dropped[KVS_DROP_FULL], 6);
	assert_int_equal(r.pipeline_loss.holes, 2);
	report_exchange_name(&r, &r.exchanges[0], name);
	assert_string_equal(name, "2:1");
	report_release(&r);
	hand_free(h[0]);
	hand_free(h[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reported_tokens_are_split_exactly),
		cmocka_unit_test(a_broken_prefix_is_estimated),
		cmocka_unit_test(estimates_learn_from_reports_of_the_same_model),
		cmocka_unit_test(unknown_stays_unknown),
		cmocka_unit_test(usage_of_each_api),
		cmocka_unit_test(counting_requests_are_in_no_sum),
		cmocka_unit_test(parallel_lineages_sum_up),
		cmocka_unit_test(billing_blocks_are_left_out),
		cmocka_unit_test(several_traces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
