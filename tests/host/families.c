/* SPDX-License-Identifier: MIT */
/* One request and one response by each family of calls; X-Case names it. */
#include "host.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Public aliases that libc exports and some programs use. */
ssize_t __read(int fd, void *p, size_t n);
ssize_t __write(int fd, const void *p, size_t n);
/* Not on every architecture. */
__attribute__((weak)) ssize_t __send(int fd, const void *p, size_t n, int flags);

struct family {
	const char *name;
	ssize_t (*out)(int fd, char *p, size_t n);
	ssize_t (*in)(int fd, char *p, size_t n);
};

/* Two buffers and an empty one between them. */
#define PIECES(p, n)                                                                                                   \
	{                                                                                                              \
		{(p), (n) / 3}, {NULL, 0},                                                                             \
		{                                                                                                      \
			(p) + (n) / 3, (n) - (n) / 3                                                                   \
		}                                                                                                      \
	}

static ssize_t out_write(int fd, char *p, size_t n)
{
	return write(fd, p, n);
}
static ssize_t in_read(int fd, char *p, size_t n)
{
	return read(fd, p, n);
}
static ssize_t out_alias(int fd, char *p, size_t n)
{
	return __write(fd, p, n);
}
static ssize_t in_alias(int fd, char *p, size_t n)
{
	return __read(fd, p, n);
}
static ssize_t out_send_alias(int fd, char *p, size_t n)
{
	return __send ? __send(fd, p, n, 0) : send(fd, p, n, 0);
}
/* The size of the buffer is known and that of the call is not: what fortified programs call then is another function.
 */
static ssize_t in_read_chk(int fd, char *p, size_t n)
{
	char room[1000];
	volatile size_t unknown = n < sizeof(room) ? n : sizeof(room);
	ssize_t got = read(fd, room, unknown);
	if (got > 0)
		memcpy(p, room, (size_t)got);
	return got;
}
static ssize_t in_recv_chk(int fd, char *p, size_t n)
{
	char room[1000];
	volatile size_t unknown = n < sizeof(room) ? n : sizeof(room);
	ssize_t got = recv(fd, room, unknown, 0);
	if (got > 0)
		memcpy(p, room, (size_t)got);
	return got;
}
static ssize_t in_recvfrom_chk(int fd, char *p, size_t n)
{
	char room[1000];
	volatile size_t unknown = n < sizeof(room) ? n : sizeof(room);
	struct sockaddr_storage from;
	socklen_t bytes = sizeof(from);
	ssize_t got = recvfrom(fd, room, unknown, 0, (struct sockaddr *)&from, &bytes);
	if (got > 0)
		memcpy(p, room, (size_t)got);
	return got;
}
static ssize_t out_writev(int fd, char *p, size_t n)
{
	struct iovec v[] = PIECES(p, n);
	return writev(fd, v, 3);
}
static ssize_t in_readv(int fd, char *p, size_t n)
{
	struct iovec v[] = PIECES(p, n);
	v[0].iov_len = 7;
	v[2].iov_base = p + 7;
	return readv(fd, v, 3);
}
static ssize_t out_pwritev2(int fd, char *p, size_t n)
{
	struct iovec v[] = PIECES(p, n);
	return pwritev2(fd, v, 3, -1, 0);
}
static ssize_t in_preadv2(int fd, char *p, size_t n)
{
	struct iovec v[] = {{p, n}};
	return preadv2(fd, v, 1, -1, 0);
}
static ssize_t out_send(int fd, char *p, size_t n)
{
	return send(fd, p, n, MSG_NOSIGNAL);
}
/* A look first: those bytes come twice and count once. */
static ssize_t in_recv(int fd, char *p, size_t n)
{
	HOST_CHECK(recv(fd, p, 4, MSG_PEEK) == 4);
	return recv(fd, p, n, 0);
}
static ssize_t out_sendto(int fd, char *p, size_t n)
{
	return sendto(fd, p, n, 0, NULL, 0);
}
static ssize_t in_recvfrom(int fd, char *p, size_t n)
{
	return recvfrom(fd, p, n, 0, NULL, NULL);
}
static ssize_t out_sendmsg(int fd, char *p, size_t n)
{
	struct iovec v[] = PIECES(p, n);
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
	return sendmsg(fd, &m, 0);
}
static ssize_t in_recvmsg(int fd, char *p, size_t n)
{
	struct iovec v = {p, n};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	return recvmsg(fd, &m, 0);
}
static ssize_t out_sendmmsg(int fd, char *p, size_t n)
{
	struct iovec v[] = PIECES(p, n);
	struct mmsghdr m[] = {{.msg_hdr = {.msg_iov = v, .msg_iovlen = 2}},
			      {.msg_hdr = {.msg_iov = v + 2, .msg_iovlen = 1}}};
	return sendmmsg(fd, m, 2, 0) == 2 ? (ssize_t)(m[0].msg_len + m[1].msg_len) : -1;
}
static ssize_t in_recvmmsg(int fd, char *p, size_t n)
{
	struct iovec v = {p, n};
	struct mmsghdr m = {.msg_hdr = {.msg_iov = &v, .msg_iovlen = 1}};
	return recvmmsg(fd, &m, 1, 0, NULL) == 1 ? (ssize_t)m.msg_len : -1;
}
static ssize_t out_syscall(int fd, char *p, size_t n)
{
	return syscall(SYS_write, fd, p, n);
}
static ssize_t in_syscall(int fd, char *p, size_t n)
{
	return syscall(SYS_read, fd, p, n);
}
static ssize_t out_syscall_sendmsg(int fd, char *p, size_t n)
{
	struct iovec v[] = PIECES(p, n);
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
	return syscall(SYS_sendmsg, fd, &m, 0);
}
static ssize_t in_syscall_recvfrom(int fd, char *p, size_t n)
{
	return syscall(SYS_recvfrom, fd, p, n, 0, NULL, NULL);
}
/* Byte by byte, so that the request line comes in pieces. */
static ssize_t out_bytes(int fd, char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		HOST_CHECK(write(fd, p + i, 1) == 1);
	return (ssize_t)n;
}
static ssize_t in_bytes(int fd, char *p, size_t n)
{
	size_t got = 0;
	while (got < n && (got < 4 || memcmp(p + got - 4, "\r\n\r\n", 4) != 0))
		got += (size_t)read(fd, p + got, 1);
	return (ssize_t)got;
}

static const struct family families[] = {
	{"write-read", out_write, in_read},
	{"alias-alias", out_alias, in_alias},
	{"send_alias-read_chk", out_send_alias, in_read_chk},
	{"writev-readv", out_writev, in_readv},
	{"pwritev2-preadv2", out_pwritev2, in_preadv2},
	{"send-recv", out_send, in_recv},
	{"send-recv_chk", out_send, in_recv_chk},
	{"sendto-recvfrom", out_sendto, in_recvfrom},
	{"sendto-recvfrom_chk", out_sendto, in_recvfrom_chk},
	{"sendmsg-recvmsg", out_sendmsg, in_recvmsg},
	{"sendmmsg-recvmmsg", out_sendmmsg, in_recvmmsg},
	{"syscall-syscall", out_syscall, in_syscall},
	{"syscall_sendmsg-syscall_recvfrom", out_syscall_sendmsg, in_syscall_recvfrom},
	{"bytes-bytes", out_bytes, in_bytes},
};

/* Errors are what they are without us. */
static void errors(void)
{
	char room[4];
	void *volatile nowhere = (void *)8;
	errno = 0;
	printf("read(-1) %zd %d\n", read(-1, room, 1), errno);
	printf("send(999999) %zd %d\n", send(999999, room, 1, 0), errno);
	printf("close(-1) %d %d\n", close(-1), errno);
	printf("dup2(-1, 3) %d %d\n", dup2(-1, 3), errno);
	printf("fcntl(-1) %d %d\n", fcntl(-1, F_DUPFD, 0), errno);
	printf("syscall %ld %d\n", syscall(SYS_close, -1), errno);
	int fd = host_connect();
	host_talk(fd, "errors");
	printf("recv(DONTWAIT) %zd %d\n", recv(fd, room, 1, MSG_DONTWAIT), errno);
	printf("recv(0) %zd\n", recv(fd, room, 0, MSG_DONTWAIT));
	printf("read(bad) %zd %d\n", read(fd, nowhere, 0), errno);
	printf("write(bad) %zd %d\n", write(fd, nowhere, 10), errno);
	struct sockaddr_in nobody = host_address;
	nobody.sin_port = htons(1);
	int other = socket(AF_INET, SOCK_STREAM, 0);
	printf("connect %d %d\n", connect(other, (struct sockaddr *)&nobody, sizeof(nobody)), errno);
	close(other);
	close(fd);
}

static void by_sendfile(void)
{
	static const char rest[] = "X-Case: sendfile\r\n\r\n";
	static const char begin[] = "POST /v1/messages HTTP/1.1\r\n";
	char room[512];
	FILE *f = tmpfile();
	HOST_CHECK(f && fputs(rest, f) >= 0 && fflush(f) == 0);
	int fd = host_connect();
	off_t at = 0;
	HOST_CHECK(write(fd, begin, strlen(begin)) == (ssize_t)strlen(begin));
	ssize_t n = sendfile(fd, fileno(f), &at, strlen(rest));
	printf("sendfile: %zd, %zd\n", n, read(fd, room, sizeof(room)));
	fclose(f);
	close(fd);
}

int main(void)
{
	host_start_server();
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *f = &families[i];
		char text[1000];
		int fd = host_connect();
		size_t n = host_request(text, sizeof(text), f->name);
		ssize_t sent = f->out(fd, text, n), got = f->in(fd, text, sizeof(text));
		HOST_CHECK(sent == (ssize_t)n && got > 0);
		printf("%s: %zd, %.*s\n", f->name, sent, (int)got, text);
		close(fd);
	}
	errors();
	by_sendfile();
	return 0;
}
