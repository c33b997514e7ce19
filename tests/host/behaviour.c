/* SPDX-License-Identifier: MIT */
/* What a program can tell about its calls: results, errno, numbers, interruptions, partial transfers. Prints it all. */
#include "host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/uio.h>

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
	(void)signal;
	handled++;
}

#define SHOW(call)                                                                                                     \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long shown = (long)(call);                                                                             \
		int error = errno;                                                                                     \
		printf("%s = %ld, errno %d\n", #call, shown, error);                                                   \
	} while (0)

static int listener(struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	HOST_CHECK(bind(fd, (struct sockaddr *)a, n) == 0 && listen(fd, 8) == 0);
	HOST_CHECK(getsockname(fd, (struct sockaddr *)a, &n) == 0);
	return fd;
}

static void alarm_in(long us)
{
	struct itimerval timer = {{0, 0}, {us / 1000000, us % 1000000}};
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void interrupted(int fd, int restart)
{
	char room[16];
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = restart ? SA_RESTART : 0};
	struct timeval timeout = {0, 300000};
	HOST_CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	handled = 0;
	alarm_in(50000);
	SHOW(recv(fd, room, sizeof(room), 0));
	alarm_in(50000);
	SHOW(read(fd, room, sizeof(room)));
	printf("handled %d\n", (int)handled);
}

static void partial(int fd, int peer)
{
	static char big[8u << 20];
	char room[10];
	HOST_CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	ssize_t n = send(fd, big, sizeof(big), 0);
	printf("a send of 8 MiB is partial: %d\n", n > 0 && n < (ssize_t)sizeof(big));
	while ((n = send(fd, big, sizeof(big), 0)) > 0)
		;
	printf("then full: %zd %d\n", n, errno);
	struct iovec v[2] = {{big, 100}, {big, 100}};
	SHOW(writev(fd, v, 2));
	SHOW(send(peer, "0123456789", 10, 0));
	SHOW(recv(fd, room, 4, MSG_PEEK));
	SHOW(recv(fd, room, 4, MSG_WAITALL));
	SHOW(recv(fd, room, 10, 0));
	SHOW(recv(fd, room, 10, 0));
	SHOW(recv(fd, room, 0, 0));
	SHOW(fcntl(fd, F_SETFL, 0));
	SHOW(send(peer, "abcdef", 6, 0));
	SHOW(recv(fd, room, 3, MSG_TRUNC));
	SHOW(recv(fd, NULL, 2, MSG_TRUNC));
	SHOW(recv(fd, room, 5, MSG_DONTWAIT));
	SHOW(send(peer, "!", 1, MSG_OOB));
	usleep(20000);
	SHOW(recv(fd, room, 1, MSG_OOB));
	printf("urgent %c\n", room[0]);
}

static void numbers(struct sockaddr_in *a)
{
	int fds[3], pair[2];
	for (int i = 0; i < 3; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
	printf("numbers %d %d %d\n", fds[0], fds[1], fds[2]);
	SHOW(connect(fds[0], (struct sockaddr *)a, sizeof(*a)));
	SHOW(connect(fds[0], (struct sockaddr *)a, sizeof(*a)));
	SHOW(dup(fds[0]));
	SHOW(dup2(fds[0], fds[1]));
	SHOW(dup2(fds[0], fds[0]));
	SHOW(dup3(fds[0], fds[0], 0));
	SHOW(fcntl(fds[0], F_DUPFD, 50));
	SHOW(fcntl(fds[0], F_GETFL));
	SHOW(fcntl(fds[0], F_GETFD));
	SHOW(fcntl(fds[0], 9999, 0));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	printf("pair %d %d\n", pair[0], pair[1]);
	SHOW(socket(AF_INET, 99, 0));
	SHOW(socket(4711, SOCK_STREAM, 0));
	SHOW(shutdown(fds[0], SHUT_WR));
	SHOW(shutdown(fds[0], 77));
	SHOW(shutdown(pair[0], SHUT_RDWR));
	SHOW(close(fds[0]));
	SHOW(close(fds[0]));
	SHOW(close_range(50, 60, 0));
	SHOW(close_range(9, 5, 0));
	SHOW(fcntl(50, F_GETFD));
	close(fds[1]);
	close(fds[2]);
	close(pair[0]);
	close(pair[1]);
}

/* What became of a send without copying is told by the queue of errors, which is no part of the stream. */
static void zero_copy(struct sockaddr_in *a, int server)
{
	char room[16];
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	HOST_CHECK(connect(fd, (struct sockaddr *)a, sizeof(*a)) == 0);
	int peer = accept(server, NULL, NULL);
	SHOW(setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)));
	SHOW(send(fd, "POST /v1/messages HTTP/1.1\r\n", 28, 0));
	SHOW(send(fd, "zero copy", 9, MSG_ZEROCOPY));
	usleep(20000);
	SHOW(recv(fd, room, sizeof(room), MSG_ERRQUEUE));
	SHOW(send(peer, "answer", 6, 0));
	SHOW(recv(fd, room, sizeof(room), 0));
	close(fd);
	close(peer);
}

static void ends(struct sockaddr_in *a, int server)
{
	char room[10];
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	HOST_CHECK(connect(fd, (struct sockaddr *)a, sizeof(*a)) == 0);
	int peer = accept(server, NULL, NULL);
	SHOW(send(fd, "POST /v1/messages HTTP/1.1\r\n", 28, 0));
	struct linger now = {1, 0};
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
	SHOW(recv(fd, room, sizeof(room), 0));
	SHOW(recv(fd, room, sizeof(room), 0));
	struct sigaction action = {.sa_handler = on_signal};
	sigaction(SIGPIPE, &action, NULL);
	handled = 0;
	SHOW(send(fd, "x", 1, 0));
	SHOW(write(fd, "x", 1));
	SHOW(send(fd, "x", 1, MSG_NOSIGNAL));
	printf("SIGPIPE %d times\n", (int)handled);
	close(fd);
	struct sockaddr_in nobody = *a;
	nobody.sin_port = htons(1);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	SHOW(connect(fd, (struct sockaddr *)&nobody, sizeof(nobody)));
	struct pollfd p = {fd, POLLOUT, 0};
	poll(&p, 1, 1000);
	int error = 0;
	socklen_t n = sizeof(error);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
	printf("refused %d\n", error);
	SHOW(send(fd, "x", 1, MSG_NOSIGNAL));
	SHOW(connect(fd, (struct sockaddr *)&nobody, 3));
	SHOW(connect(-1, (struct sockaddr *)&nobody, sizeof(nobody)));
	close(fd);
}

int main(void)
{
	struct sockaddr_in a;
	int server = listener(&a), fd = socket(AF_INET, SOCK_STREAM, 0);
	HOST_CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	int peer = accept(server, NULL, NULL);
	SHOW(send(fd, "POST /v1/messages HTTP/1.1\r\n\r\n", 30, 0));
	interrupted(fd, 0);
	interrupted(fd, 1);
	partial(fd, peer);
	close(fd);
	close(peer);
	numbers(&a);
	while (fcntl(server, F_SETFL, O_NONBLOCK) == 0 && (fd = accept(server, NULL, NULL)) >= 0)
		close(fd);
	HOST_CHECK(fcntl(server, F_SETFL, 0) == 0);
	zero_copy(&a, server);
	ends(&a, server);
	return 0;
}
