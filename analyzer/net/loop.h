/* SPDX-License-Identifier: MIT */
#ifndef NET_LOOP_H
#define NET_LOOP_H

/*
 * A small event loop: descriptors by poll(2), timers by a min-heap, one thread. poll and not epoll because it is the
 * same everywhere and a few hundred connections do not tell the two apart.
 *
 * Watches and timers are embedded in their owner's object and start out zeroed:
 *
 *     struct thing {
 *             struct loop_fd watch;
 *             struct loop_timer timeout;
 *     };
 *     thing->watch = (struct loop_fd){.fd = fd, .ready = thing_ready};
 *     loop_watch(loop, &thing->watch, POLLIN);
 *
 *     static void thing_ready(struct loop_fd *w, short revents)
 *     {
 *             struct thing *thing = LOOP_OWNER(w, struct thing, watch);
 *
 * Any call is allowed in any callback. An object whose watch and timer are taken off may be freed at once, also in a
 * callback, as long as the callback itself does not touch it afterwards. Not for several threads.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOP_OWNER(member_ptr, type, member) ((type *)(void *)((char *)(member_ptr)-offsetof(type, member)))

struct loop_fd {
	int fd;
	void (*ready)(struct loop_fd *w, short revents);
	size_t slot; /* of the loop's: place in its table + 1, 0 when not watched */
};

struct loop_timer {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	void (*fire)(struct loop_timer *t);
	size_t slot; /* of the loop's: place in the heap + 1, 0 when not set */
};

struct loop {
	struct pollfd *polls; /* side by side with `watches` */
	struct loop_fd **watches;
	size_t nwatches;
	size_t polls_capacity, watches_capacity;
	bool holes; /* a watch was taken off while its neighbours were being called */
	bool dispatching;

	struct loop_timer **heap;
	size_t ntimers;
	size_t heap_capacity;

	bool stopped;
};

void loop_init(struct loop *l);
/* Frees the tables. Descriptors and timers belong to their owners. */
void loop_release(struct loop *l);

/* Watches w->fd for events (POLLIN, POLLOUT), or changes what it is watched for. POLLHUP and POLLERR are always told,
 * also with events == 0. Returns 0, or -1 without memory. */
int loop_watch(struct loop *l, struct loop_fd *w, short events);
void loop_unwatch(struct loop *l, struct loop_fd *w);

/* (Re)arms t for at_ns; a time that has passed fires in the next round. Returns 0, or -1 without memory; re-arming
 * never fails. */
int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_ns);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

/* Runs until loop_stop. Returns 0, or -1 with errno if poll itself failed. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
