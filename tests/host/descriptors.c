/* SPDX-License-Identifier: MIT */
/* Descriptors that are duplicated, inherited, closed and reused in all the ways that programs do it. */
#include "host.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void duplicates(void)
{
	int fd = host_connect();
	host_talk(fd, "original");
	int copies[5] = {dup(fd), dup2(fd, 100), dup3(fd, 101, O_CLOEXEC), fcntl(fd, F_DUPFD, 102),
			 fcntl(fd, F_DUPFD_CLOEXEC, 103)};
	close(fd);
	const char *const names[] = {"dup", "dup2", "dup3", "dupfd", "dupfd_cloexec"};
	for (int i = 0; i < 5; i++) {
		HOST_CHECK(copies[i] >= 0);
		host_talk(copies[i], names[i]);
	}
	HOST_CHECK(dup2(copies[0], copies[0]) == copies[0]);
	host_talk(copies[0], "dup2-itself");
	HOST_CHECK(close_range(100, 103, CLOSE_RANGE_CLOEXEC) == 0);
	host_talk(101, "still-open");
	HOST_CHECK(close_range(100, 102, 0) == 0);
	host_talk(103, "left-open");
	HOST_CHECK(syscall(SYS_close, 103) == 0);
	host_talk(copies[0], "last");
	close(copies[0]);
}

/* In the parent's memory, on the child's own descriptors: what Python's subprocess does. */
static void vfork_child_closes(int flags, const char *before, const char *after)
{
	int fd = host_connect();
	host_talk(fd, before);
	pid_t child = vfork();
	if (child == 0) {
		dup2(fd, 50);
		close(fd);
		close_range(3, ~0U, flags);
		_exit(0);
	}
	HOST_CHECK(waitpid(child, NULL, 0) == child);
	host_talk(fd, after);
	close(fd);
}

static void forked_child_talks(void)
{
	int fd = host_connect();
	host_talk(fd, "before-fork");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		host_talk(fd, "child");
		close(fd);
		fflush(stdout);
		_exit(0);
	}
	HOST_CHECK(waitpid(child, NULL, 0) == child);
	host_talk(fd, "parent");
	close(fd);
}

/* A child takes a table of descriptors of its own, without what it does not need, and goes on with the one left. */
static void unsharing_child_talks(void)
{
	int fd = host_connect(), other = host_connect();
	host_talk(fd, "before-unshare");
	host_talk(other, "other-before-unshare");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		host_talk(other, "other-before-it-unshares");
		HOST_CHECK(close_range((unsigned)other, ~0U, CLOSE_RANGE_UNSHARE) == 0);
		host_talk(fd, "unshared");
		HOST_CHECK(syscall(SYS_close_range, fd, fd, CLOSE_RANGE_UNSHARE) == 0);
		fflush(stdout);
		_exit(write(fd, "x", 1) == -1 && write(other, "x", 1) == -1 ? 0 : 1);
	}
	int status;
	HOST_CHECK(waitpid(child, &status, 0) == child && status == 0);
	host_talk(fd, "after-unshare");
	host_talk(other, "other-after-unshare");
	close(fd);
	close(other);
}

static void *talk(void *argument)
{
	char name[32];
	int fd = host_connect();
	for (int i = 0; i < 50; i++) {
		char text[512];
		snprintf(name, sizeof(name), "thread-%d-%d", (int)(intptr_t)argument, i);
		size_t n = host_request(text, sizeof(text), name);
		HOST_CHECK(send(fd, text, n, 0) == (ssize_t)n);
		HOST_CHECK(recv(fd, text, sizeof(text), 0) > 0);
	}
	close(fd);
	return NULL;
}

static void threads(void)
{
	pthread_t t[4];
	for (intptr_t i = 0; i < 4; i++)
		HOST_CHECK(pthread_create(&t[i], NULL, talk, (void *)i) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("threads\n");
}

/* closefrom would close the server's descriptors, so last, and in a child. */
static void close_from(void)
{
	int fd = host_connect();
	host_talk(fd, "before-closefrom");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		closefrom(3);
		_exit(write(fd, "x", 1) == -1 && errno == EBADF ? 0 : 1);
	}
	int status;
	HOST_CHECK(waitpid(child, &status, 0) == child && status == 0);
	host_talk(fd, "after-closefrom");
	close(fd);
}

int main(void)
{
	host_start_server();
	duplicates();
	vfork_child_closes(0, "before-vfork", "after-vfork");
	vfork_child_closes(CLOSE_RANGE_UNSHARE, "before-vfork-unshares", "after-vfork-unshares");
	forked_child_talks();
	unsharing_child_talks();
	threads();
	close_from();
	return 0;
}
