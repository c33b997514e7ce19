/* SPDX-License-Identifier: MIT */
#include "diff/diff.h"

#include "base/array.h"
#include "cost/use.h"

#include <math.h>
#include <stdlib.h>

#define CAUSES_MAX 64
/* Places are looked up for so many changes; each costs a body. */
#define PLACES_MAX 64

static void find_client(struct diff_side *s)
{
	for (size_t i = 0; i < s->report->nexchanges && !s->client; i++) {
		const struct exchange_request *q = &s->report->exchanges[i].x->request;
		s->client = exchange_header_value(q->headers, q->nheaders, "user-agent");
	}
	s->client_bytes = s->client ? strcspn(s->client, " ") : 0;
}

static void sum_re_prefilled(struct diff_side *s)
{
	int64_t sum = 0;
	enum tokens_basis basis = TOKENS_NONE;

	for (size_t i = 0; i < s->report->nexchanges; i++) {
		struct cost_use use = cost_use_of(s->report, s->cost, s->why, i);
		if (use.basis == TOKENS_NONE) {
			s->re_prefilled_unknown += !s->report->exchanges[i].counts_only;
			continue;
		}
		sum += use.again;
		basis = tokens_basis_join(basis, use.basis);
	}
	s->re_prefilled = basis == TOKENS_NONE ? TOKENS_UNKNOWN : sum;
	s->re_prefilled_basis = basis;
}

static int build_side(const struct report *report, const struct cost *cost, const struct why *why, struct diff_side *s)
{
	struct render_rules rules;

	*s = (struct diff_side){.report = report, .cost = cost, .why = why, .expected = why->nmisses - why->unexpected};
	backend_rules(&why->backend, &rules);
	find_client(s);
	sum_re_prefilled(s);
	return prefix_find(report, &rules, &s->prefix);
}

/* Hashes of traces without content are keyed: equal texts have different ones in different traces. */
static bool keeps_content(const struct report *r)
{
	for (size_t i = 0; i < r->ntraces; i++)
		if (r->traces[i].content != CONTENT_FULL)
			return false;
	return true;
}

static bool equal(const struct prefix_item *a, const struct prefix_item *b)
{
	return a->kind == b->kind && memcmp(&a->digest, &b->digest, sizeof(a->digest)) == 0;
}

static int add_change(struct diff *d, size_t *capacity, enum diff_change_kind change, const struct prefix_item *a,
		      const struct prefix_item *b)
{
	struct diff_change *grown = array_grow(d->changes, capacity, d->nchanges + 1, sizeof(*grown));
	if (!grown)
		return -1;
	d->changes = grown;
	d->changes[d->nchanges++] = (struct diff_change){.change = change, .a = a, .b = b, .item = b ? b : a};
	return 0;
}

/* Pairs equal items, then tools by name and system blocks in their order. pair_a[i] is b's index, SIZE_MAX: none. */
static void pair_items(const struct prefix *a, const struct prefix *b, size_t *pair_a, size_t *pair_b)
{
	for (size_t i = 0; i < a->n; i++)
		pair_a[i] = SIZE_MAX;
	for (size_t k = 0; k < b->n; k++)
		pair_b[k] = SIZE_MAX;
	for (int same = 1; same >= 0; same--) {
		for (size_t i = 0; i < a->n; i++) {
			for (size_t k = 0; k < b->n && pair_a[i] == SIZE_MAX; k++) {
				const struct prefix_item *x = &a->items[i], *y = &b->items[k];
				bool fits = same ? equal(x, y)
						 : x->kind == y->kind &&
							    (x->kind == PART_SYSTEM || strcmp(x->name, y->name) == 0);
				if (pair_b[k] != SIZE_MAX || !fits)
					continue;
				pair_a[i] = k;
				pair_b[k] = i;
			}
		}
	}
}

static void find_place(const struct diff *d, struct diff_change *c)
{
	const struct report *ra = d->side[0].report, *rb = d->side[1].report;
	const struct report_exchange *ea = &ra->exchanges[d->side[0].prefix.exchange];
	const struct report_exchange *eb = &rb->exchanges[d->side[1].prefix.exchange];
	struct trace *ta = &ra->traces[ea->trace], *tb = &rb->traces[eb->trace];
	char error[256];

	/* What cannot be told stays unknown. */
	if (prompt_place_find(ta, c->a->at.part, tb, (size_t)(eb->x - tb->exchanges), &c->b->at, &c->place, error,
			      sizeof(error)) < 0)
		c->place.known = false;
}

static int compare_items(struct diff *d)
{
	const struct prefix *a = &d->side[0].prefix, *b = &d->side[1].prefix;
	size_t *pair_a = calloc(a->n + 1, sizeof(*pair_a)), *pair_b = calloc(b->n + 1, sizeof(*pair_b));
	size_t capacity = 0, last = 0;
	int result = pair_a && pair_b ? 0 : -1;

	if (result == 0)
		pair_items(a, b, pair_a, pair_b);
	for (size_t i = 0; result == 0 && i < a->n; i++) {
		if (pair_a[i] == SIZE_MAX)
			result = add_change(d, &capacity, DIFF_REMOVED, &a->items[i], NULL);
		else if (!equal(&a->items[i], &b->items[pair_a[i]]))
			result = add_change(d, &capacity, DIFF_CHANGED, &a->items[i], &b->items[pair_a[i]]);
		if (pair_a[i] == SIZE_MAX || a->items[i].kind != PART_TOOL)
			continue;
		d->reordered = d->reordered || pair_a[i] < last;
		last = pair_a[i];
	}
	for (size_t k = 0; result == 0 && k < b->n; k++)
		if (pair_b[k] == SIZE_MAX)
			result = add_change(d, &capacity, DIFF_ADDED, NULL, &b->items[k]);
	for (size_t i = 0; result == 0 && i < d->nchanges && i < PLACES_MAX; i++)
		if (d->changes[i].change == DIFF_CHANGED)
			find_place(d, &d->changes[i]);
	free(pair_a);
	free(pair_b);
	return result;
}

static void compare_prefixes(struct diff *d)
{
	const struct prefix *a = &d->side[0].prefix, *b = &d->side[1].prefix;
	size_t same = rendered_common(&a->first, &b->first);

	d->same = a->n == b->n;
	for (size_t i = 0; d->same && i < a->n; i++)
		d->same = equal(&a->items[i], &b->items[i]);
	d->common_bytes = rendered_bytes(&b->first, same);
	int64_t prompt = d->side[1].report->exchanges[b->exchange].prompt;
	if (prompt != TOKENS_UNKNOWN && b->first.bytes > 0)
		d->common_tokens = (int64_t)((double)prompt * (double)d->common_bytes / (double)b->first.bytes);
}

static int compare_causes(struct diff *d)
{
	struct why_cause causes[CAUSES_MAX];

	d->causes = calloc((size_t)2 * CAUSES_MAX, sizeof(*d->causes));
	if (!d->causes)
		return -1;
	for (int side = 0; side < 2; side++) {
		size_t n = why_causes(d->side[side].why, causes, CAUSES_MAX);
		for (size_t i = 0; i < n; i++) {
			size_t k = 0;
			while (k < d->ncauses && d->causes[k].cause != causes[i].cause)
				k++;
			if (k == d->ncauses)
				d->causes[d->ncauses++] =
					(struct diff_cause){.cause = causes[i].cause,
							    .lost_tokens = {TOKENS_UNKNOWN, TOKENS_UNKNOWN},
							    .seconds_lost = {NAN, NAN}};
			d->causes[k].misses[side] = causes[i].misses;
			d->causes[k].lost_tokens[side] = causes[i].lost_tokens;
			d->causes[k].seconds_lost[side] = causes[i].seconds_lost;
		}
	}
	return 0;
}

static int compare_systems(struct diff *d)
{
	size_t na = d->side[0].report->nsystems, nb = d->side[1].report->nsystems;

	d->systems = calloc(na + nb + 1, sizeof(*d->systems));
	if (!d->systems)
		return -1;
	for (int side = 0; side < 2; side++) {
		const struct report *r = d->side[side].report;
		for (size_t i = 0; i < r->nsystems; i++) {
			const struct report_system *s = &r->systems[i];
			size_t k = 0;
			while (k < d->nsystems &&
			       memcmp(&d->systems[k].fingerprint, &s->fingerprint, sizeof(s->fingerprint)) != 0)
				k++;
			if (k == d->nsystems)
				d->systems[d->nsystems++] =
					(struct diff_system){.fingerprint = s->fingerprint, .bytes = s->bytes_each};
			d->systems[k].requests[side] += s->requests;
		}
	}
	return 0;
}

int diff_build(const struct report reports[2], const struct cost costs[2], const struct why verdicts[2],
	       struct diff *out)
{
	struct diff *d = out;

	*d = (struct diff){.common_tokens = TOKENS_UNKNOWN};
	if (build_side(&reports[0], &costs[0], &verdicts[0], &d->side[0]) < 0 ||
	    build_side(&reports[1], &costs[1], &verdicts[1], &d->side[1]) < 0 || compare_causes(d) < 0 ||
	    compare_systems(d) < 0)
		return -1;
	d->comparable = keeps_content(&reports[0]) && keeps_content(&reports[1]) && d->side[0].prefix.known &&
			d->side[1].prefix.known;
	if (!d->comparable)
		return 0;
	compare_prefixes(d);
	return compare_items(d);
}

void diff_release(struct diff *d)
{
	for (size_t i = 0; i < d->nchanges; i++)
		prompt_place_release(&d->changes[i].place);
	free(d->changes);
	free(d->causes);
	free(d->systems);
	prefix_release(&d->side[0].prefix);
	prefix_release(&d->side[1].prefix);
	*d = (struct diff){0};
}

static double re_prefilled_share(const struct diff_side *s)
{
	int64_t sent = s->report->all.tokens.sent;
	return sent > 0 ? (double)s->re_prefilled / (double)sent : 0;
}

static bool same_client(const struct diff *d)
{
	const struct diff_side *a = &d->side[0], *b = &d->side[1];
	return a->client && b->client && a->client_bytes == b->client_bytes &&
	       memcmp(a->client, b->client, a->client_bytes) == 0;
}

unsigned diff_worse(const struct diff *d, double tolerance)
{
	const struct diff_side *a = &d->side[0], *b = &d->side[1];
	unsigned worse = 0;

	if (b->why->unexpected > a->why->unexpected)
		worse |= DIFF_MORE_MISSES;
	if (b->re_prefilled == TOKENS_UNKNOWN)
		worse |= a->re_prefilled == TOKENS_UNKNOWN ? 0 : DIFF_UNKNOWN;
	else if (a->re_prefilled != TOKENS_UNKNOWN && (re_prefilled_share(b) - re_prefilled_share(a)) * 100 > tolerance)
		worse |= DIFF_MORE_PREFILL;
	if (d->comparable && !d->same && same_client(d))
		worse |= DIFF_OTHER_PREFIX;
	return worse;
}
