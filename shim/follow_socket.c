/* SPDX-License-Identifier: MIT */
/* Whether a descriptor still is the connection's socket, and what follows if it is not. */
#include "follow_parts.h"

#include "raw.h"
#include "sum.h"

#include <sys/stat.h>

int socket_option(int fd, int option, void *value, socklen_t bytes)
{
	socklen_t got = bytes;
	long r = RAW(getsockopt, fd, SOL_SOCKET, option, value, &got, 0);
	return r == 0 && got == bytes ? 0 : -1;
}

int socket_identity(int fd, uint64_t *out)
{
#ifdef KVS_IDENTITY_BY_INODE
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -1;
	*out = st.st_ino;
	return 0;
#else
	return socket_option(fd, SO_COOKIE, out, sizeof(*out));
#endif
}

bool same_socket(struct conn *c, const struct transfer *t, uint64_t bytes)
{
	uint64_t cookie;
	/* The kernel's time is used to get hold of the ring's memory. */
	ring_expect(&shim.ring, kvs_record_slots(bytes));
	if (socket_identity(t->fd, &cookie) == 0 && cookie == c->cookie)
		return true;
	record_drop(KVS_DROP_IDENTITY, bytes);
	return false;
}

void forget(struct conn *c, const struct transfer *t)
{
	/* In a child made by vfork the number may be another thing while the parent's is still the socket. */
	if (record_in_vfork_child() || !fd_forget(t->fd, t->slot))
		return;
	if (!conn_remove_fd(c))
		return;
	sum_tell(c, t->fd);
	struct kvs_record r = record_of(c, t, KVS_REC_CLOSE);
	r.end_ns = 0;
	r.time_ns = record_now_ns();
	record_write(&r, NULL);
}

void forget_dropped(struct conn *c, const struct transfer *t)
{
	if (!record_in_vfork_child() && fd_forget(t->fd, t->slot))
		conn_remove_fd(c);
}

void note(const struct transfer *t, struct kvs_record *r)
{
	struct conn *c = conn_pin(t->slot);
	if (!c)
		return;
	uint32_t state = conn_state(c);
	/* The end of the clear text is told by TLS. */
	bool told_by_tls = state == CONN_TLS && r->type == KVS_REC_EOF;
	if (state != KVS_CLASS_DROPPED && !told_by_tls && record_enter(RECORD_FRAME, 0)) {
		sum_tell(c, t->fd);
		r->fd = t->fd;
		r->conn = c->cookie;
		r->offset = atomic_load_explicit(r->type == KVS_REC_EOF ? &c->rx : &c->tx, memory_order_relaxed);
		if (same_socket(c, t, 0))
			record_write(r, NULL);
		else
			forget(c, t);
		record_leave();
	}
	conn_unpin(c);
}
