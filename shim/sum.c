/* SPDX-License-Identifier: MIT */
#include "sum.h"

#include "record.h"

#include <assert.h>

#ifdef KVS_UNIT_TEST
void (*sum_step)(int step);
#define STEP(n)                                                                                                        \
	do {                                                                                                           \
		if (sum_step)                                                                                          \
			sum_step(n);                                                                                   \
	} while (0)
#else
#define STEP(n)                                                                                                        \
	do {                                                                                                           \
	} while (0)
#endif

#define PID_SHIFT 42
#define BYTES_MASK ((UINT64_C(1) << PID_SHIFT) - 1)

static_assert(PID_SHIFT + KVS_META_OWNER_BITS == 64, "the word holds every pid");

/* Anything was ever added up in this process, or in one that it was forked from. */
static _Atomic bool any;

static uint64_t tag(void)
{
	return (uint64_t)(uint32_t)atomic_load_explicit(shim.fork_pid, memory_order_relaxed) << PID_SHIFT;
}

bool sum_due(struct sum *s, uint64_t now_ns)
{
	/* A child that is not known yet makes itself known by a record. */
	if (now_ns == 0 || record_unannounced_child())
		return false;
	/* Two threads that begin a window together make a record more. */
	if (now_ns - atomic_load_explicit(&s->window_ns, memory_order_relaxed) >= SUM_WINDOW_NS) {
		atomic_store_explicit(&s->window_ns, now_ns, memory_order_relaxed);
		atomic_store_explicit(&s->calls, 1, memory_order_relaxed);
		return false;
	}
	uint32_t calls = atomic_load_explicit(&s->calls, memory_order_relaxed);
	if (calls >= SUM_CALLS)
		return true;
	atomic_store_explicit(&s->calls, calls + 1, memory_order_relaxed);
	return false;
}

bool sum_add(struct conn *c, struct sum *s, uint64_t n, uint64_t now_ns)
{
	uint64_t mine = tag(), sum, old = atomic_load_explicit(&s->untold, memory_order_relaxed);
	STEP(1);
	do {
		/* One call moves 2 GiB at most: there is room, for sums as great as half of it are told. */
		sum = (old & ~BYTES_MASK) == mine ? (old & BYTES_MASK) + n : n;
		/* Sequentially consistent, as are the stores and loads of the state beside it: either we see the
		 * promotion, or who promotes sees what we have added. */
	} while (!atomic_compare_exchange_weak_explicit(&s->untold, &old, mine | sum, memory_order_seq_cst,
							memory_order_relaxed));
	STEP(2);
	atomic_store_explicit(&s->last_ns, now_ns, memory_order_relaxed);
	if (!atomic_load_explicit(&any, memory_order_relaxed))
		atomic_store_explicit(&any, true, memory_order_relaxed);
	return atomic_load_explicit(&c->state, memory_order_seq_cst) == KVS_CLASS_WATCHED && sum < BYTES_MASK / 2;
}

static void tell(struct conn *c, struct sum *s, _Atomic uint64_t *offset, uint8_t type, int fd)
{
	if ((atomic_load_explicit(&s->untold, memory_order_seq_cst) & BYTES_MASK) == 0)
		return;
	uint64_t untold = atomic_exchange_explicit(&s->untold, 0, memory_order_seq_cst);
	uint64_t n = untold & BYTES_MASK;
	if (n == 0 || (untold & ~BYTES_MASK) != tag())
		return;
	struct kvs_record r = {.type = type,
			       .flags = KVS_REC_NO_PAYLOAD | KVS_REC_SUM,
			       .fd = fd,
			       .conn = c->cookie,
			       .offset = atomic_fetch_add_explicit(offset, n, memory_order_relaxed),
			       .wire_bytes = n,
			       .time_ns = atomic_load_explicit(&s->last_ns, memory_order_relaxed)};
	record_write(&r, NULL);
}

void sum_tell(struct conn *c, int fd)
{
	tell(c, &c->sent, &c->tx, KVS_REC_SEND, fd);
	tell(c, &c->received, &c->rx, KVS_REC_RECV, fd);
}

void sum_tell_all(void)
{
	if (!atomic_load_explicit(&any, memory_order_relaxed) || record_unannounced_child())
		return;
	for (int i = 0; i < CONN_MAX; i++) {
		struct conn *c = &conns[i];
		if (((atomic_load_explicit(&c->sent.untold, memory_order_relaxed) |
		      atomic_load_explicit(&c->received.untold, memory_order_relaxed)) &
		     BYTES_MASK) == 0)
			continue;
		c = conn_pin(conn_slot(c));
		if (!c)
			continue;
		if (record_enter(RECORD_FRAME, 0)) {
			sum_tell(c, -1);
			record_leave();
		}
		conn_unpin(c);
	}
}
