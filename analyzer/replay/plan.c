/* SPDX-License-Identifier: MIT */
#include "replay/plan.h"

#include "api/api.h"
#include "base/array.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct times {
	uint64_t start, end; /* real time */
};

static struct times times_of(const struct report *r, uint32_t exchange)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	const struct trace *t = &r->traces[e->trace];
	const struct exchange_times *x = &e->x->times;
	uint64_t start = x->request_start ? x->request_start : x->request_end;
	uint64_t end = x->end ? x->end : start;

	return (struct times){trace_real_time(t, start), trace_real_time(t, end < start ? start : end)};
}

static bool is_session(const struct report *r, uint32_t session, const char *wanted)
{
	const char *id = r->lineages.sessions[session].id;
	return !wanted || (id && str_starts(str_from(id), str_from(wanted)));
}

static bool can_replay(const struct report_exchange *e)
{
	enum kvs_llm_api api = e->x->api;
	return api == KVS_API_ANTHROPIC_MESSAGES || api == KVS_API_OPENAI_CHAT;
}

static int add_dep(struct plan *p, uint32_t dep)
{
	uint32_t *grown = array_grow(p->deps, &p->deps_capacity, p->ndeps + 1, sizeof(*grown));
	if (!grown)
		return -1;
	p->deps = grown;
	grown[p->ndeps++] = dep;
	return 0;
}

/* The newest request of each lineage so far, those of other sessions passed over. */
static int add_deps(struct plan *p, const struct report *r, struct plan_request *to, const uint32_t *newest)
{
	struct times now = times_of(r, to->exchange);
	uint64_t latest = 0;
	uint32_t last = LINEAGE_NONE, own = LINEAGE_NONE; /* own: of its own lineage */

	to->first_dep = p->ndeps;
	for (size_t lineage = 0; lineage < r->lineages.n; lineage++) {
		/* Back through that lineage to one that had ended. */
		for (uint32_t i = newest[lineage]; i != LINEAGE_NONE;) {
			const struct plan_request *before = &p->requests[i];
			struct times then = times_of(r, before->exchange);
			if (before->session != to->session)
				break;
			if (then.end <= now.start) {
				if (add_dep(p, i) < 0)
					return -1;
				if (then.end >= latest) {
					latest = then.end;
					last = i;
				}
				own = lineage == to->lineage ? i : own;
				break;
			}
			uint32_t earlier = LINEAGE_NONE;
			for (uint32_t k = i; k-- > 0 && earlier == LINEAGE_NONE;)
				if (p->requests[k].lineage == lineage)
					earlier = k;
			i = earlier;
		}
	}
	to->ndeps = p->ndeps - to->first_dep;
	if (last == LINEAGE_NONE)
		return 0;
	to->gap_s = (double)(now.start - latest) / (double)NS_PER_S;
	/* What a tool call is answered with comes from a tool (or from agents, which end their own turns); after
	 * anything else a person had the turn. */
	uint32_t before = own == LINEAGE_NONE ? last : own;
	const char *stop = r->exchanges[p->requests[before].exchange].x->response.stop_reason;
	to->idle = to->role == LINEAGE_MAIN && stop && !strstr(stop, "tool");
	return 0;
}

static int add_request(struct plan *p, const struct report *r, uint32_t exchange, uint32_t *newest)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	const struct lineage *l = &r->lineages.lineages[e->lineage];
	struct plan_request *grown = array_grow(p->requests, &p->capacity, p->n + 1, sizeof(*grown));

	if (!grown)
		return -1;
	p->requests = grown;
	grown[p->n] = (struct plan_request){
		.exchange = exchange,
		.lineage = e->lineage,
		.session = l->session,
		.role = l->role,
		.prompt = e->prompt,
		.again = e->repeated,
		.output = e->output,
		.ttft_s = e->ttft,
		.decode_s = e->decode,
		.synthetic = r->traces[e->trace].content == CONTENT_NONE || !e->x->request.body_exact,
	};
	if (add_deps(p, r, &grown[p->n], newest) < 0)
		return -1;
	newest[e->lineage] = (uint32_t)p->n++;
	return 0;
}

int plan_build(const struct report *report, const struct plan_options *options, struct plan *out, char *error,
	       size_t error_bytes)
{
	uint32_t *newest = calloc(report->lineages.n + 1, sizeof(*newest));
	bool *seen = calloc(report->lineages.nsessions + 1, sizeof(*seen));
	int status = newest && seen ? 0 : -1;

	*out = (struct plan){0};
	for (size_t i = 0; status == 0 && i < report->lineages.n; i++)
		newest[i] = LINEAGE_NONE;
	for (uint32_t i = 0; status == 0 && i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		if (e->lineage >= report->lineages.n) {
			out->unreadable++;
			continue;
		}
		uint32_t session = report->lineages.lineages[e->lineage].session;
		if (!is_session(report, session, options->session))
			continue;
		if (e->counts_only)
			out->counts_only++;
		else if (!can_replay(e))
			out->unreadable++;
		else if (report_failed(e))
			out->failed++;
		else if (options->limit == 0 || out->n < options->limit) {
			status = add_request(out, report, i, newest);
			out->sessions += !seen[session];
			seen[session] = true;
		}
	}
	free(newest);
	free(seen);
	if (status < 0)
		snprintf(error, error_bytes, "out of memory");
	if (status == 0 && out->n == 0) {
		snprintf(error, error_bytes, "there is no request to replay%s",
			 options->session ? " in such a session" : "");
		status = -1;
	}
	return status;
}

void plan_release(struct plan *p)
{
	free(p->requests);
	free(p->deps);
	*p = (struct plan){0};
}

double plan_session_seconds(const struct plan *p, const double *durations)
{
	double *ends = calloc(p->n + 1, sizeof(*ends));
	double last = 0;

	if (!ends)
		return NAN;
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_request *r = &p->requests[i];
		double start = 0;
		for (size_t k = 0; k < r->ndeps; k++)
			if (ends[p->deps[r->first_dep + k]] > start)
				start = ends[p->deps[r->first_dep + k]];
		ends[i] = start + (r->idle ? 0 : r->gap_s) + durations[i];
		if (isnan(ends[i]) || ends[i] > last)
			last = ends[i];
		if (isnan(last))
			break;
	}
	free(ends);
	return last;
}
