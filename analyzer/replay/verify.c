/* SPDX-License-Identifier: MIT */
#include "replay/verify.h"

#include "replay/verify_times.h"

#include <stdio.h>

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
		"where its template puts tools and system turns is not known, so the expectation may be wrong "
		"(--engine "
		"ENGINE+TEMPLATE)",
		"less was kept than was sent",
		"nothing was reused at all, not even of a small prompt sent again: is the cache switched on?",
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

enum shortfall verify_shortfall(int64_t expected, int64_t cached, const struct target *t, bool others_between)
{
	/* Expectation is a share by bytes in part: a few per cent of it are no finding. */
	int64_t slack = expected / 50 > 2 * t->slack_tokens + 32 ? expected / 50 : 2 * t->slack_tokens + 32;

	if (expected - cached <= slack)
		return SHORT_NONE;
	if (others_between)
		return SHORT_EVICTED;
	if (t->facts.cut_back == KNOWN_NO)
		return SHORT_NOT_TRIMMABLE;
	if (!t->layout_known)
		return SHORT_LAYOUT;
	return cached * 4 < expected && t->facts.cut_back != KNOWN_YES ? SHORT_NOT_TRIMMABLE : SHORT_OTHER;
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
	enum shortfall why = verify_shortfall(s->expected, s->cached, t, others_between(r, arm, repeat, request));
	v->short_requests[why]++;
	if (why != SHORT_NONE)
		v->short_tokens += s->expected - s->cached;
}

static void explain_by_cache_off(struct verification *v)
{
	for (int why = SHORT_NONE + 1; why < SHORT_CACHE_OFF; why++) {
		v->short_requests[SHORT_CACHE_OFF] += v->short_requests[why];
		v->short_requests[why] = 0;
	}
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
	/* What small prompts show says nothing of a cache that must be asked for. */
	if (!cold && out->cached_tokens == 0 && !r->main.facts.reuses && !r->main.facts.profile->cache_is_asked_for)
		explain_by_cache_off(out);
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
	verify_times(r, arm, out);
}
