/* SPDX-License-Identifier: MIT */
#include "ring_writer.h"

#include <stdbool.h>
#include <string.h>

#ifdef KVS_UNIT_TEST
void (*ring_step)(int step);
#define STEP(n)                                                                                                        \
	do {                                                                                                           \
		if (ring_step)                                                                                         \
			ring_step(n);                                                                                  \
	} while (0)
#else
#define STEP(n)                                                                                                        \
	do {                                                                                                           \
	} while (0)
#endif

/* Every failed try means that another writer got on. So many in a row mean that the ring is not what it should be. */
#define TRIES_MAX 65536

/* Slots asked for ahead: what the kernel's answer to the identity check gives time for. */
#define AHEAD_SLOTS 64

int ring_attach(struct ring *ring, void *base, uint64_t file_bytes)
{
	struct kvs_ring_header *h = base;
	if (file_bytes < KVS_RING_HEADER_BYTES || h->magic != KVS_RING_MAGIC || h->version != KVS_RING_VERSION)
		return -1;
	/* The file belongs to the same user, who may still write nonsense into it: every figure is derived or checked
	 * once, here. */
	uint64_t slots = h->slots;
	if (slots < KVS_RING_SLOTS_MIN || slots > KVS_RING_SLOTS_MAX || (slots & (slots - 1)) != 0)
		return -1;
	uint64_t data_offset = KVS_RING_HEADER_BYTES + slots * sizeof(uint64_t);
	if (h->meta_offset != KVS_RING_HEADER_BYTES || h->data_offset != data_offset || h->file_bytes != file_bytes ||
	    file_bytes != data_offset + slots * KVS_SLOT_BYTES)
		return -1;
	ring->header = h;
	ring->meta = (_Atomic uint64_t *)((uint8_t *)base + KVS_RING_HEADER_BYTES);
	ring->data = (uint8_t *)base + data_offset;
	ring->slots = slots;
	ring->slots_log2 = (unsigned)__builtin_ctzll(slots);
	return 0;
}

void ring_expect(const struct ring *ring, uint64_t slots)
{
	uint64_t mask = ring->slots - 1;
	/* Relaxed: where the record will stand in the end is decided by ring_reserve. */
	uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
	__builtin_prefetch(&ring->meta[head & mask], 1);
	for (uint64_t i = 0; i < slots && i < AHEAD_SLOTS; i++)
		__builtin_prefetch(ring->data + ((head + i) & mask) * KVS_SLOT_BYTES, 1);
}

int ring_reserve(const struct ring *ring, uint64_t slots, uint64_t owner, struct ring_reservation *at)
{
	struct kvs_ring_header *h = ring->header;
	for (int i = 0; i < TRIES_MAX; i++) {
		/* Acquire: whoever sees a head also sees the meta words behind it. */
		uint64_t head = atomic_load_explicit(&h->head, memory_order_acquire);
		/* Pairs with the reader's release: slots before tail + slots of the ring are FREE of their next lap. */
		uint64_t tail = atomic_load_explicit(&h->tail, memory_order_acquire);
		if (head + slots - tail > ring->slots) {
			/* An old head beside a new tail looks full, too. */
			if (atomic_load_explicit(&h->head, memory_order_acquire) != head)
				continue;
			return KVS_RING_FULL;
		}
		STEP(1);
		_Atomic uint64_t *word = &ring->meta[head & (ring->slots - 1)];
		uint64_t lap = head >> ring->slots_log2;
		uint64_t seen = atomic_load_explicit(word, memory_order_acquire);
		uint64_t free = kvs_meta_word(0, 0, KVS_META_FREE, lap);
		if (seen != free) {
			/* Somebody took this record. He may be dead, so head is everybody's to move. A word of another
			 * lap says that our head is old: the exchange fails. */
			if (kvs_meta_state(seen) != KVS_META_FREE && kvs_meta_lap(seen) == kvs_meta_lap(free))
				atomic_compare_exchange_strong_explicit(&h->head, &head, head + kvs_meta_length(seen),
									memory_order_acq_rel, memory_order_relaxed);
			continue;
		}
		at->open = kvs_meta_word(slots, owner, KVS_META_OPEN, lap);
		at->position = head;
		at->word = word;
		/* A signal handler of this thread must see these before the ring changes. */
		atomic_signal_fence(memory_order_seq_cst);
		STEP(2);
		if (atomic_compare_exchange_strong_explicit(word, &free, at->open, memory_order_acq_rel,
							    memory_order_relaxed)) {
			STEP(3);
			/* Fails when somebody helped. */
			atomic_compare_exchange_strong_explicit(&h->head, &head, head + slots, memory_order_acq_rel,
								memory_order_relaxed);
			STEP(4);
			return 0;
		}
		at->word = NULL;
	}
	return KVS_RING_BROKEN;
}

void ring_copy(const struct ring *ring, const struct ring_reservation *at, uint64_t offset_bytes, const void *p,
	       size_t n)
{
	uint64_t size = ring->slots * KVS_SLOT_BYTES;
	uint64_t begin = (at->position * KVS_SLOT_BYTES + offset_bytes) & (size - 1);
	size_t first = n < size - begin ? n : (size_t)(size - begin);
	memcpy(ring->data + begin, p, first);
	STEP(5);
	if (first < n)
		memcpy(ring->data, (const uint8_t *)p + first, n - first);
}

int ring_commit(struct ring_reservation *at)
{
	uint64_t open = at->open;
	STEP(6);
	/* Release: pairs with the reader's acquire of the word; the copies stand before it. */
	bool done = atomic_compare_exchange_strong_explicit(
		at->word, &open, open ^ (uint64_t)(KVS_META_OPEN ^ KVS_META_DONE) << KVS_META_STATE_SHIFT,
		memory_order_release, memory_order_relaxed);
	STEP(7);
	at->word = NULL;
	return done ? 0 : -1;
}

void ring_void(const struct ring *ring, struct ring_reservation *at)
{
	_Atomic uint64_t *word = at->word;
	uint64_t open = at->open;
	if (!word)
		return;
	/* The word is compared whole, so a reservation that was never made, or was done with, is not touched. */
	if (atomic_compare_exchange_strong_explicit(
		    word, &open, open ^ (uint64_t)(KVS_META_OPEN ^ KVS_META_VOID) << KVS_META_STATE_SHIFT,
		    memory_order_release, memory_order_relaxed))
		atomic_fetch_add_explicit(&ring->header->voided, 1, memory_order_relaxed);
	at->word = NULL;
}
