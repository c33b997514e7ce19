/* SPDX-License-Identifier: MIT */
#ifndef SHIM_RECORD_H
#define SHIM_RECORD_H

/*
 * This process's and this thread's side of the ring: who they are, whether they may write now, and the writing of
 * whole records.
 *
 *     if (record_enter(RECORD_FRAME)) {
 *             record_write(&record, &view);
 *             record_leave();
 *     }
 *
 * Only one such section is open per thread. A signal handler that talks while its thread is inside one finds it open
 * and is turned away (KVS_DROP_NESTED). A handler that jumped out of one leaves it open: the next hook called from the
 * same frame or one above it proves that, and closes it.
 */

#include "ring_writer.h"

#include <stdbool.h>
#include <sys/uio.h>
#include <time.h>

/* Bytes in the host's buffers. A cursor: what takes from its front moves it on. */
struct view {
	const struct iovec *iov;
	size_t count;
	size_t offset; /* within the first */
};

struct shim {
	struct ring ring;
	_Atomic bool on;                            /* records are written; once it is off it stays off */
	int (*clock)(clockid_t, struct timespec *); /* libc's clock_gettime, whoever else is preloaded */
	int32_t pid;                                /* of the last process in this line of forks that wrote */
	uintptr_t main_stack_top;
	bool forked;             /* this process began with a fork, not with an exec */
	_Atomic bool tids_known; /* the reader and we live in the same pid namespace */
	_Atomic bool announced;  /* this process has its PROCESS record */
	/* One page that a fork leaves zeroed (MADV_WIPEONFORK): the pid is 0 in a child made by fork, the parent's in
	 * one made by vfork, which runs in the parent's memory. */
	_Atomic int32_t *fork_pid;
	struct {
		struct kvs_process head;
		char exe[1024];
	} process;
	size_t exe_bytes;
	_Atomic uint64_t mapped_to; /* position up to which the ring's pages were asked for ahead */
	_Atomic uint64_t mapped;    /* how many slots that were; all of them: nothing more is asked for */
};

extern struct shim shim;

/* Starts recording. The caller has filled shim but for `on`. */
void record_start(void);
/* Nothing more is recorded by this process. */
void record_stop(void);
/* The same, because something is wrong with our own work. */
void record_give_up(void);

#define RECORD_FRAME ((uintptr_t)__builtin_frame_address(0))
/* bytes: what is lost if the section cannot be entered. */
bool record_enter(uintptr_t frame, uint64_t bytes);
void record_leave(void);

/*
 * Writes r with its payload_bytes taken from the view (NULL: no payload). Fills in pid and tid. Between enter and leave
 * only. Returns -1 when the ring is full (counted with the bytes the record stands for).
 */
int record_write(struct kvs_record *r, struct view *payload);
void record_drop(enum kvs_drop reason, uint64_t bytes);
/*
 * Payload of so many bytes is about to be written. In the first pass of this process through the ring its pages are not
 * mapped yet, and the kernel maps them one by one as they are touched; it is cheaper to ask for a piece of them at
 * once.
 */
void record_map_ahead(uint64_t payload_bytes);

/* Takes at most max bytes that lie in one piece from the front of the view. Returns how many, 0 at its end. */
size_t view_next(struct view *view, size_t max, const uint8_t **p);
/* Copies at most max bytes from the front of the view. Returns how many. */
size_t view_copy(struct view *view, void *to, size_t max);

/* 0 when nothing is recorded any more. */
uint64_t record_now_ns(void);
/* The same clock as of the last tick, some milliseconds ago at most, for a quarter of the price. */
uint64_t record_tick_ns(void);

/* This code runs in the memory of a parent that waits for it: what it does to descriptors is not the parent's. True,
 * without a system call, once nothing is recorded any more: then nobody's descriptors are. */
bool record_in_vfork_child(void);
/* A child made by fork that has not written anything so far. */
bool record_unannounced_child(void);

#endif
