/* SPDX-License-Identifier: MIT */
/*
 * How many machine instructions a call takes in user space: cost CASE. A child makes calls and is single-stepped by
 * this process between two stops; what lies between the stops of a child that makes none is taken off. Unlike times,
 * the numbers are the same every time, on a machine that is busy, too.
 *
 * Cases: read, write, close: on descriptors that nobody follows. send, recv: 64 bytes on a connection to a language
 * model. ask, answer: on one that carries other HTTP, of which only sizes are wanted, in the middle of many requests.
 */
#include "host.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* One call of those that are added up for some milliseconds: more would take longer, step by step. */
enum { CALLS = 8, CALLS_ADDED = 1, WARM = 40, STEPS_MAX = 1000000 };

static const char request[] = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";
static const char *begin = "POST /v1/messages HTTP/1.1\r\n";
static char buffer[64];
static int zero, null, client, server;

static void one_read(void)
{
	HOST_CHECK(read(zero, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer));
}

static void one_write(void)
{
	HOST_CHECK(write(null, buffer, sizeof(buffer)) == (ssize_t)sizeof(buffer));
}

static void one_close(void)
{
	close(-1);
}

static void one_send(void)
{
	HOST_CHECK(send(client, buffer, sizeof(buffer), 0) == (ssize_t)sizeof(buffer));
}

static void one_ask(void)
{
	HOST_CHECK(send(client, request, sizeof(request) - 1, 0) == (ssize_t)sizeof(request) - 1);
}

static void one_recv(void)
{
	HOST_CHECK(recv(client, buffer, sizeof(buffer), 0) == (ssize_t)sizeof(buffer));
}

/* The answers that are to be received lie ready, so that nothing is waited for. */
static void connect_both(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	HOST_CHECK(bind(listener, (struct sockaddr *)&a, n) == 0 && listen(listener, 1) == 0);
	HOST_CHECK(getsockname(listener, (struct sockaddr *)&a, &n) == 0 &&
		   connect(client, (struct sockaddr *)&a, n) == 0);
	HOST_CHECK((server = accept(listener, NULL, NULL)) >= 0);
	HOST_CHECK(send(client, begin, strlen(begin), 0) == (ssize_t)strlen(begin));
	for (int i = 0; i < WARM + CALLS; i++)
		HOST_CHECK(send(server, buffer, sizeof(buffer), 0) == (ssize_t)sizeof(buffer));
}

static void stop(void)
{
	syscall(SYS_kill, syscall(SYS_getpid), SIGSTOP);
}

static long steps_of(void (*call)(void), int calls)
{
	int status;
	long steps = 0;
	pid_t child = fork();
	HOST_CHECK(child >= 0);
	if (child == 0) {
		connect_both();
		for (int i = 0; i < WARM; i++)
			call();
		HOST_CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
		stop();
		for (int i = 0; i < calls; i++)
			call();
		stop();
		_exit(0);
	}
	HOST_CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
	do {
		HOST_CHECK(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
		HOST_CHECK(waitpid(child, &status, 0) == child && WIFSTOPPED(status));
		steps++;
	} while (WSTOPSIG(status) == SIGTRAP && steps < STEPS_MAX);
	HOST_CHECK(WSTOPSIG(status) == SIGSTOP);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	return steps;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*call)(void);
	} cases[] = {{"read", one_read}, {"write", one_write}, {"close", one_close}, {"send", one_send},
		     {"recv", one_recv}, {"ask", one_ask},     {"answer", one_recv}};
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	for (size_t i = 0; argc == 2 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) == 0) {
			int calls = argv[1][0] == 'a' ? CALLS_ADDED : CALLS;
			if (calls == CALLS_ADDED)
				begin = request;
			printf("%.1f\n", (double)(steps_of(cases[i].call, calls) - steps_of(cases[i].call, 0)) / calls);
			return 0;
		}
	}
	return 2;
}
