/* SPDX-License-Identifier: MIT */
#ifndef VERDICT_VERDICT_H
#define VERDICT_VERDICT_H

/*
 * The short answer about a session, from cost and why: what it cost, the worst cause, the settings against it. What
 * `kvscope run` ends with. Computes on a report and its traces.
 *
 * The backend is the one that the responses show; else that of the candidates (why/candidates.h) whose rules explain
 * best what was reported as cached.
 */

#include "cost/cost.h"
#include "why/settings.h"

struct verdict {
	struct buf cost;                        /* one to four sentences; empty: nothing is known */
	struct buf cause;                       /* one to three; empty: no unexpected miss */
	const char *settings[WHY_SETTINGS_MAX]; /* "NAME=VALUE" for the client's environment, static text */
	size_t nsettings;
	struct backend backend; /* recognised; ENGINE_UNKNOWN: not */
	struct cost costs;
};

/*
 * In two steps, since the second takes longer: verdict_cost fills `cost`, verdict_cause the rest. Each returns 0, or -1
 * with one line in error. Nothing is released: whoever asks ends with the answer.
 */
int verdict_cost(struct report *report, struct verdict *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
int verdict_cause(struct report *report, struct verdict *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));

#endif
