/* SPDX-License-Identifier: MIT */
#include "hand_trace.h"

#include "cost/cost.h"

#include <math.h>

/* What a session of made-up requests costs; the backend takes 1 ms per token wherever it is not said otherwise. */
struct costed {
	struct hand_trace *h;
	struct report r;
	struct cost c;
};

static void build(struct hand_trace *h, struct costed *out)
{
	char error[256];
	out->h = h;
	assert_int_equal(report_build_with(hand_prompt, &h->t, 1, &out->r, error, sizeof(error)), 0);
	assert_int_equal(cost_build(&out->r, NULL, &out->c, error, sizeof(error)), 0);
}

static void done(struct costed *k)
{
	cost_release(&k->c);
	report_release(&k->r);
	hand_free(k->h);
}

static void near_at(double got, double expected, int line)
{
	if (!(fabs(got - expected) < 0.004) && !(isnan(got) && isnan(expected)))
		fail_msg("line %d: %.6f, expected %.6f", line, got, expected);
}
#define assert_near(got, expected) near_at(got, expected, __LINE__)

static void stop_with(struct exchange *x, const char *reason)
{
	free(x->response.stop_reason);
	x->response.stop_reason = strdup(reason);
}

static struct exchange *add(struct hand_trace *h, double at, double ttft, double decode, const char *words,
			    int64_t input, int64_t cached)
{
	struct exchange *x = hand_add(h, "s", NULL, at, ttft, decode, words);
	hand_usage(x, input, cached, 10);
	stop_with(x, "tool_use");
	return x;
}

static double sum_of(const struct cost_seconds *s)
{
	return s->re_prefill + s->prefill_new + s->prefill_unsplit + s->decode + s->unknown + s->client + s->idle;
}

/* 1000 tokens new; then 200 more: once all is prefilled again, once the cache holds; a person thinks in between. */
static void a_session_is_divided(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.5, "T:b*2000 S:s*2000 U:q*430", 1000, 0);
	stop_with(add(h, 3, 1.2, 0.5, "T:b*2000 S:s*2000 U:q*430 A:c*400 R:o*400", 1200, 0), "end_turn");
	add(h, 10, 0.2, 0.5, "T:b*2000 S:s*2000 U:q*430 A:c*400 R:o*400 A:d*400 U:p*400", 200, 1200);
	build(h, &k);
	const struct cost_exchange *x = k.c.exchanges;
	assert_int_equal(x[1].prefilled, 1200);
	assert_int_equal(x[1].reused, 0);
	assert_int_equal(x[1].again, 1000);
	assert_int_equal(x[1].basis, COST_MEASURED);
	assert_near(x[1].prefill, 1.2);
	assert_near(x[1].re_prefill, 1.0);
	assert_near(x[1].prefill_new, 0.2);
	assert_int_equal(x[2].again, 0);
	assert_near(x[2].re_prefill, 0);
	assert_near(x[2].system_prompt, 0);
	assert_true(x[0].system_prompt > 0.8 && x[0].system_prompt < 0.99);
	assert_near(x[1].system_prompt, x[0].system_prompt);
	assert_int_equal(x[1].gap, GAP_CLIENT);
	assert_near(x[1].client, 1.499);
	assert_int_equal(x[2].gap, GAP_IDLE);
	assert_near(x[2].idle, 5.3);

	const struct cost_seconds *s = &k.c.all;
	assert_near(s->re_prefill, 1.0);
	assert_near(s->prefill_new, 1.4);
	assert_near(s->decode, 1.5);
	assert_near(s->client, 1.5);
	assert_near(s->idle, 5.3);
	assert_near(s->prefill_unsplit, 0);
	assert_near(s->wall, 10.7);
	assert_near(sum_of(s), s->wall);
	assert_near(sum_of(&k.c.sessions[0]), s->wall);
	assert_near(sum_of(&k.c.lineages[0]), s->wall);

	assert_near(k.c.speedup.seconds, 10.7 - 5.3);
	assert_near(k.c.speedup.saved, 1.0);
	assert_near(k.c.speedup.factor, 5.4 / 4.4);
	assert_int_equal(k.c.speedup.basis, COST_MEASURED);
	assert_int_equal(k.c.speedup.unknown, 0);
	assert_int_equal(k.c.tokens.prefilled, 2400);
	assert_int_equal(k.c.tokens.again, 1000);
	done(&k);
}

/* Absent is not 0: the prefill is known, what of it was new is not; but what was never sent cannot be prefilled again.
 */
static void an_unknown_cached_count_stays_unknown(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.5, "T:b*4000 U:q*430", 1000, -1);
	add(h, 3, 1.2, 0.5, "T:b*4000 U:q*430 A:c*400 R:o*400", 1200, -1);
	build(h, &k);
	const struct cost_exchange *x = k.c.exchanges;
	assert_int_equal(x[0].prefilled, TOKENS_UNKNOWN);
	assert_int_equal(x[0].again, 0);
	assert_near(x[0].prefill_new, 1);
	assert_int_equal(x[1].again, TOKENS_UNKNOWN);
	assert_near(x[1].prefill, 1.2);
	assert_near(x[1].re_prefill, NAN);
	assert_near(x[1].prefill_new, NAN);
	assert_near(k.c.all.prefill_unsplit, 1.2);
	assert_int_equal(k.c.backends[0].model_fit.points, 0);
	assert_int_equal(k.c.speedup.unknown, 1);
	assert_int_equal(k.c.tokens.unknown, 2);
	assert_int_equal(k.c.tokens.basis, TOKENS_NONE);
	done(&k);
}

/* Four requests alone show the backend's speed; two at a time, the second waits for the first one's slot. */
static void grow(struct hand_trace *h)
{
	add(h, 0, 1, 0.1, "U:q*4300", 1000, 0);
	add(h, 2, 0.5, 0.1, "U:q*4300 A:a*2150", 500, 1000);
	add(h, 4, 2, 0.1, "U:q*4300 A:a*2150 A:b*2150", 2000, 0);
	add(h, 7, 0.25, 0.1, "U:q*4300 A:a*2150 A:b*2150 A:c*1000", 250, 2000);
}

static void a_queue_is_no_prefill(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	grow(h);
	struct exchange *x = hand_add(h, "s", "a1", 10, 1, 2, "T:x*100 U:one*4200");
	hand_usage(x, 1000, 0, 9);
	x = hand_add(h, "s", "a2", 10.1, 3.9, 1, "T:x*100 U:two*4200"); /* 2.9 s of waiting, 1 s of prefill */
	hand_usage(x, 1000, 0, 9);
	build(h, &k);
	assert_int_equal(k.c.nbackends, 1);
	assert_int_equal(k.c.backends[0].model_fit.points, 4);
	const struct cost_exchange *c = &k.c.exchanges[5];
	assert_int_equal(c->basis, COST_MODELLED);
	assert_near(c->prefill, 1);
	assert_near(c->queue, 2.9);
	assert_int_equal(k.c.exchanges[4].basis, COST_MODELLED); /* others ran meanwhile */
	assert_near(k.c.exchanges[4].prefill, 1);
	/* The union: a1 prefills 10..11 and decodes to 13, a2 prefills 13..14. */
	assert_near(k.c.all.prefill_new, 1 + 0.5 + 0.5 + 0.25 + 1 + 1);
	assert_near(k.c.all.re_prefill, 1.5);
	done(&k);
}

/* No stream, but the model knows: prefill, and the rest is decode. */
static void no_stream_is_modelled(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	grow(h);
	struct exchange *x = add(h, 12, 1, 0.5, "U:other*4300", 1000, 0);
	x->times.grade = GRADE_DEGENERATE;
	x->times.first_content = 0;
	x->response.streamed = false;
	x = hand_add(h, "s", NULL, 15, 1, 0.5, "U:huge*99999"); /* out of twice the range */
	hand_usage(x, 20000, 0, 10);
	x->times.grade = GRADE_DEGENERATE;
	x->times.first_content = 0;
	build(h, &k);
	const struct cost_exchange *c = &k.c.exchanges[4];
	assert_int_equal(c->basis, COST_MODELLED);
	assert_near(c->prefill, 1);
	assert_near(c->decode, 0.501);
	assert_int_equal(c->decode_basis, COST_MODELLED);
	assert_near(k.c.exchanges[5].prefill, NAN);
	assert_near(k.c.exchanges[5].modelled, NAN);
	assert_int_equal(k.c.speedup.basis, COST_MODELLED);
	assert_int_equal(k.c.speedup.unknown, 1);
	done(&k);
}

static void the_engine_s_own_time_goes_first(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	struct exchange *x = add(h, 0, 3, 0.5, "U:q*4300", 1000, 0);
	x->response.engine = strdup("llama.cpp");
	x->response.timings.prompt_ms = 800;
	x->response.timings.prompt_tokens = 1000;
	x->response.timings.cached_tokens = 0;
	/* And its message_start comes with the first token, the first content later. */
	x->times.message_start = x->times.first_content - NS_PER_S;
	build(h, &k);
	assert_int_equal(k.c.backends[0].engine, ENGINE_LLAMACPP);
	assert_int_equal(k.c.exchanges[0].basis, COST_REPORTED);
	assert_near(k.c.exchanges[0].prefill, 0.8);
	assert_near(k.c.exchanges[0].queue, 1.2);
	assert_near(k.c.exchanges[0].decode, 1.5);
	done(&k);
}

static void what_no_model_answered_costs_nothing(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.5, "U:q*4300", 1000, 0)->api = KVS_API_ANTHROPIC_COUNT_TOKENS;
	struct exchange *x = add(h, 2, 1, 0.5, "U:q*4300", -1, -1);
	x->response.status = 529;
	x->times.first_content = 0;
	add(h, 5, 1, 0.5, "U:q*4300", 1000, 0);
	build(h, &k);
	assert_int_equal(k.c.exchanges[0].backend, COST_NO_BACKEND);
	assert_int_equal(k.c.exchanges[1].backend, COST_NO_BACKEND);
	assert_near(k.c.exchanges[1].prefill, NAN);
	assert_int_equal(k.c.backends[0].requests, 1);
	/* What failed left nothing in a cache: the next one is new. */
	assert_int_equal(k.c.exchanges[2].again, 0);
	assert_near(k.c.all.re_prefill, 0);
	assert_near(k.c.all.prefill_new, 1);
	assert_near(sum_of(&k.c.all), k.c.all.wall);
	done(&k);
}

static void another_model_has_another_cache(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.5, "T:b*2000 U:q*430", 1000, 0);
	struct exchange *x = add(h, 3, 1.2, 0.5, "T:b*2000 U:q*430 A:c*400 R:o*400", 1200, 0);
	free(x->model);
	x->model = strdup("claude-other");
	build(h, &k);
	assert_true(k.r.exchanges[1].repeated > 800);
	assert_int_equal(k.c.exchanges[1].again, 0);
	assert_int_equal(k.c.nbackends, 2);
	done(&k);
}

/*
 * main 0..1, then two agents side by side, each prefilling 2 s again of its 2.2; main goes on 0.5 s after the later
 * one. Agent a2 takes a tool call of 4 s longer, so what a1 saves is not on the way.
 */
static void parallel_agents_are_not_saved_twice(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	struct exchange *x;
	x = hand_add(h, "s", NULL, 0, 1, 0.5, "T:t*100 T:m*100 U:q*4100");
	hand_usage(x, 1000, 0, 9);
	stop_with(x, "tool_use");
	const char *peers[] = {"127.0.0.1:1", "127.0.0.1:2"}; /* a server each: no queue */
	for (int i = 0; i < 2; i++) {
		const char *agent = i ? "a2" : "a1";
		x = hand_add(h, "s", agent, 2 + i * 0.01, 2, 0.5, i ? "T:t*100 U:two*8400" : "T:t*100 U:one*8400");
		hand_usage(x, 2000, 0, 9);
		stop_with(x, "tool_use");
		free(x->peer);
		x->peer = strdup(peers[i]);
	}
	for (int i = 0; i < 2; i++) {
		const char *agent = i ? "a2" : "a1";
		x = hand_add(h, "s", agent, i ? 9 : 5, 2.2, 0.5,
			     i ? "T:t*100 U:two*8400 A:b*800" : "T:t*100 U:one*8400 A:c*800");
		hand_usage(x, 2200, 0, 9);
		free(x->peer);
		x->peer = strdup(peers[i]);
	}
	x = hand_add(h, "s", NULL, 12.2, 0.2, 0.5, "T:t*100 T:m*100 U:q*4100 A:call R:result*800");
	hand_usage(x, 200, 1000, 9);
	build(h, &k);
	assert_int_equal(k.r.lineages.n, 3);
	assert_int_equal(k.c.exchanges[3].again, 2000);
	assert_int_equal(k.c.exchanges[4].again, 2000);
	assert_near(k.c.all.re_prefill, 4); /* they did not overlap in time */
	/* Only a2's two seconds are on the way of main. */
	assert_near(k.c.speedup.saved, 2);
	assert_near(k.c.speedup.seconds, 12.9);
	done(&k);
}

/* One slot: what the first saves, the one that waited for it saves as well. */
static void a_shorter_queue_is_saved_too(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	grow(h); /* ends at 7.35; 1000 of the third's 2000 tokens were prefilled again, 0.25 s too long each */
	struct exchange *x = hand_add(h, "s", NULL, 10, 3, 0.5, "U:q*4300 A:a*2150 A:b*2150 A:c*1000 A:d*2100");
	hand_usage(x, 3000, 0, 9);                                        /* 2250 of them again */
	x = hand_add(h, "s", "a2", 10.1, 3.9, 0.5, "T:x*100 U:two*2000"); /* waits 3.4 s, 0.5 s of prefill */
	hand_usage(x, 500, 0, 9);
	build(h, &k);
	assert_near(k.c.exchanges[5].queue, 3.4);
	int64_t again = k.c.exchanges[2].again + k.c.exchanges[4].again;
	assert_int_equal(k.c.exchanges[2].again, 1500);
	assert_near(k.c.speedup.saved, (double)again / 1000);
	done(&k);
}

/* The client changed a tool: of the prefix nothing is left, and yet the model had seen nearly all of it. */
static void a_prefix_that_the_client_broke_counts(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.1, "T:one*400 S:s*430 U:q*3470", 1000, 0);
	add(h, 2, 1.1, 0.1, "T:two*400 S:s*430 U:q*3470 A:a*400", 1100, 0);
	/* A change in the history. */
	add(h, 4, 1, 0.1, "T:two*400 S:s*430 U:changed*3470 A:a*400 A:b*400", 1200 - 200, 200);
	/* Compacted: the tools and the system prompt are all that is left. */
	add(h, 6, 0.2, 0.1, "T:two*400 S:s*430 U:summary*860", 400 - 200, 200);
	build(h, &k);
	assert_int_equal(k.r.exchanges[1].repeated, 0);
	assert_int_equal(k.c.exchanges[1].again, 1000);
	assert_int_equal(k.c.exchanges[1].again_basis, TOKENS_MIXED);
	assert_near(k.c.exchanges[1].re_prefill, 1);
	assert_int_equal(k.c.exchanges[2].again, 1100 - 200);
	assert_int_equal(k.c.exchanges[3].again, 0);
	done(&k);
}

static void claims_are_checked_by_the_clock(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.1, "U:q*4300", 1000, 0);                           /* the measure: 1 ms per token */
	add(h, 2, 0.1, 0.1, "U:q*4300 A:a*430", 100, 1000);               /* a hit */
	add(h, 4, 1.2, 0.1, "U:q*4300 A:a*430 A:b*430", 100, 1100);       /* "a hit" that took as long as all of it */
	add(h, 6, 0.1, 0.1, "U:q*4300 A:a*430 A:b*430 A:c*430", 1300, 0); /* "a miss" as fast as a hit */
	add(h, 8, 1.4, 0.1, "U:q*4300 A:a*430 A:b*430 A:c*430 A:d*430", 1400, 0); /* a miss */
	build(h, &k);
	const struct cost_exchange *x = k.c.exchanges;
	assert_int_equal(x[0].claim, CLAIM_UNCHECKED);
	assert_int_equal(x[1].claim, CLAIM_PLAUSIBLE);
	assert_int_equal(x[2].claim, CLAIM_HIT_TOO_SLOW);
	assert_int_equal(x[3].claim, CLAIM_MISS_TOO_FAST);
	assert_int_equal(x[4].claim, CLAIM_PLAUSIBLE);
	assert_int_equal(k.c.backends[0].hits_too_slow, 1);
	assert_int_equal(k.c.backends[0].misses_too_fast, 1);
	/* The time is believed, and the counts are estimates then. */
	assert_int_equal(x[2].prefilled, 1200);
	assert_int_equal(x[2].prefilled_basis, TOKENS_ESTIMATED);
	assert_near(x[2].re_prefill, 1.1);
	assert_int_equal(x[3].prefilled, 100);
	assert_int_equal(x[3].again, 0);
	assert_near(x[3].re_prefill, 0);
	assert_near(x[4].re_prefill, 1.3);
	/* Neither bends the model. */
	assert_int_equal(k.c.backends[0].model_fit.points, 3);
	assert_true(k.c.backends[0].model_fit.residual < 0.01);
	done(&k);
}

static void misses_get_their_seconds(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	add(h, 0, 1, 0.1, "U:q*4300", 1000, 0);
	add(h, 2, 1.1, 0.1, "U:q*4300 A:a*430", 1100, 0);
	add(h, 4, 1.2, 0.1, "U:q*4300 A:a*430 A:b*430", 1200, -1);
	build(h, &k);
	struct why_miss misses[] = {
		{.exchange = 0, .lost_tokens = TOKENS_UNKNOWN, .seconds_lost = NAN},
		{.exchange = 1, .lost_tokens = 500, .seconds_lost = NAN},
		{.exchange = 1, .lost_tokens = 5000, .seconds_lost = NAN},
		{.exchange = 2, .lost_tokens = 500, .seconds_lost = NAN},
	};
	struct why w = {.misses = misses, .nmisses = 4};
	cost_of_misses(&k.c, &w);
	/* Broken on the wire, it costs what was sent before, though no prefix holds it. */
	struct why_miss broken = misses[2];
	struct why v = {.misses = &broken, .nmisses = 1};
	broken.broken = true;
	cost_of_misses(&k.c, &v);
	assert_true(broken.seconds_lost > 1);
	assert_near(misses[0].seconds_lost, NAN);
	assert_near(misses[1].seconds_lost, 0.5);
	assert_near(misses[2].seconds_lost, 1); /* no more than was prefilled again */
	assert_near(misses[3].seconds_lost, NAN);
	done(&k);
}

/*
 * A probe at the client's start, a person's question after it, what was read prefilled again; /clear, and a question in
 * a session of another name, with a title asked for at the same time.
 */
static void two_conversations(struct hand_trace *h, int32_t second_pid)
{
	add(h, 0, 0.1, 0.1, "U:probe*43", 10, 0);
	add(h, 5, 1, 0.5, "T:b*2000 S:s*2000 U:q*430", 1000, 0);
	stop_with(add(h, 8, 1.2, 0.5, "T:b*2000 S:s*2000 U:q*430 A:c*400 R:o*400", 1200, 0), "end_turn");
	struct exchange *title = hand_add(h, "t", NULL, 30, 0.2, 0.5, "S:title*100 U:p*43");
	hand_usage(title, 30, 0, 10);
	title->pid = second_pid;
	add(h, 30.1, 1, 0.5, "T:b*2000 S:s*2000 U:p*430", 1000, 0)->pid = second_pid;
	free(h->exchanges[4].session);
	h->exchanges[4].session = strdup("t");
}

static void a_person_waits_before_another_conversation(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	two_conversations(h, 0);
	build(h, &k);
	assert_int_equal(k.r.lineages.nsessions, 2);
	assert_int_equal(k.c.exchanges[1].gap, GAP_IDLE);
	assert_near(k.c.exchanges[1].idle, 4.8);
	assert_int_equal(k.c.exchanges[3].gap, GAP_NONE); /* the title is a side request */
	assert_int_equal(k.c.exchanges[4].gap, GAP_IDLE);
	assert_near(k.c.exchanges[4].idle, 20.4);
	assert_near(k.c.all.idle, 4.8 + 20.3);
	assert_near(sum_of(&k.c.all), k.c.all.wall);
	/* What the first conversation saves is not eaten up by the second one's start. */
	assert_true(k.c.all.re_prefill > 1.7);
	assert_near(k.c.speedup.saved, k.c.all.re_prefill);
	done(&k);
}

/* Nobody knows what went on between two processes; it takes as long as it did. */
static void what_lies_between_two_processes_is_kept(void **state)
{
	(void)state;
	struct costed k;
	struct hand_trace *h = hand_new();
	two_conversations(h, 1);
	build(h, &k);
	assert_int_equal(k.c.exchanges[4].gap, GAP_NONE);
	assert_near(k.c.all.idle, 4.8);
	assert_near(k.c.speedup.seconds, k.c.all.wall - 4.8);
	assert_near(k.c.speedup.saved, k.c.all.re_prefill);
	done(&k);
}

/* A person interrupts an answer, thinks, and asks something else. Who asks the same again gave up waiting. */
static void who_interrupts_takes_his_time(void **state)
{
	(void)state;
	for (int again = 0; again <= 1; again++) {
		struct costed k;
		struct hand_trace *h = hand_new();
		struct exchange *x = add(h, 0, 1, 4, "T:b*2000 U:q*430", 1000, 0);
		free(x->response.stop_reason);
		x->response.stop_reason = NULL;
		x->response.error = strdup("cut off: " EXCHANGE_CLIENT_LEFT);
		add(h, 25, 1, 0.5, again ? "T:b*2000 U:q*430" : "T:b*2000 U:p*470", 10, 1000);
		build(h, &k);
		assert_int_equal(k.c.exchanges[1].gap, again ? GAP_CLIENT : GAP_IDLE);
		assert_near(again ? k.c.all.client : k.c.all.idle, 20);
		done(&k);
	}
}

/* Tokens were prefilled again, and it took no time: nobody is told that the cache held. */
static void a_loss_that_costs_nothing_is_no_cache_that_held(void **state)
{
	(void)state;
	struct costed k;
	struct buf text;
	struct hand_trace *h = hand_new();
	add(h, 0, 0.001, 10, "T:b*2000 S:s*2000 U:q*430", 1000, 0);
	add(h, 12, 0.001, 10, "T:b*2000 S:s*2000 U:q*430 A:c*400 R:o*400", 1200, 0);
	build(h, &k);
	buf_init(&text, 4096);
	cost_headline(&k.r, &k.c, &text);
	buf_putc(&text, '\0');
	assert_non_null(strstr(text.p, "would save next to no time."));
	assert_null(strstr(text.p, "held"));
	buf_release(&text);
	done(&k);
}

static void nothing_costs_nothing(void **state)
{
	(void)state;
	struct costed k;
	struct buf text;
	build(hand_new(), &k);
	assert_near(k.c.all.wall, NAN);
	assert_near(k.c.speedup.factor, NAN);
	buf_init(&text, 4096);
	cost_headline(&k.r, &k.c, &text);
	assert_string_equal(text.p, "No request to a language model was seen.");
	buf_release(&text);
	done(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_divided),
		cmocka_unit_test(an_unknown_cached_count_stays_unknown),
		cmocka_unit_test(a_queue_is_no_prefill),
		cmocka_unit_test(no_stream_is_modelled),
		cmocka_unit_test(the_engine_s_own_time_goes_first),
		cmocka_unit_test(what_no_model_answered_costs_nothing),
		cmocka_unit_test(another_model_has_another_cache),
		cmocka_unit_test(parallel_agents_are_not_saved_twice),
		cmocka_unit_test(a_shorter_queue_is_saved_too),
		cmocka_unit_test(a_prefix_that_the_client_broke_counts),
		cmocka_unit_test(claims_are_checked_by_the_clock),
		cmocka_unit_test(misses_get_their_seconds),
		cmocka_unit_test(a_person_waits_before_another_conversation),
		cmocka_unit_test(what_lies_between_two_processes_is_kept),
		cmocka_unit_test(who_interrupts_takes_his_time),
		cmocka_unit_test(a_loss_that_costs_nothing_is_no_cache_that_held),
		cmocka_unit_test(nothing_costs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
