/* SPDX-License-Identifier: MIT */
#include "why/server.h"

#include "base/clock.h"

#include <string.h>

/* Anthropic's default time to live, counted from the start of the request that wrote or read the entry. */
#define TTL_NS (UINT64_C(300) * NS_PER_S)

static bool same_server(const struct exchange *a, const struct exchange *b)
{
	return a->peer && b->peer && strcmp(a->peer, b->peer) == 0;
}

struct between {
	bool other;  /* another lineage was served */
	bool failed; /* a request got no answer */
};

/* What happened on the server from the start of one request to the start of another of the same trace. */
static struct between look_between(const struct report *r, uint32_t from, uint32_t to)
{
	const struct report_exchange *old = &r->exchanges[from], *new = &r->exchanges[to];
	struct between found = {false, false};

	for (uint32_t i = from + 1; i < to; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (e->trace != new->trace || !same_server(e->x, new->x) || e->counts_only)
			continue;
		if (e->x->response.status == 0)
			found.failed = true;
		else if (e->lineage != new->lineage && e->x->response.status < 400 && e->prompt != 0)
			found.other = true;
	}
	/* One that began before the parent and was still being answered counts, too. */
	for (uint32_t i = from; i > 0 && from - i < 64 && !found.other; i--) {
		const struct report_exchange *e = &r->exchanges[i - 1];
		if (e->trace == old->trace && e->lineage != new->lineage &&same_server(e->x, new->x) &&
		    e->x->times.end > old->x->times.request_end && !e->counts_only)
			found.other = true;
	}
	return found;
}

/* Nothing was ever reused in this lineage, though nobody was in between. */
static bool never_reuses(const struct report *r, uint32_t exchange)
{
	unsigned turns = 0;
	for (uint32_t i = exchange; turns < 4; i = r->exchanges[i].parent) {
		if (r->exchanges[i].parent == LINEAGE_NONE)
			break;
		if (r->exchanges[i].cached != 0 || look_between(r, r->exchanges[i].parent, i).other)
			return false;
		turns++;
	}
	return turns >= 2;
}

const struct breaker *server_cause(const struct report *report, uint32_t exchange, const struct backend *backend)
{
	const struct report_exchange *e = &report->exchanges[exchange], *parent = &report->exchanges[e->parent];
	bool same_trace = e->trace == parent->trace;
	uint64_t pause = same_trace && e->x->times.request_start > parent->x->times.request_start
				 ? e->x->times.request_start - parent->x->times.request_start
				 : 0;
	struct between between = look_between(report, e->parent, exchange);

	if (backend->engine == ENGINE_ANTHROPIC && pause > TTL_NS)
		return breaker_find("ttl_expired");
	if (between.failed && e->cached == 0)
		return breaker_find("restart");
	if (between.other)
		return breaker_find("slot_evicted");
	if (e->cached == 0 && never_reuses(report, exchange))
		return breaker_find("not_trimmable");
	return breaker_find("unknown");
}
