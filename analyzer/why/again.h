/* SPDX-License-Identifier: MIT */
#ifndef WHY_AGAIN_H
#define WHY_AGAIN_H

/* What a backend read again of what its conversation had sent before, whosever fault it was. */

#include "why/why.h"

/* A prompt in three parts that do not overlap; TOKENS_UNKNOWN where not known. */
struct why_use {
	int64_t reused; /* as the backend reports; where it reports nothing, as it could at most (estimated) */
	int64_t again;  /* sent before by the conversation, and not reused */
	int64_t new;
	enum tokens_basis basis; /* TOKENS_NONE: not known */
};

/*
 * Of a request: what its conversation had sent before is its parent's prompt; after an expected miss, whose texts are
 * others, the repeated prefix. `exchange` is an index in report.exchanges.
 */
struct why_use why_use_of(const struct report *report, const struct why *why, size_t exchange);

#endif
