/* SPDX-License-Identifier: MIT */
#ifndef NET_CONN_H
#define NET_CONN_H

/*
 * A connected stream socket on the loop: bytes in by callback, bytes out at once as far as the kernel takes them and
 * from a queue after that. It knows nothing of HTTP. It is embedded in its owner's object.
 *
 * One conn_send is one send(2) unless the peer is slow: what is written is what a client's recv can tell apart.
 *
 * conn_close may be called in any handler, but the memory must outlive the handler: free it from a timer.
 */

#include "base/buf.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;

struct conn_handlers {
	/* Bytes have come; they are valid during the call. received_ns: after the recv. */
	void (*data)(struct conn *c, struct str bytes, uint64_t received_ns);
	/* The peer has ended its side or the connection broke. Called at most once; the owner closes. */
	void (*gone)(struct conn *c);
	/* All that was queued has been sent. Not called for what the kernel takes at once. */
	void (*drained)(struct conn *c);
};

struct conn {
	struct loop *loop;
	struct loop_fd watch;
	const struct conn_handlers *on;
	struct buf out; /* not taken by the kernel yet */
	bool reading;
	bool broken;
};

/* Takes fd, which becomes non-blocking, and begins to read. At most out_max bytes are queued: a peer that lets more
 * pile up is treated as gone. Returns 0, or -1 (fd is then closed). */
int conn_open(struct conn *c, struct loop *l, int fd, const struct conn_handlers *on, size_t out_max);
/* Returns 0, or -1 if the connection is broken; `gone` follows from the loop, never from within. */
int conn_send(struct conn *c, struct str bytes);
/* Stops or goes on reading. A peer that goes away is noticed while reading is off, too. */
void conn_read(struct conn *c, bool on);
bool conn_is_open(const struct conn *c);
/* No more will be sent: the peer sees the end of the stream, its bytes are still read. */
void conn_shutdown(struct conn *c);
/* Closes at once; what is queued is lost. Does nothing the second time. */
void conn_close(struct conn *c);

/* A listening socket on 127.0.0.1, non-blocking; *port: 0 for any, on return the real one. -1 with errno. */
int conn_listen_loopback(uint16_t *port);
/* The next waiting connection, -1 with errno. */
int conn_accept(int listen_fd);

#endif
