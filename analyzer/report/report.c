/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "base/clock.h"
#include "report/earlier.h"
#include "report/prompts.h"
#include "report/split.h"
#include "report/sums.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* An answer that came faster had been waiting in a buffer: its end says nothing about the model's speed. */
#define DECODE_MIN_S 0.001
#define MIN_NS(a, b) ((a) < (b) ? (a) : (b))

/* An exchange on its way into the report. */
struct entry {
	const struct exchange *x;
	uint32_t trace;
	struct prompts_place place;
	uint64_t start_ns, end_ns; /* real time */
};

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->trace != y->trace)
		return x->trace < y->trace ? -1 : 1;
	return x->x->id < y->x->id ? -1 : x->x->id > y->x->id;
}

/* All exchanges of all traces in the order in which they began. */
static int collect(report_prompt_fn *prompt, struct prompts *prompts, struct report *r, struct entry **entries)
{
	size_t n = 0, at = 0, longest = 0;
	for (size_t i = 0; i < r->ntraces; i++) {
		n += r->traces[i].nexchanges;
		longest = r->traces[i].nexchanges > longest ? r->traces[i].nexchanges : longest;
	}
	struct entry *all = calloc(n + 1, sizeof(*all));
	struct prompts_place *places = calloc(longest + 1, sizeof(*places));
	*entries = all;
	if (!all || !places) {
		free(places);
		return -1;
	}
	int result = 0;
	for (size_t i = 0; i < r->ntraces && result == 0; i++) {
		struct trace *t = &r->traces[i];
		result = prompts_add(prompts, prompt, t, places, &r->prompts_unreadable, r->prompt_error,
				     sizeof(r->prompt_error));
		for (size_t k = 0; k < t->nexchanges && result == 0; k++)
			all[at++] = (struct entry){
				.x = &t->exchanges[k],
				.trace = (uint32_t)i,
				.place = places[k],
				.start_ns = trace_real_time(t, exchange_first_stamp(&t->exchanges[k].times)),
				.end_ns = trace_real_time(t, exchange_last_stamp(&t->exchanges[k].times)),
			};
	}
	free(places);
	if (result == 0)
		qsort(all, n, sizeof(*all), by_start);
	r->nexchanges = n;
	return result;
}

/* When the model had read the prompt: its first sign of life, at the latest the end of a good answer. */
static uint64_t prefilled_at(const struct trace *t, const struct exchange *x)
{
	if (x->response.status < 200 || x->response.status > 299)
		return 0;
	uint64_t at = x->times.end;
	if (x->times.first_content)
		at = x->times.first_content;
	if (x->times.message_start)
		at = MIN_NS(at, x->times.message_start);
	return trace_real_time(t, at);
}

static struct lineage_request request_of(const struct trace *t, const struct entry *entry)
{
	const struct exchange *x = entry->x;
	return (struct lineage_request){
		.session = x->session,
		.agent = x->agent,
		.model = x->model,
		.server = x->peer,
		.run = entry->trace,
		.api = x->api,
		.has_prompt = entry->place.has_prompt,
		.prompt = entry->place.node,
		.start_ns = entry->start_ns,
		.prefilled_ns = prefilled_at(t, x),
	};
}

static void time_exchange(struct report_exchange *e)
{
	const struct exchange_times *times = &e->x->times;
	bool stream = times->grade != GRADE_DEGENERATE && times->first_content;
	e->total = clock_seconds_between(times->request_start, exchange_last_stamp(times));
	e->ttft = stream ? clock_seconds_between(times->request_end, times->first_content) : NAN;
	e->decode = stream ? clock_seconds_between(times->first_content, times->end) : NAN;
	e->output = e->x->response.usage.output >= 0 ? e->x->response.usage.output : TOKENS_UNKNOWN;
	/* The first token ends the prefill: it has no decode time of its own. */
	e->decode_rate = e->output > 1 && e->decode >= DECODE_MIN_S ? (double)(e->output - 1) / e->decode : NAN;
}

bool report_failed(const struct report_exchange *e)
{
	const struct exchange *x = e->x;
	return x->response.status < 100 || x->response.status > 399 || x->response.error;
}

void report_answer(const struct report_exchange *e, struct buf *to)
{
	const struct exchange *x = e->x;

	if (x->response.status)
		buf_printf(to, "%d", x->response.status);
	else
		buf_puts(to, "none");
	if (x->response.error)
		buf_printf(to, " %s", x->response.error);
	else if (e->counts_only)
		buf_puts(to, " count_tokens");
	else if (x->response.stop_reason)
		buf_printf(to, " %s", x->response.stop_reason);
}

/* Everything that follows from the prompts and stamps; requests run beside r->exchanges. */
static int analyse(struct report *r, const struct prompts *prompts, const struct entry *entries,
		   struct lineage_request *requests)
{
	for (size_t i = 0; i < r->nexchanges; i++)
		requests[i] = request_of(&r->traces[entries[i].trace], &entries[i]);
	if (lineage_find(prompts->tree, requests, r->nexchanges, &r->lineages) < 0)
		return -1;
	for (size_t i = 0; i < r->nexchanges; i++) {
		struct report_exchange *e = &r->exchanges[i];
		*e = (struct report_exchange){
			.x = entries[i].x,
			.trace = entries[i].trace,
			.lineage = requests[i].lineage,
			.parent = requests[i].parent,
			.start_ns = entries[i].start_ns,
			.end_ns = entries[i].end_ns,
			.counts_only = entries[i].x->api == KVS_API_ANTHROPIC_COUNT_TOKENS,
			.cached = tokens_reported_cached(entries[i].x),
			.new = TOKENS_UNKNOWN,
			.repeated = TOKENS_UNKNOWN,
		};
		time_exchange(e);
		r->billing_requests += entries[i].place.has_billing;
	}
	if (split_exchanges(prompts->tree, requests, r->exchanges, r->nexchanges) < 0 ||
	    earlier_exchanges(prompts->tree, requests, r->exchanges, r->nexchanges) < 0)
		return -1;
	r->billing_variants = prompts->billing.n;
	return sums_build(r);
}

int report_build_with(report_prompt_fn *prompt, struct trace *traces, size_t n, struct report *out, char *error,
		      size_t error_bytes)
{
	struct prompts prompts;
	struct entry *entries = NULL;
	struct lineage_request *requests = NULL;
	int result = -1;

	*out = (struct report){.traces = traces, .ntraces = n};
	if (prompts_init(&prompts) < 0 || collect(prompt, &prompts, out, &entries) < 0)
		goto out;
	out->exchanges = calloc(out->nexchanges + 1, sizeof(*out->exchanges));
	requests = calloc(out->nexchanges + 1, sizeof(*requests));
	if (!out->exchanges || !requests)
		goto out;
	result = analyse(out, &prompts, entries, requests);
out:
	if (result < 0)
		snprintf(error, error_bytes, "out of memory");
	free(entries);
	free(requests);
	prompts_release(&prompts);
	return result;
}

int report_build(struct trace *traces, size_t n, struct report *out, char *error, size_t error_bytes)
{
	return report_build_with(trace_prompt, traces, n, out, error, error_bytes);
}

void report_release(struct report *r)
{
	free(r->exchanges);
	free(r->lineage_groups);
	free(r->session_groups);
	free(r->by_session);
	free(r->systems);
	lineage_set_release(&r->lineages);
	*r = (struct report){0};
}

void report_lineage_name(uint32_t lineage, char out[8])
{
	char reversed[8];
	size_t n = 0;
	for (uint64_t left = (uint64_t)lineage + 1; left > 0; left = (left - 1) / 26)
		reversed[n++] = (char)('A' + (left - 1) % 26);
	for (size_t i = 0; i < n; i++)
		out[i] = reversed[n - 1 - i];
	out[n] = '\0';
}

void report_exchange_name(const struct report *r, const struct report_exchange *e, char out[32])
{
	if (r->ntraces > 1)
		snprintf(out, 32, "%u:%llu", e->trace + 1, (unsigned long long)e->x->id);
	else
		snprintf(out, 32, "%llu", (unsigned long long)e->x->id);
}
