/* SPDX-License-Identifier: MIT */
#ifndef CMD_JUDGE_H
#define CMD_JUDGE_H

/* Which backend a report is judged by, where one verdict is wanted: the one given with --engine, else the one that the
 * responses show, else none: what the client put on the wire. */

#include "why/why.h"

/*
 * engine: the option's argument, NULL: not given. Returns 0, or -1 after having said what is wrong, prefixed with the
 * command's name. why_release in either case.
 */
int judge_by(const char *command, const char *engine, struct report *report, struct why *out)
	__attribute__((warn_unused_result));
/*
 * The same, but where neither is known and the responses told what was cached: the backend of some that differ whose
 * rules explain that best (why->recognised is false then).
 */
int judge_best(const char *command, const char *engine, struct report *report, struct why *out)
	__attribute__((warn_unused_result));

#endif
