/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_PLAN_H
#define REPLAY_PLAN_H

/*
 * Which captured requests are replayed, and what each must wait for: the last request of every lineage of its session
 * that had ended before it began (its own lineage's answer, sub-agents that had finished). What overlapped in the
 * capture may overlap in the replay.
 */

#include "report/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plan_request {
	uint32_t exchange; /* index in report.exchanges */
	uint32_t lineage;  /* index in report.lineages.lineages */
	uint32_t session;
	enum lineage_role role;
	size_t first_dep, ndeps; /* in plan.deps: indices in plan.requests, all smaller than its own */
	double gap_s;            /* from the last of these answers to this request; of the first one 0 */
	bool idle;               /* that gap was a person's, not a tool's */
	int64_t prompt;          /* as captured, reported or estimated; TOKENS_UNKNOWN */
	int64_t again;           /* of these: what the lineage had sent before */
	int64_t output;          /* TOKENS_UNKNOWN */
	double ttft_s, decode_s; /* as captured; NaN */
	bool synthetic;          /* its body is not in the trace */
};

struct plan {
	struct plan_request *requests; /* in the order in which they began */
	size_t n, capacity;
	uint32_t *deps;
	size_t ndeps, deps_capacity;
	size_t sessions;    /* that occur */
	size_t failed;      /* captured failures, left out */
	size_t unreadable;  /* no prompt, or of an API that cannot be replayed */
	size_t counts_only; /* count_tokens: nothing to prefill */
};

struct plan_options {
	const char *session; /* NULL: all; else the beginning of its id */
	size_t limit;        /* 0: none */
};

/* Returns 0, or -1 with one line in error. plan_release in either case. The report must outlive it. */
int plan_build(const struct report *report, const struct plan_options *options, struct plan *out, char *error,
	       size_t error_bytes) __attribute__((warn_unused_result));
void plan_release(struct plan *p);

/*
 * Seconds from the first request to the end of the last, with these durations (first byte sent to last byte received)
 * in place of the captured ones: each request starts when all that it waits for has ended, and its gap is over. Gaps
 * of people count as 0. NaN if a duration is NaN.
 */
double plan_session_seconds(const struct plan *p, const double *durations);

#endif
