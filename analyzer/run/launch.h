/* SPDX-License-Identifier: MIT */
#ifndef RUN_LAUNCH_H
#define RUN_LAUNCH_H

/*
 * Runs a command in the foreground so that neither it nor the shell notices that we are in between.
 *
 * The command stays in our process group. So the terminal's own signals (Ctrl-C, Ctrl-\, Ctrl-Z, hang-up, reading from
 * the background) reach it from the kernel, once, and job control works as without us; we hold them back for ourselves.
 * What somebody sends to us alone (`kill PID`) is passed on. When the command stops, we stop by the same signal, so
 * that the shell takes the terminal back; when it ends, we end the same way. Signal mask, dispositions (nohup's ignored
 * SIGHUP) and descriptors are handed on as we got them; terminal modes are never touched.
 *
 *     struct launch l;
 *     launch_init(&l);                 // from here on signals wait
 *     ... slow preparations ...
 *     launch_start(&l, argv);
 *     launch_wait(&l, 20, poll_ring, &ring);
 *     launch_end_like(&l.end);         // does not return
 */

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct launch_end {
	int exec_errno;  /* 0: the command was started */
	int exit_status; /* -1: killed, or never started */
	int signal;      /* that killed it; 0: none */
};

struct launch {
	pid_t pid;
	sigset_t waiting;  /* signals that we hold back and read */
	sigset_t old_mask; /* of our caller, and so of the command */
	struct sigaction old_chld;
	int report_fd; /* where the child says that exec failed */
	bool started;
	bool session_leader;
	struct launch_end end;
};

void launch_init(struct launch *l);
/*
 * Starts the command: argv[0] by PATH as execvp does, in the present environment. That it cannot be executed is told by
 * l->end after launch_wait, as is a deadly signal that came since launch_init; the command is then not started. Returns
 * 0, or -1 with errno if there is no process to be had.
 */
int launch_start(struct launch *l, char *const argv[]);
/* Waits for the end of the command. Calls tick (NULL: none) every period_ms, never more often, and not while
 * stopped. */
void launch_wait(struct launch *l, int period_ms, void (*tick)(void *context), void *context);
/*
 * Sleeps up to ms for work that follows the end of the command. Returns false if a deadly signal came, now or before:
 * somebody wants us gone.
 */
bool launch_linger(int ms);
/* Exit status as a shell gives it for a command that cannot be executed. */
int launch_exec_status(int exec_errno);
/* Ends this process as the command ended; a core dump of the command is not followed by one of ours. */
_Noreturn void launch_end_like(const struct launch_end *end);

#endif
