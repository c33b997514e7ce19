/* SPDX-License-Identifier: MIT */
#include "run/launch.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* How we treat a signal while the command runs. */
enum policy {
	PASS_IF_SENT, /* the terminal sends it to the whole group, the command included: only what a process sends is
			 ours */
	PASS_HANGUP,  /* the same, but the kernel sends it to a session leader alone */
	PASS_ALWAYS,  /* only ever meant for one process: a timer that was set before exec */
	KEEP,         /* the group got it; we follow the command */
};

static const struct {
	int number;
	enum policy policy;
	bool deadly;
} policies[] = {
	{SIGINT, PASS_IF_SENT, true},    {SIGQUIT, PASS_IF_SENT, true},  {SIGTERM, PASS_IF_SENT, true},
	{SIGHUP, PASS_HANGUP, true},     {SIGUSR1, PASS_IF_SENT, false}, {SIGUSR2, PASS_IF_SENT, false},
	{SIGWINCH, PASS_IF_SENT, false}, {SIGTSTP, PASS_IF_SENT, false}, {SIGALRM, PASS_ALWAYS, false},
	{SIGTTIN, KEEP, false},          {SIGTTOU, KEEP, false},         {SIGCHLD, KEEP, false},
};
enum { POLICIES = sizeof(policies) / sizeof(policies[0]) };

void launch_init(struct launch *l)
{
	*l = (struct launch){.pid = -1, .report_fd = -1, .end = {.exit_status = -1}};
	l->session_leader = getsid(0) == getpid();
	sigemptyset(&l->waiting);
	for (size_t i = 0; i < POLICIES; i++)
		sigaddset(&l->waiting, policies[i].number);
	sigprocmask(SIG_BLOCK, &l->waiting, &l->old_mask);
	/* With an inherited SIG_IGN the kernel would reap the command and its status would be lost. */
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigaction(SIGCHLD, &plain, &l->old_chld);
}

/* A deadly signal that waits; 0: none. Blocked signals wait even if our caller had us ignore them: those do not count.
 */
static int pending_deadly(void)
{
	sigset_t pending;
	sigpending(&pending);
	for (size_t i = 0; i < POLICIES; i++) {
		struct sigaction now;
		if (policies[i].deadly && sigismember(&pending, policies[i].number) == 1 &&
		    sigaction(policies[i].number, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			return policies[i].number;
	}
	return 0;
}

static _Noreturn void become(struct launch *l, char *const argv[], int report_fd)
{
	sigaction(SIGCHLD, &l->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &l->old_mask, NULL);
	execvp(argv[0], argv);
	int error = errno;
	/* Fits into the empty pipe at once; if not, our parent sees a status of 127. */
	if (write(report_fd, &error, sizeof(error)) < 0)
		_exit(127);
	_exit(launch_exec_status(error));
}

/* A Ctrl-Z from the time before the command: nobody else is there yet who could stop for it. */
static void obey_pending_stop(void)
{
	sigset_t stops;
	sigemptyset(&stops);
	sigaddset(&stops, SIGTSTP);
	sigaddset(&stops, SIGTTIN);
	sigaddset(&stops, SIGTTOU);
	sigprocmask(SIG_UNBLOCK, &stops, NULL);
	sigprocmask(SIG_BLOCK, &stops, NULL);
}

int launch_start(struct launch *l, char *const argv[])
{
	int report[2];

	obey_pending_stop();
	l->end.signal = pending_deadly();
	if (l->end.signal)
		return 0;
	if (pipe2(report, O_CLOEXEC) < 0)
		return -1;
	l->pid = fork();
	if (l->pid == 0)
		become(l, argv, report[1]);
	int error = errno;
	close(report[1]);
	if (l->pid < 0) {
		close(report[0]);
		errno = error;
		return -1;
	}
	/*
	 * Not read before the command has ended: it may be stopped before it comes to exec, and we must follow that
	 * instead of waiting here.
	 */
	l->report_fd = report[0];
	l->started = true;

	/* A pipe that nobody reads or a file that may not grow must not end us before the trace is written. */
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	return 0;
}

static bool continued(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WCONTINUED | WNOHANG) == 0 && info.si_pid == pid;
}

/* The command has stopped: so do we, by the same signal, and see to it that it goes on when we do. */
static void stop_too(struct launch *l, int signal)
{
	struct sigaction plain = {.sa_handler = SIG_DFL}, before;
	struct timespec none = {0}, moment = {.tv_nsec = 5 * 1000 * 1000};
	sigset_t only;

	sigemptyset(&only);
	sigaddset(&only, signal);
	/* Ctrl-Z left one for us too: two of them would stop us twice. */
	while (signal != SIGSTOP && sigtimedwait(&only, NULL, &none) > 0)
		;
	if (signal != SIGSTOP)
		sigaction(signal, &plain, &before);
	sigprocmask(SIG_UNBLOCK, &only, NULL);
	kill(getpid(), signal);
	/* ---- here we are stopped ---- */
	if (signal != SIGSTOP) {
		sigprocmask(SIG_BLOCK, &only, NULL);
		sigaction(signal, &before, NULL);
	}
	/* `fg` continues the whole group. `kill -CONT` of our pid alone does not: pass it on, but never a second one.
	 */
	if (!continued(l->pid)) {
		nanosleep(&moment, NULL);
		if (!continued(l->pid))
			kill(l->pid, SIGCONT);
	}
}

/* Returns false once the command has ended. */
static bool follow_command(struct launch *l)
{
	siginfo_t info = {0};
	if (waitid(P_PID, (id_t)l->pid, &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) < 0) {
		l->started = false; /* cannot happen while SIGCHLD is not ignored; but never wait for nobody */
		return errno == EINTR;
	}
	if (info.si_pid != l->pid)
		return true;
	switch (info.si_code) {
	case CLD_STOPPED:
	case CLD_TRAPPED:
		waitid(P_PID, (id_t)l->pid, &info, WSTOPPED | WNOHANG);
		if (info.si_pid == l->pid)
			stop_too(l, info.si_status);
		return true;
	default:
		waitid(P_PID, (id_t)l->pid, &info, WEXITED | WNOHANG);
		if (info.si_code == CLD_EXITED)
			l->end.exit_status = info.si_status;
		else
			l->end.signal = info.si_status;
		l->started = false;
		return false;
	}
}

/*
 * A signal that the command sent to its whole group has reached it already. Editors suspend themselves that way (vim:
 * kill(0, SIGTSTP)), perhaps from a child: passing that on would stop them again after `fg`.
 */
static bool from_within(const struct launch *l, const siginfo_t *info)
{
	return info->si_pid == l->pid || (info->si_signo == SIGTSTP && getpgid(info->si_pid) == getpgrp());
}

static void pass_on(struct launch *l, const siginfo_t *info)
{
	bool sent = info->si_code <= 0; /* by a process, not by the kernel */
	if (sent && from_within(l, info))
		return;
	for (size_t i = 0; i < POLICIES; i++) {
		if (policies[i].number != info->si_signo)
			continue;
		enum policy policy = policies[i].policy;
		if (policy == PASS_ALWAYS || (policy == PASS_IF_SENT && sent) ||
		    (policy == PASS_HANGUP && (sent || l->session_leader)))
			kill(l->pid, info->si_signo);
	}
}

static struct timespec until(uint64_t time_ns)
{
	uint64_t now = clock_monotonic_ns();
	uint64_t left = time_ns > now ? time_ns - now : 0;
	return (struct timespec){.tv_sec = (time_t)(left / NS_PER_S), .tv_nsec = (long)(left % NS_PER_S)};
}

void launch_wait(struct launch *l, int period_ms, void (*tick)(void *context), void *context)
{
	uint64_t period_ns = (uint64_t)period_ms * NS_PER_MS;
	uint64_t next = clock_monotonic_ns() + period_ns;
	siginfo_t info;

	while (l->started && follow_command(l)) {
		struct timespec timeout = until(next);
		if ((tick ? sigtimedwait(&l->waiting, &info, &timeout) : sigwaitinfo(&l->waiting, &info)) > 0)
			pass_on(l, &info);
		uint64_t now = clock_monotonic_ns();
		if (tick && now >= next) {
			next = now + period_ns;
			tick(context);
		}
	}
	if (l->report_fd >= 0) {
		/* Empty, once exec has closed the other end; a child of ours that never got there has written why. */
		if (read(l->report_fd, &l->end.exec_errno, sizeof(l->end.exec_errno)) > 0)
			l->end.exit_status = -1;
		close(l->report_fd);
		l->report_fd = -1;
	}
	/* The Ctrl-C that ended the command says nothing about what comes after it. */
	struct timespec none = {0};
	while (l->pid > 0 && sigtimedwait(&l->waiting, &info, &none) > 0)
		;
}

bool launch_linger(int ms)
{
	uint64_t end = clock_monotonic_ns() + (uint64_t)ms * NS_PER_MS;
	while (!pending_deadly()) {
		struct timespec left = until(end);
		if (left.tv_sec == 0 && left.tv_nsec == 0)
			return true;
		nanosleep(&left, NULL);
	}
	return false;
}

int launch_exec_status(int exec_errno)
{
	return exec_errno == ENOENT || exec_errno == ENOTDIR ? 127 : 126;
}

void launch_end_like(const struct launch_end *end)
{
	fflush(NULL);
	if (end->signal) {
		struct rlimit no_core = {0, 0};
		struct sigaction plain = {.sa_handler = SIG_DFL};
		sigset_t only;
		sigemptyset(&only);
		sigaddset(&only, end->signal);
		setrlimit(RLIMIT_CORE, &no_core);
		sigaction(end->signal, &plain, NULL);
		sigprocmask(SIG_UNBLOCK, &only, NULL);
		kill(getpid(), end->signal);
		_exit(128 + end->signal);
	}
	_exit(end->exec_errno ? launch_exec_status(end->exec_errno) : end->exit_status);
}
