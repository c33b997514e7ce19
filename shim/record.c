/* SPDX-License-Identifier: MIT */
#include "record.h"

#include "raw.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A piece of the ring that is mapped at once: 256 KiB of data. Whole pages of data and of meta words. */
#define PIECE_SLOTS UINT64_C(4096)
#define PIECE_ALIGN UINT64_C(512)

struct shim shim = {.clock = clock_gettime};

struct thread {
	uintptr_t frame; /* of the section that is open; 0: none */
	uintptr_t stack_top;
	int32_t pid; /* for which tid holds: a fork changes both */
	int32_t tid;
	struct ring_reservation reservation;
};

/* Initial-exec: the first touch of any other kind of thread-local storage may allocate. */
static __thread struct thread thread __attribute__((tls_model("initial-exec")));

static uint64_t read_clock(clockid_t clock)
{
	struct timespec t;
	/* A confined process may not even read its clock: strict mode forbids the counter that the vDSO reads. */
	if (!atomic_load_explicit(&shim.on, memory_order_relaxed))
		return 0;
	shim.clock(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t record_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t record_tick_ns(void)
{
	return read_clock(CLOCK_MONOTONIC_COARSE);
}

bool record_in_vfork_child(void)
{
	if (!atomic_load_explicit(&shim.on, memory_order_relaxed))
		return true;
	int32_t pid = atomic_load_explicit(shim.fork_pid, memory_order_relaxed);
	return pid != 0 && pid != (int32_t)RAW(getpid, 0, 0, 0, 0, 0, 0);
}

bool record_unannounced_child(void)
{
	return atomic_load_explicit(shim.fork_pid, memory_order_relaxed) == 0;
}

void record_drop(enum kvs_drop reason, uint64_t bytes)
{
	atomic_fetch_add_explicit(&shim.ring.header->dropped[reason], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&shim.ring.header->dropped_bytes, bytes, memory_order_relaxed);
}

static bool stop(void)
{
	if (!atomic_exchange_explicit(&shim.on, false, memory_order_relaxed))
		return false;
	atomic_fetch_add_explicit(&shim.ring.header->passthrough, 1, memory_order_relaxed);
	return true;
}

void record_stop(void)
{
	stop();
}

void record_give_up(void)
{
	if (stop())
		record_drop(KVS_DROP_INTERNAL, 0);
}

void record_map_ahead(uint64_t payload_bytes)
{
	const struct ring *ring = &shim.ring;
	uint64_t to = atomic_load_explicit(&shim.mapped_to, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
	if (head + kvs_record_slots(payload_bytes) <= to ||
	    atomic_load_explicit(&shim.mapped, memory_order_relaxed) >= ring->slots)
		return;
	uint64_t from = (head > to ? head : to) & ~(PIECE_ALIGN - 1), at = from & (ring->slots - 1);
	uint64_t slots = ring->slots - at < PIECE_SLOTS ? ring->slots - at : PIECE_SLOTS;
	/* Who fails here finds that another thread is about it; what is touched too early costs what it always did. */
	if (!atomic_compare_exchange_strong_explicit(&shim.mapped_to, &to, from + slots, memory_order_relaxed,
						     memory_order_relaxed))
		return;
	long a = RAW(madvise, ring->data + at * KVS_SLOT_BYTES, slots * KVS_SLOT_BYTES, MADV_POPULATE_WRITE, 0, 0, 0);
	long b = RAW(madvise, ring->meta + at, slots * sizeof(*ring->meta), MADV_POPULATE_WRITE, 0, 0, 0);
	/* A kernel that does not know this (before 5.14) need not be asked again. */
	atomic_fetch_add_explicit(&shim.mapped, a < 0 || b < 0 ? ring->slots : slots, memory_order_relaxed);
}

/* The first to write after a fork makes the process known. No pthread_atfork: it misses _Fork, clone and others. */
static int32_t current_pid(void)
{
	int32_t pid = atomic_load_explicit(shim.fork_pid, memory_order_relaxed);
	if (pid != 0)
		return pid;
	int32_t parent = shim.pid, none = 0;
	pid = (int32_t)RAW(getpid, 0, 0, 0, 0, 0, 0);
	int32_t ppid = (int32_t)RAW(getppid, 0, 0, 0, 0, 0, 0);
	if (!atomic_compare_exchange_strong_explicit(shim.fork_pid, &none, pid, memory_order_relaxed,
						     memory_order_relaxed))
		return pid;
	/*
	 * Has a new pid namespace begun with this child? Then getppid is 0. If the parent is not who we think it is
	 * (a daemon's double fork), that cannot be said without a look into /proc, which a sandbox may punish; the
	 * reader is then told not to judge by our tids.
	 */
	if (ppid != parent && atomic_exchange_explicit(&shim.tids_known, false, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&shim.ring.header->foreign_pidns, 1, memory_order_relaxed);
	}
	shim.pid = pid;
	shim.forked = true;
	/* A fork does not take over what is mapped of a shared file. */
	atomic_store_explicit(&shim.mapped_to, 0, memory_order_relaxed);
	atomic_store_explicit(&shim.mapped, 0, memory_order_relaxed);
	shim.process.head.ppid = ppid;
	atomic_store_explicit(&shim.announced, false, memory_order_relaxed);
	return pid;
}

static void announce(void)
{
	if (atomic_exchange_explicit(&shim.announced, true, memory_order_relaxed))
		return;
	size_t n = sizeof(shim.process.head) + shim.exe_bytes;
	struct iovec iov = {&shim.process, n};
	struct view view = {&iov, 1, 0};
	struct kvs_record r = {.payload_bytes = (uint32_t)n,
			       .type = KVS_REC_PROCESS,
			       .flags = shim.forked ? KVS_REC_AFTER_FORK : 0,
			       .fd = -1,
			       .wire_bytes = n,
			       .time_ns = record_now_ns()};
	record_write(&r, &view);
}

static void know_thread(int32_t pid)
{
	/* Whatever was open belongs to the parent. */
	thread.frame = 0;
	thread.reservation.word = NULL;
	thread.tid = (int32_t)RAW(gettid, 0, 0, 0, 0, 0, 0);
	/* Our descriptor lies at the top of every stack but the main thread's. */
	if (thread.stack_top == 0)
		thread.stack_top = thread.tid == pid ? shim.main_stack_top : (uintptr_t)pthread_self();
	thread.pid = pid;
}

bool record_enter(uintptr_t frame, uint64_t bytes)
{
	if (!atomic_load_explicit(&shim.on, memory_order_relaxed) ||
	    atomic_load_explicit(&shim.ring.header->closed, memory_order_relaxed))
		return false;
	int32_t pid = current_pid();
	if (thread.pid != pid)
		know_thread(pid);
	if (thread.frame != 0) {
		/*
		 * Stacks grow downwards: an open section in a frame below ours was left without its end. Only if both
		 * are on this thread's own stack, though: a handler on an alternate stack may lie anywhere.
		 */
		if (frame < thread.frame || frame >= thread.stack_top) {
			record_drop(KVS_DROP_NESTED, bytes);
			return false;
		}
		ring_void(&shim.ring, &thread.reservation);
	}
	thread.frame = frame;
	atomic_signal_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&shim.announced, memory_order_relaxed))
		announce();
	return true;
}

void record_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	thread.frame = 0;
}

void record_start(void)
{
	atomic_store_explicit(&shim.on, true, memory_order_release);
	if (record_enter(RECORD_FRAME, 0))
		record_leave();
}

size_t view_next(struct view *view, size_t max, const uint8_t **p)
{
	while (view->count > 0) {
		size_t n = view->iov->iov_len - view->offset;
		*p = (const uint8_t *)view->iov->iov_base + view->offset;
		if (n > max) {
			view->offset += max;
			return max;
		}
		view->iov++;
		view->count--;
		view->offset = 0;
		if (n > 0)
			return n;
	}
	return 0;
}

size_t view_copy(struct view *view, void *to, size_t max)
{
	const uint8_t *p;
	size_t copied = 0, n;
	while (copied < max && (n = view_next(view, max - copied, &p)) > 0) {
		memcpy((uint8_t *)to + copied, p, n);
		copied += n;
	}
	return copied;
}

int record_write(struct kvs_record *r, struct view *payload)
{
	r->pid = thread.pid;
	r->tid = thread.tid;
	uint64_t owner = atomic_load_explicit(&shim.tids_known, memory_order_relaxed) ? (uint64_t)thread.tid : 0;
	int result = ring_reserve(&shim.ring, kvs_record_slots(r->payload_bytes), owner, &thread.reservation);
	if (result == KVS_RING_BROKEN)
		record_give_up();
	if (result < 0) {
		record_drop(KVS_DROP_FULL, r->wire_bytes);
		return -1;
	}
	ring_copy(&shim.ring, &thread.reservation, 0, r, sizeof(*r));
	const uint8_t *p;
	size_t n;
	for (uint32_t done = 0; done < r->payload_bytes && (n = view_next(payload, r->payload_bytes - done, &p)) > 0;
	     done += (uint32_t)n)
		ring_copy(&shim.ring, &thread.reservation, sizeof(*r) + done, p, n);
	ring_commit(&thread.reservation);
	return 0;
}
