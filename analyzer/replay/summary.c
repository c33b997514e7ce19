/* SPDX-License-Identifier: MIT */
#include "replay/summary.h"

#include <math.h>
#include <stdlib.h>

#define BOOTSTRAP_DRAWS 4000
#define BOOTSTRAP_SESSIONS_MIN 8

size_t summary_arm(const struct replay *r, enum arm_kind kind)
{
	for (size_t i = 0; i < r->narms; i++)
		if (r->arms[i].kind == kind)
			return i;
	return SIZE_MAX;
}

static bool timed(const struct sample *s)
{
	return sample_ok(s) && !isnan(s->ttft_s);
}

double summary_ttft(const struct replay *r, size_t arm, size_t request)
{
	double sum = 0;
	size_t n = 0;
	for (unsigned k = 0; k < r->options.repeats; k++) {
		const struct sample *s = replay_sample(r, arm, k, request);
		if (timed(s)) {
			sum += s->ttft_s;
			n++;
		}
	}
	return n ? sum / (double)n : NAN;
}

static const struct cost_model *model_of(const struct summary *s, size_t request)
{
	return &s->models[replay_target_number(s->replay, request)];
}

double summary_modelled(const struct summary *s, size_t request, const struct sample *sample)
{
	if (sample->prompt < 0 || sample->cached < 0)
		return NAN;
	return cost_model_seconds(model_of(s, request), (double)(sample->prompt - sample->cached),
				  (double)sample->cached);
}

/* ---- sums */

struct means {
	double ttft, prefill, decode;
	int64_t prompt, cached;
	size_t n;
};

static struct means means_of(const struct replay *r, size_t arm, size_t request)
{
	struct means m = {0};
	for (unsigned k = 0; k < r->options.repeats; k++) {
		const struct sample *s = replay_sample(r, arm, k, request);
		if (!timed(s))
			continue;
		m.n++;
		m.ttft += s->ttft_s;
		m.prefill += s->prefill_s;
		m.decode += s->decode_s;
		m.prompt = s->prompt < 0 || m.prompt < 0 ? -1 : m.prompt + s->prompt;
		m.cached = s->cached < 0 || m.cached < 0 ? -1 : m.cached + s->cached;
	}
	if (m.n > 0) {
		m.ttft /= (double)m.n;
		m.prefill /= (double)m.n;
		m.decode /= (double)m.n;
		m.prompt = m.prompt < 0 ? -1 : m.prompt / (int64_t)m.n;
		m.cached = m.cached < 0 ? -1 : m.cached / (int64_t)m.n;
	}
	return m;
}

static void add(int64_t *sum, int64_t n)
{
	*sum = *sum < 0 || n < 0 ? -1 : *sum + n;
}

/* Decode as this backend does it; where it was not measured (prefill only), as in the capture. */
static double decode_of(const struct replay *r, const struct means *m, size_t request)
{
	double captured = r->plan->requests[request].decode_s;
	if (r->options.max_tokens != 1)
		return m->decode;
	return isnan(captured) ? 0 : captured;
}

static int sum_arm(const struct summary *s, size_t arm, struct arm_sums *out)
{
	const struct replay *r = s->replay;
	double *durations = calloc(r->plan->n + 1, sizeof(*durations));

	*out = (struct arm_sums){.session_s = NAN};
	if (!durations)
		return -1;
	for (size_t i = 0; i < r->plan->n; i++) {
		struct means m = means_of(r, arm, i);
		bool cold = arm_is_cold(&r->arms[arm]);
		int64_t prompt = m.n ? m.prompt : r->plan->requests[i].prompt;
		for (unsigned k = 0; k < r->options.repeats; k++) {
			const struct sample *one = replay_sample(r, arm, k, i);
			out->errors += one->sent && !timed(one);
		}
		/* What a sampled cold arm has not measured, the model of what it has. */
		double ttft = m.n ? m.ttft : cold ? cost_model_seconds(model_of(s, i), (double)prompt, 0) : NAN;
		durations[i] = ttft + decode_of(r, &m, i);
		if (m.n == 0)
			continue;
		out->requests++;
		out->ttft_s += m.ttft;
		out->prefill_s += m.prefill;
		out->decode_s += m.decode;
		add(&out->prompt, m.prompt);
		add(&out->cached, m.cached);
	}
	out->prefilled = out->prompt < 0 || out->cached < 0 ? -1 : out->prompt - out->cached;
	out->session_s = plan_session_seconds(r->plan, durations);
	free(durations);
	return 0;
}

/* ---- comparisons */

/* Sums of TTFT over the requests that both runs answered, of one session or (SIZE_MAX) of all. */
static size_t pair_sums(const struct replay *r, size_t from, unsigned j, size_t to, unsigned k, size_t session,
			double *a, double *b)
{
	size_t n = 0;
	*a = *b = 0;
	for (size_t i = 0; i < r->plan->n; i++) {
		const struct sample *x = replay_sample(r, from, j, i), *y = replay_sample(r, to, k, i);
		if ((session != SIZE_MAX && r->plan->requests[i].session != session) || !timed(x) || !timed(y))
			continue;
		*a += x->ttft_s;
		*b += y->ttft_s;
		n++;
	}
	return n;
}

static void compare_repeats(const struct replay *r, struct comparison_of_arms *c, double *logs)
{
	size_t n = 0;
	double a, b, saved = 0;

	for (unsigned k = 0; k < r->options.repeats; k++) {
		size_t requests = pair_sums(r, c->from, k, c->to, k, SIZE_MAX, &a, &b);
		if (requests == 0 || !(a > 0) || !(b > 0))
			continue;
		c->requests = requests;
		saved += a - b;
		logs[n++] = log(a / b);
	}
	c->ttft = ratio_student(logs, n);
	c->saved_s = n ? saved / (double)n : NAN;
}

/* Each session's mean over the repeats is one observation. */
static void compare_sessions(const struct replay *r, struct comparison_of_arms *c, double *logs)
{
	size_t n = 0;

	for (size_t session = 0; session < r->report->lineages.nsessions; session++) {
		double sum = 0, a, b;
		size_t of = 0;
		for (unsigned k = 0; k < r->options.repeats; k++) {
			if (pair_sums(r, c->from, k, c->to, k, session, &a, &b) == 0 || !(a > 0) || !(b > 0))
				continue;
			sum += log(a / b);
			of++;
		}
		if (of > 0)
			logs[n++] = sum / (double)of;
	}
	if (n < BOOTSTRAP_SESSIONS_MIN)
		return;
	c->ttft = ratio_bootstrap(logs, n, BOOTSTRAP_DRAWS, 20261126);
	c->over_sessions = true;
}

static int64_t saved_tokens(const struct replay *r, size_t from, size_t to)
{
	int64_t saved = 0;
	for (size_t i = 0; i < r->plan->n; i++) {
		struct means a = means_of(r, from, i), b = means_of(r, to, i);
		if (a.n == 0 || b.n == 0)
			continue;
		if (a.prompt < 0 || a.cached < 0 || b.prompt < 0 || b.cached < 0)
			return COMPARISON_UNKNOWN;
		saved += (a.prompt - a.cached) - (b.prompt - b.cached);
	}
	return saved;
}

static void add_comparison(struct summary *s, size_t from, size_t to, double *logs)
{
	const struct replay *r = s->replay;
	struct comparison_of_arms *c = &s->comparisons[s->ncomparisons];

	if (from == SIZE_MAX || to == SIZE_MAX)
		return;
	*c = (struct comparison_of_arms){.from = from, .to = to};
	compare_repeats(r, c, logs);
	if (c->ttft.n == 0)
		return;
	compare_sessions(r, c, logs);
	c->session = s->arms[from].session_s / s->arms[to].session_s;
	c->saved_tokens = saved_tokens(r, from, to);
	c->usable = s->arms[from].verification.verdict != VERDICT_REJECTED &&
		    s->arms[to].verification.verdict != VERDICT_REJECTED;
	s->ncomparisons++;
}

static void compare_arms(struct summary *s, double *logs)
{
	const struct replay *r = s->replay;
	size_t off = summary_arm(r, ARM_OFF), asis = summary_arm(r, ARM_ASIS), fixed = summary_arm(r, ARM_FIXED);

	s->headline = SUMMARY_NO_HEADLINE;
	add_comparison(s, asis, fixed, logs);
	add_comparison(s, off, asis, logs);
	add_comparison(s, off, fixed, logs);
	for (size_t i = 0; i < r->narms; i++)
		if (r->arms[i].kind == ARM_FIX)
			add_comparison(s, asis, i, logs);
	for (size_t i = 0; i < s->ncomparisons && s->headline == SUMMARY_NO_HEADLINE; i++)
		if (s->comparisons[i].usable)
			s->headline = i;
}

/* ---- noise: the same thing measured twice */

static void find_noise(struct summary *s, double *logs)
{
	const struct replay *r = s->replay;
	size_t asis = summary_arm(r, ARM_ASIS), asis2 = summary_arm(r, ARM_ASIS2), n = 0;
	bool twin = asis2 != SIZE_MAX;

	s->noise_worst = NAN;
	if (asis == SIZE_MAX || s->arms[asis].verification.verdict == VERDICT_REJECTED ||
	    (twin && s->arms[asis2].verification.verdict == VERDICT_REJECTED))
		return;
	for (unsigned k = twin ? 0 : 1; k < r->options.repeats; k++) {
		double a, b;
		if (pair_sums(r, asis, twin ? k : k - 1, twin ? asis2 : asis, k, SIZE_MAX, &a, &b) == 0 || !(a > 0) ||
		    !(b > 0))
			continue;
		logs[n] = log(a / b);
		double apart = exp(fabs(logs[n++])) - 1;
		s->noise_worst = isnan(s->noise_worst) ? apart : fmax(apart, s->noise_worst);
	}
	s->noise = ratio_student(logs, n);
	for (size_t i = 0; i < s->ncomparisons && n > 0; i++)
		s->comparisons[i].within_noise = fabs(log(s->comparisons[i].ttft.value)) <= log1p(s->noise_worst);
}

const char *summary_noise_words(const struct summary *s)
{
	return summary_arm(s->replay, ARM_ASIS2) == SIZE_MAX ? "asis against its next repeat" : "asis against asis2";
}

/* ---- prediction */

/* Each backend has a model of its own: that of two would fit neither. */
static int fit_model(struct summary *s, size_t number)
{
	const struct replay *r = s->replay;
	size_t off = summary_arm(r, ARM_OFF), n = 0, room = r->plan->n * r->options.repeats;
	struct cost_point *points;
	int status = 0;

	if (off == SIZE_MAX)
		return 0;
	points = calloc(room + ENGINE_TIMINGS_MAX, sizeof(*points));
	if (!points)
		return -1;
	for (unsigned k = 0; k < r->options.repeats; k++) {
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct sample *one = replay_sample(r, off, k, i);
			if (replay_target_number(r, i) == number && timed(one) && one->prompt > 0)
				points[n++] = (struct cost_point){(double)one->prompt, 0, one->ttft_s};
		}
	}
	/* Prompts of off are long, all of them: short ones tell what a request costs in any case. */
	const struct engine_facts *f = &replay_target_at(r, number)->facts;
	for (unsigned i = 0; i < f->ntimings; i++) {
		const struct engine_timing *t = &f->timings[i];
		points[n++] = (struct cost_point){(double)t->fresh, (double)t->reused, t->seconds};
	}
	status = cost_model_fit(points, n, &s->models[number]);
	free(points);
	return status;
}

static int fit_models(struct summary *s)
{
	int status = 0;
	for (size_t number = 0; number < replay_ntargets(s->replay) && status == 0; number++)
		status = fit_model(s, number);
	return status;
}

static int find_errors(struct summary *s)
{
	const struct replay *r = s->replay;
	size_t asis = summary_arm(r, ARM_ASIS), room = r->plan->n * r->options.repeats, nt = 0, ns = 0;
	double *tokens = calloc(room + 1, sizeof(*tokens)), *seconds = calloc(room + 1, sizeof(*seconds));
	int status = tokens && seconds ? 0 : -1;

	for (unsigned k = 0; status == 0 && asis != SIZE_MAX && k < r->options.repeats; k++) {
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct sample *one = replay_sample(r, asis, k, i);
			if (!timed(one))
				continue;
			double modelled = summary_modelled(s, i, one);
			if (!isnan(modelled) && one->ttft_s > 0)
				seconds[ns++] = fabs(modelled - one->ttft_s) / one->ttft_s;
			if (one->expected > 0 && one->cached >= 0)
				tokens[nt++] = fabs((double)(one->expected - one->cached)) / (double)one->expected;
		}
	}
	if (status == 0) {
		s->model_error = median_of(seconds, ns);
		s->tokens_error = median_of(tokens, nt);
	}
	free(tokens);
	free(seconds);
	return status;
}

int summary_build(const struct replay *r, struct summary *out)
{
	size_t room = r->options.repeats + r->report->lineages.nsessions + 1;
	double *logs = calloc(room, sizeof(*logs));
	int status = -1;

	*out = (struct summary){.replay = r, .headline = SUMMARY_NO_HEADLINE, .model_error = NAN, .tokens_error = NAN};
	out->arms = calloc(r->narms + 1, sizeof(*out->arms));
	out->comparisons = calloc(r->narms + 4, sizeof(*out->comparisons));
	if (logs && out->arms && out->comparisons && fit_models(out) == 0) {
		status = 0;
		for (size_t i = 0; i < r->narms && status == 0; i++) {
			status = sum_arm(out, i, &out->arms[i]);
			verify_arm(r, i, &out->arms[i].verification);
		}
		compare_arms(out, logs);
		find_noise(out, logs);
		if (status == 0)
			status = find_errors(out);
	}
	free(logs);
	return status;
}

void summary_release(struct summary *s)
{
	free(s->arms);
	free(s->comparisons);
	*s = (struct summary){0};
}
