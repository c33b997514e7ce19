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
 *   │ owner    │ bytes              │     untold
 *   └──────────┴────────────────────┘
 *
 * The owner is the pid xor the generation of the connection's entry. A child made by fork has a copy of what its parent
 * has not told yet, and a call that ends after its connection adds to an entry that is another's by now: by the owner
 * both are seen not to be one's own. So a call can be added without pinning the entry, which would take two locked
 * instructions more.
 *
 * No locks, no system calls, async-signal-safe.
 */

#include "fdtab.h"

#define SUM_WINDOW_NS UINT64_C(50000000)
#define SUM_CALLS 8u

/* Is a call at now_ns to be added up? Else it makes a record, and is counted as one of its window. */
bool sum_due(struct sum *s, uint64_t now_ns);
/*
 * Adds the call to s, which is of the slot's connection. False: the connection is gone, or there is no room in the sum.
 * Another thread may have promoted the connection meanwhile: the call is told before its next record, as ever.
 */
bool sum_add(uint32_t slot, struct sum *s, uint64_t n, uint64_t now_ns);
void sum_write(struct conn *c, int fd);
/* Writes what is untold in both directions of a pinned connection. Between record_enter and record_leave. */
static inline void sum_tell(struct conn *c, int fd)
{
	if (atomic_load_explicit(&c->summed, memory_order_relaxed))
		sum_write(c, fd);
}
/* The same of all connections, in sections of its own. */
void sum_tell_all(void);

#ifdef KVS_UNIT_TEST
/* Called while a call is added, so that a test can do there what another thread might. */
extern void (*sum_step)(int step);
#endif

#endif
