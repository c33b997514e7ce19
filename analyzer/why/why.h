/* SPDX-License-Identifier: MIT */
#ifndef WHY_WHY_H
#define WHY_WHY_H

/*
 * For every request: how much of its prompt its lineage had sent before, how much of that a backend's cache could use,
 * and if it broke, where, why and what to do. Computes on a report (lineages and parents) and its traces; reads bodies'
 * parts only around a divergence.
 *
 * With L the common prefix of the rendered prompts of a request and its parent, and R the parent's length, the prefix
 * is broken when L < R minus a block; the cache lost it when the engine reports less than L rounded down minus a block.
 * Reuse of generated output is a bonus, not a duty.
 */

#include "render/backend.h"
#include "report/report.h"
#include "why/breaker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHY_EXCERPT 40 /* characters old and new on either side of a divergence */
#define WHY_BEHIND_MAX 4

/* What became of one request's prefix. Token counts as in report/tokens.h, TOKENS_UNKNOWN where unknown. */
struct why_request {
	uint32_t exchange; /* index in report.exchanges */
	bool misses;       /* see miss */
	size_t miss;       /* index in why.misses */
	int64_t prompt_tokens;
	int64_t matched_tokens;     /* L against the parent, rendered */
	int64_t matched_any_tokens; /* against any earlier prompt of the same model and server */
	int64_t wire_tokens;        /* L against the parent in the wire view */
	int64_t cached_tokens;      /* as the engine reported */
	enum tokens_basis basis;
};

struct why_miss {
	uint32_t exchange; /* index in report.exchanges */
	uint32_t parent;   /* LINEAGE_NONE: none */
	uint32_t lineage;
	const struct breaker *cause;  /* its side and whether it is expected stand there */
	struct client_version client; /* see why/client.h */
	const struct breaker
		*behind[WHY_BEHIND_MAX]; /* further causes, found by neutralising the ones before; NULL-filled */
	bool broken;                     /* the prompts differ; false: equal as far as needed, the cache lost it */
	char *path; /* JSON path in the request: "system[0].text", "tools[13]", "messages[41].content[0]"; NULL */
	int64_t byte_offset;       /* in the request's body; -1: unknown */
	int64_t token_offset;      /* in the rendered prompt */
	char *old_text, *new_text; /* excerpts, escaped, secrets masked; NULL: not kept */
	bool counted;              /* by the backend's tokenizer, see why/ask.h; false: as the request's basis says */
	int64_t matched_tokens, prompt_tokens;
	int64_t lost_tokens;  /* what would be reused were the cause undone, and those behind it; -1: unknown */
	int64_t cache_tokens; /* what the cache seems to hold, where it is too small; -1: not known */
	double seconds_lost;  /* marginal, NaN: unknown; set by cost */
};

/* One backend under which the same requests were judged. */
struct why {
	struct backend backend;
	struct render_rules rules;    /* that it was judged by */
	bool recognised;              /* found in the responses or given; false: one of several candidates */
	struct why_request *requests; /* as report.exchanges */
	struct why_miss *misses;      /* in the order of requests */
	size_t nmisses;
	uint64_t unexpected;
	uint64_t unreadable; /* prompts that could not be compared */
	uint64_t refused;    /* prompts that such a backend answers with an error */
	/* Of several that come to the same (why/candidates.h): all of them, else NULL; `backend` is one that loses
	 * most. */
	struct backend *same;
	size_t nsame;
	bool all;              /* that is every candidate */
	bool uneven;           /* by some of them less is lost */
	uint64_t contradicted; /* requests that reused more than such a backend could have */
};

/* Returns 0, or -1 with one line in error. why_release in either case. The report must outlive it. */
int why_build(struct report *report, const struct backend *backend, bool recognised, struct why *out, char *error,
	      size_t error_bytes) __attribute__((warn_unused_result));
/* The same with the rules given, whatever the backend's are. */
int why_build_by(struct report *report, const struct backend *backend, const struct render_rules *rules,
		 bool recognised, struct why *out, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void why_release(struct why *w);

/* The backend seen in the responses (engine, template by the model's name); ENGINE_UNKNOWN if none or several. */
struct backend why_recognise(const struct report *report);

/* Causes with their sums, worst first (by seconds where known, else by tokens). Returns how many were written. */
struct why_cause {
	const struct breaker *cause;
	uint64_t misses;
	int64_t lost_tokens;
	double seconds_lost;
	size_t worst; /* index in why.misses */
};
size_t why_causes(const struct why *w, struct why_cause *out, size_t max);

#endif
