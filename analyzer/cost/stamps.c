/* SPDX-License-Identifier: MIT */
#include "cost/stamps.h"

#include "base/clock.h"
#include "cost/retime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many requests before a conversation's first are looked at for the one that it follows. */
#define BEFORE_MAX 256

static bool starts_with_first_token(enum engine engine)
{
	return engine == ENGINE_LLAMACPP || engine == ENGINE_VLLM || engine == ENGINE_SGLANG;
}

/* The first output, 0 where it is not known: an answer that came at once, or was no stream. */
static uint64_t first_output(const struct exchange *x, enum engine engine)
{
	const struct exchange_times *t = &x->times;
	if (t->grade == GRADE_DEGENERATE)
		return 0;
	if (starts_with_first_token(engine) && t->message_start)
		return t->message_start;
	if (t->first_content)
		return t->first_content;
	/* Nothing but an end came: the first token was the last. */
	return x->response.streamed && x->response.events > 0 && !x->response.error ? t->end : 0;
}

void stamps_read(const struct report *report, const struct report_exchange *e, enum engine engine,
		 struct cost_exchange *out, struct stamps *stamps)
{
	const struct exchange *x = e->x;
	const struct trace *t = &report->traces[e->trace];
	const struct engine_timings *own = &x->response.timings;

	*out = (struct cost_exchange){
		.backend = COST_NO_BACKEND,
		.start_ns = e->start_ns,
		.sent_ns = trace_real_time(t, x->times.request_end),
		.end_ns = e->end_ns,
		.prefilled = TOKENS_UNKNOWN,
		.reused = TOKENS_UNKNOWN,
		.again = TOKENS_UNKNOWN,
		.prefill = NAN,
		.prefill_new = NAN,
		.re_prefill = NAN,
		.system_prompt = NAN,
		.queue = NAN,
		.decode = NAN,
		.modelled = NAN,
		.client = NAN,
		.idle = NAN,
	};
	*stamps = (struct stamps){.waited = NAN, .reported = NAN, .slot = COST_NO_EXCHANGE};
	stamps->answered = !e->counts_only && x->response.status >= 200 && x->response.status <= 299;
	if (!stamps->answered)
		return;
	uint64_t first = first_output(x, engine);
	stamps->waited = first ? clock_seconds_between(x->times.request_end, first) : NAN;
	if (own->prompt_ms >= 0)
		stamps->reported = own->prompt_ms / 1000;
	if (first && !isnan(stamps->waited)) {
		out->prefill_end_ns = trace_real_time(t, first);
		out->decode = clock_seconds_between(out->prefill_end_ns, out->end_ns);
		out->decode_basis = COST_MEASURED;
	} else if (own->predicted_ms >= 0) {
		out->decode = own->predicted_ms / 1000;
		out->decode_basis = COST_REPORTED;
	}
}

/* ---- overlap */

struct active {
	uint32_t *list;
	size_t n;
};

static bool same_server(const struct report *r, uint32_t a, uint32_t b)
{
	const struct report_exchange *x = &r->exchanges[a], *y = &r->exchanges[b];
	return x->trace == y->trace && strcmp(x->x->peer ? x->x->peer : "", y->x->peer ? y->x->peer : "") == 0;
}

static double common(uint64_t from, uint64_t to, const struct cost_exchange *other)
{
	uint64_t begin = from > other->start_ns ? from : other->start_ns;
	uint64_t end = to < other->end_ns ? to : other->end_ns;
	return end > begin ? (double)(end - begin) / (double)NS_PER_S : 0;
}

/* What b did while a waited for its first output. */
static void meet(const struct cost_exchange *exchanges, struct stamps *stamps, uint32_t a, uint32_t b)
{
	const struct cost_exchange *x = &exchanges[a], *y = &exchanges[b];
	if (!x->prefill_end_ns || !x->sent_ns)
		return;
	double seconds = common(x->sent_ns, x->prefill_end_ns, y);
	stamps[a].others += seconds;
	if (seconds == 0 || b > a || y->end_ns > x->prefill_end_ns)
		return;
	uint32_t *slot = &stamps[a].slot;
	if (*slot == COST_NO_EXCHANGE || exchanges[*slot].end_ns < y->end_ns)
		*slot = b;
}

int stamps_overlap(const struct report *report, const struct cost_exchange *exchanges, struct stamps *stamps)
{
	struct active active = {.list = malloc((report->nexchanges + 1) * sizeof(*active.list))};
	if (!active.list)
		return -1;
	/* They stand in the order in which they began. */
	for (uint32_t i = 0; i < report->nexchanges; i++) {
		if (report->exchanges[i].counts_only)
			continue;
		size_t kept = 0;
		for (size_t k = 0; k < active.n; k++) {
			uint32_t other = active.list[k];
			if (exchanges[other].end_ns <= exchanges[i].start_ns)
				continue;
			active.list[kept++] = other;
			if (!same_server(report, i, other))
				continue;
			meet(exchanges, stamps, i, other);
			meet(exchanges, stamps, other, i);
		}
		active.list[kept++] = i;
		active.n = kept;
	}
	free(active.list);
	return 0;
}

/* ---- gaps */

static bool is(const char *s, const char *word)
{
	return s && strcmp(s, word) == 0;
}

static bool same_size(const struct report_split *a, const struct report_split *b)
{
	return a->tools == b->tools && a->system == b->system && a->history + a->new == b->history + b->new;
}

/* Who was busy between this answer and what came next: what it asked for says so, or that nobody waited for its end. */
static enum cost_gap gap_after(const struct report_exchange *before, const struct report_exchange *next,
			       enum lineage_role role)
{
	const char *stop = before->x->response.stop_reason;
	int status = before->x->response.status;
	if (role == LINEAGE_SIDE)
		return GAP_NONE;
	/* Who asks the same again has waited too long; else a person has interrupted it. */
	if (exchange_client_left(before->x))
		return role == LINEAGE_MAIN && !same_size(&next->bytes, &before->bytes) ? GAP_IDLE : GAP_CLIENT;
	if (status >= 400 || is(stop, "tool_use") || is(stop, "tool_calls") || is(stop, "pause_turn"))
		return GAP_CLIENT;
	if (is(stop, "end_turn") || is(stop, "stop") || is(stop, "stop_sequence") || is(stop, "max_tokens") ||
	    is(stop, "length"))
		return role == LINEAGE_MAIN ? GAP_IDLE : GAP_CLIENT;
	return GAP_NONE;
}

/*
 * How long a person took before a conversation began, NaN: not that. /clear, /resume and a client's start are told by
 * this: its process had answered the last conversation, or had sent no more than side requests so far.
 */
static double idle_before_first(const struct report *report, const struct cost_exchange *exchanges, uint32_t exchange)
{
	const struct report_exchange *e = &report->exchanges[exchange];
	uint64_t start = exchanges[exchange].start_ns, since = 0;

	if (report->lineages.lineages[e->lineage].role != LINEAGE_MAIN || !e->x->session)
		return NAN;
	for (uint32_t n = 0; n < exchange && n < BEFORE_MAX; n++) {
		const struct report_exchange *o = &report->exchanges[exchange - 1 - n];
		const struct cost_exchange *c = &exchanges[exchange - 1 - n];
		enum lineage_role role = report->lineages.lineages[o->lineage].role;
		if (o->trace != e->trace || o->x->pid != e->x->pid || o->counts_only || role == LINEAGE_SUBAGENT)
			continue;
		if (role == LINEAGE_MAIN) {
			since = gap_after(o, e, role) == GAP_IDLE ? c->end_ns : 0;
			break;
		}
		if (c->end_ns <= start)
			since = c->end_ns > since ? c->end_ns : since;
	}
	if (since == 0 || since > start)
		return NAN;
	return (double)(start - since) / (double)NS_PER_S;
}

int stamps_gaps(const struct report *report, struct cost_exchange *exchanges)
{
	size_t lineages = report->lineages.n;
	uint32_t *last = malloc((lineages + 1) * sizeof(*last)); /* per lineage: the one that ended last so far */
	if (!last)
		return -1;
	for (size_t i = 0; i < lineages; i++)
		last[i] = COST_NO_EXCHANGE;
	for (uint32_t i = 0; i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		struct cost_exchange *c = &exchanges[i];
		uint32_t *before = &last[e->lineage];
		if (e->counts_only)
			continue;
		if (*before != COST_NO_EXCHANGE && report->exchanges[*before].trace == e->trace &&
		    exchanges[*before].end_ns <= c->start_ns) {
			c->gap = gap_after(&report->exchanges[*before], e, report->lineages.lineages[e->lineage].role);
			double gap = (double)(c->start_ns - exchanges[*before].end_ns) / (double)NS_PER_S;
			c->client = c->gap == GAP_CLIENT ? gap : NAN;
			c->idle = c->gap == GAP_IDLE ? gap : NAN;
		} else if (*before == COST_NO_EXCHANGE) {
			c->idle = idle_before_first(report, exchanges, i);
			c->gap = isnan(c->idle) ? GAP_NONE : GAP_IDLE;
		}
		if (*before == COST_NO_EXCHANGE || exchanges[*before].end_ns <= c->end_ns)
			*before = i;
	}
	free(last);
	return 0;
}
