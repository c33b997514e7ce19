/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ANSWERS_H
#define TESTS_ANSWERS_H

/* For unit tests of what talks HTTP; include it after the system headers and before cmocka.h. */

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * A server on loopback that says what a test wants, byte for byte: for each request of a list it reads head and
 * body and sends the next answer. An answer that ends with CLOSE is followed by the end of its connection.
 */

#define CLOSE "\x04"
#define PAUSE "\x05" /* what follows is sent in a packet of its own, later */

struct server {
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *const *answers;
	bool unread;          /* answers before the body was read */
	unsigned connections; /* accepted */
	char heads[16][4096]; /* of the requests */
	size_t bodies[16];    /* their lengths */
	char texts[16][256];  /* and how they begin */
	unsigned requests;
};

static void say(int fd, const char *answer)
{
	while (*answer) {
		size_t n = strcspn(answer, PAUSE CLOSE);
		if (n > 0)
			assert_int_equal(send(fd, answer, n, MSG_NOSIGNAL), (ssize_t)n);
		answer += n;
		if (*answer == *PAUSE)
			usleep(20000);
		answer += *answer != '\0';
	}
}

/* True when a request was read. */
static bool hear(struct server *s, int fd)
{
	char *head = s->heads[s->requests % 16];
	size_t n = 0;

	while (n < sizeof(s->heads[0]) - 1) {
		ssize_t got = recv(fd, head + n, 1, 0);
		if (got <= 0)
			return false;
		n++;
		head[n] = '\0';
		if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
			break;
	}
	const char *length = strcasestr(head, "content-length:");
	size_t body = length ? strtoul(length + 15, NULL, 10) : 0, read = 0;
	s->bodies[s->requests % 16] = body;
	s->requests++;
	while (!s->unread && read < body) {
		char bytes[65536];
		ssize_t got = recv(fd, bytes, body - read < sizeof(bytes) ? body - read : sizeof(bytes), 0);
		if (got <= 0)
			return false;
		char *text = s->texts[(s->requests - 1) % 16];
		if (read + (size_t)got < sizeof(s->texts[0])) {
			memcpy(text + read, bytes, (size_t)got);
			text[read + (size_t)got] = '\0';
		}
		read += (size_t)got;
	}
	return true;
}

static void *serve(void *context)
{
	struct server *s = context;
	while (*s->answers) {
		int fd = accept(s->fd, NULL, NULL);
		if (fd < 0)
			break;
		s->connections++;
		while (*s->answers && hear(s, fd)) {
			const char *answer = *s->answers++;
			say(fd, answer);
			if (strchr(answer, *CLOSE))
				break;
		}
		close(fd);
	}
	return NULL;
}

static void server_start(struct server *s, const char *const *answers)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(a);

	s->answers = answers;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(s->fd >= 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(getsockname(s->fd, (struct sockaddr *)&a, &n), 0);
	s->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

#endif
