/* SPDX-License-Identifier: MIT */
#include "net/loop.h"

#include "base/array.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

void loop_init(struct loop *l)
{
	*l = (struct loop){0};
}

void loop_release(struct loop *l)
{
	free(l->polls);
	free(l->watches);
	free(l->heap);
	loop_init(l);
}

/* ---- descriptors */

int loop_watch(struct loop *l, struct loop_fd *w, short events)
{
	if (w->slot) {
		l->polls[w->slot - 1].events = events;
		return 0;
	}
	struct pollfd *polls = array_grow(l->polls, &l->polls_capacity, l->nwatches + 1, sizeof(*polls));
	if (!polls)
		return -1;
	l->polls = polls;
	struct loop_fd **watches = array_grow(l->watches, &l->watches_capacity, l->nwatches + 1, sizeof(*watches));
	if (!watches)
		return -1;
	l->watches = watches;

	l->polls[l->nwatches] = (struct pollfd){.fd = w->fd, .events = events};
	l->watches[l->nwatches] = w;
	w->slot = ++l->nwatches;
	return 0;
}

static void fill_slot(struct loop *l, size_t i)
{
	l->nwatches--;
	if (i == l->nwatches)
		return;
	l->polls[i] = l->polls[l->nwatches];
	l->watches[i] = l->watches[l->nwatches];
	if (l->watches[i])
		l->watches[i]->slot = i + 1;
}

void loop_unwatch(struct loop *l, struct loop_fd *w)
{
	if (!w->slot)
		return;
	size_t i = w->slot - 1;
	w->slot = 0;
	if (l->dispatching) {
		/* Moving the last entry here would hide it from, or show it twice to, the walk that is under way. */
		l->watches[i] = NULL;
		l->polls[i].fd = -1;
		l->polls[i].revents = 0;
		l->holes = true;
		return;
	}
	fill_slot(l, i);
}

static void dispatch(struct loop *l, size_t n)
{
	l->dispatching = true;
	for (size_t i = 0; i < n; i++) {
		short revents = l->polls[i].revents;
		if (revents && l->watches[i])
			l->watches[i]->ready(l->watches[i], revents);
	}
	l->dispatching = false;

	if (!l->holes)
		return;
	for (size_t i = l->nwatches; i-- > 0;)
		if (!l->watches[i])
			fill_slot(l, i);
	l->holes = false;
}

/* ---- timers: a binary heap, the earliest on top */

static void place(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void sift_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];
	while (i > 0 && l->heap[(i - 1) / 2]->at_ns > t->at_ns) {
		place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(l, i, t);
}

static void sift_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= l->ntimers)
			break;
		if (child + 1 < l->ntimers && l->heap[child + 1]->at_ns < l->heap[child]->at_ns)
			child++;
		if (l->heap[child]->at_ns >= t->at_ns)
			break;
		place(l, i, l->heap[child]);
		i = child;
	}
	place(l, i, t);
}

int loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t at_ns)
{
	if (!t->slot) {
		struct loop_timer **heap = array_grow(l->heap, &l->heap_capacity, l->ntimers + 1, sizeof(*heap));
		if (!heap)
			return -1;
		l->heap = heap;
		place(l, l->ntimers++, t);
	}
	t->at_ns = at_ns;
	sift_up(l, t->slot - 1);
	sift_down(l, t->slot - 1);
	return 0;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	if (!t->slot)
		return;
	size_t i = t->slot - 1;
	struct loop_timer *last = l->heap[--l->ntimers];
	t->slot = 0;
	if (last == t)
		return;
	place(l, i, last);
	sift_up(l, i);
	sift_down(l, last->slot - 1);
}

/* A timer that is set again for a time already past waits for the next round, or it could keep descriptors waiting
 * for ever. */
static void fire_due(struct loop *l, uint64_t now_ns)
{
	for (size_t left = l->ntimers; left > 0 && l->ntimers > 0 && l->heap[0]->at_ns <= now_ns && !l->stopped;
	     left--) {
		struct loop_timer *t = l->heap[0];
		loop_timer_cancel(l, t);
		t->fire(t);
	}
}

/* ---- the loop */

static int wait_for_events(struct loop *l)
{
	uint64_t left_ns = 0;
	if (l->ntimers > 0) {
		uint64_t now_ns = clock_monotonic_ns();
		left_ns = l->heap[0]->at_ns > now_ns ? l->heap[0]->at_ns - now_ns : 0;
	}
#ifdef __linux__
	/* poll counts in milliseconds, which would blur a decode rate of some hundred tokens per second. */
	struct timespec timeout = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};
	return ppoll(l->polls, (nfds_t)l->nwatches, l->ntimers > 0 ? &timeout : NULL, NULL);
#else
	uint64_t left_ms = (left_ns + NS_PER_MS - 1) / NS_PER_MS;
	int timeout = left_ms < INT_MAX ? (int)left_ms : INT_MAX;
	return poll(l->polls, (nfds_t)l->nwatches, l->ntimers > 0 ? timeout : -1);
#endif
}

int loop_run(struct loop *l)
{
	l->stopped = false;
	while (!l->stopped) {
		size_t n = l->nwatches;
		int ready = wait_for_events(l);
		if (ready < 0 && errno != EINTR)
			return -1;
		if (ready > 0)
			dispatch(l, n);
		fire_due(l, clock_monotonic_ns());
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}
