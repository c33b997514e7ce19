/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_VERIFY_H
#define REPLAY_VERIFY_H

/*
 * Was an arm what it claims to be? By the engine's own counts:
 *
 *   off     cached tokens above 1 % of the prompt, a block, or the template's constant head, whichever is most, are a
 *           contamination: the arm is rejected
 *   others  more cached than had been sent in this run is somebody else's reuse: the arm is rejected. Less than was to
 *           be expected is a result, and is explained
 *
 * Where the engine tells nothing the times decide (verify_times.h), and the arm is called not verified.
 */

#include "replay/replay.h"

enum verdict { VERDICT_EMPTY, VERDICT_VERIFIED, VERDICT_NOT_VERIFIED, VERDICT_REJECTED };

/* Why less was reused than the bytes allow. */
enum shortfall {
	SHORT_NONE,
	SHORT_EVICTED,
	SHORT_NOT_TRIMMABLE,
	SHORT_LAYOUT,
	SHORT_OTHER,
	SHORT_CACHE_OFF, /* of a whole arm: nothing was reused in it, nor in a small prompt that was sent again */
	SHORTFALLS
};

struct verification {
	enum verdict verdict;
	char reason[320];   /* of a rejection, or why it is not verified; "" */
	const char *remedy; /* of a rejection; NULL: none */
	/* The command of a server without a cache, against a contaminated cold arm; NULL: not known, or of no use. */
	const char *relaunch;
	size_t checked; /* samples with a count */
	size_t unknown; /* without one */
	int64_t worst;  /* cached tokens of the worst sample of a cold arm; -1 */
	size_t worst_request;
	int64_t allowed;                   /* there */
	size_t short_requests[SHORTFALLS]; /* samples */
	int64_t short_tokens;
	int64_t expected_tokens, cached_tokens; /* sums over samples where both are known */
	/* Requests of a warm arm where nothing is told, by their time (verify_times.h). */
	size_t by_time_reused, by_time_prefilled, by_time_untold;
};

void verify_arm(const struct replay *r, size_t arm, struct verification *out);
/* "verified", "not verified by the engine", "rejected", "empty". */
const char *verdict_name(enum verdict v);
const char *shortfall_words(enum shortfall s);

/* A contaminated cold arm, a warm arm that reused what was not sent in it: verdict, and what to do. */
void verify_reject_cold(struct verification *v, const struct target *t);
void verify_reject_warm(struct verification *v);

/* The pure parts, for one sample. */
int64_t verify_cold_limit(int64_t prompt, int64_t slack_tokens, int64_t header_tokens);
enum shortfall verify_shortfall(int64_t expected, int64_t cached, const struct target *t, bool others_between);

#endif
