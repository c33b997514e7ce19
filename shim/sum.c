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

#define OWNER_SHIFT 42
#define BYTES_MASK ((UINT64_C(1) << OWNER_SHIFT) - 1)

static_assert(OWNER_SHIFT + KVS_META_OWNER_BITS == 64 && CONN_BITS + KVS_META_OWNER_BITS == 32,
	      "the word holds every pid, and every generation");

/* Anything was ever added up in this process, or in one that it was forked from. */
static _Atomic bool any;

static uint64_t owner_of(uint32_t slot)
{
	uint32_t pid = (uint32_t)atomic_load_explicit(shim.fork_pid, memory_order_relaxed);
	return (uint64_t)(pid ^ slot >> CONN_BITS) << OWNER_SHIFT;
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

bool sum_add(uint32_t slot, struct sum *s, uint64_t n, uint64_t now_ns)
{
	/* Acquire, here and where the exchange fails: who sees another owner's sum sees in conn_lives that he is that.
	 */
	uint64_t mine = owner_of(slot), sum, old = atomic_load_explicit(&s->untold, memory_order_acquire);
	_Atomic uint16_t *summed = &conn_of(slot)->summed;
	if (!atomic_load_explicit(summed, memory_order_relaxed))
		atomic_store_explicit(summed, 1, memory_order_relaxed);
	STEP(1);
	do {
		sum = (old & ~BYTES_MASK) == mine ? (old & BYTES_MASK) + n : n;
		if (sum > BYTES_MASK || !conn_lives(slot))
			return false;
		STEP(2);
	} while (!atomic_compare_exchange_weak_explicit(&s->untold, &old, mine | sum, memory_order_release,
							memory_order_acquire));
	atomic_store_explicit(&s->last_ns, now_ns, memory_order_relaxed);
	if (!atomic_load_explicit(&any, memory_order_relaxed))
		atomic_store_explicit(&any, true, memory_order_relaxed);
	return true;
}

static void tell(struct conn *c, struct sum *s, _Atomic uint64_t *offset, uint8_t type, int fd)
{
	if (atomic_load_explicit(&s->untold, memory_order_relaxed) == 0)
		return;
	/* Acquire: pairs with the release of who added last, for an entry that is another's by now. */
	uint64_t untold = atomic_exchange_explicit(&s->untold, 0, memory_order_acq_rel);
	uint64_t n = untold & BYTES_MASK;
	if (n == 0 || (untold & ~BYTES_MASK) != owner_of(conn_slot(c)))
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

void sum_write(struct conn *c, int fd)
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
		if ((atomic_load_explicit(&c->sent.untold, memory_order_relaxed) |
		     atomic_load_explicit(&c->received.untold, memory_order_relaxed)) == 0)
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
