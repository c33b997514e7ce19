/* SPDX-License-Identifier: MIT */
#include "replay/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Times below this are the network's as much as the model's. */
#define TIMING_MIN_S 0.1

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {"empty", "verified", "not verified by the engine", "rejected"};
	return names[v];
}

const char *shortfall_words(enum shortfall s)
{
	static const char *const words[] = {
		"none",
		"another conversation was served in between and took its place",
		"the cache cannot be cut back to a shorter prefix (sliding window, hybrid model), or holds no more",
		"less was kept than was sent",
	};
	return words[s];
}

int64_t verify_cold_limit(int64_t prompt, int64_t slack_tokens, int64_t header_tokens)
{
	int64_t limit = prompt / 100;
	limit = slack_tokens > limit ? slack_tokens : limit;
	/* The head is measured to the token; what a block boundary adds to it is less than a block. */
	return header_tokens > limit ? header_tokens + slack_tokens : limit;
}

enum shortfall verify_shortfall(int64_t expected, int64_t cached, int64_t slack_tokens, bool others_between)
{
	/* Expectation is a share by bytes in part: a few per cent of it are no finding. */
	int64_t slack = expected / 50 > 2 * slack_tokens + 32 ? expected / 50 : 2 * slack_tokens + 32;

	if (expected - cached <= slack)
		return SHORT_NONE;
	if (others_between)
		return SHORT_EVICTED;
	return cached * 4 < expected ? SHORT_NOT_TRIMMABLE : SHORT_OTHER;
}

size_t verify_timing(const double *tokens, const double *seconds, size_t n)
{
	double sx = 0, sy = 0, sxx = 0, sxy = 0, count = (double)n;

	for (size_t i = 0; i < n; i++) {
		sx += tokens[i];
		sy += seconds[i];
		sxx += tokens[i] * tokens[i];
		sxy += tokens[i] * seconds[i];
	}
	double spread = count * sxx - sx * sx;
	double b = spread > 0 ? (count * sxy - sx * sy) / spread : 0;
	b = b > 0 ? b : 0;
	double a = n ? (sy - b * sx) / count : 0;
	if (a < 0) {
		a = 0;
		b = sxx > 0 ? sxy / sxx : 0;
	}
	for (size_t i = 0; i < n; i++)
		if (seconds[i] < (a + b * tokens[i]) / 2 && a + b * tokens[i] > TIMING_MIN_S)
			return i;
	return n;
}

static void reject(struct verification *v, const char *remedy)
{
	v->verdict = VERDICT_REJECTED;
	v->remedy = remedy;
}

static void check_cold(const struct replay *r, const struct sample *s, size_t request, struct verification *v)
{
	const struct target *t = replay_target(r, request);
	int64_t limit = verify_cold_limit(s->prompt, t->slack_tokens, t->header_tokens);

	if (s->cached > v->worst) {
		v->worst = s->cached;
		v->worst_request = request;
		v->allowed = limit;
	}
	if (s->cached <= limit || v->verdict == VERDICT_REJECTED)
		return;
	reject(v, t->facts.profile->cold_remedy);
	snprintf(v->reason, sizeof(v->reason),
		 "contaminated: of request %zu, %lld of %lld tokens came from the cache, where at most %lld may",
		 request + 1, (long long)s->cached, (long long)s->prompt, (long long)limit);
}

/* A request of another lineage was answered between this one and its lineage's last. */
static bool others_between(const struct replay *r, size_t arm, unsigned repeat, size_t request)
{
	const struct plan *plan = r->plan;
	for (size_t i = request; i-- > 0;) {
		if (!sample_ok(replay_sample(r, arm, repeat, i)))
			continue;
		return plan->requests[i].lineage != plan->requests[request].lineage;
	}
	return false;
}

static void check_warm(const struct replay *r, size_t arm, unsigned repeat, size_t request, struct verification *v)
{
	const struct sample *s = replay_sample(r, arm, repeat, request);
	const struct target *t = replay_target(r, request);

	if (s->bound < 0 || s->expected < 0)
		return;
	v->expected_tokens += s->expected;
	v->cached_tokens += s->cached;
	int64_t head = t->header_tokens > 0 ? t->header_tokens : 0;
	/* The bound is a share by bytes: but for the first request a tenth of the prompt is no proof. */
	int64_t bound = s->bound + t->slack_tokens + head + (s->bound > 0 ? s->prompt / 10 : s->prompt / 100);
	if (s->cached > bound && v->verdict != VERDICT_REJECTED) {
		reject(v, "empty the cache, or restart the server, before the replay");
		snprintf(v->reason, sizeof(v->reason),
			 "of request %zu, %lld tokens came from the cache, but this run had sent no more than %lld of "
			 "them",
			 request + 1, (long long)s->cached, (long long)bound);
	}
	enum shortfall why =
		verify_shortfall(s->expected, s->cached, t->slack_tokens, others_between(r, arm, repeat, request));
	v->short_requests[why]++;
	if (why != SHORT_NONE)
		v->short_tokens += s->expected - s->cached;
}

/* Nothing was told: can the cold arm have been one? */
static void check_times(const struct replay *r, size_t arm, struct verification *v)
{
	size_t n = 0, room = r->plan->n * r->options.repeats;
	double *tokens = calloc(room + 1, sizeof(*tokens)), *seconds = calloc(room + 1, sizeof(*seconds));
	size_t *of = calloc(room + 1, sizeof(*of));

	for (unsigned k = 0; tokens && seconds && of && k < r->options.repeats; k++) {
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct sample *s = replay_sample(r, arm, k, i);
			int64_t prompt = s->prompt > 0 ? s->prompt : r->plan->requests[i].prompt;
			if (!sample_ok(s) || isnan(s->ttft_s) || prompt <= 0)
				continue;
			tokens[n] = (double)prompt;
			seconds[n] = s->ttft_s;
			of[n++] = i;
		}
	}
	size_t odd = n ? verify_timing(tokens, seconds, n) : 0;
	if (n > 0 && odd < n) {
		reject(v, replay_target(r, of[odd])->facts.profile->cold_remedy);
		snprintf(v->reason, sizeof(v->reason),
			 "by its time: request %zu took %.2f s for %.0f tokens, less than half of what the others took",
			 of[odd] + 1, seconds[odd], tokens[odd]);
	}
	free(tokens);
	free(seconds);
	free(of);
}

void verify_arm(const struct replay *r, size_t arm, struct verification *out)
{
	bool cold = arm_is_cold(&r->arms[arm]);
	size_t ok = 0;

	*out = (struct verification){.worst = -1};
	for (unsigned k = 0; k < r->options.repeats; k++) {
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct sample *s = replay_sample(r, arm, k, i);
			if (!sample_ok(s))
				continue;
			ok++;
			if (s->cached < 0 || s->prompt < 0) {
				out->unknown++;
				continue;
			}
			out->checked++;
			if (cold)
				check_cold(r, s, i, out);
			else
				check_warm(r, arm, k, i, out);
		}
	}
	if (ok == 0 || out->verdict == VERDICT_REJECTED)
		return;
	if (out->unknown == 0) {
		out->verdict = VERDICT_VERIFIED;
		return;
	}
	out->verdict = VERDICT_NOT_VERIFIED;
	const char *cached_switch = r->main.facts.profile->cached_switch;
	snprintf(out->reason, sizeof(out->reason), "the engine tells no cached tokens%s%s",
		 cached_switch ? " without " : "", cached_switch ? cached_switch : "");
	if (cold)
		check_times(r, arm, out);
}
