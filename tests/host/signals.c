/* SPDX-License-Identifier: MIT */
/* A timer's handler that talks on one connection while the program talks on another, without pause. */
#include "host.h"

#include <signal.h>
#include <sys/time.h>

enum { SENDS = 20000, PIECE = 100 };

static int handlers_fd;
static volatile sig_atomic_t handled;

static void on_alarm(int signal)
{
	int error = errno;
	(void)signal;
	if (send(handlers_fd, "handler ", 8, MSG_DONTWAIT | MSG_NOSIGNAL) == 8)
		handled++;
	errno = error;
}

static void *drain(void *argument)
{
	static _Thread_local char room[65536];
	int listener = (int)(intptr_t)argument;
	int fd = accept(listener, NULL, NULL);
	while (recv(fd, room, sizeof(room), 0) > 0)
		;
	close(fd);
	return NULL;
}

static int connect_to_drain(int listener, pthread_t *thread)
{
	static const char begin[] = "POST /v1/messages HTTP/1.1\r\n";
	HOST_CHECK(pthread_create(thread, NULL, drain, (void *)(intptr_t)listener) == 0);
	int fd = host_connect();
	HOST_CHECK(send(fd, begin, strlen(begin), 0) == (ssize_t)strlen(begin));
	return fd;
}

int main(void)
{
	pthread_t threads[2];
	socklen_t n = sizeof(host_address);
	sigset_t alarm;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	/* The handler runs in the main thread alone. */
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	host_address.sin_family = AF_INET;
	host_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	HOST_CHECK(bind(listener, (struct sockaddr *)&host_address, n) == 0 && listen(listener, 4) == 0);
	HOST_CHECK(getsockname(listener, (struct sockaddr *)&host_address, &n) == 0);
	int fd = connect_to_drain(listener, &threads[0]);
	handlers_fd = connect_to_drain(listener, &threads[1]);
	struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	HOST_CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	struct itimerval timer = {{0, 100}, {0, 100}};
	setitimer(ITIMER_REAL, &timer, NULL);
	char piece[PIECE + 1];
	for (int i = 0; i < SENDS; i++) {
		memset(piece, '.', PIECE);
		piece[snprintf(piece, sizeof(piece), "piece %d", i)] = '.';
		HOST_CHECK(send(fd, piece, PIECE, 0) == PIECE);
	}
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	HOST_CHECK(handled > 0);
	close(fd);
	close(handlers_fd);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	printf("%d pieces\n", SENDS);
	return 0;
}
