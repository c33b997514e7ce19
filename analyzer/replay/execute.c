/* SPDX-License-Identifier: MIT */
#include "replay/replay.h"

#include "base/clock.h"
#include "engines/probe.h"
#include "engines/reset.h"
#include "replay/cut_off.h"
#include "replay/forecast.h"
#include "replay/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX ((size_t)64 << 10)
#define STEP_MS 100

/* One lineage on its way through a run. */
struct track {
	struct run *run;
	struct client_lane *lane;
	size_t current; /* the request that it is at */
	struct buf body;
	struct forecast_prompt prompt;
	uint32_t changes;
	struct digest sha256; /* of body */
	uint64_t due_ns;      /* pace recorded: when the request should have been sent; 0: no schedule */
};

struct run {
	struct replay *replay;
	struct client *client;
	const struct replay_events *events;
	size_t arm;
	unsigned repeat;
	uint64_t nonce;
	uint64_t start_ns;
	struct forecast main, side; /* of what each backend should find */
	struct track *tracks;       /* by lineage */
	bool *sent;
	uint64_t *ended; /* per request; 0: not yet */
	size_t left;     /* requests of this run that are not answered yet */
	size_t ok;
	bool failed; /* no memory, or a body that cannot be rebuilt: the replay ends */
	char *error;
	size_t error_bytes;
};

static const struct arm *arm_of(const struct run *run)
{
	return &run->replay->arms[run->arm];
}

static struct forecast *forecast_of(struct run *run, size_t request)
{
	return replay_target(run->replay, request) == &run->replay->side ? &run->side : &run->main;
}

static bool stopped(const struct replay *r)
{
	return r->options.stop && *r->options.stop;
}

static uint64_t nonce_of(const struct replay *r, size_t arm, unsigned repeat, size_t request)
{
	uint64_t state = r->options.seed * 31 + arm * 1000003 + repeat * 8191 + request * 127 + 1;
	random_next(&state);
	return random_next(&state) % UINT64_C(1000000000000);
}

/* ---- an answer becomes a sample */

static void fill(struct sample *s, const struct engine_facts *facts, const struct client_answer *a)
{
	const struct exchange *x = &a->x;
	const struct exchange_times *t = &x->times;
	uint64_t first = t->first_content ? t->first_content : t->end;

	s->sent = a->outcome != CLIENT_CANCELLED;
	s->outcome = a->outcome;
	s->status = x->response.status;
	s->attempts = a->attempts;
	free(s->error);
	s->error = x->response.error && a->outcome != CLIENT_DONE ? strdup(x->response.error) : NULL;
	s->ttft_s = client_first_seconds(a);
	s->decode_s = clock_seconds_between(first, t->end);
	s->prefill_s = x->response.timings.prompt_ms / 1e3;
	s->decode_engine_s = x->response.timings.predicted_ms / 1e3;
	s->output = x->response.usage.output;
	engine_prompt_tokens(facts, x, &s->prompt, &s->cached);
}

static double time_left(const struct run *run)
{
	const struct replay *r = run->replay;
	double left = 0, all = r->spent_s[0] + r->spent_s[1];
	size_t n = r->answered[0] + r->answered[1];

	if (n == 0)
		return NAN;
	for (size_t a = 0; a < r->narms; a++) {
		bool cold = arm_is_cold(&r->arms[a]);
		double each = r->answered[cold] ? r->spent_s[cold] / (double)r->answered[cold] : all / (double)n;
		for (unsigned k = 0; k < r->options.repeats; k++)
			for (size_t i = 0; i < r->plan->n; i++)
				if (!replay_sample(r, a, k, i)->sent && (!cold || r->in_sample[i]))
					left += each;
	}
	return left;
}

static void answered(void *context, struct client_answer *a)
{
	struct track *t = context;
	struct run *run = t->run;
	struct replay *r = run->replay;
	struct sample *s = replay_sample(r, run->arm, run->repeat, t->current);
	const struct target *target = replay_target(r, t->current);

	fill(s, &target->facts, a);
	judge_cut_off(r, run->arm, run->repeat, t->current);
	s->changes = t->changes;
	s->bytes = t->body.n;
	s->sha256 = t->sha256;
	s->start_s = clock_seconds_between(run->start_ns, a->x.times.request_start);
	s->lag_s = t->due_ns ? clock_seconds_between(t->due_ns, a->x.times.request_start) : NAN;
	s->expected =
		arm_is_cold(arm_of(run)) ? 0 : forecast_tokens(forecast_of(run, t->current), &t->prompt, s->prompt);
	s->bound = arm_is_cold(arm_of(run)) ? 0 : forecast_bound(forecast_of(run, t->current), &t->prompt, s->prompt);
	if (sample_ok(s)) {
		run->ok++;
		if (!arm_is_cold(arm_of(run)) &&
		    forecast_learn(forecast_of(run, t->current), &t->prompt, s->prompt) < 0)
			run->failed = true;
	} else if (s->outcome == CLIENT_UNREACHABLE) {
		snprintf(r->stop_reason, sizeof(r->stop_reason), "the backend is away: %s", s->error ? s->error : "");
		r->stopped = true;
	}
	forecast_prompt_release(&t->prompt);
	run->ended[t->current] = a->x.times.end ? a->x.times.end : clock_monotonic_ns();
	run->left--;
	if (!s->sent)
		return;
	bool cold = arm_is_cold(arm_of(run));
	r->answered[cold]++;
	r->spent_s[cold] += isnan(s->ttft_s) ? 0 : s->ttft_s + s->decode_s;
	r->done++;
	if (run->events->sampled)
		run->events->sampled(run->events->context, run->arm, run->repeat, t->current, s);
	if (run->events->progress)
		run->events->progress(run->events->context, arm_of(run), run->repeat, r->done, r->all, time_left(run));
}

/* ---- sending */

static int send_request(struct run *run, struct track *t, size_t request, uint64_t nonce, uint64_t due_ns)
{
	struct replay *r = run->replay;
	const struct target *target = replay_target(r, request);
	enum kvs_llm_api api;

	t->current = request;
	t->due_ns = due_ns;
	buf_reset(&t->body);
	run->sent[request] = true;
	if (replay_body(r, arm_of(run), request, nonce, &t->body, &api, &t->changes, run->error, run->error_bytes) < 0)
		return -1;
	if (!arm_is_cold(arm_of(run)) &&
	    forecast_ask(forecast_of(run, request), api, buf_str(&t->body), &t->prompt) < 0)
		goto no_memory;
	if (!t->lane) {
		t->lane = client_lane_new(run->client, &target->base, ANSWER_MAX, answered, t);
		if (!t->lane)
			goto no_memory;
	}
	t->sha256 = digest_of(buf_str(&t->body));
	struct client_request q = {.api = api,
				   .path = api == KVS_API_OPENAI_CHAT ? "/v1/chat/completions" : "/v1/messages",
				   .body = buf_str(&t->body)};
	if (client_send(t->lane, &q) == 0)
		return 0;
no_memory:
	snprintf(run->error, run->error_bytes, "out of memory");
	return -1;
}

static bool deps_done(const struct run *run, const struct plan_request *p, uint64_t *last)
{
	*last = 0;
	for (size_t k = 0; k < p->ndeps; k++) {
		uint64_t end = run->ended[run->replay->plan->deps[p->first_dep + k]];
		if (end == 0)
			return false;
		*last = end > *last ? end : *last;
	}
	return true;
}

static int wait_step(struct run *run, int ms)
{
	if (client_step(run->client, ms) == 0)
		return 0;
	snprintf(run->error, run->error_bytes, "libcurl failed");
	return -1;
}

/* Sends what can be sent. Returns the milliseconds until the schedule wants the next, at most `limit`; -1: failed. */
static int send_due(struct run *run, int limit)
{
	const struct replay *r = run->replay;
	const struct plan *plan = r->plan;
	uint64_t now = clock_monotonic_ns(), last;

	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_request *p = &plan->requests[i];
		struct track *t = &run->tracks[p->lineage];
		if (run->sent[i] || (t->lane && client_lane_busy(t->lane)) || !deps_done(run, p, &last))
			continue;
		uint64_t due = 0;
		if (r->options.pace == PACE_RECORDED) {
			due = (last ? last : run->start_ns) + (uint64_t)(p->gap_s * (double)NS_PER_S);
			if (due > now) {
				uint64_t ms = (due - now) / NS_PER_MS + 1;
				limit = ms < (uint64_t)limit ? (int)ms : limit;
				continue;
			}
		}
		/* Making a body takes time, in which answers to others may have come. */
		if (send_request(run, t, i, run->nonce, due) < 0 || wait_step(run, 0) < 0)
			return -1;
	}
	return limit;
}

/* Every warm run starts with an empty cache where that can be had; else its nonce alone keeps it apart. */
static void begin_run(struct run *run, bool cold)
{
	struct target *targets[] = {&run->replay->main, &run->replay->side};
	char why[256];

	for (size_t i = 0; i < 2; i++) {
		struct target *t = targets[i];
		bool unload = t->cold_by & COLD_UNLOAD, reset = !cold && (t->cold_by & COLD_RESET);
		if (!t->url || (!unload && !reset))
			continue;
		if (engine_reset(run->client, &t->base, &t->facts, why, sizeof(why)) < 0 && run->events->note)
			run->events->note(run->events->context, why);
		if (unload)
			engine_warm_up(run->client, &t->base, &t->facts);
	}
}

static int run_warm(struct run *run)
{
	run->start_ns = clock_monotonic_ns();
	run->left = run->replay->plan->n;
	while (run->left > 0 && !run->failed && !run->replay->stopped && !stopped(run->replay)) {
		int ms = send_due(run, STEP_MS);
		if (ms < 0 || wait_step(run, ms) < 0)
			return -1;
	}
	return run->failed ? -1 : 0;
}

static int run_cold(struct run *run)
{
	struct replay *r = run->replay;
	char why[256];

	run->start_ns = clock_monotonic_ns();
	for (size_t i = 0; i < r->plan->n && !r->stopped && !stopped(r); i++) {
		struct track *t = &run->tracks[r->plan->requests[i].lineage];
		struct target *target = r->side.url && r->plan->requests[i].role == LINEAGE_SIDE ? &r->side : &r->main;
		if (!r->in_sample[i])
			continue;
		if (replay_sample(r, run->arm, run->repeat, i)->sent) {
			run->ok++;
			continue;
		}
		if ((target->cold_by & COLD_RESET) &&
		    engine_reset(run->client, &target->base, &target->facts, why, sizeof(why)) < 0) {
			snprintf(r->stop_reason, sizeof(r->stop_reason), "the cache could not be emptied: %.200s", why);
			r->stopped = true;
			break;
		}
		run->left = 1;
		if (send_request(run, t, i, nonce_of(r, run->arm, run->repeat, i), 0) < 0)
			return -1;
		while (run->left > 0)
			if (wait_step(run, STEP_MS) < 0)
				return -1;
	}
	return 0;
}

/* ---- runs */

static bool is_complete(const struct replay *r, size_t arm, unsigned repeat)
{
	bool cold = arm_is_cold(&r->arms[arm]);
	for (size_t i = 0; i < r->plan->n; i++)
		if ((!cold || r->in_sample[i]) && !replay_sample(r, arm, repeat, i)->sent)
			return false;
	return true;
}

/* Half a warm run cannot be gone on with: its cache is gone. */
static void forget_run(struct replay *r, size_t arm, unsigned repeat)
{
	for (size_t i = 0; i < r->plan->n && !arm_is_cold(&r->arms[arm]); i++) {
		struct sample *s = replay_sample(r, arm, repeat, i);
		free(s->error);
		*s = (struct sample){0};
	}
}

static void run_release(struct run *run)
{
	for (size_t i = 0; run->tracks && i < run->replay->report->lineages.n; i++) {
		client_lane_free(run->tracks[i].lane);
		forecast_prompt_release(&run->tracks[i].prompt);
		buf_release(&run->tracks[i].body);
	}
	free(run->tracks);
	free(run->sent);
	free(run->ended);
	forecast_release(&run->main);
	forecast_release(&run->side);
}

static const char *first_error(const struct replay *r, size_t arm, unsigned repeat)
{
	for (size_t i = 0; i < r->plan->n; i++)
		if (replay_sample(r, arm, repeat, i)->error)
			return replay_sample(r, arm, repeat, i)->error;
	return "no answer";
}

static int one_run(struct replay *r, struct client *c, const struct replay_events *events, size_t arm, unsigned repeat,
		   char *error, size_t error_bytes)
{
	size_t lineages = r->report->lineages.n;
	struct run run = {.replay = r,
			  .client = c,
			  .events = events,
			  .arm = arm,
			  .repeat = repeat,
			  .nonce = nonce_of(r, arm, repeat, r->plan->n),
			  .tracks = calloc(lineages + 1, sizeof(*run.tracks)),
			  .sent = calloc(r->plan->n + 1, sizeof(*run.sent)),
			  .ended = calloc(r->plan->n + 1, sizeof(*run.ended)),
			  .error = error,
			  .error_bytes = error_bytes};
	int status = -1;

	forecast_init(&run.main, &r->main.facts);
	forecast_init(&run.side, &r->side.facts);
	snprintf(error, error_bytes, "out of memory");
	if (run.tracks && run.sent && run.ended) {
		for (size_t i = 0; i < lineages; i++) {
			run.tracks[i].run = &run;
			buf_init(&run.tracks[i].body, BUF_UNLIMITED);
		}
		forget_run(r, arm, repeat);
		begin_run(&run, arm_is_cold(&r->arms[arm]));
		status = arm_is_cold(&r->arms[arm]) ? run_cold(&run) : run_warm(&run);
	}
	bool cut = r->stopped || stopped(r);
	if (status == 0 && !cut && run.ok == 0) {
		snprintf(r->stop_reason, sizeof(r->stop_reason), "no request of arm %s was answered well: %.200s",
			 r->arms[arm].name, first_error(r, arm, repeat));
		r->stopped = true;
	}
	run_release(&run);
	return status;
}

/* The arms of one repeat in their order: forth and back, or shuffled. */
static void order_arms(const struct replay *r, unsigned repeat, uint64_t *state, size_t *order)
{
	for (size_t i = 0; i < r->narms; i++)
		order[i] = r->options.order == ORDER_ABBA && repeat % 2 ? r->narms - 1 - i : i;
	if (r->options.order == ORDER_RANDOM)
		random_shuffle(order, r->narms, state);
}

int replay_run(struct replay *r, struct client *c, const struct replay_events *events, char *error, size_t error_bytes)
{
	size_t *order = calloc(r->narms + 1, sizeof(*order));
	uint64_t state = r->options.seed | 1, start = clock_monotonic_ns();
	int64_t tokens;
	double seconds;
	int status = 0;

	r->done = (size_t)r->resumed;
	replay_size(r, &r->all, &tokens, &seconds);
	if (!order) {
		snprintf(error, error_bytes, "out of memory");
		return -1;
	}
	for (unsigned k = 0; k < r->options.repeats && status == 0; k++) {
		order_arms(r, k, &state, order);
		for (size_t i = 0; i < r->narms && status == 0 && !r->stopped && !stopped(r); i++)
			if (!is_complete(r, order[i], k))
				status = one_run(r, c, events, order[i], k, error, error_bytes);
	}
	free(order);
	r->stopped = r->stopped || stopped(r);
	r->seconds = (double)(clock_monotonic_ns() - start) / (double)NS_PER_S;
	return status;
}
