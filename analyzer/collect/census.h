/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_CENSUS_H
#define COLLECT_CENSUS_H

/*
 * What /proc says about the processes of a run and the ring cannot: children that talk TCP without the library (static,
 * setuid, of another libc), and rings of io_uring, which some libraries set up by an instruction of their own.
 *
 * A look costs some hundred small reads for a usual session, so the owner takes one a second; what is over sooner is
 * missed. Each finding is told once. Reading only; processes that end meanwhile are no error.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct census_told;

struct census {
	struct census_told *told; /* what was told already */
	size_t ntold, told_capacity;
};

struct census_events {
	void *context;
	/* exe: borrowed, "" if it cannot be read. */
	void (*child)(void *context, int32_t pid, int32_t ppid, const char *exe);
	void (*io_uring)(void *context, int32_t pid);
};

void census_init(struct census *c);
void census_release(struct census *c);
/* This one's io_uring is known already. */
void census_io_uring_known(struct census *c, int32_t pid);
/* pids: the processes that are known to have the library. */
void census_look(struct census *c, const int32_t *pids, size_t n, const struct census_events *events);

#endif
