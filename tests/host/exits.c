/* SPDX-License-Identifier: MIT */
/* Ends in the way that its argument says, while other threads talk and its destructors wait. */
#include "host.h"

#include <signal.h>
#include <sys/syscall.h>

static void *talk(void *argument)
{
	char text[512];
	int fd = host_connect();
	for (;;) {
		size_t n = host_request(text, sizeof(text), "talking");
		if (send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n || recv(fd, text, sizeof(text), 0) <= 0)
			break;
	}
	return argument;
}

static void *end_process(void *argument)
{
	usleep(2000);
	_exit(43);
	return argument;
}

static void end_in_handler(int signal)
{
	_exit(signal);
}

static void at_end(void)
{
	/* Late in the life of a process descriptors are still used. */
	int fd = host_connect();
	host_talk(fd, "at-exit");
	close(fd);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "exit";
	pthread_t thread;
	host_start_server();
	atexit(at_end);
	for (int i = 0; i < 2; i++)
		HOST_CHECK(pthread_create(&thread, NULL, talk, NULL) == 0);
	int fd = host_connect();
	host_talk(fd, how);
	fflush(stdout);
	usleep(2000);
	if (strcmp(how, "_exit") == 0)
		_exit(41);
	if (strcmp(how, "thread") == 0 && pthread_create(&thread, NULL, end_process, NULL) == 0)
		pthread_join(thread, NULL);
	if (strcmp(how, "quick") == 0)
		quick_exit(42);
	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "segv") == 0)
		raise(SIGSEGV);
	if (strcmp(how, "group") == 0)
		syscall(SYS_exit_group, 44);
	if (strcmp(how, "handler") == 0) {
		signal(SIGUSR1, end_in_handler);
		raise(SIGUSR1);
	}
	if (strcmp(how, "overflow") == 0) {
		/* What fortified programs call checks, and ends them. */
		char small[8];
		volatile size_t too_much = 4096;
		printf("%zd\n", recv(fd, small, too_much, 0));
	}
	if (strcmp(how, "main-thread") == 0) {
		pthread_create(&thread, NULL, end_process, NULL);
		pthread_exit(NULL);
	}
	return 40;
}
