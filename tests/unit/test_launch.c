/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "run/launch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Every case runs in a child of the test, which plays kvscope: what becomes of the child is what a shell would see of
 * `kvscope run`.
 */
static void count(void *context)
{
	++*(int *)context;
}

static _Noreturn void play(char *const argv[], void (*prepare)(void))
{
	struct launch l;
	int ticks = 0;
	setpgid(0, 0); /* signals to the group stay in here */
	if (prepare)
		prepare();
	launch_init(&l);
	if (launch_start(&l, argv) < 0)
		_exit(99);
	launch_wait(&l, 20, count, &ticks);
	launch_end_like(&l.end);
}

static pid_t start(char *const argv[], void (*prepare)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		play(argv, prepare);
	return pid;
}

static int run(char *const argv[], void (*prepare)(void))
{
	int status;
	pid_t pid = start(argv, prepare);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int run_script_as(const char *script, void (*prepare)(void))
{
	char text[1024];
	snprintf(text, sizeof(text), "%s", script);
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, text, NULL};
	return run(argv, prepare);
}

static int run_script(const char *script)
{
	return run_script_as(script, NULL);
}

static void test_exit_statuses(void **state)
{
	static const int statuses[] = {0, 1, 2, 77, 126, 127, 128, 255};
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		char script[32];
		snprintf(script, sizeof(script), "exit %d", statuses[i]);
		int status = run_script(script);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), statuses[i]);
	}
}

static void test_exec_failures(void **state)
{
	char *missing[] = {(char[]){"/no/such/program"}, NULL};
	char *on_path[] = {(char[]){"kvscope-no-such-program"}, NULL};
	char *folder[] = {(char[]){"/tmp"}, NULL};
	(void)state;
	assert_int_equal(WEXITSTATUS(run(missing, NULL)), 127);
	assert_int_equal(WEXITSTATUS(run(on_path, NULL)), 127);
	assert_int_equal(WEXITSTATUS(run(folder, NULL)), 126);
}

static void allow_cores(void)
{
	struct rlimit most;
	getrlimit(RLIMIT_CORE, &most);
	most.rlim_cur = most.rlim_max;
	setrlimit(RLIMIT_CORE, &most);
	if (chdir("/tmp") < 0)
		_exit(98);
}

static void test_deaths_by_signal(void **state)
{
	static const int signals[] = {SIGTERM, SIGKILL, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGPIPE, SIGALRM};
	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char script[32];
		snprintf(script, sizeof(script), "kill -%d $$", signals[i]);
		int status = run_script(script);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), signals[i]);
	}
	/* One core dump is enough. The command's own is suppressed here: it would litter. */
	int status = run_script_as("ulimit -c 0; kill -SEGV $$", allow_cores);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_false(WCOREDUMP(status));
}

static void ignore_hup_and_chld(void)
{
	signal(SIGHUP, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* What the command prints when it is run as it is, or by way of us. */
static void output_of(char *const argv[], bool launched, void (*prepare)(void), char *out, size_t out_bytes)
{
	int ends[2], status;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		if (launched)
			play(argv, prepare);
		prepare();
		execvp(argv[0], argv);
		_exit(99);
	}
	close(ends[1]);
	size_t at = 0;
	for (ssize_t n; at + 1 < out_bytes && (n = read(ends[0], out + at, out_bytes - 1 - at)) > 0;)
		at += (size_t)n;
	out[at] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The command sees signal mask, ignored signals and descriptors as they were before us, and nothing else. */
static void test_state_is_handed_on(void **state)
{
	/* No shell for the signals: it sets its own. */
	char *signals[] = {(char[]){"grep"}, (char[]){"^Sig[BIC]"}, (char[]){"/proc/self/status"}, NULL};
	char *rest[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"ls /proc/$$/fd; ulimit -a; umask; pwd; env"}, NULL};
	char direct[16384], launched[16384];
	(void)state;
	output_of(signals, false, ignore_hup_and_chld, direct, sizeof(direct));
	output_of(signals, true, ignore_hup_and_chld, launched, sizeof(launched));
	assert_non_null(strstr(direct, "SigBlk:\t0000000000000800"));
	assert_string_equal(launched, direct);
	output_of(rest, false, ignore_hup_and_chld, direct, sizeof(direct));
	output_of(rest, true, ignore_hup_and_chld, launched, sizeof(launched));
	assert_string_equal(launched, direct);
}

/* ---- signals that somebody sends to us alone */

static void wait_for_file(const char *path)
{
	for (int i = 0; i < 500 && access(path, F_OK) != 0; i++)
		usleep(10000);
	assert_int_equal(access(path, F_OK), 0);
}

/* The script makes $READY when it is ready for the signal. */
static int run_and_send(char *script, int signal)
{
	char ready[] = "/tmp/kvs-test-XXXXXX";
	int status, fd = mkstemp(ready);
	assert_true(fd >= 0);
	close(fd);
	unlink(ready);
	setenv("READY", ready, 1);
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
	pid_t pid = start(argv, NULL);
	wait_for_file(ready);
	unlink(ready);
	kill(pid, signal);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_signals_are_passed_on(void **state)
{
	static const struct {
		int number;
		const char *name;
	} signals[] = {{SIGTERM, "TERM"}, {SIGHUP, "HUP"},   {SIGINT, "INT"},  {SIGQUIT, "QUIT"},
		       {SIGUSR1, "USR1"}, {SIGUSR2, "USR2"}, {SIGALRM, "ALRM"}};
	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		char script[256];
		snprintf(script, sizeof(script), "trap 'exit 33' %s; : >$READY; while :; do sleep 0.02; done",
			 signals[i].name);
		int status = run_and_send(script, signals[i].number);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 33);
	}
	/* Without a trap the command dies, and so do we. */
	int status = run_and_send((char[]){": >$READY; exec sleep 60"}, SIGTERM);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

/* ---- stopping */

static void await_stopped(pid_t pid, int signal)
{
	int status;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), signal);
}

/* The command stops itself: we stop by the same signal; continued, alone or with the group, both go on. */
static void test_stop_and_continue(void **state)
{
	static const int signals[] = {SIGSTOP, SIGTSTP, SIGTTIN};
	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		for (int whole_group = 0; whole_group <= 1; whole_group++) {
			int status;
			char script[64];
			snprintf(script, sizeof(script), "kill -%d $$; exit 42", signals[i]);
			char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
			pid_t pid = start(argv, NULL);
			await_stopped(pid, signals[i]);
			kill(whole_group ? -pid : pid, SIGCONT);
			assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), 42);
		}
	}
}

/* As Ctrl-Z does it: the signal goes to the whole group. One stop, one continuation, none left over. */
static void test_group_stop(void **state)
{
	char ready[] = "/tmp/kvs-test-XXXXXX", text[256];
	int status, fd = mkstemp(ready);
	(void)state;
	assert_true(fd >= 0);
	close(fd);
	unlink(ready);
	snprintf(text, sizeof(text), ": >%s; while [ -e %s ]; do sleep 0.02; done; exit 43", ready, ready);
	char *argv[] = {(char[]){"sh"}, (char[]){"-c"}, text, NULL};
	pid_t pid = start(argv, NULL);
	wait_for_file(ready);
	for (int i = 0; i < 3; i++) {
		kill(-pid, SIGTSTP);
		await_stopped(pid, SIGTSTP);
		kill(-pid, SIGCONT);
		assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
		assert_true(WIFCONTINUED(status));
	}
	unlink(ready);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 43);
}

/* ---- before the start */

static void interrupt_self(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	kill(getpid(), SIGINT);
}

/* Ctrl-C while the ring is being made: the command is not started at all. */
static void test_interrupted_before_the_start(void **state)
{
	(void)state;
	int status = run_script_as("exit 0", interrupt_self);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGINT);
}

/* Ticks come while the command runs, but never faster than asked for, however many signals come. */
static void test_ticks(void **state)
{
	int status;
	(void)state;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char *argv[] = {(char[]){"sh"}, (char[]){"-c"},
				(char[]){"trap : USR1; i=0; while [ $i -lt 50 ]; do kill -USR1 $PPID; sleep 0.01; "
					 "i=$((i+1)); done"},
				NULL};
		struct launch l;
		struct timespec a, b;
		int ticks = 0;
		setpgid(0, 0);
		launch_init(&l);
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (launch_start(&l, argv) < 0)
			_exit(99);
		launch_wait(&l, 20, count, &ticks);
		clock_gettime(CLOCK_MONOTONIC, &b);
		double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
		_exit(ticks > 0 && ticks <= ms / 20 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_statuses),
		cmocka_unit_test(test_exec_failures),
		cmocka_unit_test(test_deaths_by_signal),
		cmocka_unit_test(test_state_is_handed_on),

		cmocka_unit_test(test_signals_are_passed_on),
		cmocka_unit_test(test_stop_and_continue),
		cmocka_unit_test(test_group_stop),
		cmocka_unit_test(test_interrupted_before_the_start),
		cmocka_unit_test(test_ticks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
