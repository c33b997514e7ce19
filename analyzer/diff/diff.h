/* SPDX-License-Identifier: MIT */
#ifndef DIFF_DIFF_H
#define DIFF_DIFF_H

/*
 * Two reports side by side: what each spent, what its cache missed, and how the prompts that they begin with differ.
 * A is the earlier or the unfixed one, B is judged against it. Computes on what report_build and why_build made; reads
 * the text of parts that differ.
 */

#include "diff/prefix.h"
#include "cost/cost.h"
#include "trace/prompt_place.h"
#include "why/why.h"

/* What came of all prompt tokens of one side. */
struct diff_side {
	const struct report *report;
	const struct cost *cost;
	const struct why *why;
	const char *client; /* product of the User-Agent, "claude-cli/2.1.330"; NULL: not said */
	size_t client_bytes;
	struct prefix prefix;
	uint64_t expected; /* misses */
	/* Sums of cost_use.again: prompt tokens of requests before that the backend read again. */
	int64_t re_prefilled;
	enum tokens_basis re_prefilled_basis;
	uint64_t re_prefilled_unknown; /* requests of which that is not known */
};

enum diff_change_kind { DIFF_ADDED, DIFF_REMOVED, DIFF_CHANGED };

/* A tool or system block that only one side has, or that reads otherwise. */
struct diff_change {
	enum diff_change_kind change;
	const struct prefix_item *a, *b; /* of the prefixes; NULL: none */
	const struct prefix_item *item;  /* b, or a where there is no b */
	struct prompt_place place;
};

struct diff_cause {
	const struct breaker *cause;
	uint64_t misses[2];
	int64_t lost_tokens[2]; /* TOKENS_UNKNOWN: not known, or no such miss */
	double seconds_lost[2]; /* NaN: the same */
};

/* A system prompt by its fingerprint, with how many requests of each side sent it. */
struct diff_system {
	struct digest fingerprint;
	uint64_t bytes, requests[2];
};

struct diff {
	struct diff_side side[2];
	bool comparable;       /* the texts of both were kept, so that parts can be compared across traces */
	bool same;             /* the static prefixes are equal, piece by piece */
	bool reordered;        /* the tools that both have stand in another order */
	uint64_t common_bytes; /* of B's first prompt: what a cache filled by A's holds */
	int64_t common_tokens;
	struct diff_change *changes;
	size_t nchanges;
	struct diff_cause *causes;
	size_t ncauses;
	struct diff_system *systems;
	size_t nsystems;
};

/* Returns 0, or -1: no memory. Reports and verdicts must outlive the diff. diff_release in either case. */
int diff_build(const struct report reports[2], const struct cost costs[2], const struct why verdicts[2],
	       struct diff *out) __attribute__((warn_unused_result));
void diff_release(struct diff *d);

/* ---- B as a regression of A */

enum diff_worse {
	DIFF_MORE_MISSES = 1,  /* unexpected ones */
	DIFF_MORE_PREFILL = 2, /* re-prefilled tokens, beyond the tolerance */
	DIFF_OTHER_PREFIX = 4, /* another static prefix from the same client version */
	DIFF_UNKNOWN = 8,      /* B's re-prefilled tokens are not known, A's are */
};

/*
 * tolerance: so many percent of B's prompt tokens may be re-prefilled beyond what A re-prefilled of its own, as a
 * share. Returns a set of enum diff_worse; DIFF_OTHER_PREFIX is for the caller to count or not.
 */
unsigned diff_worse(const struct diff *d, double tolerance);

#endif
