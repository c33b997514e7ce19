/* SPDX-License-Identifier: MIT */
#include "cost/cost.h"

#include "base/array.h"
#include "base/clock.h"
#include "cost/claims.h"
#include "cost/estimate.h"
#include "cost/retime.h"
#include "cost/stamps.h"
#include "cost/timeline.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Others may have been served in this share of a request's wait: the rest still is its own prefill. Less: good to fit.
 */
#define OTHERS_MAX 0.5
#define OTHERS_FIT 0.01
/* Reuse goes by blocks, and what is generated is cached or not: that much prefilled again is no loss. */
#define SLACK_TOKENS 32

struct work {
	const struct report *report;
	struct cost *cost;
	struct stamps *stamps;
	struct cost_point *points; /* scratch: those of one backend */
	uint32_t *waited_for;
	enum engine engine;
	bool estimates; /* counts may be what why judges */
	size_t backends_capacity;
};

/* ---- backends */

static int add_backend(struct work *w, const struct exchange *x, uint32_t *number)
{
	struct cost *c = w->cost;
	struct cost_backend *grown = array_grow(c->backends, &w->backends_capacity, c->nbackends + 1, sizeof(*grown));
	if (!grown)
		return -1;
	c->backends = grown;
	*number = (uint32_t)c->nbackends;
	grown[c->nbackends++] = (struct cost_backend){.peer = x->peer, .model = x->model, .engine = w->engine};
	return 0;
}

static enum engine engine_of(const struct work *w, const struct exchange *x)
{
	if (w->engine != ENGINE_UNKNOWN || !x->response.engine)
		return w->engine;
	return engine_from_name(str_from(x->response.engine));
}

static int find_backend(struct work *w, struct names *names, const struct exchange *x, uint32_t *number)
{
	struct buf key;
	int result = -1;
	buf_init(&key, 1 << 20);
	buf_printf(&key, "%s\n%s", x->peer ? x->peer : "", x->model ? x->model : "");
	if (!key.failed && names_number(names, buf_str(&key), number) == 0)
		result = *number < w->cost->nbackends ? 0 : add_backend(w, x, number);
	buf_release(&key);
	if (result == 0) {
		struct cost_backend *b = &w->cost->backends[*number];
		b->requests++;
		if (b->engine == ENGINE_UNKNOWN)
			b->engine = engine_of(w, x);
	}
	return result;
}

/* ---- counts */

static void count_tokens(const struct report_exchange *e, struct cost_exchange *c)
{
	const struct engine_timings *own = &e->x->response.timings;
	if (e->cached == TOKENS_UNKNOWN || e->basis != TOKENS_REPORTED)
		return;
	c->reused = e->cached < e->prompt ? e->cached : e->prompt;
	c->prefilled = e->prompt - c->reused;
	if (own->prompt_tokens >= 0 && own->prompt_tokens <= e->prompt)
		c->prefilled = own->prompt_tokens;
	c->prefilled_basis = TOKENS_REPORTED;
}

/* ---- fit */

static bool fits(const struct work *w, size_t i)
{
	const struct cost_exchange *c = &w->cost->exchanges[i];
	const struct stamps *s = &w->stamps[i];
	bool estimated = w->estimates && c->prefilled_basis == TOKENS_ESTIMATED && c->claim == CLAIM_UNCHECKED;
	if ((c->prefilled_basis != TOKENS_REPORTED && !estimated) || c->prefilled == 0)
		return false;
	return !isnan(s->reported) || (!isnan(s->waited) && s->others <= OTHERS_FIT * s->waited);
}

static int fit_backend(struct work *w, uint32_t backend)
{
	size_t n = 0;
	for (size_t i = 0; i < w->report->nexchanges; i++) {
		const struct cost_exchange *c = &w->cost->exchanges[i];
		if (c->backend != backend || !fits(w, i))
			continue;
		const struct stamps *s = &w->stamps[i];
		double seconds = isnan(s->reported) ? s->waited : s->reported;
		w->points[n] = (struct cost_point){(double)c->prefilled, (double)c->reused, seconds};
		n++;
	}
	return cost_model_fit(w->points, n, &w->cost->backends[backend].model_fit);
}

/* ---- seconds of one request */

static uint64_t ns_of(double seconds)
{
	return seconds > 0 ? (uint64_t)(seconds * (double)NS_PER_S) : 0;
}

/* Sets prefill, queue and their place in time. */
static void time_prefill(const struct stamps *s, struct cost_exchange *c)
{
	double total = (double)(c->end_ns - c->start_ns) / (double)NS_PER_S;

	if (!isnan(s->reported)) {
		c->prefill = s->reported;
		c->basis = COST_REPORTED;
	} else if (!isnan(s->waited) && s->others <= OTHERS_FIT * s->waited) {
		c->prefill = s->waited;
		c->basis = COST_MEASURED;
	} else if (!isnan(c->modelled)) {
		c->prefill = c->modelled;
		c->basis = COST_MODELLED;
	} else if (!isnan(s->waited) && s->others <= OTHERS_MAX * s->waited) {
		c->prefill = s->waited - s->others; /* at least: no slot serves two at full speed */
		c->basis = COST_MEASURED;
	}
	if (isnan(c->prefill))
		return;
	if (!isnan(s->waited)) {
		c->prefill = fmin(c->prefill, s->waited);
		c->queue = s->waited - c->prefill;
		c->prefill_start_ns = c->prefill_end_ns - ns_of(c->prefill);
		return;
	}
	/* No stream: prefill first, then decode, which is what is left or what the engine says. */
	c->prefill = fmin(c->prefill, total);
	if (isnan(c->decode)) {
		c->decode = total - c->prefill;
		c->decode_basis = COST_MODELLED;
	}
	c->decode = fmin(c->decode, total - c->prefill);
	c->prefill_end_ns = c->end_ns - ns_of(c->decode);
	c->prefill_start_ns = c->prefill_end_ns - ns_of(c->prefill);
	c->queue = total - c->prefill - c->decode;
}

/*
 * What of the prompt the backend had been given before and an unbroken prefix would have given again: the longest
 * prefix that any prompt had; and where the client changed something near the head, the length of the conversation's
 * last prompt, though hardly a prefix is left of it. A prompt that became shorter behind an unchanged head was
 * compacted: what it lost nobody could reuse.
 */
static int64_t due_of(const struct work *w, const struct report_exchange *e, const struct cost_exchange *c)
{
	const struct report *r = w->report;
	if (e->parent == LINEAGE_NONE || w->cost->exchanges[e->parent].backend != c->backend)
		return e->seen;
	int64_t before = r->exchanges[e->parent].prompt;
	bool in_head = e->repeated < e->split.tools + e->split.system;
	if (before == TOKENS_UNKNOWN || e->repeated == TOKENS_UNKNOWN || before <= e->seen ||
	    (!in_head && e->prompt < before))
		return e->seen;
	return before < e->prompt ? before : e->prompt;
}

/* Of n, what the backend had been given before. */
static void count_again(const struct work *w, const struct report_exchange *e, struct cost_exchange *c)
{
	if (e->seen == TOKENS_UNKNOWN)
		return;
	int64_t due = due_of(w, e, c);
	if (c->prefilled == TOKENS_UNKNOWN) {
		/* Nothing can be prefilled again that was never sent before. */
		c->again = due <= SLACK_TOKENS ? 0 : TOKENS_UNKNOWN;
		c->again_basis = c->again == 0 ? e->seen_basis : TOKENS_NONE;
		return;
	}
	int64_t fresh = e->prompt - due;
	c->again = c->prefilled > fresh + SLACK_TOKENS ? c->prefilled - fresh : 0;
	c->again_basis = tokens_basis_join(c->prefilled_basis, due == e->seen ? e->seen_basis : TOKENS_ESTIMATED);
}

/*
 * Shares of the prefill: the tokens from P to the end of the prompt, first those seen before, then the new ones. What
 * a request costs whatever its n (a, d) would be there with a cache that holds, too.
 */
static void split_prefill(const struct report_exchange *e, const struct cost_model *m, struct cost_exchange *c)
{
	double whole, fixed, again, head;
	if (isnan(c->prefill) || c->again == TOKENS_UNKNOWN)
		return;
	if (c->prefilled == TOKENS_UNKNOWN) {
		c->re_prefill = 0;
		c->prefill_new = c->prefill;
		return;
	}
	double end = (double)e->prompt, from = end - (double)c->prefilled;
	double system = (double)(e->split.tools + e->split.system);
	fixed = m->points > 0 ? m->a + m->d * end : 0;
	whole = cost_model_stretch(m, from, end);
	if (m->points > 0 && m->b + m->c <= 0)
		whole = 0; /* nothing but fixed cost was found */
	again = whole > 0 ? cost_model_stretch(m, from, from + (double)c->again) : 0;
	head = system > from && whole > 0 ? cost_model_stretch(m, from, fmin(system, end)) : 0;
	double scale = whole + fixed > 0 ? c->prefill / (whole + fixed) : 0;
	c->re_prefill = again * scale;
	c->prefill_new = c->prefill - c->re_prefill;
	c->system_prompt = head * scale;
}

/* ---- all */

static int read_all(struct work *w)
{
	struct names names = {0};
	int result = 0;
	for (size_t i = 0; i < w->report->nexchanges && result == 0; i++) {
		const struct report_exchange *e = &w->report->exchanges[i];
		struct cost_exchange *c = &w->cost->exchanges[i];
		stamps_read(w->report, e, engine_of(w, e->x), c, &w->stamps[i]);
		if (!w->stamps[i].answered)
			continue;
		result = find_backend(w, &names, e->x, &c->backend);
		count_tokens(e, c);
	}
	names_release(&names);
	return result;
}

static int fit_all(struct work *w)
{
	for (uint32_t b = 0; b < w->cost->nbackends; b++)
		if (fit_backend(w, b) < 0)
			return -1;
	return 0;
}

static void time_all(struct work *w)
{
	for (size_t i = 0; i < w->report->nexchanges; i++) {
		const struct report_exchange *e = &w->report->exchanges[i];
		struct cost_exchange *c = &w->cost->exchanges[i];
		w->waited_for[i] = w->stamps[i].slot;
		if (c->backend == COST_NO_BACKEND)
			continue;
		const struct cost_model *m = &w->cost->backends[c->backend].model_fit;
		if (c->prefilled != TOKENS_UNKNOWN)
			c->modelled = cost_model_seconds(m, (double)c->prefilled, (double)c->reused);
		time_prefill(&w->stamps[i], c);
		count_again(w, e, c);
		split_prefill(e, m, c);
	}
}

static void sum_tokens(struct cost *out)
{
	struct cost_tokens *t = &out->tokens;
	for (size_t i = 0; i < out->nexchanges; i++) {
		const struct cost_exchange *c = &out->exchanges[i];
		if (c->backend == COST_NO_BACKEND)
			continue;
		if (c->again == TOKENS_UNKNOWN || c->prefilled == TOKENS_UNKNOWN) {
			t->unknown++;
			continue;
		}
		t->requests++;
		t->prefilled += c->prefilled;
		t->again += c->again;
		t->basis = tokens_basis_join(t->basis, c->again_basis);
	}
}

int cost_build(const struct report *report, const struct cost_options *options, struct cost *out, char *error,
	       size_t error_bytes)
{
	size_t n = report->nexchanges;
	struct work w = {
		.report = report,
		.cost = out,
		.stamps = calloc(n + 1, sizeof(*w.stamps)),
		.points = calloc(n + 1, sizeof(*w.points)),
		.waited_for = calloc(n + 1, sizeof(*w.waited_for)),
		.engine = options ? options->engine : ENGINE_UNKNOWN,
		.estimates = options && options->why,
	};
	int result = -1;

	*out = (struct cost){
		.exchanges = calloc(n + 1, sizeof(*out->exchanges)),
		.nexchanges = n,
		.sessions = calloc(report->lineages.nsessions + 1, sizeof(*out->sessions)),
		.lineages = calloc(report->lineages.n + 1, sizeof(*out->lineages)),
	};
	if (!w.stamps || !w.points || !w.waited_for || !out->exchanges || !out->sessions || !out->lineages)
		goto out;
	if (read_all(&w) < 0 || stamps_overlap(report, out->exchanges, w.stamps) < 0 ||
	    claims_check(report, out, w.stamps) < 0)
		goto out;
	if (w.estimates)
		estimate_counts(report, options->why, out);
	if (fit_all(&w) < 0 || stamps_gaps(report, out->exchanges) < 0)
		goto out;
	if (w.estimates)
		estimate_check(report, out);
	time_all(&w);
	sum_tokens(out);
	if (timeline_sum(report, out->exchanges, &out->all, out->sessions, out->lineages) < 0 ||
	    retime_held(report, out->exchanges, w.waited_for, &out->all, &out->speedup) < 0)
		goto out;
	result = 0;
out:
	if (result < 0)
		snprintf(error, error_bytes, "out of memory");
	free(w.stamps);
	free(w.points);
	free(w.waited_for);
	return result;
}

void cost_release(struct cost *c)
{
	free(c->exchanges);
	free(c->backends);
	free(c->sessions);
	free(c->lineages);
	*c = (struct cost){0};
}

void cost_of_misses(const struct cost *c, struct why *why)
{
	for (size_t i = 0; i < why->nmisses; i++) {
		struct why_miss *m = &why->misses[i];
		const struct cost_exchange *x = &c->exchanges[m->exchange];
		m->seconds_lost = NAN;
		if (isnan(x->re_prefill) || m->lost_tokens == TOKENS_UNKNOWN)
			continue;
		double lost = (double)m->lost_tokens, again = (double)x->again, fresh = (double)x->prefilled - again;
		m->seconds_lost = again > 0 ? x->re_prefill * fmin(lost / again, 1) : 0;
		/* Behind a break on the wire what was sent before stands in no prefix: for a cache it is new. */
		if (m->broken && lost > again && fresh > 0)
			m->seconds_lost += x->prefill_new * fmin((lost - again) / fresh, 1);
	}
}

const char *cost_basis_name(enum cost_basis basis)
{
	static const char *const names[] = {NULL, "reported", "measured", "modelled"};
	return names[basis];
}

const char *cost_claim_name(enum cost_claim claim)
{
	static const char *const names[] = {NULL, "plausible", "hit_too_slow", "miss_too_fast"};
	return names[claim];
}
