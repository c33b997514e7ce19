/* SPDX-License-Identifier: MIT */
/*
 * Closes recorded sockets by an instruction of its own, which no library sees, and lets their numbers come back as a
 * file, a pipe and another socket, through which a secret passes. Prints what it read, so that it did pass.
 */
#include "host.h"

#include <fcntl.h>
#include <sys/syscall.h>

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
	host_start_server();
	as_file();
	as_pipe();
	as_socket();
	as_request();
	int fd = host_connect();
	host_talk(fd, "afterwards");
	close(fd);
	return 0;
}
