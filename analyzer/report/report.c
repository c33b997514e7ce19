/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include "base/array.h"
#include "base/clock.h"
#include "report/earlier.h"
#include "report/prompts.h"
#include "report/split.h"

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

/* Real time of a monotonic stamp; traces of several boots can be compared by it. */
static uint64_t real_time(const struct trace *t, uint64_t monotonic_ns)
{
	return t->realtime_ns + (monotonic_ns - t->monotonic_ns);
}

static uint64_t last_stamp(const struct exchange_times *times)
{
	const uint64_t stamps[] = {times->request_start, times->request_end,   times->first_byte, times->headers,
				   times->message_start, times->first_content, times->end};
	uint64_t last = 0;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++)
		if (stamps[i] > last)
			last = stamps[i];
	return last;
}

static uint64_t first_stamp(const struct exchange_times *times)
{
	const uint64_t stamps[] = {times->request_start, times->request_end, times->first_byte, times->headers};
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++)
		if (stamps[i])
			return stamps[i];
	return last_stamp(times);
}

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
				.start_ns = real_time(t, first_stamp(&t->exchanges[k].times)),
				.end_ns = real_time(t, last_stamp(&t->exchanges[k].times)),
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
	return at ? real_time(t, at) : 0;
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

static double seconds_between(uint64_t from, uint64_t to)
{
	return from && to >= from ? (double)(to - from) / (double)NS_PER_S : NAN;
}

static void time_exchange(struct report_exchange *e)
{
	const struct exchange_times *times = &e->x->times;
	bool stream = times->grade != GRADE_DEGENERATE && times->first_content;
	e->total = seconds_between(times->request_start, last_stamp(times));
	e->ttft = stream ? seconds_between(times->request_end, times->first_content) : NAN;
	e->decode = stream ? seconds_between(times->first_content, times->end) : NAN;
	e->output = e->x->response.usage.output >= 0 ? e->x->response.usage.output : TOKENS_UNKNOWN;
	/* The first token ends the prefill: it has no decode time of its own. */
	e->decode_rate = e->output > 1 && e->decode >= DECODE_MIN_S ? (double)(e->output - 1) / e->decode : NAN;
}

bool report_failed(const struct report_exchange *e)
{
	const struct exchange *x = e->x;
	return x->response.status < 100 || x->response.status > 399 || x->response.error;
}

static void sum_seconds(double *sum, uint64_t *of, double seconds)
{
	if (isnan(seconds))
		return;
	*sum = isnan(*sum) ? seconds : *sum + seconds;
	if (of)
		++*of;
}

static void sum_tokens(struct report_tokens *t, const struct report_exchange *e)
{
	if (e->basis == TOKENS_NONE) {
		t->unknown++;
	} else {
		t->sent += e->prompt;
		t->basis = tokens_basis_join(t->basis, e->basis);
		if (e->split_basis == TOKENS_NONE) {
			t->unsplit += e->prompt;
		} else {
			t->new += e->new;
			t->repeated += e->repeated;
			t->split_basis = tokens_basis_join(t->split_basis, e->split_basis);
		}
	}
	if (e->cached != TOKENS_UNKNOWN) {
		t->cached += e->cached;
		t->cached_of++;
	}
	if (e->output != TOKENS_UNKNOWN) {
		t->output += e->output;
		t->output_of++;
	}
}

static void group_init(struct report_group *g)
{
	*g = (struct report_group){.seconds = {.wall = NAN, .requests = NAN, .ttft = NAN, .decode = NAN}};
}

static void group_add(struct report_group *g, const struct report_exchange *e, const struct entry *entry)
{
	if (g->requests++ == 0)
		g->start_ns = entry->start_ns;
	if (entry->end_ns > g->end_ns)
		g->end_ns = entry->end_ns;
	g->failed += report_failed(e);
	if (e->x->model) {
		g->models = g->models || (g->model && strcmp(g->model, e->x->model) != 0);
		g->model = e->x->model;
	}
	g->seconds.wall = seconds_between(g->start_ns, g->end_ns);
	sum_seconds(&g->seconds.requests, NULL, e->total);
	if (e->counts_only)
		return;
	sum_tokens(&g->tokens, e);
	sum_seconds(&g->seconds.ttft, &g->seconds.ttft_of, e->ttft);
	sum_seconds(&g->seconds.decode, &g->seconds.decode_of, e->decode);
}

static void split_add(struct report_split *sum, const struct report_split *s)
{
	sum->tools += s->tools;
	sum->system += s->system;
	sum->history += s->history;
	sum->new += s->new;
}

/* Runs can be days apart: what lies between them is nobody's wall time. */
static double wall_of_traces(const struct report *r)
{
	double wall = NAN;
	for (size_t i = 0; i < r->ntraces; i++) {
		const struct trace *t = &r->traces[i];
		uint64_t first = UINT64_MAX, last = 0;
		for (size_t k = 0; k < t->nexchanges; k++) {
			uint64_t stamp = first_stamp(&t->exchanges[k].times);
			if (stamp && stamp < first)
				first = stamp;
			stamp = last_stamp(&t->exchanges[k].times);
			if (stamp > last)
				last = stamp;
		}
		if (last)
			sum_seconds(&wall, NULL, seconds_between(first, last));
	}
	return wall;
}

static void sum_losses(struct report *r)
{
	for (size_t i = 0; i < r->ntraces; i++) {
		const struct trace *t = &r->traces[i];
		for (size_t k = 0; k < KVS_DROP_REASONS; k++)
			r->ring_loss.dropped[k] += t->ring_loss.dropped[k];
		r->ring_loss.dropped_bytes += t->ring_loss.dropped_bytes;
		r->ring_loss.voided += t->ring_loss.voided;
		r->ring_loss.processes += t->ring_loss.processes;
		r->ring_loss.foreign_pidns += t->ring_loss.foreign_pidns;
		r->ring_loss.passthrough += t->ring_loss.passthrough;
		const struct pipeline_loss *p = &t->pipeline_loss;
		r->pipeline_loss.holes += p->holes;
		r->pipeline_loss.hole_bytes += p->hole_bytes;
		r->pipeline_loss.unreadable_bytes += p->unreadable_bytes;
		r->pipeline_loss.http_errors += p->http_errors;
		r->pipeline_loss.requests_without_response += p->requests_without_response;
		r->pipeline_loss.responses_without_request += p->responses_without_request;
		r->pipeline_loss.connections_refused += p->connections_refused;
		for (size_t k = 0; k < sizeof(p->blind) / sizeof(*p->blind); k++)
			r->pipeline_loss.blind[k] += p->blind[k];
		r->lines_lost += t->lines_lost;
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct report_system *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return memcmp(x->fingerprint.b, y->fingerprint.b, DIGEST_BYTES);
}

static int sum_systems(struct report *r)
{
	struct names seen = {0};
	size_t capacity = 0;
	int result = -1;
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		const struct prompt *prompt = &e->x->prompt;
		uint32_t number;
		if (!prompt->has_system || e->counts_only)
			continue;
		struct str key = {(const char *)prompt->system_fingerprint.b, DIGEST_BYTES};
		if (names_number(&seen, key, &number) < 0)
			goto out;
		if (number == r->nsystems) {
			struct report_system *grown =
				array_grow(r->systems, &capacity, r->nsystems + 1, sizeof(*grown));
			if (!grown)
				goto out;
			r->systems = grown;
			r->systems[r->nsystems++] = (struct report_system){.fingerprint = prompt->system_fingerprint,
									   .bytes_each = (uint64_t)e->bytes.system};
		}
		struct report_system *s = &r->systems[number];
		s->requests++;
		s->bytes += (uint64_t)e->bytes.system;
		if ((uint64_t)e->bytes.system > s->bytes_each)
			s->bytes_each = (uint64_t)e->bytes.system;
		if (e->split_basis != TOKENS_NONE) {
			s->tokens += e->split.system;
			/* A share of the prompt by bytes, whatever the prompt's own label. */
			s->basis = TOKENS_ESTIMATED;
		}
	}
	if (r->nsystems)
		qsort(r->systems, r->nsystems, sizeof(*r->systems), by_bytes);
	result = 0;
out:
	names_release(&seen);
	return result;
}

/* Fills by_session by counting: where each session's lineages go follows from how many the others have. */
static int sort_lineages(struct report *r)
{
	const struct lineage_set *set = &r->lineages;
	size_t *next = calloc(set->nsessions + 2, sizeof(*next));
	r->by_session = calloc(set->n + 1, sizeof(*r->by_session));
	if (!next || !r->by_session) {
		free(next);
		return -1;
	}
	for (size_t i = 0; i < set->n; i++)
		next[set->lineages[i].session + 1]++;
	for (size_t i = 0; i < set->nsessions; i++)
		next[i + 1] += next[i];
	for (size_t i = 0; i < set->n; i++)
		r->by_session[next[set->lineages[i].session]++] = (uint32_t)i;
	free(next);
	return 0;
}

static int sum_up(struct report *r, const struct entry *entries)
{
	if (sort_lineages(r) < 0)
		return -1;
	r->lineage_groups = calloc(r->lineages.n + 1, sizeof(*r->lineage_groups));
	r->session_groups = calloc(r->lineages.nsessions + 1, sizeof(*r->session_groups));
	if (!r->lineage_groups || !r->session_groups)
		return -1;
	group_init(&r->all);
	for (size_t i = 0; i < r->lineages.n; i++)
		group_init(&r->lineage_groups[i]);
	for (size_t i = 0; i < r->lineages.nsessions; i++)
		group_init(&r->session_groups[i]);

	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		group_add(&r->all, e, &entries[i]);
		group_add(&r->lineage_groups[e->lineage], e, &entries[i]);
		group_add(&r->session_groups[r->lineages.lineages[e->lineage].session], e, &entries[i]);
		r->count_requests += e->counts_only;
		r->billing_requests += entries[i].place.has_billing;
		if (e->counts_only || e->split_basis == TOKENS_NONE)
			continue;
		split_add(&r->split, &e->split);
		split_add(&r->split_bytes, &e->bytes);
	}
	r->all.seconds.wall = wall_of_traces(r);
	sum_losses(r);
	return sum_systems(r);
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
	}
	if (split_exchanges(prompts->tree, requests, r->exchanges, r->nexchanges) < 0 ||
	    earlier_exchanges(prompts->tree, requests, r->exchanges, r->nexchanges) < 0)
		return -1;
	r->billing_variants = prompts->billing.n;
	return sum_up(r, entries);
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
