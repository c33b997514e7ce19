/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_ALIVE_H
#define COLLECT_ALIVE_H

/*
 * The processes of a run that are alive, as far as we know. Each is watched by a pidfd, so that another one that gets
 * its number later is not taken for it; beyond ALIVE_PIDFDS_MAX of them the kernel is asked by number.
 *
 * Zero-initialised is empty. The end of a process is noticed in two steps: alive_look() marks, alive_retire() forgets.
 * In between the owner reads the ring to its end: all that a process wrote is in there before its end can be seen.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below the usual limit of 1024 descriptors. */
#define ALIVE_PIDFDS_MAX 512

struct alive_process {
	int32_t pid;
	bool gone;
	uint64_t gone_ns; /* when that was first seen, CLOCK_MONOTONIC; 0: not yet */
};

struct alive {
	/* watch[i] belongs to process[i]; its fd is a pidfd, or -1. */
	struct alive_process *process;
	struct pollfd *watch;
	size_t n, process_capacity, watch_capacity, npidfds;
};

void alive_release(struct alive *a);
/* Watches this one, unless it is watched already. One that has ended is marked at once. Returns 0, or -1: no memory. */
int alive_watch(struct alive *a, int32_t pid);
/* Marks those that have ended. */
void alive_look(struct alive *a);
/* Forgets those that are marked, after gone(context, pid, gone_ns) for each. */
void alive_retire(struct alive *a, void (*gone)(void *context, int32_t pid, uint64_t gone_ns), void *context);

#endif
