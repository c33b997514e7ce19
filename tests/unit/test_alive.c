/* SPDX-License-Identifier: MIT */
/* Processes that are watched: by pidfd and, beyond so many, by number; each end is told once, and only after a look. */
#include "collect/alive.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int32_t told[16];
static size_t ntold;

static void gone(void *context, int32_t pid, uint64_t gone_ns)
{
	assert_ptr_equal(context, told);
	assert_true(gone_ns > 0);
	told[ntold++] = pid;
}

static int32_t sleeper(void)
{
	int32_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void end(int32_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Without pidfds if `without`: as for those beyond ALIVE_PIDFDS_MAX. */
static void live_and_end(bool without)
{
	struct alive a = {.npidfds = without ? ALIVE_PIDFDS_MAX : 0};
	int32_t one = sleeper(), two = sleeper();

	ntold = 0;
	assert_int_equal(alive_watch(&a, one), 0);
	assert_int_equal(alive_watch(&a, two), 0);
	assert_int_equal(alive_watch(&a, one), 0);
	assert_int_equal(a.n, 2);
	assert_true((a.watch[0].fd < 0) == without);

	end(one);
	alive_retire(&a, gone, told);
	assert_int_equal(ntold, 0); /* nobody has looked */
	alive_look(&a);
	alive_retire(&a, gone, told);
	alive_retire(&a, gone, told);
	assert_int_equal(ntold, 1);
	assert_int_equal(told[0], one);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.process[0].pid, two);

	end(two);
	alive_look(&a);
	alive_retire(&a, gone, told);
	assert_int_equal(ntold, 2);
	assert_int_equal(told[1], two);
	alive_release(&a);
}

static void test_by_pidfd(void **state)
{
	(void)state;
	live_and_end(false);
}

static void test_by_number(void **state)
{
	(void)state;
	live_and_end(true);
}

/* It had ended before it was heard of: what it wrote is read first, then it is let go. */
static void test_ended_before(void **state)
{
	(void)state;
	struct alive a = {0};
	int32_t pid = sleeper();

	ntold = 0;
	end(pid);
	assert_int_equal(alive_watch(&a, pid), 0);
	assert_int_equal(a.n, 1);
	alive_retire(&a, gone, told);
	assert_int_equal(ntold, 1);
	assert_int_equal(a.n, 0);
	alive_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_pidfd),
		cmocka_unit_test(test_by_number),
		cmocka_unit_test(test_ended_before),
	};
	return cmocka_run_group_tests_name("alive", tests, NULL, NULL);
}
