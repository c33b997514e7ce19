/* SPDX-License-Identifier: MIT */
/* Processes in crowds: children that talk while others are made, daemons that close all there is, spawn, exec, vfork.
 */
#include "host.h"

#include <fcntl.h>
#include <stdbool.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { STORM = 24, BURSTS = 8 };

extern char **environ;

static int wait_for(pid_t pid)
{
	int status;
	HOST_CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* Each child talks on a connection of its own while its siblings are being made, and ends without ceremony. */
static void storm(void)
{
	pid_t children[STORM];
	fflush(stdout);
	for (int i = 0; i < STORM; i++) {
		children[i] = fork();
		HOST_CHECK(children[i] >= 0);
		if (children[i] == 0) {
			char text[512], name[32];
			int fd = host_connect();
			for (int k = 0; k < BURSTS; k++) {
				snprintf(name, sizeof(name), "storm-%d-%d", i, k);
				size_t n = host_request(text, sizeof(text), name);
				if (send(fd, text, n, 0) != (ssize_t)n || recv(fd, text, sizeof(text), 0) <= 0)
					_exit(99);
			}
			_exit(i);
		}
	}
	int sum = 0;
	for (int i = 0; i < STORM; i++)
		sum += wait_for(children[i]);
	printf("storm: %d\n", sum);
}

/* Closes every number there may be, opens its own three, and only then talks. */
static void daemon_closes_all(void)
{
	int result[2];
	HOST_CHECK(pipe(result) == 0);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		if (setsid() < 0 || fork() > 0)
			_exit(0);
		struct rlimit limit;
		getrlimit(RLIMIT_NOFILE, &limit);
		int keep = dup2(result[1], 900);
		for (int fd = 0; fd < 900; fd++)
			close(fd);
		int zero = open("/dev/null", O_RDWR), one = dup(zero), two = dup(zero);
		int fd = host_connect();
		char text[512];
		size_t n = host_request(text, sizeof(text), "daemon");
		bool ok = keep == 900 && zero == 0 && one == 1 && two == 2 && fd == 3 &&
			  send(fd, text, n, 0) == (ssize_t)n && recv(fd, text, sizeof(text), 0) > 0;
		_exit(write(keep, ok ? "y" : "n", 1) == 1 ? 0 : 1);
	}
	char answer = '?';
	close(result[1]);
	int status = wait_for(child);
	HOST_CHECK(read(result[0], &answer, 1) == 1);
	printf("daemon: %d %c\n", status, answer);
	close(result[0]);
}

static void spawned(void)
{
	posix_spawn_file_actions_t actions;
	char *argv[] = {"sh", "-c", "exit 11", NULL};
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, 3);
	posix_spawn_file_actions_adddup2(&actions, 1, 77);
	HOST_CHECK(posix_spawnp(&pid, "sh", &actions, NULL, argv, environ) == 0);
	printf("spawn: %d\n", wait_for(pid));
	posix_spawn_file_actions_destroy(&actions);
	fflush(stdout);
	printf("system: %d\n", WEXITSTATUS(system("exit 12")));
	char line[64] = "";
	FILE *f = popen("echo through a pipe", "r");
	HOST_CHECK(f && fgets(line, sizeof(line), f));
	printf("popen: %d %s", WEXITSTATUS(pclose(f)), line);
}

/* vfork and exec while a connection is in use; the child takes it for its standard input, and the parent keeps it. */
static void vforked(void)
{
	int fd = host_connect();
	host_talk(fd, "before-vforks");
	for (int i = 0; i < STORM; i++) {
		pid_t child = vfork();
		if (child == 0) {
			dup2(fd, 0);
			close(fd);
			if (i % 2)
				syscall(SYS_close, fd);
			execl("/bin/true", "true", (char *)NULL);
			_exit(99);
		}
		HOST_CHECK(child > 0 && wait_for(child) == 0);
	}
	host_talk(fd, "after-vforks");
	close(fd);
}

/* A child that talks, told from its parent by what the call that made it returned. */
static void child_talks(pid_t child, const char *name)
{
	if (child == 0) {
		char text[512];
		int fd = host_connect();
		size_t n = host_request(text, sizeof(text), name);
		_exit(send(fd, text, n, 0) == (ssize_t)n && recv(fd, text, sizeof(text), 0) > 0 ? 21 : 22);
	}
	printf("%s: %d\n", name, wait_for(child));
	fflush(stdout);
}

/* Made in ways in which no handler of any library runs in the child. */
static void forked_without_handlers(void)
{
	fflush(stdout);
#ifdef SYS_fork
	child_talks((pid_t)syscall(SYS_fork), "by-number");
#endif
	child_talks((pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0), "by-clone");
	child_talks(_Fork(), "by-Fork");
}

static void *make_children(void *argument)
{
	for (int i = 0; i < 6; i++) {
		pid_t child = fork();
		if (child == 0)
			_exit(i);
		HOST_CHECK(child > 0 && wait_for(child) == i);
	}
	return argument;
}

static void *keep_talking(void *argument)
{
	char text[512];
	int fd = host_connect();
	for (int i = 0; i < 200; i++) {
		size_t n = host_request(text, sizeof(text), "beside-forks");
		HOST_CHECK(send(fd, text, n, 0) == (ssize_t)n && recv(fd, text, sizeof(text), 0) > 0);
	}
	close(fd);
	return argument;
}

static void forks_beside_talk(void)
{
	pthread_t threads[4];
	fflush(stdout);
	for (int i = 0; i < 4; i++)
		HOST_CHECK(pthread_create(&threads[i], NULL, i < 2 ? make_children : keep_talking, NULL) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	printf("forks beside talk\n");
}

int main(void)
{
	host_start_server();
	storm();
	daemon_closes_all();
	spawned();
	vforked();
	forked_without_handlers();
	forks_beside_talk();
	return 0;
}
