/* SPDX-License-Identifier: MIT */
#include "cost/use.h"

/* Where the backend does not say what it reused: as much of what was sent before as it could at most. */
static struct cost_use estimate(const struct report *report, const struct why *why, size_t exchange)
{
	const struct report_exchange *e = &report->exchanges[exchange];
	const struct why_request *r = &why->requests[exchange];
	const struct report_exchange *parent = e->parent == LINEAGE_NONE ? NULL : &report->exchanges[e->parent];
	bool expected = r->misses && why->misses[r->miss].cause->expected;
	int64_t seen = parent && !expected ? parent->prompt : e->repeated;
	int64_t reused = r->matched_tokens;

	if (e->cached != TOKENS_UNKNOWN || seen == TOKENS_UNKNOWN || reused == TOKENS_UNKNOWN)
		return (struct cost_use){TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_NONE};
	seen = seen < e->prompt ? seen : e->prompt;
	reused = reused < e->prompt ? reused : e->prompt;
	struct cost_use use = {.reused = reused, .basis = TOKENS_ESTIMATED};
	use.again = seen > reused ? seen - reused : 0;
	use.new = e->prompt - use.reused - use.again;
	return use;
}

struct cost_use cost_use_of(const struct report *report, const struct cost *cost, const struct why *why,
			    size_t exchange)
{
	const struct report_exchange *e = &report->exchanges[exchange];
	const struct cost_exchange *c = &cost->exchanges[exchange];

	if (e->counts_only || e->basis == TOKENS_NONE)
		return (struct cost_use){TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_NONE};
	if (c->prefilled == TOKENS_UNKNOWN || c->reused == TOKENS_UNKNOWN || c->again == TOKENS_UNKNOWN)
		return estimate(report, why, exchange);
	return (struct cost_use){
		.reused = c->reused,
		.again = c->again,
		.new = c->prefilled - c->again,
		.basis = tokens_basis_join(c->prefilled_basis, c->again_basis),
	};
}
