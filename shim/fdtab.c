/* SPDX-License-Identifier: MIT */
#include "fdtab.h"

#include <assert.h>

_Atomic uint32_t fd_slots[FD_MAX];
struct conn conns[CONN_MAX];
static struct prefix prefixes[PREFIX_MAX];

static_assert(CONN_MAX == 1 << CONN_BITS, "a slot names every entry");
static_assert(sizeof(fd_slots) + sizeof(conns) + sizeof(prefixes) <= 256 << 10, "a guest is small");

/* word: generation from bit 32 (22 bits, never 0 in use), pins from bit 16, descriptors from bit 0. */
#define FD_ONE UINT64_C(1)
#define PIN_ONE (UINT64_C(1) << 16)
#define GENERATION_SHIFT 32
#define GENERATION_MASK ((UINT32_C(1) << 22) - 1)

static uint32_t fds_of(uint64_t word)
{
	return (uint32_t)(word & 0xffff);
}

static uint32_t pins_of(uint64_t word)
{
	return (uint32_t)(word >> 16 & 0xffff);
}

static uint32_t generation_of(uint64_t word)
{
	return (uint32_t)(word >> GENERATION_SHIFT) & GENERATION_MASK;
}

struct conn *conn_new(uint64_t cookie, uint32_t *slot)
{
	for (uint32_t i = 0; i < CONN_MAX; i++) {
		struct conn *c = &conns[i];
		uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
		if (fds_of(word) != 0 || pins_of(word) != 0)
			continue;
		uint32_t generation = (generation_of(word) + 1) & GENERATION_MASK;
		if (generation == 0)
			generation = 1;
		/* Acquire: pairs with the release of the last unpin; the former owner is done with the entry. */
		if (!atomic_compare_exchange_strong_explicit(
			    &c->word, &word, (uint64_t)generation << GENERATION_SHIFT | PIN_ONE | FD_ONE,
			    memory_order_acq_rel, memory_order_relaxed))
			continue;
		c->cookie = cookie;
		c->prefix = NULL;
		atomic_store_explicit(&c->tx, 0, memory_order_relaxed);
		atomic_store_explicit(&c->rx, 0, memory_order_relaxed);
		atomic_store_explicit(&c->talked, 0, memory_order_relaxed);
		atomic_store_explicit(&c->summed, 0, memory_order_relaxed);
		/* What is untold is the former owner's, and seen to be. */
		atomic_store_explicit(&c->sent.window_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&c->received.window_ns, 0, memory_order_relaxed);
		atomic_store_explicit(&c->state, KVS_CLASS_CANDIDATE, memory_order_relaxed);
		*slot = generation << CONN_BITS | i;
		return c;
	}
	return NULL;
}

bool conn_lives(uint32_t slot)
{
	uint64_t word = atomic_load_explicit(&conn_of(slot)->word, memory_order_relaxed);
	return generation_of(word) == slot >> CONN_BITS && fds_of(word) != 0;
}

struct conn *conn_pin(uint32_t slot)
{
	struct conn *c = conn_of(slot);
	uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
	do {
		if (generation_of(word) != slot >> CONN_BITS || fds_of(word) == 0 || pins_of(word) == 0xffff)
			return NULL;
	} while (!atomic_compare_exchange_weak_explicit(&c->word, &word, word + PIN_ONE, memory_order_acq_rel,
							memory_order_relaxed));
	return c;
}

void conn_unpin(struct conn *c)
{
	uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
	do {
		/* Closed, and nobody else is here: the entry is free in a moment. */
		if (fds_of(word) == 0 && pins_of(word) == 1)
			prefix_give_back(c);
	} while (!atomic_compare_exchange_weak_explicit(&c->word, &word, word - PIN_ONE, memory_order_acq_rel,
							memory_order_relaxed));
}

uint32_t conn_slot(struct conn *c)
{
	uint32_t generation = generation_of(atomic_load_explicit(&c->word, memory_order_relaxed));
	return generation << CONN_BITS | (uint32_t)(c - conns);
}

bool conn_add_fd(struct conn *c)
{
	uint64_t word = atomic_load_explicit(&c->word, memory_order_relaxed);
	do {
		if (fds_of(word) == 0 || fds_of(word) == 0xffff)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&c->word, &word, word + FD_ONE, memory_order_acq_rel,
							memory_order_relaxed));
	return true;
}

bool conn_remove_fd(struct conn *c)
{
	return fds_of(atomic_fetch_sub_explicit(&c->word, FD_ONE, memory_order_acq_rel)) == 1;
}

struct prefix *prefix_take(void)
{
	for (int i = 0; i < PREFIX_MAX; i++) {
		/* Acquire: pairs with the release in prefix_give_back. */
		if (!atomic_exchange_explicit(&prefixes[i].taken, true, memory_order_acquire)) {
			prefixes[i].n = 0;
			return &prefixes[i];
		}
	}
	return NULL;
}

void prefix_give_back(struct conn *c)
{
	struct prefix *prefix = c->prefix;
	c->prefix = NULL;
	if (prefix)
		atomic_store_explicit(&prefix->taken, false, memory_order_release);
}
