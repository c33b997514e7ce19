/* SPDX-License-Identifier: MIT */
#include "cost/use.h"

struct cost_use cost_use_of(const struct report *report, const struct cost *cost, const struct why *why,
			    size_t exchange)
{
	const struct report_exchange *e = &report->exchanges[exchange];
	const struct cost_exchange *c = &cost->exchanges[exchange];
	const struct why_request *r = &why->requests[exchange];
	const struct report_exchange *parent = e->parent == LINEAGE_NONE ? NULL : &report->exchanges[e->parent];
	bool expected = r->misses && why->misses[r->miss].cause->expected;
	int64_t seen = parent && !expected ? parent->prompt : e->repeated;
	int64_t reused = e->cached != TOKENS_UNKNOWN ? e->cached : r->matched_tokens;

	if (e->counts_only || e->basis == TOKENS_NONE || seen == TOKENS_UNKNOWN || reused == TOKENS_UNKNOWN)
		return (struct cost_use){TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_NONE};
	struct cost_use use = {
		.basis = e->cached == TOKENS_UNKNOWN ? TOKENS_ESTIMATED
						     : tokens_basis_join(e->basis, parent ? parent->basis : e->basis),
	};
	seen = seen < e->prompt ? seen : e->prompt;
	use.reused = reused < e->prompt ? reused : e->prompt;
	use.again = seen > use.reused ? seen - use.reused : 0;
	if (e->cached != TOKENS_UNKNOWN && c->again > use.again) {
		use.again = c->again < e->prompt - use.reused ? c->again : e->prompt - use.reused;
		use.basis = tokens_basis_join(use.basis, c->again_basis);
	}
	use.new = e->prompt - use.reused - use.again;
	return use;
}
