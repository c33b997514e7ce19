/* SPDX-License-Identifier: MIT */
/* Bytes that were sent and received: the verdict on a connection's first ones, and what is recorded of the others. */
#include "follow_parts.h"

#include "sum.h"
#include "tls.h"

#include <errno.h>
#include <string.h>

/* Enough of a TLS hello to find the server name behind a post-quantum key share. */
#define LOOK_MAX 2048

static struct iovec iovec_of(void *p, size_t n)
{
	return (struct iovec){p, n};
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
		conn_set_state(c, KVS_CLASS_CANDIDATE);
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
			conn_set_state(c, KVS_CLASS_CANDIDATE);
			return;
		}
		record_drop(KVS_DROP_CONNS, n);
		v.class = KVS_CLASS_DROPPED;
	}
	if (v.class == KVS_CLASS_OPAQUE)
		tls_hello(c, p, bytes);
	/* Now, so that a thread that has the answer already does not have to throw it away. */
	conn_set_state(c, v.class);
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
	conn_set_state(c, v.class);
	write_class(c, t, &v, offset);
	if (v.class == KVS_CLASS_RECORDED)
		follow_write(&r, view, n);
	else
		write_size(&r, n);
}

static void sent(struct conn *c, const struct transfer *t, struct view view, size_t n, uint64_t offset)
{
	uint32_t state = conn_state(c);
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
	uint32_t state = conn_state(c);
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

/* A write that says nothing new of a watched connection. */
static bool goes_on(struct view view, size_t n)
{
	uint8_t room[LOOK_MAX];
	size_t bytes;
	const uint8_t *p = look(view, n, room, sizeof(room), &bytes);
	struct verdict v = classify(p, bytes);
	return v.class != KVS_CLASS_RECORDED && v.class != KVS_CLASS_OPAQUE && !v.protocol;
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
	if (!c || conn_state(c) != CONN_TLS)
		return c;
	conn_unpin(c);
	return NULL;
}

/* A call on a watched connection that needs no record of its own, and is counted. view: NULL for what came. */
static bool only_counted(const struct transfer *t, const struct view *view, size_t n)
{
	struct conn *c = conn_of(t->slot);
	/* Unpinned: if the entry is another connection's by now, that is found out when the call is added. */
	if (conn_state(c) != KVS_CLASS_WATCHED)
		return false;
	struct sum *s = view ? &c->sent : &c->received;
	uint64_t now_ns = view ? t->begin_ns : record_tick_ns();
	return sum_due(s, now_ns) && (!view || goes_on(*view, n)) && sum_add(t->slot, s, n, now_ns);
}

/* Offsets move on even when no record can be written: the reader sees from them what it missed. */

void follow_sent(struct transfer *t, struct view view, size_t n)
{
	if (only_counted(t, &view, n))
		return;
	struct conn *c = pin_unless_tls(t->slot);
	if (!c)
		return;
	t->end_ns = record_now_ns();
	bool inside = record_enter(RECORD_FRAME, n);
	if (inside)
		sum_tell(c, t->fd);
	uint64_t offset = atomic_fetch_add_explicit(&c->tx, n, memory_order_relaxed);
	if (inside) {
		sent(c, t, view, n, offset);
		record_leave();
	}
	conn_unpin(c);
}

void follow_received(struct transfer *t, const struct view *view, size_t n)
{
	if (only_counted(t, NULL, n))
		return;
	struct conn *c = pin_unless_tls(t->slot);
	if (!c)
		return;
	t->end_ns = record_now_ns();
	bool inside = record_enter(RECORD_FRAME, n);
	if (inside)
		sum_tell(c, t->fd);
	uint64_t offset = atomic_fetch_add_explicit(&c->rx, n, memory_order_relaxed);
	if (inside) {
		received(c, t, view, n, offset);
		record_leave();
	}
	conn_unpin(c);
}

void follow_eof(const struct transfer *t)
{
	struct kvs_record r = {.type = KVS_REC_EOF, .time_ns = record_now_ns()};
	note(t, &r);
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
	note(t, &r);
}

void follow_moved(const struct transfer *t, size_t n, bool was_sent)
{
	struct conn *c = pin_unless_tls(t->slot);
	if (!c)
		return;
	uint32_t state = conn_state(c);
	bool inside = state != KVS_CLASS_DROPPED && record_enter(RECORD_FRAME, n);
	if (inside)
		sum_tell(c, t->fd);
	uint64_t offset = atomic_fetch_add_explicit(was_sent ? &c->tx : &c->rx, n, memory_order_relaxed);
	if (inside) {
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
