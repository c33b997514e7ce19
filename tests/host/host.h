/* SPDX-License-Identifier: MIT */
#ifndef HOST_H
#define HOST_H

/*
 * What the host programs share: a server in a thread of their own, so that each of them runs alone. It reads to the end
 * of a request's head and answers with a head that repeats the request's X-Case line; it serves connections one after
 * the other until the program ends.
 *
 * The programs stand for other people's: they know nothing of kvscope, and print the same with and without it.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST_CHECK(condition)                                                                                          \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno));                    \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

static struct sockaddr_in host_address;

static inline void *host_serve_one(void *argument)
{
	char request[8192];
	int fd = (int)(intptr_t)argument;
	size_t n = 0;
	for (;;) {
		ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);
		if (got <= 0)
			break;
		n += (size_t)got;
		request[n] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		const char *name = strstr(request, "X-Case: ");
		char reply[512];
		int length = snprintf(reply, sizeof(reply), "HTTP/1.1 200 OK\r\n%.*s\r\nContent-Length: 0\r\n\r\n",
				      name ? (int)strcspn(name, "\r") : 4, name ? name : "X: y");
		if (send(fd, reply, (size_t)length, MSG_NOSIGNAL) != length)
			break;
		n = 0;
	}
	close(fd);
	return NULL;
}

static inline void *host_serve(void *argument)
{
	int listener = (int)(intptr_t)argument;
	for (;;) {
		pthread_t thread;
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0 && pthread_create(&thread, NULL, host_serve_one, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return NULL;
}

static inline void host_start_server(void)
{
	pthread_t thread;
	socklen_t n = sizeof(host_address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	host_address.sin_family = AF_INET;
	host_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	HOST_CHECK(bind(listener, (struct sockaddr *)&host_address, n) == 0);
	HOST_CHECK(listen(listener, 64) == 0);
	HOST_CHECK(getsockname(listener, (struct sockaddr *)&host_address, &n) == 0);
	HOST_CHECK(pthread_create(&thread, NULL, host_serve, (void *)(intptr_t)listener) == 0);
}

/* The same in a process of its own, that goes when this one does: its descriptors do not come between this one's. */
static inline void host_start_server_elsewhere(void)
{
	int ends[2];
	HOST_CHECK(pipe(ends) == 0);
	pid_t server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		host_start_server();
		HOST_CHECK(write(ends[1], &host_address, sizeof(host_address)) == sizeof(host_address));
		for (;;)
			pause();
	}
	HOST_CHECK(server > 0 && read(ends[0], &host_address, sizeof(host_address)) == sizeof(host_address));
	close(ends[0]);
	close(ends[1]);
}

static inline int host_connect(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	HOST_CHECK(fd >= 0);
	HOST_CHECK(connect(fd, (struct sockaddr *)&host_address, sizeof(host_address)) == 0);
	return fd;
}

/* Writes the request of a case into text; returns its length. */
static inline size_t host_request(char *text, size_t room, const char *name)
{
	int n = snprintf(text, room, "POST /v1/messages HTTP/1.1\r\nX-Case: %s\r\n\r\n", name);
	HOST_CHECK(n > 0 && (size_t)n < room);
	return (size_t)n;
}

/* A whole exchange by send and recv. */
static inline void host_talk(int fd, const char *name)
{
	char text[512];
	size_t n = host_request(text, sizeof(text), name);
	HOST_CHECK(send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n);
	ssize_t got = recv(fd, text, sizeof(text), 0);
	HOST_CHECK(got > 0);
	printf("%s: %zd\n", name, got);
}

#endif
