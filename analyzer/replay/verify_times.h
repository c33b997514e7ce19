/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_VERIFY_TIMES_H
#define REPLAY_VERIFY_TIMES_H

/*
 * Of the verification of an arm whose engine tells no cached tokens: what the times to the first token say.
 *
 *   off     a request that took less than half of what its length should cost was not cold: the arm is rejected
 *   others  against off: a request of which nothing had been sent in this run, and that took less than half as long, is
 *           somebody else's reuse: the arm is rejected. Of requests that could reuse at least half of their prompt,
 * those that took less than 0.7 times as long did, the rest did not; below 0.1 s nothing can be told
 */

#include "replay/replay.h"
#include "replay/verify.h"

/* Adds to what is there; the verdict becomes VERDICT_REJECTED, or stays. */
void verify_times(const struct replay *r, size_t arm, struct verification *v);

/*
 * Seconds per token of a cold arm should not fall far below what the others took: the index of the first whose time is
 * less than half of the line through all (least squares of t = a + b n, a and b >= 0), or n. Below 0.1 s nothing can be
 * told.
 */
size_t verify_timing(const double *tokens, const double *seconds, size_t n);

#endif
