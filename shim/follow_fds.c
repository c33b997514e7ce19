/* SPDX-License-Identifier: MIT */
/* The life of descriptors: connections begin, are duplicated, passed on, and end. */
#include "follow_parts.h"

#include "sum.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* A descriptor of the connection is gone; the last one takes the connection with it. c is pinned. */
static void remove_fd(struct conn *c, const struct transfer *t)
{
	bool dropped = conn_state(c) == KVS_CLASS_DROPPED;
	/* A forked child that never wrote and only closes what it inherited is not worth a record. */
	if (!conn_remove_fd(c) || dropped || record_unannounced_child() || !record_enter(RECORD_FRAME, 0))
		return;
	sum_tell(c, t->fd);
	struct kvs_record r = record_of(c, t, KVS_REC_CLOSE);
	r.end_ns = 0;
	r.time_ns = record_now_ns();
	record_write(&r, NULL);
	record_leave();
}

static void remove_slot(int fd, uint32_t slot)
{
	struct conn *c = slot ? conn_pin(slot) : NULL;
	if (!c)
		return;
	struct transfer t = {.fd = fd, .slot = slot};
	remove_fd(c, &t);
	conn_unpin(c);
}

static void connected(int fd, const struct sockaddr *to, socklen_t to_bytes, uint64_t begin_ns)
{
	int type;
	uint64_t cookie;
	if (socket_option(fd, SO_TYPE, &type, sizeof(type)) < 0 || type != SOCK_STREAM ||
	    socket_identity(fd, &cookie) < 0)
		return;
	if ((unsigned)fd >= FD_MAX) {
		record_drop(KVS_DROP_CONNS, 0);
		return;
	}
	uint32_t old = fd_slot(fd);
	struct conn *c = old ? conn_pin(old) : NULL;
	if (c) {
		/* The same socket again: connect asked for the outcome, or after a failure. */
		bool same = c->cookie == cookie;
		conn_unpin(c);
		if (same)
			return;
	}
	uint32_t slot;
	c = conn_new(cookie, &slot);
	if (!c) {
		record_drop(KVS_DROP_CONNS, 0);
		return;
	}
	struct transfer t = {.fd = fd, .slot = slot, .begin_ns = begin_ns};
	struct kvs_record r = record_of(c, &t, KVS_REC_CONNECT);
	struct sockaddr_storage address;
	size_t n = to_bytes < sizeof(address) ? to_bytes : sizeof(address);
	memcpy(&address, to, n);
	struct iovec iov = {&address, n};
	struct view view = {&iov, 1, 0};
	r.payload_bytes = (uint32_t)n;
	r.end_ns = record_now_ns();
	record_write(&r, &view);
	old = fd_exchange(fd, slot);
	conn_unpin(c);
	if (old && (c = conn_pin(old)) != NULL) {
		if (conn_remove_fd(c)) {
			sum_tell(c, fd);
			struct kvs_record gone = record_of(c, &t, KVS_REC_CLOSE);
			record_write(&gone, NULL);
		}
		conn_unpin(c);
	}
}

void follow_connect(int fd, const struct sockaddr *to, socklen_t to_bytes, uint64_t begin_ns, int error)
{
	/* EINTR: the connection is being made all the same. */
	if (error != 0 && error != EINPROGRESS && error != EINTR)
		return;
	sa_family_t family;
	if (fd < 0 || to_bytes < sizeof(family))
		return;
	memcpy(&family, &to->sa_family, sizeof(family));
	if (family != AF_INET && family != AF_INET6) {
		follow_created(fd);
		return;
	}
	if (record_in_vfork_child() || !record_enter(RECORD_FRAME, 0))
		return;
	connected(fd, to, to_bytes, begin_ns);
	record_leave();
}

void follow_shutdown(int fd, uint32_t slot, int how)
{
	struct transfer t = {.fd = fd, .slot = slot};
	struct kvs_record r = {.type = KVS_REC_SHUTDOWN, .arg = (uint16_t)how, .time_ns = record_now_ns()};
	note(&t, &r);
}

void follow_stream(int fd, uint32_t slot)
{
	struct transfer t = {.fd = fd, .slot = slot};
	struct kvs_record r = {.type = KVS_REC_BLIND, .arg = KVS_BLIND_STDIO, .time_ns = record_now_ns()};
	note(&t, &r);
}

void follow_closing(int fd)
{
	if (fd_slot(fd) == 0 || record_in_vfork_child())
		return;
	remove_slot(fd, fd_exchange(fd, 0));
}

void follow_closing_range(unsigned first, unsigned last)
{
	bool asked = false;
	for (unsigned fd = first; fd < FD_MAX && fd <= last; fd++) {
		if (fd_slot((int)fd) == 0)
			continue;
		if (!asked && record_in_vfork_child())
			return;
		asked = true;
		remove_slot((int)fd, fd_exchange((int)fd, 0));
	}
}

void follow_created(int fd)
{
	/* Whoever closed the old one did it behind our back; it is as if he closed it now. */
	follow_closing(fd);
}

void follow_dup(int fd, int to)
{
	uint32_t slot = fd_slot(fd);
	if (slot == 0 && fd_slot(to) == 0)
		return;
	if (fd == to || record_in_vfork_child())
		return;
	struct conn *c = slot ? conn_pin(slot) : NULL;
	if (c && ((unsigned)to >= FD_MAX || !conn_add_fd(c)))
		slot = 0;
	remove_slot(to, fd_exchange(to, c ? slot : 0));
	if (c)
		conn_unpin(c);
}

void follow_rights(const struct msghdr *m, bool was_sent)
{
	struct msghdr copy = *m;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&copy); h; h = CMSG_NXTHDR(&copy, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS || h->cmsg_len < CMSG_LEN(0))
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			uint32_t slot = fd_slot(fd);
			if (slot == 0)
				continue;
			if (!was_sent) {
				follow_created(fd);
				continue;
			}
			struct transfer t = {.fd = fd, .slot = slot};
			struct kvs_record r = {
				.type = KVS_REC_BLIND, .arg = KVS_BLIND_PASSED, .time_ns = record_now_ns()};
			note(&t, &r);
		}
	}
}
