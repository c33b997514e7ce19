/* SPDX-License-Identifier: MIT */
#ifndef SHIM_FOLLOW_PARTS_H
#define SHIM_FOLLOW_PARTS_H

/*
 * What the files of follow.h share: a connection's state, its records, and whether a descriptor still is its socket. A
 * connection that is passed here is pinned.
 */

#include "follow.h"

static inline uint32_t conn_state(struct conn *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire);
}

static inline void conn_set_state(struct conn *c, uint32_t state)
{
	atomic_store_explicit(&c->state, state, memory_order_release);
}

static inline struct kvs_record record_of(const struct conn *c, const struct transfer *t, uint8_t type)
{
	return (struct kvs_record){
		.type = type, .fd = t->fd, .conn = c->cookie, .time_ns = t->begin_ns, .end_ns = t->end_ns};
}

/* The kernel's answers, without errno: 0 or -1. */
int socket_option(int fd, int option, void *value, socklen_t bytes);
/*
 * What a socket is, whatever its number. Emulators of user programs know no SO_COOKIE; for tests under them the inode
 * has to do, which comes back after 2^32 sockets.
 */
int socket_identity(int fd, uint64_t *out);

/*
 * Is the descriptor still this connection's socket? Asked after the call, so that whatever the bytes are, they passed
 * through the descriptor while it was (a descriptor that is closed, reused and given back in between is not told
 * apart). Costs the one system call of the data path.
 */
bool same_socket(struct conn *c, const struct transfer *t, uint64_t bytes);
/* The number belongs to something else by now, closed behind our back. Leaves the section open. */
void forget(struct conn *c, const struct transfer *t);
/* The connection is not followed any more; neither is this descriptor of it. */
void forget_dropped(struct conn *c, const struct transfer *t);
/* Writes a record without payload about a connection that is followed in earnest, if the descriptor still is its
 * socket. */
void note(const struct transfer *t, struct kvs_record *r);

#endif
