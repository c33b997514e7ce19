/* SPDX-License-Identifier: MIT */
#ifndef SHIM_HOOKS_H
#define SHIM_HOOKS_H

/* What hooks do around the real call on a followed descriptor. errno is as the real call left it when these return. */

#include "follow.h"

struct transfer send_begin(int fd, uint32_t slot);
void send_end(struct transfer *t, ssize_t result, struct view view, int flags);
struct transfer recv_begin(int fd, uint32_t slot);
void recv_end(struct transfer *t, ssize_t result, struct view view, int flags);
void sendmm_end(struct transfer *t, int result, const struct mmsghdr *m, int flags);
void recvmm_end(struct transfer *t, int result, const struct mmsghdr *m, int flags);
void move_end(int in, int out, ssize_t result);
uint64_t connect_begin(void);
void connect_end(int fd, const struct sockaddr *to, socklen_t to_bytes, uint64_t begin_ns, int result);
void dup_end(int fd, int to);
void create_end(int fd);
void shutdown_end(int fd, int how, int result);
void rights_end(const struct msghdr *m, bool was_sent);
void blind_end(enum kvs_blind what);
void stream_end(int fd);
uint64_t confine_begin(void);
void confine_end(uint64_t begin_ns);

static inline struct iovec hook_iovec(const void *p, size_t n)
{
	union {
		const void *in;
		void *out;
	} u = {p};
	return (struct iovec){u.out, n};
}

/* Views of a call's buffers; they live as long as the block they are written in. */
#define BYTES(p, n) ((struct view){(struct iovec[]){hook_iovec(p, n)}, 1, 0})
#define VECTOR(v, n) ((struct view){(v), (size_t)(n), 0})
#define MESSAGE(m) ((struct view){(m)->msg_iov, (m)->msg_iovlen, 0})

#define APART __attribute__((noinline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define EXPORTED __attribute__((visibility("default")))

#endif
