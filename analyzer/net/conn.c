/* SPDX-License-Identifier: MIT */
#include "net/conn.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECV_BYTES ((size_t)64 << 10)

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* macOS: the program ignores SIGPIPE */
#endif
#ifndef POLLRDHUP
#define POLLRDHUP 0 /* elsewhere a half-closed peer is noticed when it resets or when reading goes on */
#endif

static void rewatch(struct conn *c)
{
	short events = c->reading ? POLLIN : POLLRDHUP;
	if (c->out.n > 0)
		events |= POLLOUT;
	(void)loop_watch(c->loop, &c->watch, events); /* changing a watch cannot fail */
}

static void flush(struct conn *c)
{
	ssize_t n = send(c->watch.fd, c->out.p, c->out.n, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
			return;
		c->broken = true;
		buf_reset(&c->out);
		rewatch(c);
		return;
	}
	buf_consume(&c->out, (size_t)n);
	if (c->out.n > 0)
		return;
	rewatch(c);
	if (c->on->drained)
		c->on->drained(c);
}

static void gone(struct conn *c)
{
	/* The owner may choose to keep the object, but a dead socket would be reported for ever. */
	loop_unwatch(c->loop, &c->watch);
	c->broken = true;
	c->on->gone(c);
}

static void ready(struct loop_fd *w, short revents)
{
	struct conn *c = LOOP_OWNER(w, struct conn, watch);
	char bytes[RECV_BYTES];

	if (revents & POLLOUT)
		flush(c);
	if (!conn_is_open(c))
		return;
	if (!c->reading) {
		if (revents & (POLLHUP | POLLERR | POLLNVAL | POLLRDHUP))
			gone(c);
		return;
	}
	if (!(revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL)))
		return;
	ssize_t n = recv(c->watch.fd, bytes, sizeof(bytes), 0);
	if (n > 0)
		c->on->data(c, (struct str){bytes, (size_t)n}, clock_monotonic_ns());
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		gone(c);
}

static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -1;
	return 0;
}

int conn_open(struct conn *c, struct loop *l, int fd, const struct conn_handlers *on, size_t out_max)
{
	*c = (struct conn){.loop = l, .watch = {.fd = fd, .ready = ready}, .on = on, .reading = true};
	buf_init(&c->out, out_max);
	/* Each event is to leave as it is written, not to wait for the acknowledgement of the one before. Fails on
	 * sockets that are not TCP, which do not need it. */
	int one = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (make_nonblocking(fd) < 0 || loop_watch(l, &c->watch, POLLIN) < 0) {
		conn_close(c);
		return -1;
	}
	return 0;
}

int conn_send(struct conn *c, struct str bytes)
{
	if (c->broken || !conn_is_open(c))
		return -1;
	if (c->out.n == 0 && bytes.n > 0) {
		ssize_t n = send(c->watch.fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		if (n >= 0) {
			bytes.p += n;
			bytes.n -= (size_t)n;
		} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
			c->broken = true; /* poll tells of the hang-up at once */
			return -1;
		}
	}
	if (bytes.n == 0)
		return 0;
	if (buf_append_str(&c->out, bytes) < 0) {
		c->broken = true;
		buf_reset(&c->out);
		(void)shutdown(c->watch.fd, SHUT_RDWR); /* makes poll say so */
		return -1;
	}
	rewatch(c);
	return 0;
}

void conn_read(struct conn *c, bool on)
{
	if (!conn_is_open(c) || c->reading == on || !c->watch.slot)
		return;
	c->reading = on;
	rewatch(c);
}

bool conn_is_open(const struct conn *c)
{
	return c->watch.fd >= 0;
}

void conn_shutdown(struct conn *c)
{
	(void)shutdown(c->watch.fd, SHUT_WR);
}

void conn_close(struct conn *c)
{
	if (!conn_is_open(c))
		return;
	loop_unwatch(c->loop, &c->watch);
	close(c->watch.fd);
	c->watch.fd = -1;
	buf_release(&c->out);
}

int conn_listen_loopback(uint16_t *port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int one = 1;

	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 || make_nonblocking(fd) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	*port = ntohs(addr.sin_port);
	return fd;
}

int conn_accept(int listen_fd)
{
	return accept(listen_fd, NULL, NULL);
}
