/* SPDX-License-Identifier: MIT */
#ifndef SHIM_FDTAB_H
#define SHIM_FDTAB_H

/*
 * Which descriptors are followed, and the connections behind them.
 *
 *     fd ──► slot (32 bits, 0: not followed) ──► connection entry
 *            generation (22) | entry (10)         word: generation | pins | descriptors
 *
 * A slot names an entry and the generation it had when the slot was set, so a slot that outlived its connection leads
 * nowhere. An entry is free when no descriptor refers to it and no thread has it pinned; who pins it may use it until
 * he unpins it, whatever other threads close meanwhile. A thread that jumps out of a hook (siglongjmp) leaves its pin
 * behind: the entry is then lost, never misused.
 *
 * No locks, no memory but these tables (bounded: see FD_MAX, CONN_MAX, PREFIX_MAX), async-signal-safe.
 */

#include "classify.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FD_MAX 16384
#define CONN_MAX 1024
#define CONN_BITS 10
#define PREFIX_MAX 32

/* A connection's first bytes, while they are too few to be judged. */
struct prefix {
	_Atomic bool taken;
	uint16_t n;
	uint64_t begin_ns, end_ns; /* of the send that began it, of the last one that added to it */
	uint8_t bytes[CLASSIFY_MAX];
};

/* Calls of one direction that are added up: sum.h. */
struct sum {
	_Atomic uint64_t untold;
	_Atomic uint64_t last_ns;   /* of the last call in it */
	_Atomic uint64_t window_ns; /* when the window began */
	_Atomic uint32_t calls;     /* of the window that made a record */
};

/* What a recorded call looks at lies in one cache line. */
struct conn {
	_Alignas(64) _Atomic uint64_t word;
	uint64_t cookie;         /* SO_COOKIE: what the socket is, whatever its number */
	_Atomic uint64_t tx;     /* bytes sent so far, but for those untold; offset of the next */
	_Atomic uint64_t rx;     /* bytes received */
	_Atomic uint32_t state;  /* enum kvs_class, or CONN_BUSY */
	_Atomic uint16_t talked; /* a first send has at least begun */
	_Atomic uint16_t summed; /* a call was ever added up */
	struct prefix *prefix;   /* NULL: none; owned by whoever made the state CONN_BUSY */
	struct sum sent, received;
};

/* A thread is judging the first bytes just now. */
#define CONN_BUSY 100u
/* Opaque, but the clear text is recorded: tx and rx are its offsets, and the socket's bytes are nobody's business. */
#define CONN_TLS 101u

extern _Atomic uint32_t fd_slots[FD_MAX];
extern struct conn conns[CONN_MAX];

/* The one load and branch that a call on somebody else's descriptor costs. Acquire: the entry was filled before. */
static inline uint32_t fd_slot(int fd)
{
	return (unsigned)fd < FD_MAX ? atomic_load_explicit(&fd_slots[fd], memory_order_acquire) : 0;
}

/* The slot's entry, whoever it belongs to by now. */
static inline struct conn *conn_of(uint32_t slot)
{
	return &conns[slot & (CONN_MAX - 1)];
}

/* A candidate, pinned, that one descriptor refers to: the caller puts *slot into the table. NULL: no entry is free. */
struct conn *conn_new(uint64_t cookie, uint32_t *slot);
/* Does the slot still lead to its connection? Of an entry that is not pinned that may change at once. */
bool conn_lives(uint32_t slot);
/* NULL: the connection is gone. */
struct conn *conn_pin(uint32_t slot);
void conn_unpin(struct conn *c);
/* The slot that leads to the entry as it is now. */
uint32_t conn_slot(struct conn *c);
/* One more, one less descriptor of a pinned connection. conn_remove_fd is true for the last one. */
bool conn_add_fd(struct conn *c);
bool conn_remove_fd(struct conn *c);

/* NULL: none is free. */
struct prefix *prefix_take(void);
void prefix_give_back(struct conn *c);

/* Sets what is known of a descriptor; returns what was. */
static inline uint32_t fd_exchange(int fd, uint32_t slot)
{
	return (unsigned)fd < FD_MAX ? atomic_exchange_explicit(&fd_slots[fd], slot, memory_order_acq_rel) : 0;
}

/* Forgets a descriptor if it still is what it was. */
static inline bool fd_forget(int fd, uint32_t slot)
{
	return (unsigned)fd < FD_MAX && atomic_compare_exchange_strong_explicit(
						&fd_slots[fd], &slot, 0, memory_order_acq_rel, memory_order_relaxed);
}

#endif
