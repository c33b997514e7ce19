/* SPDX-License-Identifier: MIT */
#ifndef SHIM_FOLLOW_H
#define SHIM_FOLLOW_H

/*
 * What the hooks report and what becomes of it: the life of a connection.
 *
 *     connect ──► CANDIDATE ──► RECORDED    an LLM's request line: payload is copied
 *                     │    ├──► WATCHED     other HTTP: sizes and times ──► RECORDED or OPAQUE by a later write
 *                     │    ├──► OPAQUE      a TLS hello: sizes, times, server name
 *                     │    └──► DROPPED     anything else: its descriptors are forgotten
 *                     └ stays while the first bytes are too few to be judged (kept in a prefix)
 *
 * Every function here is called after the real call (but for follow_closing and follow_begin), may be called from
 * signal handlers, makes no system call where no payload is copied, and leaves errno to its caller.
 */

#include "fdtab.h"
#include "record.h"

#include <sys/socket.h>

/* One data call on a followed descriptor. */
struct transfer {
	int fd;
	uint32_t slot;
	uint64_t begin_ns, end_ns;
};

/* A send is about to begin. */
void follow_begin_send(struct transfer *t);
/* Writes n bytes of the view as records like head, as many as it takes. Between record_enter and record_leave. */
void follow_write(const struct kvs_record *head, struct view view, size_t n);
/* The next two set end_ns, where it is wanted. */
/* n > 0 bytes of the view were sent. */
void follow_sent(struct transfer *t, struct view view, size_t n);
/* n > 0 bytes came; view: where they are, NULL: nowhere (MSG_TRUNC throws them away). */
void follow_received(struct transfer *t, const struct view *view, size_t n);
/* The peer is done. */
void follow_eof(const struct transfer *t);
/* A send or receive failed: records the errors that end a connection. */
void follow_error(const struct transfer *t, int error);
/* n bytes went the way that the hooks cannot see: sendfile, splice. */
void follow_moved(const struct transfer *t, size_t n, bool sent);

/* connect() began at begin_ns and returned 0 or failed with `error` (the common case: EINPROGRESS). */
void follow_connect(int fd, const struct sockaddr *to, socklen_t to_bytes, uint64_t begin_ns, int error);
void follow_shutdown(int fd, uint32_t slot, int how);
/* The descriptor is about to be closed: cleared before, since another thread may get its number at once. */
void follow_closing(int fd);
void follow_closing_range(unsigned first, unsigned last);
/* `to` is now a duplicate of `fd`. */
void follow_dup(int fd, int to);
/* The kernel has just handed out this descriptor: what was known of its number is stale. */
void follow_created(int fd);
/* Descriptors in control messages: sent to or come from another process. */
void follow_rights(const struct msghdr *m, bool sent);
/* The process sets up a way of I/O that the hooks cannot see. */
void follow_blind(enum kvs_blind what);
/* A stdio stream is made of the descriptor. */
void follow_stream(int fd, uint32_t slot);
/*
 * The process is about to have its system calls filtered, and has done so. The filter may kill for those that recording
 * needs (getsockopt, getpid), so it ends: from then on the hooks make none but the host's own. The first returns the
 * time that the second wants, 0 if it is not this process that is confined.
 */
uint64_t follow_confining(void);
void follow_confined(uint64_t begin_ns);

#endif
