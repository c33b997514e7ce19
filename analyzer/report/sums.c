/* SPDX-License-Identifier: MIT */
#include "report/sums.h"

#include "base/array.h"
#include "base/clock.h"
#include "lineage/names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static void group_add(struct report_group *g, const struct report_exchange *e)
{
	if (g->requests++ == 0)
		g->start_ns = e->start_ns;
	if (e->end_ns > g->end_ns)
		g->end_ns = e->end_ns;
	g->failed += report_failed(e);
	if (e->x->model) {
		g->models = g->models || (g->model && strcmp(g->model, e->x->model) != 0);
		g->model = e->x->model;
	}
	g->seconds.wall = clock_seconds_between(g->start_ns, g->end_ns);
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
			uint64_t stamp = exchange_first_stamp(&t->exchanges[k].times);
			if (stamp && stamp < first)
				first = stamp;
			stamp = exchange_last_stamp(&t->exchanges[k].times);
			if (stamp > last)
				last = stamp;
		}
		if (last)
			sum_seconds(&wall, NULL, clock_seconds_between(first, last));
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

int sums_build(struct report *r)
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
		group_add(&r->all, e);
		group_add(&r->lineage_groups[e->lineage], e);
		group_add(&r->session_groups[r->lineages.lineages[e->lineage].session], e);
		r->count_requests += e->counts_only;
		if (e->counts_only || e->split_basis == TOKENS_NONE)
			continue;
		split_add(&r->split, &e->split);
		split_add(&r->split_bytes, &e->bytes);
	}
	r->all.seconds.wall = wall_of_traces(r);
	sum_losses(r);
	return sum_systems(r);
}
