/* SPDX-License-Identifier: MIT */
#ifndef RUN_AFTERWORD_H
#define RUN_AFTERWORD_H

/*
 * The verdict on a trace, in a process of its own and within a time limit: after a command has ended nobody waits long
 * for kvscope, and nothing that goes wrong in the analysis may change how the command ends.
 */

#include <stdint.h>

struct afterword {
	/* NULL: not known in time, or at all. */
	char *cost, *cause; /* one line each, "" if there is none */
	char *settings;     /* "NAME=VALUE" lines */
};

/*
 * Reads the trace and judges it. Returns 0; 1: it would take longer than limit_ms, or a deadly signal came
 * (launch_linger); -1: it could not be read or judged. What is known then is there all the same. afterword_release in
 * any case.
 */
int afterword_get(const char *trace, int limit_ms, struct afterword *out);
void afterword_release(struct afterword *a);
/*
 * How long people wait for it: a second, and one more for every thousand requests of a session that they waited for
 * much longer, five at most. Where nothing says which backend it was, every candidate's rules are tried, and it takes
 * longest.
 */
int afterword_limit_ms(uint64_t requests);
/* The same, said as notes; that it would take too long is said, too. */
void afterword_say(const char *trace, uint64_t requests);

#endif
