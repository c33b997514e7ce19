/* SPDX-License-Identifier: MIT */
#ifndef SHIM_RING_WRITER_H
#define SHIM_RING_WRITER_H

/*
 * The writing side of the ring (include/kvscope/ring.h). Lock-free, no system calls, async-signal-safe.
 *
 * A record is written in three steps: ring_reserve, ring_copy (any number of times), ring_commit. Between the first and
 * the last its owner may be killed or jump away with siglongjmp; the reservation outlives that and struct
 * ring_reservation is all that is needed to void it.
 */

#include "kvscope/ring.h"

#include <stddef.h>

struct ring {
	struct kvs_ring_header *header;
	_Atomic uint64_t *meta;
	uint8_t *data;
	uint64_t slots; /* a power of two; not read from the shared header again */
	unsigned slots_log2;
};

struct ring_reservation {
	_Atomic uint64_t *word; /* NULL: nothing is open */
	uint64_t open;          /* what it holds while the record is open */
	uint64_t position;
};

/* Wires up a ring whose whole file is mapped at base. Returns -1 if the header does not describe such a ring. */
int ring_attach(struct ring *ring, void *base, uint64_t file_bytes);

/*
 * A record of so many slots is about to be written: asks the processor for the memory where it will probably stand,
 * which the reader had last, so that it comes while the caller does something else. A hint: nothing is touched.
 */
void ring_expect(const struct ring *ring, uint64_t slots);

/*
 * Allots `slots` slots to the thread `owner`. *at is filled before the ring changes, so that whoever interrupts this
 * function for good finds there what it may have left. Returns 0; KVS_RING_FULL; KVS_RING_BROKEN when the ring holds
 * what no writer puts there.
 */
int ring_reserve(const struct ring *ring, uint64_t slots, uint64_t owner, struct ring_reservation *at);
enum { KVS_RING_FULL = -1, KVS_RING_BROKEN = -2 };

/* Copies n bytes to offset_bytes within the reserved record. */
void ring_copy(const struct ring *ring, const struct ring_reservation *at, uint64_t offset_bytes, const void *p,
	       size_t n);
/* Makes the record readable. Closes the reservation. Returns -1 if it had been voided in between. */
int ring_commit(struct ring_reservation *at);
/* Gives the record up, if it is still open. Closes the reservation. */
void ring_void(const struct ring *ring, struct ring_reservation *at);

#ifdef KVS_UNIT_TEST
/* Called between all steps that others can see, so that a test can stop or kill a writer there. */
extern void (*ring_step)(int step);
#endif

#endif
