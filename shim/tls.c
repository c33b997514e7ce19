/* SPDX-License-Identifier: MIT */
#include "tls.h"

#include "follow.h"

#include <errno.h>
#include <string.h>

enum { RANDOM_BYTES = 32, RANDOM_WORDS = RANDOM_BYTES / 8, RANDOM_OFFSET = 11 };
#define CACHE_SIZE 256

enum { SSL_ERROR_IS_SSL = 1, SSL_ERROR_IS_SYSCALL = 5, SSL_ERROR_IS_ZERO_RETURN = 6 };

struct random {
	uint64_t word[RANDOM_WORDS];
};

/* By connection entry. Written before the entry becomes OPAQUE; a reader that comes too late for it sees the wrong
 * bytes, which are nobody's. */
static _Atomic uint64_t randoms[CONN_MAX][RANDOM_WORDS];
static _Atomic uint32_t hellos;

/*
 * Where the last SSL object with such an address was found. Only ever a hint: fields of two objects may be mixed, and
 * what it leads to is compared. slot 0: nowhere, if the tag is the object's.
 */
static struct {
	_Atomic uintptr_t ssl;
	_Atomic uint64_t tag;
	_Atomic uint32_t slot;
} cache[CACHE_SIZE];

bool tls_any(void)
{
	return atomic_load_explicit(&hellos, memory_order_relaxed) != 0;
}

void tls_hello(struct conn *c, const uint8_t *p, size_t n)
{
	struct random r = {{0}};
	if (n >= RANDOM_OFFSET + RANDOM_BYTES)
		memcpy(&r, p + RANDOM_OFFSET, RANDOM_BYTES);
	for (int i = 0; i < RANDOM_WORDS; i++)
		atomic_store_explicit(&randoms[c - conns][i], r.word[i], memory_order_relaxed);
	atomic_fetch_add_explicit(&hellos, 1, memory_order_relaxed);
}

static bool same_random(const struct conn *c, const struct random *r)
{
	for (int i = 0; i < RANDOM_WORDS; i++)
		if (atomic_load_explicit(&randoms[c - conns][i], memory_order_relaxed) != r->word[i])
			return false;
	return true;
}

/* The connection that this slot names, pinned, if it is the one that the random bytes belong to. */
static struct conn *pin_if_same(uint32_t slot, const struct random *r)
{
	struct conn *c = slot ? conn_pin(slot) : NULL;
	if (!c)
		return NULL;
	/* Acquire: the random bytes stand before the state. */
	uint32_t state = atomic_load_explicit(&c->state, memory_order_acquire);
	if ((state == KVS_CLASS_OPAQUE || state == CONN_TLS) && same_random(c, r))
		return c;
	conn_unpin(c);
	return NULL;
}

static struct conn *search(const struct random *r, uint32_t *slot)
{
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		uint32_t state = atomic_load_explicit(&conns[i].state, memory_order_relaxed);
		if ((state != KVS_CLASS_OPAQUE && state != CONN_TLS) || !same_random(&conns[i], r))
			continue;
		*slot = conn_slot(&conns[i]);
		struct conn *c = pin_if_same(*slot, r);
		if (c)
			return c;
	}
	*slot = 0;
	return NULL;
}

/* The connection that carries the object's bytes, pinned; NULL: none that is followed. */
static struct conn *connection_of(const struct tls_library *library, const void *ssl)
{
	struct random r = {{0}};
	if (library->SSL_get_client_random(ssl, (unsigned char *)&r, sizeof(r)) != sizeof(r) || r.word[0] == 0)
		return NULL;
	size_t i = ((uintptr_t)ssl >> 4) % CACHE_SIZE;
	bool hit = atomic_load_explicit(&cache[i].ssl, memory_order_relaxed) == (uintptr_t)ssl &&
		   atomic_load_explicit(&cache[i].tag, memory_order_relaxed) == r.word[0];
	uint32_t slot = atomic_load_explicit(&cache[i].slot, memory_order_relaxed);
	struct conn *c = hit ? pin_if_same(slot, &r) : NULL;
	if (c || (hit && slot == 0))
		return c;
	c = search(&r, &slot);
	atomic_store_explicit(&cache[i].ssl, (uintptr_t)ssl, memory_order_relaxed);
	atomic_store_explicit(&cache[i].tag, r.word[0], memory_order_relaxed);
	atomic_store_explicit(&cache[i].slot, slot, memory_order_relaxed);
	return c;
}

static struct kvs_record record_of(const struct conn *c, uint8_t type, uint64_t time_ns)
{
	return (struct kvs_record){.type = type, .fd = -1, .conn = c->cookie, .time_ns = time_ns};
}

static void write_class(const struct conn *c, enum kvs_class class, const char *protocol, uint64_t time_ns)
{
	struct kvs_record r = record_of(c, KVS_REC_CLASS, time_ns);
	struct iovec iov = {NULL, 0};
	r.arg = (uint16_t) class;
	r.flags = KVS_REC_INSIDE_TLS;
	if (protocol) {
		memcpy(&iov.iov_base, &protocol, sizeof(iov.iov_base));
		iov.iov_len = strlen(protocol);
	}
	r.payload_bytes = (uint32_t)iov.iov_len;
	struct view view = {&iov, 1, 0};
	record_write(&r, &view);
}

/* A write that may turn the connection into a recorded one. True: it has. */
static bool promote(struct conn *c, const void *p, size_t n, uint64_t begin_ns)
{
	uint32_t opaque = KVS_CLASS_OPAQUE;
	struct verdict v = classify(p, n);
	if (v.class == KVS_CLASS_WATCHED && v.protocol) {
		write_class(c, KVS_CLASS_OPAQUE, v.protocol, begin_ns);
		return false;
	}
	if (v.class != KVS_CLASS_RECORDED ||
	    !atomic_compare_exchange_strong_explicit(&c->state, &opaque, CONN_TLS, memory_order_acq_rel,
						     memory_order_relaxed))
		return false;
	/* The socket's bytes are not counted any more; the clear text's are. */
	atomic_store_explicit(&c->tx, 0, memory_order_relaxed);
	atomic_store_explicit(&c->rx, 0, memory_order_relaxed);
	write_class(c, KVS_CLASS_RECORDED, NULL, begin_ns);
	return true;
}

static bool is_recorded(const struct conn *c)
{
	return atomic_load_explicit(&c->state, memory_order_acquire) == CONN_TLS;
}

static struct iovec iovec_of(const void *p, size_t n)
{
	struct iovec iov = {NULL, n};
	memcpy(&iov.iov_base, &p, sizeof(iov.iov_base));
	return iov;
}

static void sent(struct conn *c, const void *p, size_t n, uint64_t begin_ns)
{
	if (!is_recorded(c) && !promote(c, p, n, begin_ns))
		return;
	struct iovec iov = iovec_of(p, n);
	struct kvs_record r = record_of(c, KVS_REC_SEND, begin_ns);
	r.end_ns = record_now_ns();
	r.offset = atomic_fetch_add_explicit(&c->tx, n, memory_order_relaxed);
	follow_write(&r, (struct view){&iov, 1, 0}, n);
}

static void received(struct conn *c, const void *p, size_t n)
{
	struct iovec iov = iovec_of(p, n);
	struct kvs_record r = record_of(c, KVS_REC_RECV, record_now_ns());
	r.offset = atomic_fetch_add_explicit(&c->rx, n, memory_order_relaxed);
	follow_write(&r, (struct view){&iov, 1, 0}, n);
}

/* Nothing was read: the end, a broken connection, or only nothing for now. */
static void read_nothing(const struct tls_library *library, struct conn *c, const void *ssl, int result, int error)
{
	int what = library->SSL_get_error(ssl, result);
	struct kvs_record r = record_of(c, KVS_REC_EOF, record_now_ns());
	r.offset = atomic_load_explicit(&c->rx, memory_order_relaxed);
	if (what == SSL_ERROR_IS_SYSCALL || what == SSL_ERROR_IS_SSL) {
		r.type = KVS_REC_ERROR;
		r.arg = (uint16_t)(what == SSL_ERROR_IS_SYSCALL && error > 0 ? error : ECONNRESET);
	} else if (what != SSL_ERROR_IS_ZERO_RETURN) {
		return;
	}
	record_write(&r, NULL);
}

void tls_sent(const struct tls_library *library, const void *ssl, const void *p, size_t n, uint64_t begin_ns)
{
	int error = errno;
	struct conn *c = n > 0 ? connection_of(library, ssl) : NULL;
	if (c) {
		if (record_enter(RECORD_FRAME, n)) {
			sent(c, p, n, begin_ns);
			record_leave();
		}
		conn_unpin(c);
	}
	errno = error;
}

void tls_received(const struct tls_library *library, const void *ssl, const void *p, size_t n, int result)
{
	int error = errno;
	struct conn *c = connection_of(library, ssl);
	if (c) {
		if (is_recorded(c) && record_enter(RECORD_FRAME, n)) {
			if (n > 0)
				received(c, p, n);
			else
				read_nothing(library, c, ssl, result, error);
			record_leave();
		}
		conn_unpin(c);
	}
	errno = error;
}
