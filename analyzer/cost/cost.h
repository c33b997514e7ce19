/* SPDX-License-Identifier: MIT */
#ifndef COST_COST_H
#define COST_COST_H

/*
 * What a session's prompts cost in seconds: per request the prefill, split into what was new and what the backend had
 * already been given (re-prefill); per session where the time went; and how fast it would have been with a prefix
 * cache that holds. Computes on a report; reads nothing.
 *
 * Words: n tokens were prefilled, P were reused, n + P is the prompt. Of n, those that the same model and server had
 * been sent before, in a prefix or in the conversation's last prompt whose prefix the client then broke, are
 * re-prefilled, the others new. All seconds are NaN where unknown, all
 * counts TOKENS_UNKNOWN; a request whose backend does not say what it reused has a prefill time but no split of it.
 *
 *     struct cost cost;
 *     if (cost_build(&report, NULL, &cost, error, sizeof(error)) < 0) ...
 *     cost_headline(&report, &cost, &text);
 *     cost_release(&cost);       // before the report
 */

#include "cost/model.h"
#include "report/report.h"
#include "why/why.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a number of seconds comes from. */
enum cost_basis {
	COST_UNKNOWN,
	COST_REPORTED, /* the engine's own timing */
	COST_MEASURED, /* stamps of the connection: request sent to first output */
	COST_MODELLED, /* the backend's fitted model: not a stream, or it waited for other requests */
};

/* What the timing says of the count of cached tokens that came with the answer. */
enum cost_claim {
	CLAIM_UNCHECKED, /* no count, no time, or nothing to compare it with */
	CLAIM_PLAUSIBLE,
	CLAIM_HIT_TOO_SLOW,  /* "cached", and yet as slow as a prefill of all of it */
	CLAIM_MISS_TOO_FAST, /* "not cached", and yet as fast as a hit */
};

/* What the time before a request was spent on, since the lineage's response before it. */
enum cost_gap { GAP_NONE, GAP_CLIENT, GAP_IDLE };

struct cost_exchange {    /* beside report.exchanges */
	uint32_t backend; /* index in cost.backends, COST_NO_BACKEND: counts_only or never answered */

	/* Real time, nanoseconds; 0: unknown. The prefill is thought to end at the first output. */
	uint64_t start_ns, sent_ns, prefill_start_ns, prefill_end_ns, end_ns;

	int64_t prefilled;                 /* n */
	int64_t reused;                    /* P */
	enum tokens_basis prefilled_basis; /* reported, or estimated where the timing contradicts the report */
	int64_t again;                     /* of n: re-prefilled */
	enum tokens_basis again_basis;

	double prefill;        /* all of it */
	double prefill_new;    /* what of it a cache that holds would leave */
	double re_prefill;     /* the rest; prefill_new + re_prefill = prefill */
	double system_prompt;  /* of prefill: for tools and system prompt */
	enum cost_basis basis; /* of prefill; the split is always by the model, or by tokens without one */
	double queue;          /* waiting for other requests before the prefill */
	double decode;         /* first output to last byte */
	enum cost_basis decode_basis;
	double modelled; /* the model's prefill for n and P, NaN: none, or out of its range */

	enum cost_gap gap;
	double client; /* before this request: tools and client, since the lineage's answer before; NaN: not that */
	double idle; /* the same, waiting for a person; of a conversation that another one of the client's process went
			before, or its side requests at its start, since then */

	enum cost_claim claim;
};

#define COST_NO_BACKEND UINT32_MAX

struct cost_backend {             /* a server and a model */
	const char *peer, *model; /* borrowed; NULL: not said */
	enum engine engine;       /* as its responses say */
	uint64_t requests;
	struct cost_model model_fit; /* .points == 0: not fitted */
	uint64_t hits_too_slow, misses_too_fast;
};

/*
 * A session's time, each moment counted once however many requests run: a moment is re-prefill if any request
 * re-prefills in it, else new prefill, else prefill that cannot be split, else decode, else unknown (in a request, but
 * it is not known what it does: queue, no stream, failed; or between conversations), else client, else idle. The seven
 * add up to wall; what lies between two traces is in none of them. NaN when there was no request.
 */
struct cost_seconds {
	double wall;
	double re_prefill, prefill_new;
	double prefill_unsplit; /* not known whether new or again */
	double decode, unknown, client, idle;
	double system_prompt; /* of the prefill: for tools and system prompt, over requests where it is known */
};

/* The same session with a cache that holds: requests start as soon as what they waited for has ended. */
struct cost_speedup {
	double seconds;        /* session time without idle, as it was */
	double seconds_held;   /* ... with no re-prefill */
	double saved;          /* seconds - seconds_held */
	double factor;         /* seconds / seconds_held; NaN: unknown */
	enum cost_basis basis; /* the weakest of the prefill seconds it rests on */
	uint64_t requests;     /* whose re-prefill was taken out, or known to be none */
	uint64_t unknown; /* requests left as they were, since their split is not known: the factor is a lower bound */
};

/* Over the requests that a model answered. */
struct cost_tokens {
	int64_t prefilled;          /* n */
	int64_t again;              /* of n */
	enum tokens_basis basis;    /* of both; TOKENS_NONE: of no request */
	uint64_t requests, unknown; /* of which they are known, and not */
	uint64_t estimated;         /* of the known: those that the backend does not tell, see cost/estimate.h */
};

struct cost {
	struct cost_exchange *exchanges; /* as report.exchanges */
	size_t nexchanges;
	struct cost_backend *backends;
	size_t nbackends;
	struct cost_seconds all;                  /* summed over the traces */
	struct cost_seconds *sessions, *lineages; /* beside report.lineages.sessions and .lineages */
	struct cost_tokens tokens;
	struct cost_speedup speedup;
};

struct cost_options {
	enum engine engine; /* said by the user, or ENGINE_UNKNOWN: as the responses say */
	/* NULL, or who judges what a cache could reuse where the backend does not say it. */
	const struct why *why;
};

/*
 * options may be NULL. Time grows with n log n of the requests. Returns 0, or -1 with one line in error; cost_release
 * in either case. The report must outlive it.
 */
int cost_build(const struct report *report, const struct cost_options *options, struct cost *out, char *error,
	       size_t error_bytes) __attribute__((warn_unused_result));
void cost_release(struct cost *c);

/*
 * Sets seconds_lost of each miss: the prefill seconds of the tokens it lost. These are re-prefill, except behind a
 * break that the client made: there no cache could have held them, and they count as new prefill. NaN where not known.
 */
void cost_of_misses(const struct cost *c, struct why *why);

/* "reported", "measured", "modelled"; NULL for COST_UNKNOWN. */
const char *cost_basis_name(enum cost_basis basis);
/* "plausible", "hit_too_slow", "miss_too_fast"; NULL for CLAIM_UNCHECKED. */
const char *cost_claim_name(enum cost_claim claim);

/*
 * The report's headline, without a final line end: what was sent and prefilled, what the time went into, what a cache
 * that holds would save. One to five sentences. Appends.
 */
void cost_headline(const struct report *r, const struct cost *c, struct buf *to);
/* The same without what was sent and what failed; nothing if nothing is known. */
void cost_short_headline(const struct cost *c, struct buf *to);

#endif
