/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop loop;

static int setup(void **state)
{
	(void)state;
	loop_init(&loop);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	loop_release(&loop);
	return 0;
}

/* ---- timers */

#define TIMERS 200

static struct loop_timer timers[TIMERS];
static size_t fired[TIMERS + 1], nfired;

static void note_timer(struct loop_timer *t)
{
	fired[nfired++] = (size_t)(t - timers);
}

static struct loop_timer stopper;

static void stop(struct loop_timer *t)
{
	(void)t;
	loop_stop(&loop);
}

static void run_until(uint64_t at_ns)
{
	stopper.fire = stop;
	assert_int_equal(loop_timer_set(&loop, &stopper, at_ns), 0);
	assert_int_equal(loop_run(&loop), 0);
}

/* All are due at once: the order is that of their times, whatever the order of setting, moving and cancelling. */
static void test_timers_fire_in_order(void **state)
{
	(void)state;
	uint64_t now = clock_monotonic_ns();
	unsigned random = 1;

	nfired = 0;
	for (size_t i = 0; i < TIMERS; i++) {
		random = random * 1103515245u + 12345u;
		timers[i] = (struct loop_timer){.fire = note_timer};
		assert_int_equal(loop_timer_set(&loop, &timers[i], now - 1000000 + random % 5000), 0);
	}
	for (size_t i = 0; i < TIMERS; i += 3) {
		random = random * 1103515245u + 12345u;
		assert_int_equal(loop_timer_set(&loop, &timers[i], now - 1000000 + random % 5000), 0);
	}
	for (size_t i = 1; i < TIMERS; i += 3)
		loop_timer_cancel(&loop, &timers[i]);
	run_until(now);

	size_t cancelled = (TIMERS + 1) / 3;
	assert_int_equal(nfired, TIMERS - cancelled);
	for (size_t i = 0; i < nfired; i++) {
		assert_int_not_equal(fired[i] % 3, 1);
		assert_int_equal(timers[fired[i]].slot, 0);
		if (i > 0)
			assert_true(timers[fired[i - 1]].at_ns <= timers[fired[i]].at_ns);
	}
}

static void test_timer_is_not_early(void **state)
{
	(void)state;
	uint64_t at = clock_monotonic_ns() + 3 * NS_PER_MS;
	run_until(at);
	assert_true(clock_monotonic_ns() >= at);
}

static int rearmed, starved_fds[2];

static void rearm_in_the_past(struct loop_timer *t)
{
	if (++rearmed == 3)
		assert_int_equal(write(starved_fds[1], "x", 1), 1);
	assert_true(rearmed < 100);
	assert_int_equal(loop_timer_set(&loop, t, 1), 0);
}

static void stop_on_read(struct loop_fd *w, short revents)
{
	assert_true(revents & POLLIN);
	loop_unwatch(&loop, w);
	loop_stop(&loop);
}

/* A timer that is always due must not keep descriptors from being served. */
static void test_overdue_timer_does_not_starve(void **state)
{
	(void)state;
	struct loop_timer t = {.fire = rearm_in_the_past};
	assert_int_equal(pipe(starved_fds), 0);
	struct loop_fd w = {.fd = starved_fds[0], .ready = stop_on_read};

	rearmed = 0;
	assert_int_equal(loop_timer_set(&loop, &t, 1), 0);
	assert_int_equal(loop_watch(&loop, &w, POLLIN), 0);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(rearmed, 3);
	loop_timer_cancel(&loop, &t);
	close(starved_fds[0]);
	close(starved_fds[1]);
}

/* ---- descriptors */

#define PIPES 20

static struct piped {
	struct loop_fd watch;
	int fds[2];
	int calls;
} pipes[PIPES];

static void open_pipes(void (*ready)(struct loop_fd *, short))
{
	for (size_t i = 0; i < PIPES; i++) {
		assert_int_equal(pipe(pipes[i].fds), 0);
		pipes[i].watch = (struct loop_fd){.fd = pipes[i].fds[0], .ready = ready};
		pipes[i].calls = 0;
		assert_int_equal(loop_watch(&loop, &pipes[i].watch, POLLIN), 0);
		assert_int_equal(write(pipes[i].fds[1], "x", 1), 1);
	}
}

static void close_pipes(void)
{
	for (size_t i = 0; i < PIPES; i++) {
		loop_unwatch(&loop, &pipes[i].watch);
		close(pipes[i].fds[0]);
		close(pipes[i].fds[1]);
	}
}

/* Takes its right neighbour off, and itself. */
static void unwatch_neighbour(struct loop_fd *w, short revents)
{
	(void)revents;
	struct piped *p = LOOP_OWNER(w, struct piped, watch);
	size_t i = (size_t)(p - pipes);
	p->calls++;
	if (i + 1 < PIPES)
		loop_unwatch(&loop, &pipes[i + 1].watch);
	loop_unwatch(&loop, w);
}

static void test_unwatch_while_dispatching(void **state)
{
	(void)state;
	open_pipes(unwatch_neighbour);
	run_until(0);
	for (size_t i = 0; i < PIPES; i++)
		assert_int_equal(pipes[i].calls, i % 2 == 0);
	assert_int_equal(loop.nwatches, 0);
	close_pipes();
}

static void count_and_unwatch(struct loop_fd *w, short revents)
{
	(void)revents;
	LOOP_OWNER(w, struct piped, watch)->calls++;
	loop_unwatch(&loop, w);
}

static void replace_self(struct loop_fd *w, short revents)
{
	(void)revents;
	LOOP_OWNER(w, struct piped, watch)->calls++;
	loop_unwatch(&loop, w);
	w->ready = count_and_unwatch;
	assert_int_equal(loop_watch(&loop, w, POLLIN), 0);
}

/* What is watched anew during the dispatch is called in the next round, not in this one and not never. */
static void test_watch_while_dispatching(void **state)
{
	(void)state;
	open_pipes(replace_self);
	run_until(0);
	for (size_t i = 0; i < PIPES; i++)
		assert_int_equal(pipes[i].calls, 1);
	assert_int_equal(loop.nwatches, PIPES);
	run_until(0);
	for (size_t i = 0; i < PIPES; i++)
		assert_int_equal(pipes[i].calls, 2);
	assert_int_equal(loop.nwatches, 0);
	close_pipes();
}

static short told;

static void note_events(struct loop_fd *w, short revents)
{
	told = revents;
	loop_unwatch(&loop, w);
	loop_stop(&loop);
}

static void test_hangup_is_told_without_events(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	struct loop_fd w = {.fd = fds[0], .ready = note_events};
	assert_int_equal(loop_watch(&loop, &w, POLLIN), 0);
	assert_int_equal(loop_watch(&loop, &w, 0), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	told = 0;
	run_until(0);
	assert_int_equal(told, 0);
	close(fds[1]);
	run_until(0);
	assert_true(told & POLLHUP);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timers_fire_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_is_not_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overdue_timer_does_not_starve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unwatch_while_dispatching, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watch_while_dispatching, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hangup_is_told_without_events, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
