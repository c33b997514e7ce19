/* SPDX-License-Identifier: MIT */
/*
 * Filters its own system calls in the middle of a connection, to those that it makes itself, and goes on. Any other
 * call kills it. sandbox prctl|seccomp|strict|child
 */
#include "host.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ALLOW(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	ALLOW(sendto),
	ALLOW(recvfrom),
	ALLOW(read),
	ALLOW(write),
	ALLOW(close),
	ALLOW(dup),
	ALLOW(exit_group),
	ALLOW(exit),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static const struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(1);
}

static void talk_by_send(int fd, const char *name)
{
	char text[512];
	size_t n = host_request(text, sizeof(text), name);
	say(send(fd, text, n, 0) == (ssize_t)n && recv(fd, text, sizeof(text), 0) > 0 ? "talked\n" : "failed\n");
}

static void talk_by_write(int fd, const char *name)
{
	char text[512];
	size_t n = host_request(text, sizeof(text), name);
	say(write(fd, text, n) == (ssize_t)n && read(fd, text, sizeof(text)) > 0 ? "talked\n" : "failed\n");
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "prctl";
	host_start_server_elsewhere();
	int fd = host_connect(), other = host_connect();
	host_talk(fd, "before");
	fflush(stdout);
	HOST_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	/* Asking whether filters exist confines nobody: EFAULT. */
	HOST_CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
	HOST_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT);
	host_talk(fd, "still-seen");
	fflush(stdout);
	if (strcmp(how, "child") == 0) {
		/* In the parent's memory, on the child's own system calls. */
		pid_t child = vfork();
		if (child == 0) {
			if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
				_exit(1);
			_exit(0);
		}
		int status;
		HOST_CHECK(waitpid(child, &status, 0) == child && status == 0);
	} else if (strcmp(how, "strict") == 0) {
		HOST_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
		talk_by_write(fd, "confined");
		syscall(SYS_exit, 0);
	} else if (strcmp(how, "seccomp") == 0) {
		HOST_CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
	} else {
		HOST_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
	}
	talk_by_send(fd, "confined");
	talk_by_write(fd, "confined-too");
	talk_by_send(other, "confined-first");
	say(dup(fd) >= 0 ? "dup\n" : "no dup\n");
	say(close(fd) == 0 && close(other) == 0 ? "closed\n" : "not closed\n");
	_exit(0);
}
