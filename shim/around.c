/* SPDX-License-Identifier: MIT */
#include "hooks.h"

#include <errno.h>

struct transfer send_begin(int fd, uint32_t slot)
{
	struct transfer t = {.fd = fd, .slot = slot};
	follow_begin_send(&t);
	return t;
}

struct transfer recv_begin(int fd, uint32_t slot)
{
	return (struct transfer){.fd = fd, .slot = slot};
}

void send_end(struct transfer *t, ssize_t result, struct view view, int flags)
{
	int error = errno;
	if (result > 0 && !(flags & MSG_OOB))
		follow_sent(t, view, (size_t)result);
	else if (result < 0)
		follow_error(t, error);
	errno = error;
}

static bool has_room(struct view view)
{
	const uint8_t *p;
	return view_next(&view, 1, &p) > 0;
}

void recv_end(struct transfer *t, ssize_t result, struct view view, int flags)
{
	int error = errno;
	/* Peeked bytes come again; urgent data and the error queue are not the stream. */
	if (!(flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE))) {
		/* On TCP, MSG_TRUNC throws bytes away: they are not in the buffer, whatever its size. */
		if (result > 0)
			follow_received(t, flags & MSG_TRUNC ? NULL : &view, (size_t)result);
		else if (result == 0 && has_room(view))
			follow_eof(t);
		else if (result < 0)
			follow_error(t, error);
	}
	errno = error;
}

void sendmm_end(struct transfer *t, int result, const struct mmsghdr *m, int flags)
{
	if (result < 0)
		send_end(t, result, (struct view){NULL, 0, 0}, flags);
	for (int i = 0; i < result; i++) {
		send_end(t, m[i].msg_len, MESSAGE(&m[i].msg_hdr), flags);
		rights_end(&m[i].msg_hdr, true);
	}
}

void recvmm_end(struct transfer *t, int result, const struct mmsghdr *m, int flags)
{
	if (result < 0)
		recv_end(t, result, (struct view){NULL, 0, 0}, flags);
	for (int i = 0; i < result; i++)
		recv_end(t, m[i].msg_len, MESSAGE(&m[i].msg_hdr), flags);
}

void move_end(int in, int out, ssize_t result)
{
	int error = errno;
	uint32_t from = fd_slot(in), to = fd_slot(out);
	if (result > 0 && (from | to) != 0) {
		struct transfer t = {.begin_ns = record_now_ns()};
		if (from != 0) {
			t.fd = in;
			t.slot = from;
			follow_moved(&t, (size_t)result, false);
		}
		if (to != 0) {
			t.fd = out;
			t.slot = to;
			follow_moved(&t, (size_t)result, true);
		}
	}
	errno = error;
}

uint64_t connect_begin(void)
{
	return record_now_ns();
}

void connect_end(int fd, const struct sockaddr *to, socklen_t to_bytes, uint64_t begin_ns, int result)
{
	int error = errno;
	follow_connect(fd, to, to_bytes, begin_ns, result == 0 ? 0 : error);
	errno = error;
}

void dup_end(int fd, int to)
{
	int error = errno;
	if (to >= 0)
		follow_dup(fd, to);
	errno = error;
}

void create_end(int fd)
{
	int error = errno;
	if (fd >= 0)
		follow_created(fd);
	errno = error;
}

void shutdown_end(int fd, int how, int result)
{
	int error = errno;
	uint32_t slot = fd_slot(fd);
	if (result == 0 && slot != 0)
		follow_shutdown(fd, slot, how);
	errno = error;
}

void rights_end(const struct msghdr *m, bool was_sent)
{
	int error = errno;
	if (m->msg_controllen > 0)
		follow_rights(m, was_sent);
	errno = error;
}

void blind_end(enum kvs_blind what)
{
	int error = errno;
	follow_blind(what);
	errno = error;
}

void stream_end(int fd)
{
	int error = errno;
	uint32_t slot = fd_slot(fd);
	if (slot != 0)
		follow_stream(fd, slot);
	errno = error;
}

uint64_t confine_begin(void)
{
	int error = errno;
	uint64_t begin_ns = follow_confining();
	errno = error;
	return begin_ns;
}

void confine_end(uint64_t begin_ns)
{
	int error = errno;
	follow_confined(begin_ns);
	errno = error;
}
