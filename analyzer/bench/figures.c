/* SPDX-License-Identifier: MIT */
#include "bench/figures.h"

#include <math.h>
#include <stdlib.h>

#define DRAWS 2000
/* What mode off may have reused: 1 %, or what a template's constant head and two blocks come to. */
#define COLD_SHARE 0.01
#define COLD_TOKENS 48
/* Of the system prompt mode on must have reused this. */
#define WARM_SHARE 0.8
/* Where nothing is counted: the second request takes less than this part of the first. */
#define WARM_TIME 0.7

struct list {
	double *v;
	size_t n;
};

static bool list_init(struct list *l, size_t max)
{
	*l = (struct list){.v = calloc(max ? max : 1, sizeof(double))};
	return l->v;
}

static void add(struct list *l, double v)
{
	if (!isnan(v))
		l->v[l->n++] = v;
}

static double time_of(const struct bench_sample *s, enum bench_time which)
{
	return s->outcome != CLIENT_DONE ? NAN : which == BENCH_TOTAL ? s->total_s : s->ttft_s;
}

/* The samples by what they stand for. */
struct lists {
	struct list with, without, warm, first;
};

static void fill(const struct bench *b, size_t size, enum bench_time which, struct lists *l)
{
	for (size_t i = 0; i < b->nruns; i++) {
		const struct bench_run *run = &b->runs[i];
		if (run->size != size)
			continue;
		add(&l->without, time_of(&run->samples[BENCH_WITH], which));
		for (unsigned k = 0; k < BENCH_WITH; k++) {
			double s = time_of(&run->samples[k], which);
			if (run->mode == BENCH_OFF)
				add(&l->with, s);
			else
				add(k == 0 ? &l->first : &l->warm, s);
		}
	}
}

/* N queries without a cache and with one, by times drawn from what was measured. */
static void project(const struct lists *l, unsigned n, struct bench_costs *c)
{
	double with = mean_of(l->with.v, l->with.n), first = mean_of(l->first.v, l->first.n);
	double warm = mean_of(l->warm.v, l->warm.n);
	struct list draws;
	uint64_t state = 20251126;

	c->project_off_s = n * with;
	c->project_on_s = first + (n - 1) * warm;
	c->project = (struct ratio){c->project_off_s / c->project_on_s, NAN, NAN, l->with.n};
	if (l->with.n < 2 || l->first.n < 1 || l->warm.n < 2 || !list_init(&draws, DRAWS))
		return;
	const struct list *from[] = {&l->with, &l->first, &l->warm};
	for (size_t d = 0; d < DRAWS; d++) {
		double mean[3];
		for (size_t k = 0; k < 3; k++) {
			double sum = 0;
			for (size_t i = 0; i < from[k]->n; i++)
				sum += from[k]->v[(size_t)(random_next(&state) >> 11) % from[k]->n];
			mean[k] = sum / (double)from[k]->n;
		}
		add(&draws, n * mean[0] / (mean[1] + (n - 1) * mean[2]));
	}
	(void)median_of(draws.v, draws.n); /* sorts */
	if (draws.n == DRAWS) {
		c->project.low = draws.v[DRAWS / 40];
		c->project.high = draws.v[DRAWS - 1 - DRAWS / 40];
	}
	free(draws.v);
}

static struct ratio map(struct ratio r, double (*f)(double))
{
	return (struct ratio){f(r.value), f(r.low), f(r.high), r.n};
}

static double share_of(double ratio)
{
	return 1 - 1 / ratio;
}

static double relative_of(double ratio)
{
	return ratio - 1;
}

static void costs(const struct bench *b, size_t size, enum bench_time which, unsigned n, struct bench_costs *c)
{
	struct lists l;
	size_t max = b->nruns * (BENCH_WITH + 1);
	bool memory = list_init(&l.with, max);
	memory = list_init(&l.without, max) && memory;
	memory = list_init(&l.warm, max) && memory;
	memory = list_init(&l.first, max) && memory;

	if (memory)
		fill(b, size, which, &l);
	c->with_s = mean_of(l.with.v, l.with.n);
	c->without_s = mean_of(l.without.v, l.without.n);
	c->warm_s = mean_of(l.warm.v, l.warm.n);
	c->first_s = mean_of(l.first.v, l.first.n);
	c->overhead_s = difference_welch(l.with.v, l.with.n, l.without.v, l.without.n);
	c->ratio = ratio_welch(l.with.v, l.with.n, l.without.v, l.without.n);
	c->share = map(c->ratio, share_of);
	c->relative = map(c->ratio, relative_of);
	c->gain = ratio_welch(l.with.v, l.with.n, l.warm.v, l.warm.n);
	project(&l, n, c);
	free(l.with.v);
	free(l.without.v);
	free(l.warm.v);
	free(l.first.v);
}

/* ---- tokens */

struct counts {
	int64_t sum, cached; /* -1: one was not told */
	size_t n;
};

static void count(struct counts *c, const struct bench_sample *s)
{
	c->n++;
	c->sum = c->sum < 0 || s->prompt < 0 ? -1 : c->sum + s->prompt;
	c->cached = c->cached < 0 || s->cached < 0 ? -1 : c->cached + s->cached;
}

static enum bench_proof proof_of(const struct bench_figures *f, size_t cold, size_t warm)
{
	const struct bench_costs *c = &f->costs[BENCH_TTFT];

	if (cold == 0 || warm == 0)
		return BENCH_UNKNOWN;
	if (f->cached_off < 0 || f->cached_on < 0 || f->prompts_off < 0 || f->prompts_on < 0)
		return c->warm_s < WARM_TIME * c->with_s ? BENCH_BY_TIME : BENCH_NOT_REUSED;
	double allowed = COLD_SHARE * (double)f->prompts_off, constant = COLD_TOKENS * (double)cold;
	if ((double)f->cached_off > (allowed > constant ? allowed : constant))
		return BENCH_NOT_COLD;
	double system = (double)(f->prompt_with - f->prompt_without) * (double)warm;
	return (double)f->cached_on < WARM_SHARE * system ? BENCH_NOT_REUSED : BENCH_PROVED;
}

void bench_figures(const struct bench *b, size_t size, unsigned n, struct bench_figures *out)
{
	struct counts off = {0}, on = {0}, without = {0};

	*out = (struct bench_figures){.output_least = -1, .output_most = -1};
	for (enum bench_time t = BENCH_TOTAL; t < BENCH_TIMES; t++)
		costs(b, size, t, n, &out->costs[t]);
	for (size_t i = 0; i < b->nruns; i++) {
		const struct bench_run *run = &b->runs[i];
		if (run->size != size)
			continue;
		for (unsigned k = 0; k <= BENCH_WITH; k++) {
			const struct bench_sample *s = &run->samples[k];
			if (s->outcome == CLIENT_NONE)
				continue;
			if (s->outcome != CLIENT_DONE) {
				out->failed++;
				continue;
			}
			out->answered++;
			if (s->output >= 0 && (out->output_least < 0 || s->output < out->output_least))
				out->output_least = s->output;
			if (s->output > out->output_most)
				out->output_most = s->output;
			if (k == BENCH_WITH)
				count(&without, s);
			else if (run->mode == BENCH_OFF)
				count(&off, s);
			else if (k > 0)
				count(&on, s);
		}
	}
	out->prompts_off = off.n ? off.sum : -1;
	out->cached_off = off.n ? off.cached : -1;
	out->prompts_on = on.n ? on.sum : -1;
	out->cached_on = on.n ? on.cached : -1;
	out->prompt_with = off.n && off.sum >= 0 ? off.sum / (int64_t)off.n : -1;
	out->prompt_without = without.n && without.sum >= 0 ? without.sum / (int64_t)without.n : -1;
	out->proof = proof_of(out, off.n, on.n);
}

/* ---- rates */

struct rate_sum {
	double ttft, prefill, decode;
	int64_t prompt;
	size_t n, prefills, decodes;
	bool by_engine;
};

static void add_rate(struct rate_sum *r, const struct bench_sample *s)
{
	if (s->outcome != CLIENT_DONE)
		return;
	bool engine = !isnan(s->prefill_s) && s->prefill_s > 0;
	double seconds = engine ? s->prefill_s : s->ttft_s;

	r->n++;
	r->ttft += s->ttft_s;
	r->prompt = s->prompt < 0 || r->prompt < 0 ? -1 : r->prompt + s->prompt;
	if (s->prompt > 0 && seconds > 0) {
		r->prefill += (double)(s->prompt - (s->cached > 0 ? s->cached : 0)) / seconds;
		r->prefills++;
		r->by_engine = engine;
	}
	if (s->output > 1 && s->decode_s > 0) {
		r->decode += (double)(s->output - 1) / s->decode_s;
		r->decodes++;
	}
}

size_t bench_rates(const struct bench *b, struct bench_rate out[4])
{
	struct rate_sum sums[5] = {{0}};
	size_t n = 0;

	for (size_t i = 0; i < b->nruns; i++) {
		const struct bench_run *run = &b->runs[i];
		if (run->size != 0)
			continue;
		add_rate(&sums[0], &run->samples[BENCH_WITH]);
		for (unsigned k = 0; k < BENCH_WITH && run->mode == BENCH_OFF; k++)
			add_rate(&sums[4], &run->samples[k]);
	}
	for (size_t i = 0; i < b->nrungs; i++)
		add_rate(&sums[b->rungs[i].part], &b->rungs[i].sample);
	for (unsigned part = 0; part <= 4; part++) {
		const struct rate_sum *s = &sums[part];
		if (s->n == 0 || n == 4)
			continue;
		struct bench_rate *rate = &out[n++];
		*rate = (struct bench_rate){
			.part = part,
			.prompt = s->prompt < 0 ? -1 : s->prompt / (int64_t)s->n,
			.ttft_s = s->ttft / (double)s->n,
			.prefill = s->prefills ? s->prefill / (double)s->prefills : NAN,
			.by_engine = s->by_engine,
			.decode = s->decodes ? s->decode / (double)s->decodes : NAN,
			.n = s->n,
		};
	}
	return n;
}
