/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "run/afterword.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void nothing_is_left(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void what_cannot_be_read_is_told(void **state)
{
	(void)state;
	struct afterword a;
	assert_int_equal(afterword_get("/nowhere/at/all", 10000, &a), -1);
	assert_null(a.cost);
	assert_null(a.cause);
	assert_null(a.settings);
	afterword_release(&a);
	nothing_is_left();
}

/* A trace that never comes to its end: a pipe that nobody writes to. */
static void nobody_waits_for_long(void **state)
{
	(void)state;
	char folder[] = "/tmp/afterword-XXXXXX", path[64];
	struct afterword a;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(afterword_get(path, 50, &a), 1);
	assert_null(a.cost);
	afterword_release(&a);
	nothing_is_left();
	unlink(path);
	rmdir(folder);
}

static void long_sessions_are_waited_for(void **state)
{
	(void)state;
	assert_int_equal(afterword_limit_ms(0), 1000);
	assert_int_equal(afterword_limit_ms(2000), 3000);
	assert_int_equal(afterword_limit_ms(4000), 5000);
	assert_int_equal(afterword_limit_ms(4001), 5000);
	assert_int_equal(afterword_limit_ms(UINT64_MAX), 5000);
}

static void an_empty_session_has_no_verdict(void **state)
{
	(void)state;
	char path[] = "/tmp/afterword-XXXXXX";
	const char header[] =
		"{\"type\":\"header\",\"version\":1,\"program\":\"x\",\"run_id\":\"\",\"clock\":{\"monotonic_ns\":1,"
		"\"realtime_ns\":1},\"command\":[\"x\"],\"cwd\":\"/\",\"content\":\"full\"}\n";
	struct afterword a;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, header, strlen(header)), strlen(header));
	close(fd);
	assert_int_equal(afterword_get(path, 10000, &a), 0);
	assert_string_equal(a.cost, "");
	assert_string_equal(a.cause, "");
	assert_string_equal(a.settings, "");
	afterword_release(&a);
	nothing_is_left();
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_read_is_told),
		cmocka_unit_test(nobody_waits_for_long),
		cmocka_unit_test(long_sessions_are_waited_for),
		cmocka_unit_test(an_empty_session_has_no_verdict),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
