/* SPDX-License-Identifier: MIT */
#include "cost/timeline.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

/* First wins where several are under way. */
enum stretch {
	STRETCH_AGAIN,
	STRETCH_NEW,
	STRETCH_UNSPLIT,
	STRETCH_DECODE,
	STRETCH_REQUEST,
	STRETCH_CLIENT,
	STRETCH_IDLE,
	STRETCHES
};

/* A request's stretches: at most unknown, two of prefill, decode and the gap before it; a begin and an end of each. */
#define EDGES_EACH 10

struct edge {
	uint64_t time_ns;
	uint32_t trace, lineage;
	uint32_t sum; /* to which it belongs now */
	int8_t stretch, step;
};

struct edges {
	struct edge *list;
	size_t n;
};

static void add(struct edges *edges, const struct report *r, size_t exchange, uint64_t from, uint64_t to,
		enum stretch stretch)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	if (from == 0 || to <= from)
		return;
	struct edge edge = {
		.time_ns = from, .trace = e->trace, .lineage = e->lineage, .stretch = (int8_t)stretch, .step = 1};
	edges->list[edges->n++] = edge;
	edge.time_ns = to;
	edge.step = -1;
	edges->list[edges->n++] = edge;
}

static uint64_t ns_of(double seconds)
{
	return seconds > 0 ? (uint64_t)(seconds * (double)NS_PER_S) : 0;
}

static void add_exchange(struct edges *edges, const struct report *r, size_t i, const struct cost_exchange *c)
{
	uint64_t gap = ns_of(c->gap == GAP_CLIENT ? c->client : c->idle);
	if (c->gap != GAP_NONE && gap < c->start_ns)
		add(edges, r, i, c->start_ns - gap, c->start_ns, c->gap == GAP_CLIENT ? STRETCH_CLIENT : STRETCH_IDLE);
	add(edges, r, i, c->start_ns, c->end_ns, STRETCH_REQUEST);
	if (!isnan(c->decode))
		add(edges, r, i, c->prefill_end_ns, c->end_ns, STRETCH_DECODE);
	if (isnan(c->prefill))
		return;
	if (isnan(c->re_prefill)) {
		add(edges, r, i, c->prefill_start_ns, c->prefill_end_ns, STRETCH_UNSPLIT);
	} else {
		uint64_t border = c->prefill_start_ns + ns_of(c->re_prefill);
		border = border < c->prefill_end_ns ? border : c->prefill_end_ns;
		add(edges, r, i, c->prefill_start_ns, border, STRETCH_AGAIN);
		add(edges, r, i, border, c->prefill_end_ns, STRETCH_NEW);
	}
}

static int by_sum_and_time(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	if (x->sum != y->sum)
		return x->sum < y->sum ? -1 : 1;
	if (x->trace != y->trace)
		return x->trace < y->trace ? -1 : 1;
	return (x->time_ns > y->time_ns) - (x->time_ns < y->time_ns);
}

static void clear(struct cost_seconds *s)
{
	*s = (struct cost_seconds){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
}

static void count(struct cost_seconds *s, const int *running, uint64_t ns)
{
	double *const sums[STRETCHES] = {
		[STRETCH_AGAIN] = &s->re_prefill,
		[STRETCH_NEW] = &s->prefill_new,
		[STRETCH_UNSPLIT] = &s->prefill_unsplit,
		[STRETCH_DECODE] = &s->decode,
		[STRETCH_REQUEST] = &s->unknown,
		[STRETCH_CLIENT] = &s->client,
		[STRETCH_IDLE] = &s->idle,
	};
	int k = 0;
	while (k < STRETCHES && running[k] == 0)
		k++;
	double seconds = (double)ns / (double)NS_PER_S;
	*(k < STRETCHES ? sums[k] : &s->unknown) += seconds;
	s->wall += seconds;
}

/* Adds up the stretches, those of a session or lineage by themselves, those of two traces with nothing between them. */
static void sweep(struct edges *edges, struct cost_seconds *sums)
{
	int running[STRETCHES] = {0};
	qsort(edges->list, edges->n, sizeof(*edges->list), by_sum_and_time);
	for (size_t i = 0; i < edges->n; i++) {
		const struct edge *e = &edges->list[i], *before = i ? e - 1 : e;
		struct cost_seconds *s = &sums[e->sum];
		if (isnan(s->wall))
			*s = (struct cost_seconds){.system_prompt = s->system_prompt};
		if (before->sum == e->sum && before->trace == e->trace)
			count(s, running, e->time_ns - before->time_ns);
		running[e->stretch] += e->step;
	}
}

static uint32_t sum_all(const struct report *r, uint32_t lineage)
{
	(void)r;
	(void)lineage;
	return 0;
}

static uint32_t sum_session(const struct report *r, uint32_t lineage)
{
	return r->lineages.lineages[lineage].session;
}

static uint32_t sum_lineage(const struct report *r, uint32_t lineage)
{
	(void)r;
	return lineage;
}

static void sweep_by(struct edges *edges, const struct report *r, uint32_t (*sum)(const struct report *, uint32_t),
		     struct cost_seconds *sums)
{
	if (!sums || edges->n == 0)
		return;
	for (size_t i = 0; i < edges->n; i++)
		edges->list[i].sum = sum(r, edges->list[i].lineage);
	sweep(edges, sums);
}

static void add_system(struct cost_seconds *s, const struct cost_exchange *c)
{
	if (!isnan(c->system_prompt))
		s->system_prompt = (isnan(s->system_prompt) ? 0 : s->system_prompt) + c->system_prompt;
}

int timeline_sum(const struct report *r, const struct cost_exchange *exchanges, struct cost_seconds *all,
		 struct cost_seconds *sessions, struct cost_seconds *lineages)
{
	struct edges edges = {.list = malloc((r->nexchanges * EDGES_EACH + 1) * sizeof(*edges.list))};
	if (!edges.list)
		return -1;
	clear(all);
	for (size_t i = 0; sessions && i < r->lineages.nsessions; i++)
		clear(&sessions[i]);
	for (size_t i = 0; lineages && i < r->lineages.n; i++)
		clear(&lineages[i]);
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		add_exchange(&edges, r, i, &exchanges[i]);
		add_system(all, &exchanges[i]);
		if (sessions)
			add_system(&sessions[r->lineages.lineages[e->lineage].session], &exchanges[i]);
		if (lineages)
			add_system(&lineages[e->lineage], &exchanges[i]);
	}
	sweep_by(&edges, r, sum_all, all);
	sweep_by(&edges, r, sum_session, sessions);
	sweep_by(&edges, r, sum_lineage, lineages);
	free(edges.list);
	return 0;
}
