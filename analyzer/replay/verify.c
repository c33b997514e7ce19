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

void verify_reject_cold(struct verification *v, const struct target *t)
{
	v->verdict = VERDICT_REJECTED;
	v->remedy = t->facts.profile->cold_remedy;
	v->relaunch = t->facts.profile->cold_launch;
}

void verify_reject_warm(struct verification *v)
{
	v->verdict = VERDICT_REJECTED;
	v->remedy = "empty the cache, or restart the server, before the replay";
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
	verify_reject_cold(v, t);
	snprintf(v->reason, sizeof(v->reason),
		 "contaminated: of request %zu, %lld of %lld tokens came from the cache, where at most %lld may",
		 request + 1, (long long)s->cached, (long long)s->prompt, (long long)limit);
}

/* A request of another lineage was answered by the same backend between this one and its lineage's last. */
static bool others_between(const struct replay *r, size_t arm, unsigned repeat, size_t request)
{
	const struct plan *plan = r->plan;
	for (size_t i = request; i-- > 0;) {
		if (replay_target(r, i) != replay_target(r, request) || !sample_ok(replay_sample(r, arm, repeat, i)))
			continue;
		return plan->requests[i].lineage != plan->requests[request].lineage;
	}
	return false;
}

/* What a warm arm's requests to one target come to. */
struct reuse {
	int64_t cached;
	size_t short_requests[SHORTFALLS];
};

static void check_warm(const struct replay *r, size_t arm, unsigned repeat, size_t request, struct verification *v,
		       struct reuse *reuse)
{
	const struct sample *s = replay_sample(r, arm, repeat, request);
	const struct target *t = replay_target(r, request);

	if (s->bound < 0 || s->expected < 0)
		return;
	v->expected_tokens += s->expected;
	v->cached_tokens += s->cached;
	reuse->cached += s->cached;
	int64_t head = t->header_tokens > 0 ? t->header_tokens : 0;
	/* The bound is a share by bytes: but for the first request a tenth of the prompt is no proof. */
	int64_t bound = s->bound + t->slack_tokens + head + (s->bound > 0 ? s->prompt / 10 : s->prompt / 100);
	if (s->cached > bound && v->verdict != VERDICT_REJECTED) {
		verify_reject_warm(v);
		snprintf(v->reason, sizeof(v->reason),
			 "of request %zu, %lld tokens came from the cache, but this run had sent no more than %lld of "
			 "them",
			 request + 1, (long long)s->cached, (long long)bound);
	}
	enum shortfall why = verify_shortfall(s->expected, s->cached, t, others_between(r, arm, repeat, request));
	reuse->short_requests[why]++;
	if (why != SHORT_NONE)
		v->short_tokens += s->expected - s->cached;
}

/* Where nothing was reused, nor of small prompts sent twice (which says nothing of a cache that must be asked for). */
static void add_shortfalls(const struct target *t, const struct reuse *reuse, struct verification *v)
{
	bool off = reuse->cached == 0 && !t->facts.reuses && !t->facts.profile->cache_is_asked_for;

	for (int why = SHORT_NONE; why < SHORTFALLS; why++)
		v->short_requests[off && why != SHORT_NONE ? SHORT_CACHE_OFF : why] += reuse->short_requests[why];
}

/* unknown: answers without counts, by target. */
static void explain_untold(const struct replay *r, const size_t *unknown, struct verification *v)
{
	size_t number = unknown[0] == 0;
	const struct engine_facts *f = &replay_target_at(r, number)->facts;
	const char *flag = f->profile->cached_switch, *who = "";

	/* One of two tells nothing: which? */
	if (replay_ntargets(r) > 1 && (unknown[0] == 0) != (unknown[1] == 0))
		who = number ? " for side requests" : " for main requests";
	snprintf(v->reason, sizeof(v->reason), "the engine%s tells no cached tokens%s%s", who, flag ? " without " : "",
		 flag ? flag : "");
}

void verify_arm(const struct replay *r, size_t arm, struct verification *out)
{
	bool cold = arm_is_cold(&r->arms[arm]);
	struct reuse reuse[TARGETS_MAX] = {0};
	size_t ok = 0, unknown[TARGETS_MAX] = {0};

	*out = (struct verification){.worst = -1};
	for (unsigned k = 0; k < r->options.repeats; k++) {
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct sample *s = replay_sample(r, arm, k, i);
			if (!sample_ok(s))
				continue;
			ok++;
			if (s->cached < 0 || s->prompt < 0) {
				out->unknown++;
				unknown[replay_target_number(r, i)]++;
				continue;
			}
			out->checked++;
			if (cold)
				check_cold(r, s, i, out);
			else
				check_warm(r, arm, k, i, out, &reuse[replay_target_number(r, i)]);
		}
	}
	for (size_t number = 0; number < replay_ntargets(r) && !cold; number++)
		add_shortfalls(replay_target_at(r, number), &reuse[number], out);
	if (ok == 0 || out->verdict == VERDICT_REJECTED)
		return;
	if (out->unknown == 0) {
		out->verdict = VERDICT_VERIFIED;
		return;
	}
	out->verdict = VERDICT_NOT_VERIFIED;
	explain_untold(r, unknown, out);
	verify_times(r, arm, out);
}
