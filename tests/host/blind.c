/* SPDX-License-Identifier: MIT */
/* Does what cannot be seen, by its argument, and prints that it worked: blind fdopen|dprintf|aio|sendfile|splice|... */
#include "host.h"

#include <aio.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

static const char begin[] = "POST /v1/messages HTTP/1.1\r\n";
static const char rest[] = "X-Case: unseen-bytes\r\n\r\n";

static void answer(int fd, const char *name)
{
	char room[512];
	ssize_t n = read(fd, room, sizeof(room));
	printf("%s: %zd\n", name, n);
}

static int connect_and_begin(void)
{
	int fd = host_connect();
	HOST_CHECK(write(fd, begin, strlen(begin)) == (ssize_t)strlen(begin));
	return fd;
}

static int file_of_rest(void)
{
	FILE *f = tmpfile();
	HOST_CHECK(f && fputs(rest, f) >= 0 && fflush(f) == 0);
	return fileno(f);
}

static void by_fdopen(void)
{
	int fd = host_connect();
	char line[128] = "";
	FILE *f = fdopen(fd, "r+");
	HOST_CHECK(f && fputs(begin, f) >= 0 && fputs(rest, f) >= 0 && fflush(f) == 0);
	HOST_CHECK(fgets(line, sizeof(line), f));
	printf("fdopen: %s", line);
	fclose(f);
	/* The number comes back, closed behind everybody's back, and begins anew. */
	fd = host_connect();
	host_talk(fd, "after-fdopen");
	close(fd);
}

static void by_dprintf(void)
{
	int fd = host_connect();
	HOST_CHECK(dprintf(fd, "%s%s", begin, rest) == (int)(strlen(begin) + strlen(rest)));
	answer(fd, "dprintf");
	close(fd);
}

static void by_aio(void)
{
	int fd = connect_and_begin();
	char text[64];
	strcpy(text, rest);
	struct aiocb call = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = strlen(rest)};
	const struct aiocb *list[] = {&call};
	HOST_CHECK(aio_write(&call) == 0 && aio_suspend(list, 1, NULL) == 0);
	HOST_CHECK(aio_return(&call) == (ssize_t)strlen(rest));
	answer(fd, "aio");
	close(fd);
}

static void by_sendfile(void)
{
	int fd = connect_and_begin();
	off_t at = 0;
	HOST_CHECK(sendfile(fd, file_of_rest(), &at, strlen(rest)) == (ssize_t)strlen(rest));
	answer(fd, "sendfile");
	close(fd);
}

/* Out of a file through a pipe, and the answer into a pipe. */
static void by_splice(void)
{
	int fd = connect_and_begin(), ends[2];
	loff_t at = 0;
	char room[512];
	HOST_CHECK(pipe(ends) == 0);
	HOST_CHECK(splice(file_of_rest(), &at, ends[1], NULL, strlen(rest), 0) == (ssize_t)strlen(rest));
	HOST_CHECK(splice(ends[0], NULL, fd, NULL, strlen(rest), SPLICE_F_MOVE) == (ssize_t)strlen(rest));
	ssize_t n = splice(fd, NULL, ends[1], NULL, sizeof(room), 0);
	HOST_CHECK(n > 0 && read(ends[0], room, sizeof(room)) == n);
	printf("splice: %zd\n", n);
	close(fd);
}

static void by_syscall_splice(void)
{
	int fd = connect_and_begin();
	off_t at = 0;
	HOST_CHECK(syscall(SYS_sendfile, fd, file_of_rest(), &at, strlen(rest)) == (long)strlen(rest));
	answer(fd, "syscall");
	close(fd);
}

static void by_io_uring(void)
{
	struct io_uring_params params = {0};
	long fd = syscall(SYS_io_uring_setup, 4, &params);
	printf("io_uring: %s\n", fd >= 0 || errno == EPERM || errno == ENOSYS ? "asked" : strerror(errno));
}

/* As liburing does: no library sees the call. Stays long enough to be found. */
static void by_io_uring_inline(void)
{
	struct io_uring_params params = {0};
	long result;
#if defined(__x86_64__)
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_io_uring_setup), "D"(4L), "S"(&params)
			 : "rcx", "r11", "memory");
#else
	result = syscall(SYS_io_uring_setup, 4, &params);
#endif
	printf("%s\n", result >= 0 ? "io_uring" : "no io_uring here");
	fflush(stdout);
	sleep(2);
}

static void by_preface(void)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	int fd = host_connect();
	printf("preface: %zd\n", send(fd, preface, sizeof(preface) - 1, 0));
	close(fd);
}

static void by_websocket(void)
{
	static const char ask[] = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
	int fd = host_connect();
	HOST_CHECK(send(fd, ask, sizeof(ask) - 1, 0) == sizeof(ask) - 1);
	answer(fd, "websocket");
	close(fd);
}

/* The descriptor goes to a child by SCM_RIGHTS; the child talks. */
static void by_rights(void)
{
	int pair[2], fd = host_connect();
	host_talk(fd, "before-rights");
	HOST_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	fflush(stdout);
	pid_t child = fork();
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	char byte = 'x';
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	if (child == 0) {
		close(fd);
		HOST_CHECK(recvmsg(pair[1], &m, 0) == 1);
		int got;
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
		host_talk(got, "unseen-bytes");
		fflush(stdout);
		_exit(0);
	}
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	HOST_CHECK(sendmsg(pair[0], &m, 0) == 1);
	HOST_CHECK(waitpid(child, NULL, 0) == child);
	close(fd);
}

/* A program of its own gets the connection as its standard input and output. */
static void by_exec(void)
{
	int fd = host_connect();
	host_talk(fd, "before-exec");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		dup2(fd, 0);
		dup2(fd, 9);
		execl("/bin/sh", "sh", "-c",
		      "printf 'POST /v1/messages HTTP/1.1\\r\\nX-Case: unseen-bytes\\r\\n\\r\\n' >&9; read x",
		      (char *)NULL);
		_exit(99);
	}
	int status;
	HOST_CHECK(waitpid(child, &status, 0) == child);
	printf("exec: %d\n", WEXITSTATUS(status));
	close(fd);
}

static void by_unix_socket(void)
{
	int pair[2];
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0kvscope-blind"};
	int server = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "kvscope-blind-%d", (int)getpid());
	HOST_CHECK(bind(server, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(server, 1) == 0);
	HOST_CHECK(connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	HOST_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	HOST_CHECK(send(fd, begin, strlen(begin), 0) > 0 && send(fd, rest, strlen(rest), 0) > 0);
	HOST_CHECK(send(pair[0], begin, strlen(begin), 0) > 0 && send(pair[0], rest, strlen(rest), 0) > 0);
	printf("unix\n");
}

/* Connections that the program accepts are its clients' to watch. */
static void by_accept(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int server = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
	HOST_CHECK(bind(server, (struct sockaddr *)&a, n) == 0 && listen(server, 1) == 0);
	HOST_CHECK(getsockname(server, (struct sockaddr *)&a, &n) == 0);
	HOST_CHECK(connect(fd, (struct sockaddr *)&a, n) == 0);
	int peer = accept(server, NULL, NULL);
	HOST_CHECK(send(peer, begin, strlen(begin), 0) > 0 && send(peer, rest, strlen(rest), 0) > 0);
	printf("accept\n");
	close(peer);
	close(fd);
}

/* The request travels with the connection. */
static void by_fast_open(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char text[128];
	int n = snprintf(text, sizeof(text), "%s%s", begin, rest);
	ssize_t sent =
		sendto(fd, text, (size_t)n, MSG_FASTOPEN, (struct sockaddr *)&host_address, sizeof(host_address));
	printf("fast open: %s\n", sent == n ? "sent" : strerror(errno));
	close(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{"fdopen", by_fdopen},
	{"dprintf", by_dprintf},
	{"aio", by_aio},
	{"sendfile", by_sendfile},
	{"splice", by_splice},
	{"syscall", by_syscall_splice},
	{"io_uring", by_io_uring},
	{"io_uring-inline", by_io_uring_inline},
	{"preface", by_preface},
	{"websocket", by_websocket},
	{"rights", by_rights},
	{"exec", by_exec},
	{"unix", by_unix_socket},
	{"accept", by_accept},
	{"fast-open", by_fast_open},
};

int main(int argc, char **argv)
{
	host_start_server();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (argc > 1 && strcmp(argv[1], ways[i].name) == 0) {
			ways[i].run();
			return 0;
		}
	}
	return 2;
}
