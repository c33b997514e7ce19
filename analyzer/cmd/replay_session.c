/* SPDX-License-Identifier: MIT */
#include "cmd/replay_session.h"

#include "cli/msg.h"
#include "report/units.h"
#include "why/why.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* A replay that would take longer is a quick one, unless it is asked for. */
#define LONG_S 600.0
#define QUICK_COLD 8
#define QUICK_REPEATS 3
/* Against what a server may do of which nothing is known; the wire shows no sign of it. */
#define USUAL_FIXES (FIX_STRIP_BILLING | FIX_SYSTEM_INLINE | FIX_DROP_TOTAL_TOKENS)

/* ---- what is seen while it runs */

struct display {
	struct state state;
	bool terminal;
	const char *arm;
	unsigned repeat;
};

static void on_sampled(void *context, size_t arm, unsigned repeat, size_t request, const struct sample *s)
{
	struct display *d = context;
	state_add(&d->state, arm, repeat, request, s);
}

static void on_progress(void *context, const struct arm *arm, unsigned repeat, size_t done, size_t all, double left_s)
{
	struct display *d = context;
	char left[UNITS_CHARS];

	units_seconds(left_s, left);
	if (d->terminal) {
		fprintf(stderr, "\r\033[Kkvscope: %s, repeat %u: %zu of %zu requests, %s left", arm->name, repeat + 1,
			done, all, left);
		fflush(stderr);
	} else if (d->arm != arm->name || d->repeat != repeat) {
		msg_note("%s, repeat %u: %zu of %zu requests, %s left", arm->name, repeat + 1, done, all, left);
	}
	d->arm = arm->name;
	d->repeat = repeat;
}

static void end_line(const struct display *d)
{
	if (d->terminal && d->arm)
		fprintf(stderr, "\r\033[K");
}

static void on_note(void *context, const char *line)
{
	end_line(context);
	msg_note("%s", line);
}

/* ---- the backend */

static int open_target(struct client *client, const char *url, const struct session_settings *s, struct target *t)
{
	const char *why;
	char error[512];

	t->url = url;
	if (base_url_parse(str_from(url), &t->base, &why) < 0) {
		msg_error("replay: --backend: %s", why);
		return -1;
	}
	if (engine_detect(client, &t->base, s->engine, s->model, &t->facts, error, sizeof(error)) < 0) {
		msg_error("replay: %s", error);
		return -1;
	}
	if (!t->facts.model) {
		msg_error("replay: %s names no model; --model says which one is meant", t->base.root);
		return -1;
	}
	if (t->facts.models > 1 && !s->model && t->facts.model_loaded != KNOWN_YES)
		msg_note("%s lists %u models; taking %s (--model)", t->base.root, t->facts.models, t->facts.model);
	if (t->facts.model_loaded == KNOWN_NO)
		msg_note("no model is loaded there: the first request will wait for it");
	if (t->facts.busy == KNOWN_YES)
		msg_note("the backend is at work for somebody else: its times will say little");
	if (engine_probe(client, &t->base, &t->facts, error, sizeof(error)) < 0) {
		msg_error("replay: %s", error);
		return -1;
	}
	engine_probe_times(client, &t->base, &t->facts);
	engine_probe_tokenizer(client, &t->base, &t->facts);
	if (t->facts.cached_reported == KNOWN_NO && t->facts.profile->cached_switch)
		msg_note("%s tells no cached tokens: start it with %s", t->facts.name, t->facts.profile->cached_switch);
	if (t->facts.salt_works == KNOWN_NO)
		msg_note("%s ignores %s on this route: nonces will do", t->facts.name, t->facts.profile->salt_member);
	return 0;
}

/* ---- the arms */

/* The fixes for what breaks this session's prefixes on this backend; the usual ones where its rules are not known. */
static uint32_t proposed_fixes(struct report *report, const struct engine_facts *facts)
{
	const struct backend *backend = &facts->backend;
	struct why why;
	char error[256];
	uint32_t fixes = backend->engine == ENGINE_UNKNOWN ? USUAL_FIXES : 0;

	if (why_build(report, backend, true, &why, error, sizeof(error)) == 0) {
		for (size_t i = 0; i < why.nmisses; i++) {
			const struct why_miss *m = &why.misses[i];
			if (m->cause->expected)
				continue;
			fixes |= fix_of_cause(m->cause->name);
			for (size_t k = 0; k < WHY_BEHIND_MAX && m->behind[k]; k++)
				fixes |= fix_of_cause(m->behind[k]->name);
		}
	}
	why_release(&why);
	/* Tried and found in order: then they break nothing here. */
	if (facts->system_turns == FATE_IN_PLACE)
		fixes &= ~(uint32_t)(FIX_SYSTEM_INLINE | FIX_DROP_TOTAL_TOKENS);
	else if (facts->system_turns == FATE_HOISTED)
		fixes |= FIX_SYSTEM_INLINE;
	return fixes;
}

/* Does any request come out otherwise with these fixes? -1: it cannot be told, which was said. */
static int changes_anything(struct replay *r, uint32_t fixes)
{
	const struct arm plain = {.kind = ARM_ASIS}, fixed = {.kind = ARM_FIXED, .fixes = fixes};
	struct buf a, b;
	enum kvs_llm_api api;
	uint32_t changes;
	char error[512];
	int differs = 0;

	buf_init(&a, BUF_UNLIMITED);
	buf_init(&b, BUF_UNLIMITED);
	for (size_t i = 0; i < r->plan->n && differs == 0; i++) {
		buf_reset(&a);
		buf_reset(&b);
		if (replay_body(r, &plain, i, 0, &a, &api, &changes, error, sizeof(error)) < 0 ||
		    replay_body(r, &fixed, i, 0, &b, &api, &changes, error, sizeof(error)) < 0) {
			msg_error("replay: %s", error);
			differs = -1;
		} else {
			differs = !str_eq(buf_str(&a), buf_str(&b));
		}
	}
	buf_release(&a);
	buf_release(&b);
	return differs;
}

static int add_arms(struct replay *r, struct report *report, const struct session_settings *s)
{
	int status = 0;

	if (s->arms[0])
		status = replay_add_arm(r, ARM_OFF, 0);
	if (s->arms[1] && status == 0)
		status = replay_add_arm(r, ARM_ASIS, 0);
	if (s->arms[2] && status == 0) {
		uint32_t fixes = proposed_fixes(report, &r->main.facts);
		int differs = fixes ? changes_anything(r, fixes) : 0;
		if (differs < 0)
			return -1;
		if (differs)
			status = replay_add_arm(r, ARM_FIXED, fixes);
		else
			msg_note("there is nothing to fix for this backend: asis is as good as fixed");
	}
	for (unsigned i = 0; i < FIXES && status == 0; i++) {
		uint32_t fix = s->fixes & (1u << i);
		if (!fix)
			continue;
		int differs = changes_anything(r, fix);
		if (differs < 0)
			return -1;
		if (differs)
			status = replay_add_arm(r, ARM_FIX, fix);
		else
			msg_note("--fix %s changes nothing in this session", fix_name(i));
	}
	/* Last: as far from asis in time as any arm that is compared with it. */
	if (s->arms[3] && status == 0 && (s->arms_given || r->narms > 1))
		status = replay_add_arm(r, ARM_ASIS2, 0);
	if (status < 0)
		msg_error("out of memory");
	if (status == 0 && r->narms == 0) {
		msg_error("replay: no arm is left to be run");
		status = -1;
	}
	return status;
}

/* ---- all of it */

static void announce(const struct replay *r)
{
	size_t requests;
	int64_t tokens;
	double seconds;
	char count[UNITS_CHARS], time[UNITS_CHARS];

	replay_size(r, &requests, &tokens, &seconds);
	msg_note("%s at %s%s%s, model %s: %zu requests, %s prompt tokens, about %s", r->main.facts.name,
		 r->main.base.root, r->side.url ? ", side requests to " : "", r->side.url ? r->side.base.root : "",
		 r->main.facts.model, requests, units_count(tokens, count), units_seconds(seconds, time));
}

static void note_target(const struct target *t, const struct session_settings *s)
{
	const struct engine_facts *f = &t->facts;

	if (f->reset_works == KNOWN_NO && f->profile->reset_each && f->profile->reset_switch)
		msg_note(
			"the cache of %s cannot be emptied between requests (%s would allow it): nonces alone keep off "
			"cold",
			f->name, f->profile->reset_switch);
	if (f->system_turns == FATE_REFUSED && s->options.inline_system == INLINE_KEEP)
		msg_note("%s refuses system turns inside messages: --inline-system user makes user turns of them",
			 f->name);
}

/* A long one is cut down: without asis2, then a sample for the cold arm and fewer repeats. */
static void shorten(struct replay *r, const struct session_settings *s)
{
	size_t requests;
	int64_t tokens;
	double seconds;

	r->options.cold_sample = 0;
	replay_size(r, &requests, &tokens, &seconds);
	/* NaN: how fast it is could not be told, and nothing is cut down for it. */
	if (!s->quick && (s->full || !(seconds > LONG_S)))
		return;
	if (!s->arms_given && r->narms > 1 && r->arms[r->narms - 1].kind == ARM_ASIS2) {
		r->narms--;
		msg_note(
			"without arm asis2, to save time: the noise floor is that of asis from one repeat to the next");
		replay_size(r, &requests, &tokens, &seconds);
	}
	if (!s->quick && !(seconds > LONG_S))
		return;
	r->options.cold_sample = QUICK_COLD;
	if (r->options.repeats > QUICK_REPEATS)
		r->options.repeats = QUICK_REPEATS;
	msg_note("%s: off is measured for %zu of %zu requests, in %u repeats (--full: all)",
		 s->quick ? "quick" : "it would take more than ten minutes",
		 r->plan->n < QUICK_COLD ? r->plan->n : QUICK_COLD, r->plan->n, r->options.repeats);
}

int session_replay(struct client *client, struct report *report, const struct plan *plan, const char *main_url,
		   const char *side_url, const struct session_settings *s, struct replay *out)
{
	struct display display = {.terminal = isatty(2)};
	const struct replay_events events = {&display, on_progress, on_sampled, on_note};
	char error[512];
	int status = -1;

	replay_init(out, report, plan, &s->options);
	if (open_target(client, main_url, s, &out->main) < 0 ||
	    (side_url && open_target(client, side_url, s, &out->side) < 0))
		return -1;
	if (replay_prepare_target(out, client, &out->main, error, sizeof(error)) < 0 ||
	    (side_url && replay_prepare_target(out, client, &out->side, error, sizeof(error)) < 0)) {
		msg_error("replay: %s", error);
		return -1;
	}
	for (size_t number = 0; number < replay_ntargets(out); number++)
		note_target(replay_target_at(out, number), s);
	if (add_arms(out, report, s) < 0)
		return -1;
	/* The size is told by what the cold arm would send whole, so the choice of the sample comes twice. */
	if (replay_prepare(out) < 0)
		goto no_memory;
	shorten(out, s);
	free(out->samples);
	free(out->in_sample);
	if (replay_prepare(out) < 0)
		goto no_memory;
	announce(out);
	if (s->state_folder && state_open(&display.state, s->state_folder, out, s->resume, error, sizeof(error)) < 0)
		msg_note("samples are not kept: %s", error);
	if (s->resume)
		msg_note("%llu answers are there from before", (unsigned long long)out->resumed);
	status = replay_run(out, client, &events, error, sizeof(error));
	end_line(&display);
	if (status < 0)
		msg_error("replay: %s", error);
	else if (out->stopped)
		msg_note("stopped%s%s; the same command with --resume goes on", out->stop_reason[0] ? ": " : "",
			 out->stop_reason);
	state_close(&display.state, status == 0 && !out->stopped);
	return status;
no_memory:
	msg_error("out of memory");
	return -1;
}
