/* SPDX-License-Identifier: MIT */
#include "cost/retime.h"

#include "base/clock.h"
#include "cost/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A sub-agent that has ended and that nobody has gone on from yet. */
struct finished {
	uint32_t lineage, last;
	uint32_t next; /* in its session's list, COST_NO_EXCHANGE: the last */
};

struct graph {
	const struct report *report;
	const struct cost_exchange *was; /* as it was */
	struct cost_exchange *held;      /* without re-prefill */
	const uint32_t *waited_for;
	uint32_t *by_end;         /* exchanges in the order in which they ended */
	uint32_t *lineage_last;   /* per lineage: its exchange before */
	uint32_t *lineage_end;    /* per lineage: its very last one */
	uint64_t *lineage_start;  /* per lineage: of its first one */
	uint32_t *session_latest; /* per session: the exchange that ended last */
	uint32_t *session_finished;
	uint32_t *session_first;   /* per session: its first exchange, COST_NO_EXCHANGE before that */
	uint32_t *trace_latest;    /* per trace: the exchange that ended last */
	uint32_t *trace_running;   /* per trace: how many have begun and not ended */
	struct finished *finished; /* per lineage */
};

struct ended {
	uint64_t end_ns;
	uint32_t exchange;
};

static int by_end(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;
	if (x->end_ns != y->end_ns)
		return x->end_ns < y->end_ns ? -1 : 1;
	return (x->exchange > y->exchange) - (x->exchange < y->exchange);
}

static int sort_by_end(struct graph *g)
{
	size_t n = g->report->nexchanges;
	struct ended *order = malloc((n + 1) * sizeof(*order));
	if (!order)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		order[i] = (struct ended){g->was[i].end_ns, i};
	qsort(order, n, sizeof(*order), by_end);
	for (size_t i = 0; i < n; i++)
		g->by_end[i] = order[i].exchange;
	free(order);
	return 0;
}

static uint32_t session_of(const struct graph *g, uint32_t exchange)
{
	return g->report->lineages.lineages[g->report->exchanges[exchange].lineage].session;
}

static bool same_trace(const struct graph *g, uint32_t a, uint32_t b)
{
	return g->report->exchanges[a].trace == g->report->exchanges[b].trace;
}

/* An exchange has ended, as time went: others of its session may have waited for it. */
static void note_end(struct graph *g, uint32_t exchange)
{
	uint32_t lineage = g->report->exchanges[exchange].lineage, session = session_of(g, exchange);
	g->session_latest[session] = exchange;
	g->trace_latest[g->report->exchanges[exchange].trace] = exchange;
	g->trace_running[g->report->exchanges[exchange].trace]--;
	if (g->lineage_end[lineage] != exchange || g->report->lineages.lineages[lineage].role != LINEAGE_SUBAGENT)
		return;
	g->finished[lineage] = (struct finished){lineage, exchange, g->session_finished[session]};
	g->session_finished[session] = lineage;
}

struct cause {
	uint64_t was, held; /* the latest end of what was waited for */
};

static void waits_for(const struct graph *g, struct cause *c, uint32_t exchange)
{
	if (g->was[exchange].end_ns > c->was)
		c->was = g->was[exchange].end_ns;
	if (g->held[exchange].end_ns > c->held)
		c->held = g->held[exchange].end_ns;
}

/* Joins the sub-agents that began after `since`, each once. */
static void join(struct graph *g, struct cause *c, uint32_t exchange, uint64_t since)
{
	uint32_t *link = &g->session_finished[session_of(g, exchange)];
	while (*link != COST_NO_EXCHANGE) {
		struct finished *f = &g->finished[*link];
		if (f->lineage != g->report->exchanges[exchange].lineage && g->lineage_start[f->lineage] >= since &&
		    same_trace(g, f->last, exchange)) {
			waits_for(g, c, f->last);
			*link = f->next;
		} else {
			link = &f->next;
		}
	}
}

/*
 * A session that begins: after whatever the trace had seen end, as if the time between were a person's or a script's,
 * unless something was still under way. Requests that begin with it keep their distance from its first one.
 */
static void begins_after(const struct graph *g, struct cause *c, uint32_t exchange)
{
	uint32_t first = g->session_first[session_of(g, exchange)], trace = g->report->exchanges[exchange].trace;
	uint32_t latest = g->trace_latest[trace];

	if (first != COST_NO_EXCHANGE && same_trace(g, first, exchange))
		*c = (struct cause){g->was[first].start_ns, g->held[first].start_ns};
	else if (latest != COST_NO_EXCHANGE && g->trace_running[trace] == 0)
		waits_for(g, c, latest);
}

/* When it would have started; the gap before it changes with that. */
static uint64_t start_held(struct graph *g, uint32_t exchange)
{
	const struct cost_exchange *was = &g->was[exchange];
	uint32_t before = g->lineage_last[g->report->exchanges[exchange].lineage];
	uint32_t latest = g->session_latest[session_of(g, exchange)];
	struct cause c = {0, 0};

	if (before != COST_NO_EXCHANGE && same_trace(g, before, exchange) && g->was[before].end_ns <= was->start_ns) {
		waits_for(g, &c, before);
		if (g->report->lineages.lineages[g->report->exchanges[exchange].lineage].role != LINEAGE_SIDE)
			join(g, &c, exchange, g->was[before].end_ns);
	} else if (latest != COST_NO_EXCHANGE && same_trace(g, latest, exchange)) {
		waits_for(g, &c, latest);
	} else {
		begins_after(g, &c, exchange);
	}
	uint64_t start = c.was ? c.held + (was->start_ns - c.was) : was->start_ns;
	if (was->gap != GAP_NONE && before != COST_NO_EXCHANGE) {
		struct cost_exchange *held = &g->held[exchange];
		*(was->gap == GAP_CLIENT ? &held->client : &held->idle) =
			(double)(start - g->held[before].end_ns) / (double)NS_PER_S;
	}
	return start;
}

static uint64_t ns_of(double seconds)
{
	return seconds > 0 ? (uint64_t)(seconds * (double)NS_PER_S) : 0;
}

/* Moves one exchange to where it would have been; all it waited for has been moved. */
static void move(struct graph *g, uint32_t exchange)
{
	const struct cost_exchange *was = &g->was[exchange];
	struct cost_exchange *held = &g->held[exchange];
	uint64_t start = start_held(g, exchange);

	held->start_ns = start;
	held->end_ns = start + (was->end_ns - was->start_ns);
	held->sent_ns = was->sent_ns ? start + (was->sent_ns - was->start_ns) : 0;
	if (isnan(was->prefill))
		return;
	uint64_t begin = start + (was->prefill_start_ns - was->start_ns);
	uint32_t slot = g->waited_for[exchange];
	if (slot != COST_NO_EXCHANGE && slot < exchange && was->prefill_start_ns >= g->was[slot].end_ns) {
		begin = g->held[slot].end_ns + (was->prefill_start_ns - g->was[slot].end_ns);
		begin = begin > held->sent_ns ? begin : held->sent_ns;
	}
	if (!isnan(was->re_prefill)) {
		held->prefill = was->prefill_new;
		held->re_prefill = 0;
	}
	held->prefill_start_ns = begin;
	held->prefill_end_ns = begin + ns_of(held->prefill);
	held->end_ns = held->prefill_end_ns + (was->end_ns - was->prefill_end_ns);
}

static void go(struct graph *g)
{
	size_t n = g->report->nexchanges, ended = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct report_exchange *e = &g->report->exchanges[i];
		while (ended < n && g->was[g->by_end[ended]].end_ns <= g->was[i].start_ns)
			note_end(g, g->by_end[ended++]);
		move(g, i);
		g->lineage_last[e->lineage] = i;
		g->trace_running[e->trace]++;
		if (g->session_first[session_of(g, i)] == COST_NO_EXCHANGE)
			g->session_first[session_of(g, i)] = i;
	}
}

static void look_at_lineages(struct graph *g)
{
	for (size_t i = 0; i < g->report->lineages.n; i++) {
		g->lineage_last[i] = g->lineage_end[i] = COST_NO_EXCHANGE;
		g->lineage_start[i] = UINT64_MAX;
	}
	for (size_t i = 0; i < g->report->lineages.nsessions; i++)
		g->session_latest[i] = g->session_finished[i] = g->session_first[i] = COST_NO_EXCHANGE;
	for (size_t i = 0; i < g->report->ntraces; i++) {
		g->trace_latest[i] = COST_NO_EXCHANGE;
		g->trace_running[i] = 0;
	}
	for (size_t k = 0; k < g->report->nexchanges; k++) {
		uint32_t exchange = g->by_end[k], lineage = g->report->exchanges[exchange].lineage;
		g->lineage_end[lineage] = exchange;
		if (g->was[exchange].start_ns < g->lineage_start[lineage])
			g->lineage_start[lineage] = g->was[exchange].start_ns;
	}
}

/* How sure the result is. */
static void label(const struct graph *g, struct cost_speedup *out)
{
	for (size_t i = 0; i < g->report->nexchanges; i++) {
		const struct cost_exchange *c = &g->was[i];
		if (c->backend == COST_NO_BACKEND)
			continue;
		if (isnan(c->re_prefill)) {
			out->unknown++;
			continue;
		}
		out->requests++;
		out->basis = c->basis > out->basis ? c->basis : out->basis;
	}
}

int retime_held(const struct report *report, const struct cost_exchange *exchanges, const uint32_t *waited_for,
		const struct cost_seconds *as_it_was, struct cost_speedup *out)
{
	size_t n = report->nexchanges, lineages = report->lineages.n, sessions = report->lineages.nsessions;
	size_t traces = report->ntraces;
	struct graph g = {
		.report = report,
		.was = exchanges,
		.waited_for = waited_for,
		.held = malloc((n + 1) * sizeof(*g.held)),
		.by_end = malloc((n + 1) * sizeof(*g.by_end)),
		.lineage_last = malloc((lineages + 1) * sizeof(*g.lineage_last)),
		.lineage_end = malloc((lineages + 1) * sizeof(*g.lineage_end)),
		.lineage_start = malloc((lineages + 1) * sizeof(*g.lineage_start)),
		.session_latest = malloc((sessions + 1) * sizeof(*g.session_latest)),
		.session_finished = malloc((sessions + 1) * sizeof(*g.session_finished)),
		.session_first = malloc((sessions + 1) * sizeof(*g.session_first)),
		.trace_latest = malloc((traces + 1) * sizeof(*g.trace_latest)),
		.trace_running = malloc((traces + 1) * sizeof(*g.trace_running)),
		.finished = malloc((lineages + 1) * sizeof(*g.finished)),
	};
	struct cost_seconds held;
	int result = -1;

	*out = (struct cost_speedup){.seconds = NAN, .seconds_held = NAN, .saved = NAN, .factor = NAN};
	if (!g.held || !g.by_end || !g.lineage_last || !g.lineage_end || !g.lineage_start || !g.session_latest ||
	    !g.session_finished || !g.session_first || !g.trace_latest || !g.trace_running || !g.finished ||
	    sort_by_end(&g) < 0)
		goto out;
	memcpy(g.held, exchanges, n * sizeof(*g.held));
	look_at_lineages(&g);
	go(&g);
	if (timeline_sum(report, g.held, &held, NULL, NULL) < 0)
		goto out;
	result = 0;
	label(&g, out);
	if (out->requests == 0 || isnan(as_it_was->wall))
		goto out;
	out->seconds = as_it_was->wall - as_it_was->idle;
	out->seconds_held = held.wall - held.idle;
	out->saved = out->seconds - out->seconds_held;
	out->factor = out->seconds_held > 0 ? out->seconds / out->seconds_held : NAN;
out:
	free(g.held);
	free(g.by_end);
	free(g.lineage_last);
	free(g.lineage_end);
	free(g.lineage_start);
	free(g.session_latest);
	free(g.session_finished);
	free(g.session_first);
	free(g.trace_latest);
	free(g.trace_running);
	free(g.finished);
	return result;
}
