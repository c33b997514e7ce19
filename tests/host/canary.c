/* SPDX-License-Identifier: MIT */
/*
 * Closes recorded sockets by an instruction of its own, which no library sees, and lets their numbers come back as a
 * file, a pipe and another socket, through which a secret passes. Prints what it read, so that it did pass.
 */
#include "host.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Put together at run time: the text must not be found in a copy of the program either. */
static char secret[] = "b`m`qx,v`r,gdqd";

static long bare_close(int fd)
{
	long result;
#if defined(__x86_64__)
	__asm__ volatile("syscall" : "=a"(result) : "a"(SYS_close), "D"((long)fd) : "rcx", "r11", "memory");
#else
	register long x8 __asm__("x8") = SYS_close;
	register long x0 __asm__("x0") = fd;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8) : "memory");
	result = x0;
#endif
	return result;
}

static long bare_dup3(int from, int to)
{
	long result;
#if defined(__x86_64__)
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_dup3), "D"((long)from), "S"((long)to), "d"(0L)
			 : "rcx", "r11", "memory");
#else
	register long x8 __asm__("x8") = SYS_dup3;
	register long x0 __asm__("x0") = from;
	register long x1 __asm__("x1") = to;
	register long x2 __asm__("x2") = 0;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	result = x0;
#endif
	return result;
}

static int recorded_and_gone(const char *name)
{
	int fd = host_connect();
	host_talk(fd, name);
	HOST_CHECK(bare_close(fd) == 0);
	return fd;
}

static void as_file(void)
{
	char path[] = "/tmp/kvscope-canary-XXXXXX", room[64];
	int fd = recorded_and_gone("file");
	HOST_CHECK(mkstemp(path) == fd);
	HOST_CHECK(write(fd, secret, strlen(secret)) == (ssize_t)strlen(secret));
	close(fd);
	fd = recorded_and_gone("file-again");
	HOST_CHECK(open(path, O_RDONLY) == fd);
	ssize_t n = read(fd, room, sizeof(room));
	printf("file: %zd\n", n);
	close(fd);
	unlink(path);
}

static void as_pipe(void)
{
	char room[64];
	int ends[2], fd = recorded_and_gone("pipe");
	HOST_CHECK(pipe(ends) == 0 && ends[0] == fd);
	HOST_CHECK(write(ends[1], secret, strlen(secret)) == (ssize_t)strlen(secret));
	printf("pipe: %zd\n", read(fd, room, sizeof(room)));
	close(ends[0]);
	close(ends[1]);
}

/* By a bare system call, too: nobody learns of the new socket. */
static void as_socket(void)
{
	char room[64];
	int ends[2], fd = recorded_and_gone("socket");
	long result;
#if defined(__x86_64__)
	register int *r10 __asm__("r10") = ends;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(SYS_socketpair), "D"((long)AF_UNIX), "S"((long)SOCK_STREAM), "d"(0L), "r"(r10)
			 : "rcx", "r11", "memory");
#else
	result = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
#endif
	HOST_CHECK(result == 0 && ends[0] == fd);
	HOST_CHECK(send(fd, secret, strlen(secret), 0) == (ssize_t)strlen(secret));
	HOST_CHECK(send(ends[1], secret, strlen(secret), 0) == (ssize_t)strlen(secret));
	printf("socket: %zd\n", recv(fd, room, sizeof(room), 0));
	close(ends[0]);
	close(ends[1]);
}

static void write_secret(int fd)
{
	HOST_CHECK(write(fd, secret, strlen(secret)) == (ssize_t)strlen(secret));
}

/* A pipe is put over a recorded number: by libc, by syscall(), by an instruction of the program's own. */
static void dup_over(void)
{
	for (int way = 0; way < 4; way++) {
		char room[64], name[16];
		int ends[2], fd = host_connect();
		snprintf(name, sizeof(name), "over-%d", way);
		host_talk(fd, name);
		HOST_CHECK(pipe(ends) == 0);
		long result = -1;
		if (way == 0)
			result = dup2(ends[0], fd);
		else if (way == 1)
			result = dup3(ends[0], fd, O_CLOEXEC);
		else if (way == 2)
			result = syscall(SYS_dup3, ends[0], fd, 0);
		else
			result = bare_dup3(ends[0], fd);
		HOST_CHECK(result == fd);
		write_secret(ends[1]);
		printf("%s: %zd\n", name, read(fd, room, sizeof(room)));
		close(fd);
		close(ends[0]);
		close(ends[1]);
	}
}

/* A pipe comes by SCM_RIGHTS, and gets the number of a recorded socket that was closed unseen. */
static void by_rights(void)
{
	int pair[2], ends[2], fd;
	char room[64];
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec v = {room, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	HOST_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(ends) == 0);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &ends[0], sizeof(int));
	HOST_CHECK(sendmsg(pair[0], &m, 0) == 1);
	fd = recorded_and_gone("rights");
	m.msg_controllen = sizeof(control);
	HOST_CHECK(recvmsg(pair[1], &m, 0) == 1);
	int got;
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(got));
	HOST_CHECK(got == fd);
	write_secret(ends[1]);
	printf("rights: %zd\n", read(got, room, sizeof(room)));
	close(got);
	close(ends[0]);
	close(ends[1]);
	close(pair[0]);
	close(pair[1]);
}

/* Closed inside libc by fclose, which no hook sees; the number comes back as a pipe. */
static void by_fclose(void)
{
	int ends[2], fd = host_connect();
	char room[64];
	host_talk(fd, "fclose");
	FILE *f = fdopen(fd, "r+");
	HOST_CHECK(f && fclose(f) == 0 && pipe(ends) == 0 && ends[0] == fd);
	write_secret(ends[1]);
	printf("fclose: %zd\n", read(fd, room, sizeof(room)));
	close(ends[0]);
	close(ends[1]);
}

/* In a child that inherited the recorded socket, under the same number: closed there, reused there. */
static void in_child(void)
{
	int fd = host_connect();
	host_talk(fd, "child");
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		char room[64];
		int ends[2];
		bare_close(fd);
		HOST_CHECK(pipe(ends) == 0 && ends[0] == fd);
		write_secret(ends[1]);
		_exit(read(fd, room, sizeof(room)) == (ssize_t)strlen(secret) ? 0 : 1);
	}
	int status;
	HOST_CHECK(waitpid(child, &status, 0) == child);
	printf("child: %d\n", status);
	close(fd);
}

/* A candidate that never spoke; its number becomes a file that looks like a request to a language model. */
static void as_request(void)
{
	char path[] = "/tmp/kvscope-canary-XXXXXX";
	int fd = host_connect();
	HOST_CHECK(bare_close(fd) == 0);
	HOST_CHECK(mkstemp(path) == fd);
	char text[256];
	int n = snprintf(text, sizeof(text), "POST /v1/messages HTTP/1.1\r\n\r\n%s", secret);
	HOST_CHECK(write(fd, text, (size_t)n) == n);
	printf("request: %d\n", n);
	close(fd);
	unlink(path);
}

int main(void)
{
	for (char *p = secret; *p; p++)
		*p = (char)(*p + 1);
	host_start_server_elsewhere();
	as_file();
	as_pipe();
	as_socket();
	as_request();
	dup_over();
	by_rights();
	by_fclose();
	in_child();
	int fd = host_connect();
	host_talk(fd, "afterwards");
	close(fd);
	return 0;
}
