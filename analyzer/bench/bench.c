/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include "base/clock.h"
#include "engines/probe.h"
#include "engines/reset.h"
#include "replay/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX ((size_t)4 << 20)
#define WARM_UP_BYTES 2000
#define WARM_UP_SLOW_S 20.0
#define BYTES_PER_TOKEN 4.0            /* where nobody counts */
#define NONCES UINT64_C(1000000000000) /* of twelve digits */
#define RUNGS 2 /* parts of the system prompt that are sent for the rates alone: a quarter and a half */

struct sending {
	struct bench *b;
	struct client *client;
	const struct bench_events *events;
	size_t done, all;
	uint64_t random; /* where the nonces come from */
	uint64_t begun_ns;
	double work_s, work_done_s; /* estimated: of all requests, and of those that were answered */
	char *error;
	size_t error_bytes;
};

const char *bench_mode_name(enum bench_mode mode)
{
	return mode == BENCH_OFF ? "off" : "on";
}

static void sample_init(struct bench_sample *s)
{
	*s = (struct bench_sample){.total_s = NAN,
				   .ttft_s = NAN,
				   .prefill_s = NAN,
				   .decode_s = NAN,
				   .prompt = -1,
				   .cached = -1,
				   .output = -1};
}

static void sample_release(struct bench_sample *s)
{
	free(s->error);
	free(s->body);
	s->error = s->body = NULL;
}

void bench_release(struct bench *b)
{
	for (size_t i = 0; i < b->nruns; i++)
		for (size_t k = 0; k <= BENCH_WITH; k++)
			sample_release(&b->runs[i].samples[k]);
	for (size_t i = 0; i < b->nrungs; i++)
		sample_release(&b->rungs[i].sample);
	free(b->runs);
	free(b->rungs);
	free(b->system);
	engine_facts_release(&b->facts);
	base_url_release(&b->base);
	*b = (struct bench){0};
}

/* ---- one request */

static double between(uint64_t from, uint64_t to)
{
	return from && to >= from ? (double)(to - from) / (double)NS_PER_S : NAN;
}

static void take(const struct bench *b, const struct client_answer *a, struct bench_sample *s)
{
	const struct exchange_times *t = &a->x.times;
	const struct exchange_response *r = &a->x.response;

	sample_init(s);
	s->outcome = a->outcome;
	s->status = r->status;
	s->error = r->error ? strdup(r->error) : NULL;
	s->body = r->body.p ? strdup(r->body.p) : NULL;
	if (a->outcome != CLIENT_DONE)
		return;
	s->total_s = between(t->request_start, t->end);
	s->ttft_s = between(t->request_start, t->first_content ? t->first_content : t->end);
	s->decode_s = between(t->first_content, t->end);
	s->prefill_s = r->timings.prompt_ms / 1e3;
	s->output = r->usage.output;
	engine_prompt_tokens(&b->facts, &a->x, &s->prompt, &s->cached);
}

static bool stopped(struct bench *b)
{
	if (b->options.stop && *b->options.stop)
		b->stopped = true;
	return b->stopped;
}

/* work_s: what it was estimated to take. */
static void send_one(struct sending *g, const struct bench_prompt *p, double work_s, struct bench_sample *out)
{
	struct bench *b = g->b;
	struct client_answer a;
	struct buf body;
	bool messages = b->facts.anthropic == KNOWN_YES;

	if (stopped(b))
		return;
	if (g->events && g->events->progress) {
		double spent = between(g->begun_ns, clock_monotonic_ns());
		g->events->progress(g->events->context, g->done, g->all,
				    g->work_done_s > 0 ? spent / g->work_done_s * (g->work_s - g->work_done_s) : NAN);
	}
	buf_init(&body, BUF_UNLIMITED);
	client_answer_init(&a, ANSWER_MAX);
	bench_body(&b->facts, p, &body);
	struct client_request request = {.api = messages ? KVS_API_ANTHROPIC_MESSAGES : KVS_API_OPENAI_CHAT,
					 .path = messages ? "/v1/messages" : "/v1/chat/completions",
					 .body = buf_str(&body)};
	if (client_fetch(g->client, &b->base, &request, &a) == CLIENT_CANCELLED)
		b->stopped = true;
	take(b, &a, out);
	g->done++;
	g->work_done_s += work_s;
	client_answer_release(&a);
	buf_release(&body);
}

/* Numbers that follow each other would share their first digits, and so the first tokens of their prompts. */
static uint64_t next_nonce(struct sending *g)
{
	return (random_next(&g->random) >> 11) % NONCES;
}

/* ---- what the backend allows */

static void find_cold(struct sending *g)
{
	struct bench *b = g->b;
	const struct engine_profile *p = b->facts.profile;
	char why[256];

	if (b->facts.salt_works == KNOWN_YES)
		b->cold |= BENCH_COLD_SALT;
	if (p->reset_each && engine_reset(g->client, &b->base, &b->facts, why, sizeof(why)) == 0)
		b->cold |= BENCH_COLD_RESET;
	if (p->cache_is_asked_for)
		b->cold |= BENCH_COLD_UNMARKED;
}

static void empty_cache(struct sending *g)
{
	char why[256];

	if (!(g->b->cold & BENCH_COLD_RESET) || stopped(g->b))
		return;
	if (engine_reset(g->client, &g->b->base, &g->b->facts, why, sizeof(why)) < 0 && g->events && g->events->note)
		g->events->note(g->events->context, why);
}

/* An unrelated request: what is loaded or compiled on the first one is, and tokens can be told from bytes. Returns the
 * seconds per token of its prefill, NaN: unknown, -1: it failed. */
static double warm_up(struct sending *g)
{
	struct bench *b = g->b;
	struct bench_sample s;
	double per_token = NAN;
	char *text = bench_prose(WARM_UP_BYTES);
	struct bench_prompt p = {.question = text ? text : "", .max_tokens = 1};

	b->bytes_per_token = NAN;
	for (int i = 0; i < 2; i++) { /* the first one may wait for what later ones do not */
		sample_init(&s);
		p.nonce = next_nonce(g);
		empty_cache(g);
		send_one(g, &p, 0, &s);
		if (s.outcome != CLIENT_DONE) {
			snprintf(g->error, g->error_bytes, "%s: %s", b->base.root,
				 s.error ? s.error : client_outcome_name(s.outcome));
			per_token = -1;
		} else if (s.prompt > 0) {
			b->bytes_per_token = (double)strlen(p.question) / (double)s.prompt;
			per_token = s.ttft_s / (double)s.prompt;
		} else {
			per_token = s.ttft_s * BYTES_PER_TOKEN / WARM_UP_BYTES;
		}
		bool slow = s.ttft_s > WARM_UP_SLOW_S; /* what it waited for hardly counts, and twice is too long */
		sample_release(&s);
		if (per_token < 0 || slow)
			break;
	}
	free(text);
	g->done = 0;
	return per_token;
}

static size_t bytes_of(const struct bench *b, int64_t tokens)
{
	return (size_t)((double)tokens * (isnan(b->bytes_per_token) ? BYTES_PER_TOKEN : b->bytes_per_token));
}

static int make_system(struct bench *b)
{
	const struct bench_options *o = &b->options;

	b->system = o->system.p ? strndup(o->system.p, o->system.n) : bench_prose(bytes_of(b, o->system_tokens));
	return b->system ? 0 : -1;
}

/* ---- runs */

/* With the system prompt and cold, all in all, as estimated from the warm-up. */
static double cold_seconds(const struct bench *b, double per_token)
{
	double tokens = (double)strlen(b->system) / (isnan(b->bytes_per_token) ? BYTES_PER_TOKEN : b->bytes_per_token);
	return tokens * per_token;
}

/* Fewer repeats where all would take too long. */
static void plan(struct sending *g, double per_token)
{
	struct bench *b = g->b;
	double cold = cold_seconds(b, per_token);
	/* off: all cold; on: one; two parts for the rates. */
	double of_repeat = cold * ((BENCH_WITH + 1) * (double)b->options.nsizes + 0.75);

	b->repeats_asked = b->options.repeats;
	b->expected_s = of_repeat * b->options.repeats;
	while (b->options.limit_s > 0 && b->options.repeats > 1 && of_repeat * b->options.repeats > b->options.limit_s)
		b->options.repeats--;
	g->work_s = of_repeat * b->options.repeats;
	g->all = b->options.repeats * (b->options.nsizes * BENCH_MODES * (BENCH_WITH + 1) + RUNGS);
}

static void send_run(struct sending *g, struct bench_run *run, double cold_s)
{
	struct bench *b = g->b;
	char salt[32];
	size_t bytes = bytes_of(b, b->options.query_tokens[run->size]);
	bool on = run->mode == BENCH_ON;
	uint64_t nonce = next_nonce(g);

	empty_cache(g);
	for (unsigned i = 0; i <= BENCH_WITH; i++) {
		bool with = i < BENCH_WITH;
		bool reuses = on && with;
		if (!reuses) {
			nonce = next_nonce(g);
			if (i > 0)
				empty_cache(g);
		}
		char *question = bench_question(with ? i : 0, bytes);
		snprintf(salt, sizeof(salt), "kvscope-%llu", (unsigned long long)nonce);
		const struct bench_prompt p = {
			.system = with ? b->system : NULL,
			.system_bytes = strlen(b->system),
			.question = question ? question : "",
			.nonce = nonce,
			.salt = b->cold & BENCH_COLD_SALT ? salt : NULL,
			.marked = on && b->cold & BENCH_COLD_UNMARKED,
			.max_tokens = b->options.max_tokens,
		};
		send_one(g, &p, with && (!on || i == 0) ? cold_s : 0, &run->samples[i]);
		free(question);
	}
}

static void send_rungs(struct sending *g, double cold_s)
{
	struct bench *b = g->b;
	char salt[32];

	for (unsigned part = 1; part <= RUNGS; part++) {
		char *question = bench_question(0, bytes_of(b, b->options.query_tokens[0]));
		uint64_t nonce = next_nonce(g);
		snprintf(salt, sizeof(salt), "kvscope-%llu", (unsigned long long)nonce);
		size_t bytes = strlen(b->system) * part / 4;
		/* Not within a character. */
		while (bytes > 0 && ((unsigned char)b->system[bytes] & 0xc0) == 0x80)
			bytes--;
		const struct bench_prompt p = {.system = b->system,
					       .system_bytes = bytes,
					       .question = question ? question : "",
					       .nonce = nonce,
					       .salt = b->cold & BENCH_COLD_SALT ? salt : NULL,
					       .max_tokens = b->options.max_tokens};
		struct bench_rung *rung = &b->rungs[b->nrungs++];
		rung->part = part;
		empty_cache(g);
		send_one(g, &p, cold_s * part / 4, &rung->sample);
		free(question);
	}
}

static int make_room(struct bench *b)
{
	size_t runs = b->options.repeats * b->options.nsizes * BENCH_MODES, rungs = (size_t)b->options.repeats * RUNGS;

	b->runs = calloc(runs, sizeof(*b->runs));
	b->rungs = calloc(rungs, sizeof(*b->rungs));
	if (!b->runs || !b->rungs)
		return -1;
	for (size_t i = 0; i < runs; i++)
		for (size_t k = 0; k <= BENCH_WITH; k++)
			sample_init(&b->runs[i].samples[k]);
	for (size_t i = 0; i < rungs; i++)
		sample_init(&b->rungs[i].sample);
	return 0;
}

int bench_run_all(struct bench *b, struct client *client, const struct bench_events *events, char *error,
		  size_t error_bytes)
{
	struct sending g = {.b = b, .client = client, .events = events, .error = error, .error_bytes = error_bytes};

	g.random = b->options.seed ? b->options.seed : 1;
	find_cold(&g);
	double per_token = warm_up(&g);
	if (per_token < 0)
		return -1;
	if (make_system(b) < 0)
		goto no_memory;
	plan(&g, per_token);
	if (make_room(b) < 0)
		goto no_memory;
	g.begun_ns = clock_monotonic_ns();
	double cold_s = cold_seconds(b, per_token);
	for (unsigned repeat = 0; repeat < b->options.repeats; repeat++) {
		for (size_t size = 0; size < b->options.nsizes; size++) {
			for (unsigned m = 0; m < BENCH_MODES; m++) {
				struct bench_run *run = &b->runs[b->nruns++];
				run->size = size;
				run->repeat = repeat;
				/* off on, on off, ...: what drifts weighs the same in both. */
				run->mode = (enum bench_mode)((m + repeat) % BENCH_MODES);
				send_run(&g, run, cold_s);
			}
		}
		send_rungs(&g, cold_s);
	}
	b->seconds = between(g.begun_ns, clock_monotonic_ns());
	return 0;
no_memory:
	snprintf(error, error_bytes, "out of memory");
	return -1;
}
