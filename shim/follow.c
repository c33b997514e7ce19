/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include "raw.h"
#include "tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

/* Enough of a TLS hello to find the server name behind a post-quantum key share. */
#define LOOK_MAX 2048

static struct iovec iovec_of(void *p, size_t n)
{
	return (struct iovec){p, n};
}

static uint32_t state_of(struct conn *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire);
}

static void set_state(struct conn *c, uint32_t state)
{
	atomic_store_explicit(&c->state, state, memory_order_release);
}

static int socket_option(int fd, int option, void *value, socklen_t bytes)
{
	socklen_t got = bytes;
	long r = RAW(getsockopt, fd, SOL_SOCKET, option, value, &got, 0);
	return r == 0 && got == bytes ? 0 : -1;
}

/*
 * What a socket is, whatever its number. Emulators of user programs know no SO_COOKIE; for tests under them the inode
 * has to do, which comes back after 2^32 sockets.
 */
static int socket_identity(int fd, uint64_t *out)
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

static struct kvs_record record_of(const struct conn *c, const struct transfer *t, uint8_t type)
{
	return (struct kvs_record){
		.type = type, .fd = t->fd, .conn = c->cookie, .time_ns = t->begin_ns, .end_ns = t->end_ns};
}

/* A descriptor of the connection is gone; the last one takes the connection with it. c is pinned. */
static void remove_fd(struct conn *c, const struct transfer *t)
{
	bool dropped = state_of(c) == KVS_CLASS_DROPPED;
	/* A forked child that never wrote and only closes what it inherited is not worth a record. */
	if (!conn_remove_fd(c) || dropped || record_unannounced_child() || !record_enter(RECORD_FRAME, 0))
		return;
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

/*
 * Is the descriptor still this connection's socket? Asked after the call, so that whatever the bytes are, they passed
 * through the descriptor while it was (a descriptor that is closed, reused and given back in between is not told
 * apart). Costs the one system call of the data path.
 */
static bool same_socket(struct conn *c, const struct transfer *t, uint64_t bytes)
{
	uint64_t cookie;
	/* The kernel's time is used to get hold of the ring's memory. */
	ring_expect(&shim.ring, kvs_record_slots(bytes));
	if (socket_identity(t->fd, &cookie) == 0 && cookie == c->cookie)
		return true;
	record_drop(KVS_DROP_IDENTITY, bytes);
	return false;
}

/* The number belongs to something else by now, closed behind our back. Leaves the section open. */
static void forget(struct conn *c, const struct transfer *t)
{
	/* In a child made by vfork the number may be another thing while the parent's is still the socket. */
	if (record_in_vfork_child() || !fd_forget(t->fd, t->slot))
		return;
	if (!conn_remove_fd(c))
		return;
	struct kvs_record r = record_of(c, t, KVS_REC_CLOSE);
	r.end_ns = 0;
	r.time_ns = record_now_ns();
	record_write(&r, NULL);
}

/* The connection is not followed any more; neither is this descriptor of it. */
static void forget_dropped(struct conn *c, const struct transfer *t)
{
	if (!record_in_vfork_child() && fd_forget(t->fd, t->slot))
		conn_remove_fd(c);
}

void follow_write(const struct kvs_record *head, struct view view, size_t n)
{
	struct kvs_record r = *head;
	size_t max = kvs_payload_max(shim.ring.slots);
	while (n > 0) {
		size_t part = n < max ? n : max;
		r.payload_bytes = (uint32_t)part;
		r.wire_bytes = part;
		n -= part;
		r.flags = n > 0 ? KVS_REC_MORE : 0;
		record_map_ahead(part);
		if (record_write(&r, &view) < 0) {
			/* The ring is full: what is left of this call would leave a second hole at best. */
			if (n > 0)
				record_drop(KVS_DROP_FULL, n);
			return;
		}
		r.offset += part;
	}
}

static void write_size(const struct kvs_record *head, size_t n)
{
	struct kvs_record r = *head;
	r.flags = KVS_REC_NO_PAYLOAD;
	r.wire_bytes = n;
	record_write(&r, NULL);
}

static void write_class(struct conn *c, const struct transfer *t, const struct verdict *v, uint64_t offset)
{
	struct kvs_record r = record_of(c, t, KVS_REC_CLASS);
	r.arg = (uint16_t)v->class;
	r.offset = offset;
	struct iovec iov = {NULL, 0};
	if (v->name) {
		memcpy(&iov.iov_base, &v->name, sizeof(iov.iov_base));
		iov.iov_len = v->name_bytes;
	} else if (v->protocol) {
		memcpy(&iov.iov_base, &v->protocol, sizeof(iov.iov_base));
		iov.iov_len = strlen(v->protocol);
	}
	r.payload_bytes = (uint32_t)iov.iov_len;
	struct view view = {&iov, 1, 0};
	record_write(&r, &view);
}

/* The first min(n, room) bytes of the view in one piece: where they are, or copied to `room`. */
static const uint8_t *look(struct view view, size_t n, uint8_t *room, size_t room_bytes, size_t *found)
{
	const uint8_t *p = room;
	struct view whole = view;
	*found = view_next(&view, n, &p);
	if (*found < n && *found < room_bytes) {
		*found = view_copy(&whole, room, n < room_bytes ? n : room_bytes);
		return room;
	}
	return p;
}

/* The first bytes of a connection, or more of them. The caller has made the state CONN_BUSY. */
static void sent_first(struct conn *c, const struct transfer *t, struct view view, size_t n, uint64_t offset)
{
	uint8_t room[LOOK_MAX];
	size_t bytes = 0;
	struct prefix *prefix = c->prefix;
	const uint8_t *p = room;
	if (prefix) {
		memcpy(room, prefix->bytes, prefix->n);
		struct view front = view;
		size_t want = sizeof(room) - prefix->n;
		bytes = prefix->n + view_copy(&front, room + prefix->n, n < want ? n : want);
	} else {
		p = look(view, n, room, sizeof(room), &bytes);
	}
	struct verdict v = classify(p, bytes);

	/* Nothing that was not sent through this very socket decides, or is kept. */
	if (!same_socket(c, t, n)) {
		set_state(c, KVS_CLASS_CANDIDATE);
		forget(c, t);
		return;
	}
	if (v.class == KVS_CLASS_CANDIDATE) {
		if (!prefix) {
			prefix = c->prefix = prefix_take();
			if (prefix)
				prefix->begin_ns = t->begin_ns;
		}
		if (prefix) {
			prefix->n = (uint16_t)(prefix->n + view_copy(&view, prefix->bytes + prefix->n, n));
			prefix->end_ns = t->end_ns;
			set_state(c, KVS_CLASS_CANDIDATE);
			return;
		}
		record_drop(KVS_DROP_CONNS, n);
		v.class = KVS_CLASS_DROPPED;
	}
	if (v.class == KVS_CLASS_OPAQUE)
		tls_hello(c, p, bytes);
	/* Now, so that a thread that has the answer already does not have to throw it away. */
	set_state(c, v.class);
	write_class(c, t, &v, offset - (prefix ? prefix->n : 0));
	if (v.class == KVS_CLASS_DROPPED) {
		prefix_give_back(c);
		forget_dropped(c, t);
		return;
	}
	struct kvs_record r = record_of(c, t, KVS_REC_SEND);
	if (prefix) {
		struct kvs_record first = r;
		struct iovec iov = iovec_of(prefix->bytes, prefix->n);
		first.offset = offset - prefix->n;
		first.time_ns = prefix->begin_ns;
		first.end_ns = prefix->end_ns;
		if (v.class == KVS_CLASS_RECORDED)
			follow_write(&first, (struct view){&iov, 1, 0}, prefix->n);
		else
			write_size(&first, prefix->n);
		prefix_give_back(c);
	}
	r.offset = offset;
	if (v.class == KVS_CLASS_RECORDED)
		follow_write(&r, view, n);
	else
		write_size(&r, n);
}

/* A later write on a watched connection: a keep-alive connection may turn to an LLM, a proxied one to TLS. */
static void sent_watched(struct conn *c, const struct transfer *t, struct view view, size_t n, uint64_t offset)
{
	uint8_t room[LOOK_MAX];
	size_t bytes;
	const uint8_t *p = look(view, n, room, sizeof(room), &bytes);
	struct verdict v = classify(p, bytes);
	struct kvs_record r = record_of(c, t, KVS_REC_SEND);
	r.offset = offset;
	if (v.class != KVS_CLASS_RECORDED && v.class != KVS_CLASS_OPAQUE) {
		if (v.protocol)
			write_class(c, t, &v, offset);
		write_size(&r, n);
		return;
	}
	if (!same_socket(c, t, n)) {
		forget(c, t);
		return;
	}
	if (v.class == KVS_CLASS_OPAQUE)
		tls_hello(c, p, bytes);
	set_state(c, v.class);
	write_class(c, t, &v, offset);
	if (v.class == KVS_CLASS_RECORDED)
		follow_write(&r, view, n);
	else
		write_size(&r, n);
}

static void sent(struct conn *c, const struct transfer *t, struct view view, size_t n, uint64_t offset)
{
	uint32_t state = state_of(c);
	struct kvs_record r = record_of(c, t, KVS_REC_SEND);
	r.offset = offset;
	switch (state) {
	case KVS_CLASS_RECORDED:
		if (same_socket(c, t, n))
			follow_write(&r, view, n);
		else
			forget(c, t);
		break;
	case KVS_CLASS_WATCHED:
		sent_watched(c, t, view, n, offset);
		break;
	case KVS_CLASS_OPAQUE:
		write_size(&r, n);
		break;
	case KVS_CLASS_CANDIDATE:
		if (atomic_compare_exchange_strong_explicit(&c->state, &state, CONN_BUSY, memory_order_acq_rel,
							    memory_order_relaxed)) {
			sent_first(c, t, view, n, offset);
			break;
		}
		/* fall through */
	case CONN_BUSY:
		record_drop(KVS_DROP_UNDECIDED, n);
		break;
	default:
		/* Dropped through another descriptor. */
		forget_dropped(c, t);
	}
}

static void received(struct conn *c, const struct transfer *t, const struct view *view, size_t n, uint64_t offset)
{
	struct kvs_record r = record_of(c, t, KVS_REC_RECV);
	r.time_ns = t->end_ns;
	r.end_ns = 0;
	r.offset = offset;
	uint32_t state = state_of(c);
	switch (state) {
	case KVS_CLASS_RECORDED:
		if (!view)
			write_size(&r, n);
		else if (same_socket(c, t, n))
			follow_write(&r, *view, n);
		else
			forget(c, t);
		break;
	case KVS_CLASS_WATCHED:
	case KVS_CLASS_OPAQUE:
		write_size(&r, n);
		break;
	case KVS_CLASS_CANDIDATE:
		/* The server speaks first: neither HTTP nor TLS. */
		if (!atomic_load_explicit(&c->talked, memory_order_relaxed) &&
		    atomic_compare_exchange_strong_explicit(&c->state, &state, KVS_CLASS_DROPPED, memory_order_acq_rel,
							    memory_order_relaxed)) {
			struct verdict v = {.class = KVS_CLASS_DROPPED};
			write_class(c, t, &v, 0);
			forget_dropped(c, t);
			break;
		}
		/* fall through */
	case CONN_BUSY:
		/* Another thread's send has begun and is not judged yet; its answer overtook it. */
		record_drop(KVS_DROP_UNDECIDED, n);
		break;
	default:
		forget_dropped(c, t);
	}
}

void follow_begin_send(struct transfer *t)
{
	struct conn *c = conn_of(t->slot);
	/* Unpinned: if the entry is another connection's by now, that one is merely not dropped at its first receive.
	 */
	if (!atomic_load_explicit(&c->talked, memory_order_relaxed))
		atomic_store_explicit(&c->talked, 1, memory_order_relaxed);
	t->begin_ns = record_now_ns();
}

/* Where the clear text is recorded, the socket's bytes would be the same ones again. */
static struct conn *pin_unless_tls(uint32_t slot)
{
	struct conn *c = conn_pin(slot);
	if (!c || state_of(c) != CONN_TLS)
		return c;
	conn_unpin(c);
	return NULL;
}

/* Offsets move on even when no record can be written: the reader sees from them what it missed. */

void follow_sent(const struct transfer *t, struct view view, size_t n)
{
	struct conn *c = pin_unless_tls(t->slot);
	if (!c)
		return;
	uint64_t offset = atomic_fetch_add_explicit(&c->tx, n, memory_order_relaxed);
	if (record_enter(RECORD_FRAME, n)) {
		sent(c, t, view, n, offset);
		record_leave();
	}
	conn_unpin(c);
}

void follow_received(const struct transfer *t, const struct view *view, size_t n)
{
	struct conn *c = pin_unless_tls(t->slot);
	if (!c)
		return;
	uint64_t offset = atomic_fetch_add_explicit(&c->rx, n, memory_order_relaxed);
	if (record_enter(RECORD_FRAME, n)) {
		received(c, t, view, n, offset);
		record_leave();
	}
	conn_unpin(c);
}

/* A record without payload about a connection that is followed in earnest. */
static void note(const struct transfer *t, struct kvs_record *r, bool check)
{
	struct conn *c = conn_pin(t->slot);
	if (!c)
		return;
	uint32_t state = state_of(c);
	/* The end of the clear text is told by TLS. */
	bool told_by_tls = state == CONN_TLS && r->type == KVS_REC_EOF;
	if (state != KVS_CLASS_DROPPED && !told_by_tls && record_enter(RECORD_FRAME, 0)) {
		r->fd = t->fd;
		r->conn = c->cookie;
		r->offset = atomic_load_explicit(r->type == KVS_REC_EOF ? &c->rx : &c->tx, memory_order_relaxed);
		if (!check || same_socket(c, t, 0))
			record_write(r, NULL);
		else
			forget(c, t);
		record_leave();
	}
	conn_unpin(c);
}

void follow_eof(const struct transfer *t)
{
	struct kvs_record r = {.type = KVS_REC_EOF, .time_ns = t->end_ns};
	note(t, &r, true);
}

void follow_error(const struct transfer *t, int error)
{
	switch (error) {
	case ECONNRESET:
	case ECONNABORTED:
	case ECONNREFUSED:
	case EPIPE:
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case ENETRESET:
		break;
	default:
		return;
	}
	struct kvs_record r = {.type = KVS_REC_ERROR, .arg = (uint16_t)error, .time_ns = record_now_ns()};
	note(t, &r, true);
}

void follow_shutdown(int fd, uint32_t slot, int how)
{
	struct transfer t = {.fd = fd, .slot = slot};
	struct kvs_record r = {.type = KVS_REC_SHUTDOWN, .arg = (uint16_t)how, .time_ns = record_now_ns()};
	note(&t, &r, true);
}

void follow_moved(const struct transfer *t, size_t n, bool was_sent)
{
	struct conn *c = pin_unless_tls(t->slot);
	if (!c)
		return;
	uint64_t offset = atomic_fetch_add_explicit(was_sent ? &c->tx : &c->rx, n, memory_order_relaxed);
	uint32_t state = state_of(c);
	if (state != KVS_CLASS_DROPPED && record_enter(RECORD_FRAME, n)) {
		struct kvs_record r = record_of(c, t, KVS_REC_BLIND);
		r.arg = KVS_BLIND_SENDFILE;
		r.offset = offset;
		r.flags = KVS_REC_NO_PAYLOAD | (was_sent ? 0 : KVS_REC_RECEIVED);
		r.wire_bytes = n;
		if (same_socket(c, t, n))
			record_write(&r, NULL);
		else
			forget(c, t);
		record_leave();
	}
	conn_unpin(c);
}

void follow_stream(int fd, uint32_t slot)
{
	struct transfer t = {.fd = fd, .slot = slot};
	struct kvs_record r = {.type = KVS_REC_BLIND, .arg = KVS_BLIND_STDIO, .time_ns = record_now_ns()};
	note(&t, &r, true);
}

static void write_blind(enum kvs_blind what, uint64_t time_ns)
{
	if (!atomic_load_explicit(&shim.on, memory_order_relaxed) || !record_enter(RECORD_FRAME, 0))
		return;
	struct kvs_record r = {.type = KVS_REC_BLIND, .arg = (uint16_t)what, .fd = -1, .time_ns = time_ns};
	record_write(&r, NULL);
	record_leave();
}

void follow_blind(enum kvs_blind what)
{
	write_blind(what, record_now_ns());
}

uint64_t follow_confining(void)
{
	/* A child made by vfork confines itself, not the parent whose memory this is. */
	if (record_in_vfork_child())
		return 0;
	/* Now, while system calls are still allowed: whoever writes must know his numbers. */
	if (atomic_load_explicit(&shim.on, memory_order_relaxed) && record_enter(RECORD_FRAME, 0))
		record_leave();
	return record_now_ns();
}

void follow_confined(uint64_t begin_ns)
{
	if (begin_ns == 0)
		return;
	write_blind(KVS_BLIND_SANDBOX, begin_ns);
	record_stop();
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
	struct iovec iov = iovec_of(&address, n);
	struct view view = {&iov, 1, 0};
	r.payload_bytes = (uint32_t)n;
	r.end_ns = record_now_ns();
	record_write(&r, &view);
	old = fd_exchange(fd, slot);
	conn_unpin(c);
	if (old && (c = conn_pin(old)) != NULL) {
		if (conn_remove_fd(c)) {
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
			note(&t, &r, true);
		}
	}
}
