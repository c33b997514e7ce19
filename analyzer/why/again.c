/* SPDX-License-Identifier: MIT */
#include "why/again.h"

struct why_use why_use_of(const struct report *report, const struct why *why, size_t exchange)
{
	const struct report_exchange *e = &report->exchanges[exchange];
	const struct why_request *r = &why->requests[exchange];
	const struct report_exchange *parent = e->parent == LINEAGE_NONE ? NULL : &report->exchanges[e->parent];
	bool expected = r->misses && why->misses[r->miss].cause->expected;
	int64_t seen = parent && !expected ? parent->prompt : e->repeated;
	int64_t reused = e->cached != TOKENS_UNKNOWN ? e->cached : r->matched_tokens;

	if (e->counts_only || e->basis == TOKENS_NONE || seen == TOKENS_UNKNOWN || reused == TOKENS_UNKNOWN)
		return (struct why_use){TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_UNKNOWN, TOKENS_NONE};
	seen = seen < e->prompt ? seen : e->prompt;
	reused = reused < e->prompt ? reused : e->prompt;
	int64_t again = seen > reused ? seen - reused : 0;
	return (struct why_use){
		.reused = reused,
		.again = again,
		.new = e->prompt - reused - again,
		.basis = e->cached == TOKENS_UNKNOWN ? TOKENS_ESTIMATED
						     : tokens_basis_join(e->basis, parent ? parent->basis : e->basis),
	};
}
