/* SPDX-License-Identifier: MIT */
#ifndef SHIM_SUM_H
#define SHIM_SUM_H

/*
 * Calls that are added up. Of a watched connection nobody wants to know more than how much passed and when it began, so
 * one that talks without pause makes no record for each call: in every SUM_WINDOW_NS the first SUM_CALLS calls of a
 * direction make one each, and the others are added up. The sum is told, as a record of its own (KVS_REC_SUM), before
 * the next record of the connection, whatever that is: its next call after the window, an end, an error, the promotion,
 * the close; and when the program exits. What is not told is lost with a process that is killed or ends by _exit.
 *
 *    63      42 41                 0
 *   ┌──────────┬────────────────────┐
 *   │ pid      │ bytes              │     untold
 *   └──────────┴────────────────────┘
 *
 * A child made by fork has a copy of what its parent has not told yet: by the pid it knows that it is not its own.
 *
 * No locks, no system calls, async-signal-safe. A connection that is passed here is pinned.
 */

#include "fdtab.h"

#define SUM_WINDOW_NS UINT64_C(50000000)
#define SUM_CALLS 8u

/* Is a call at now_ns to be added up? Else it makes a record, and is counted as one of its window. */
bool sum_due(struct sum *s, uint64_t now_ns);
/*
 * Adds the call. False: it must be told at once (with sum_tell), since the connection has meanwhile become one whose
 * bytes are wanted in their order, or since there is no room in the sum.
 */
bool sum_add(struct conn *c, struct sum *s, uint64_t n, uint64_t now_ns);
/* Writes what is untold in both directions. Between record_enter and record_leave. */
void sum_tell(struct conn *c, int fd);
/* The same of all connections, in sections of its own. */
void sum_tell_all(void);

#ifdef KVS_UNIT_TEST
/* Called before a call is added and after it, so that a test can do there what another thread might. */
extern void (*sum_step)(int step);
#endif

#endif
