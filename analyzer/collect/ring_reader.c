/* SPDX-License-Identifier: MIT */
#include "collect/ring_reader.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long a record may stay open before the reader goes on without it. */
#define PATIENCE_NS (2 * NS_PER_S)
/* So many open records can be passed at a time; behind the next one the reader waits. */
#define PASSED_MAX 64
/* A look into /proc for every record read would cost more than the reading. */
#define OWNER_CHECK_NS (10 * NS_PER_MS)

/* At most this part of the ring is held back: the rest is for the writers. Beyond it all is given back at once, for
 * what is worth holding has lost its beginning, and a burst needs the room. */
#define HOLD_SHARE 4

#define RECORD_SLOTS_MAX (1 + KVS_RECORD_PAYLOAD_MAX / KVS_SLOT_BYTES)

/*
 *      tail                    next                 head
 *       │ passed │ read │ read │ ... not read yet ... │
 *
 * Without open records next and tail are one. A record that stays open is passed: it keeps the tail where it is, what
 * is behind it is read all the same, and it is delivered late if its writer finishes it after all.
 */
struct passed {
	uint64_t position;
	uint64_t since_boot_ns;
};

struct ring_reader {
	struct kvs_ring_header *header;
	_Atomic uint64_t *meta;
	const uint8_t *data;
	size_t file_bytes;
	int fd; /* holds the lock that keeps a second reader out */
	uint64_t slots;
	unsigned slots_log2;
	uint64_t tail;
	uint64_t next;
	struct passed passed[PASSED_MAX]; /* by position */
	size_t npassed;
	uint64_t passed_checked_ns;
	uint64_t waiting_since_ns;      /* monotonic: the record at next was first found open; 0: it was not */
	uint64_t waiting_since_boot_ns; /* the same moment by the clock of process start times */
	bool settle;
	bool hold; /* see ring_reader_hold */
	bool corrupt;
	bool gone; /* the file is shorter than it was */
	struct kvs_record record;
	uint8_t payload[KVS_RECORD_PAYLOAD_MAX];
};

static uint64_t boot_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static _Atomic uint64_t *word_at(const struct ring_reader *r, uint64_t position)
{
	return &r->meta[position & (r->slots - 1)];
}

static uint64_t lap_of(const struct ring_reader *r, uint64_t position)
{
	return position >> r->slots_log2 & ((UINT64_C(1) << KVS_META_LAP_BITS) - 1);
}

/* slots: read once by the caller, since whoever maps the ring can change it under our hands. */
static bool valid_geometry(const struct kvs_ring_header *h, uint64_t slots, uint64_t file_bytes)
{
	return slots >= KVS_RING_SLOTS_MIN && slots <= KVS_RING_SLOTS_MAX && (slots & (slots - 1)) == 0 &&
	       h->meta_offset == KVS_RING_HEADER_BYTES &&
	       h->data_offset == KVS_RING_HEADER_BYTES + slots * sizeof(uint64_t) && h->file_bytes == file_bytes &&
	       file_bytes == KVS_RING_HEADER_BYTES + slots * (sizeof(uint64_t) + KVS_SLOT_BYTES);
}

static const char *trouble_with_file(int fd, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return strerror(errno);
	if (!S_ISREG(st->st_mode) || st->st_size < (off_t)KVS_RING_HEADER_BYTES)
		return "is not a ring";
	if (st->st_uid != geteuid())
		return "belongs to another user";
	if ((st->st_mode & 077) != 0)
		return "is open to other users";
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return "is being read by another kvscope";
	return NULL;
}

int ring_reader_open(const char *path, struct ring_reader **out, char *error, size_t error_bytes)
{
	struct ring_reader *r = calloc(1, sizeof(*r));
	const char *trouble = NULL;
	struct stat st;
	if (!r) {
		snprintf(error, error_bytes, "%s: no memory", path);
		return -1;
	}
	r->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	trouble = r->fd < 0 ? strerror(errno) : trouble_with_file(r->fd, &st);
	if (trouble)
		goto fail;
	r->file_bytes = (size_t)st.st_size;
	void *base = mmap(NULL, r->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (base == MAP_FAILED) {
		trouble = strerror(errno);
		goto fail;
	}
	r->header = base;
	r->slots = *(volatile uint32_t *)&r->header->slots;
	if (r->header->magic != KVS_RING_MAGIC)
		trouble = "is not a ring";
	else if (r->header->version != KVS_RING_VERSION)
		trouble = "is a ring of another version of kvscope";
	else if (!valid_geometry(r->header, r->slots, r->file_bytes))
		trouble = "is a damaged ring";
	if (trouble)
		goto fail;
	r->meta = (_Atomic uint64_t *)((uint8_t *)base + KVS_RING_HEADER_BYTES);
	r->data = (const uint8_t *)base + KVS_RING_HEADER_BYTES + r->slots * sizeof(uint64_t);
	r->slots_log2 = (unsigned)__builtin_ctzll(r->slots);
	r->tail = r->next = atomic_load_explicit(&r->header->tail, memory_order_relaxed);
	*out = r;
	return 0;
fail:
	snprintf(error, error_bytes, "%s: %s", path, trouble);
	ring_reader_close(r);
	return -1;
}

void ring_reader_close(struct ring_reader *r)
{
	if (!r)
		return;
	if (r->header)
		munmap(r->header, r->file_bytes);
	if (r->fd >= 0)
		close(r->fd);
	free(r);
}

/*
 * The thread's state letter and start time (clock ticks since boot) from /proc, which has every thread under its own
 * number. Returns -1 if it cannot be read.
 */
static int thread_stat(uint64_t tid, char *state, uint64_t *start_ticks)
{
	char path[64], text[1024];
	snprintf(path, sizeof(path), "/proc/%llu/stat", (unsigned long long)tid);
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	/* "TID (NAME) S ...": the name may hold anything, even parentheses. */
	const char *p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c", state) != 1)
		return -1;
	/* The state is field 3, the start time field 22. */
	for (int field = 2; field < 22 && p; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -1;
	*start_ticks = strtoull(p + 1, NULL, 10);
	return 0;
}

/* Is the thread that opened a record certainly gone? The record was there at since_boot_ns. */
static bool owner_is_gone(uint64_t word, uint64_t since_boot_ns)
{
	uint64_t tid = kvs_meta_owner(word);
	char state;
	uint64_t start_ticks;
	if (tid == 0)
		return false; /* its numbers mean nothing here */
	if (kill((pid_t)tid, 0) < 0 && errno == ESRCH)
		return true;
	if (thread_stat(tid, &state, &start_ticks) < 0)
		return false;
	if (state == 'Z' || state == 'X')
		return true;
	/* Another thread may have got the number: it is younger than the record. A tick of slack for rounding. */
	uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
	return start_ticks * tick_ns > since_boot_ns + 2 * tick_ns;
}

/* Gives the slots of a record back: free words of the next lap first, then the tail, which is what writers go by. */
static void free_slots(struct ring_reader *r, uint64_t length)
{
	/* Its writer may have died before it moved the head, and nobody else came to do it. Once the word is gone
	 * nobody could: the head would stay behind the tail for good. */
	uint64_t head = r->tail;
	atomic_compare_exchange_strong_explicit(&r->header->head, &head, head + length, memory_order_acq_rel,
						memory_order_relaxed);
	for (uint64_t i = 0; i < length; i++, r->tail++)
		atomic_store_explicit(word_at(r, r->tail), kvs_meta_word(0, 0, KVS_META_FREE, lap_of(r, r->tail) + 1),
				      memory_order_relaxed);
	/* Release: pairs with the acquire in a writer's ring_reserve. */
	atomic_store_explicit(&r->header->tail, r->tail, memory_order_release);
}

/* Gives back what was read, up to the first record that is still open, and but for what is held. */
static void advance_tail(struct ring_reader *r)
{
	if (r->gone || (r->hold && r->next - r->tail <= r->slots / HOLD_SHARE))
		return;
	while (r->tail < r->next && (r->npassed == 0 || r->passed[0].position != r->tail)) {
		uint64_t length = kvs_meta_length(atomic_load_explicit(word_at(r, r->tail), memory_order_relaxed));
		/* It was sound when the record was read: somebody has written where he has no business. */
		if (length == 0 || length > r->next - r->tail) {
			r->corrupt = true;
			return;
		}
		free_slots(r, length);
	}
}

static void remove_passed(struct ring_reader *r, size_t i)
{
	r->npassed--;
	memmove(&r->passed[i], &r->passed[i + 1], (r->npassed - i) * sizeof(r->passed[0]));
}

static void copy_out(const struct ring_reader *r, uint64_t position, uint64_t offset, void *to, size_t n)
{
	uint64_t size = r->slots * KVS_SLOT_BYTES;
	uint64_t begin = (position * KVS_SLOT_BYTES + offset) & (size - 1);
	size_t first = n < size - begin ? n : (size_t)(size - begin);
	memcpy(to, r->data + begin, first);
	memcpy((uint8_t *)to + first, r->data, n - first);
}

/*
 * Takes a complete record into private memory: what lies in the ring could still be changed by a process gone wrong.
 * Returns false if it is no sound record.
 */
static bool take(struct ring_reader *r, uint64_t position, uint64_t length)
{
	copy_out(r, position, 0, &r->record, sizeof(r->record));
	if (r->record.payload_bytes > KVS_RECORD_PAYLOAD_MAX || kvs_record_slots(r->record.payload_bytes) != length) {
		atomic_fetch_add_explicit(&r->header->voided, 1, memory_order_relaxed);
		return false;
	}
	copy_out(r, position, sizeof(r->record), r->payload, r->record.payload_bytes);
	return true;
}

enum outcome { DELIVER, SKIP, WAIT, CORRUPT };

/*
 * Looks at the record at a position, *length slots long (0: nothing is there). since_boot_ns: when it was first found
 * open, 0 to leave its owner alone.
 */
static enum outcome look(struct ring_reader *r, uint64_t position, uint64_t since_boot_ns, uint64_t *length)
{
	_Atomic uint64_t *word = word_at(r, position);
	/* Acquire: pairs with the release of ring_commit; the record is complete. */
	uint64_t seen = atomic_load_explicit(word, memory_order_acquire);
	*length = kvs_meta_length(seen);
	if (kvs_meta_lap(seen) != lap_of(r, position))
		return CORRUPT;
	if (kvs_meta_state(seen) == KVS_META_FREE)
		return *length == 0 ? WAIT : CORRUPT;
	if (*length == 0 || *length > RECORD_SLOTS_MAX)
		return CORRUPT;
	if (kvs_meta_state(seen) == KVS_META_OPEN && since_boot_ns != 0 && owner_is_gone(seen, since_boot_ns)) {
		/* Fails if the thread had finished just before it ended: then it is complete. */
		uint64_t open = seen;
		uint64_t flip = (uint64_t)(KVS_META_OPEN ^ KVS_META_VOID) << KVS_META_STATE_SHIFT;
		if (atomic_compare_exchange_strong_explicit(word, &open, seen ^ flip, memory_order_acquire,
							    memory_order_acquire)) {
			atomic_fetch_add_explicit(&r->header->voided, 1, memory_order_relaxed);
			return SKIP;
		}
		seen = open;
	}
	switch (kvs_meta_state(seen)) {
	case KVS_META_DONE:
		return take(r, position, *length) ? DELIVER : SKIP;
	case KVS_META_VOID:
		return SKIP;
	default:
		return WAIT;
	}
}

static int deliver(struct ring_reader *r, const struct kvs_record **record, struct str *payload)
{
	*record = &r->record;
	*payload = (struct str){(const char *)r->payload, r->record.payload_bytes};
	return 1;
}

/* Records passed earlier whose writers finished them, or are gone. Returns 1 if one is delivered. */
static int look_at_passed(struct ring_reader *r, const struct kvs_record **record, struct str *payload)
{
	uint64_t now = clock_monotonic_ns();
	bool check_owners = r->settle || now - r->passed_checked_ns >= OWNER_CHECK_NS;
	if (check_owners)
		r->passed_checked_ns = now;
	for (size_t i = 0; i < r->npassed;) {
		struct passed p = r->passed[i];
		uint64_t length;
		enum outcome outcome = look(r, p.position, check_owners ? p.since_boot_ns : 0, &length);
		if (outcome == WAIT) {
			i++;
			continue;
		}
		if (outcome == CORRUPT) {
			r->corrupt = true;
			return -1;
		}
		remove_passed(r, i);
		advance_tail(r);
		if (outcome == DELIVER)
			return deliver(r, record, payload);
	}
	return 0;
}

int ring_reader_next(struct ring_reader *r, const struct kvs_record **record, struct str *payload)
{
	if (r->corrupt)
		return -1;
	if (r->npassed > 0) {
		int late = look_at_passed(r, record, payload);
		if (late != 0)
			return late;
	}
	for (;;) {
		uint64_t length;
		enum outcome outcome =
			look(r, r->next, r->waiting_since_ns != 0 ? r->waiting_since_boot_ns : 0, &length);
		if (outcome == CORRUPT) {
			r->corrupt = true;
			return -1;
		}
		if (outcome == WAIT) {
			if (length == 0)
				return 0; /* nothing there yet */
			if (r->waiting_since_ns == 0) {
				r->waiting_since_ns = clock_monotonic_ns();
				r->waiting_since_boot_ns = boot_ns();
				/* Once more: now that there is a date, its owner can be looked at. */
				continue;
			}
			if ((!r->settle && clock_monotonic_ns() - r->waiting_since_ns < PATIENCE_NS) ||
			    r->npassed == PASSED_MAX)
				return 0;
			r->passed[r->npassed++] = (struct passed){r->next, r->waiting_since_boot_ns};
		}
		r->waiting_since_ns = 0;
		r->next += length;
		advance_tail(r);
		if (outcome == DELIVER)
			return deliver(r, record, payload);
	}
}

void ring_reader_hold(struct ring_reader *r, bool hold)
{
	r->hold = hold;
	advance_tail(r);
}

unsigned ring_reader_taken(const struct ring_reader *r)
{
	if (r->gone)
		return 0;
	uint64_t head = atomic_load_explicit(&r->header->head, memory_order_relaxed);
	uint64_t taken = head > r->tail ? head - r->tail : 0;
	return taken >= r->slots ? 256 : (unsigned)(taken * 256 / r->slots);
}

void ring_reader_settle(struct ring_reader *r)
{
	r->settle = true;
}

void ring_reader_detach(struct ring_reader *r)
{
	if (!r->gone)
		atomic_store_explicit(&r->header->closed, 1, memory_order_relaxed);
}

bool ring_reader_whole(struct ring_reader *r)
{
	struct stat st;
	if (fstat(r->fd, &st) < 0 || (uint64_t)st.st_size < r->file_bytes)
		r->corrupt = r->gone = true;
	return !r->gone;
}

void ring_reader_loss(const struct ring_reader *r, struct ring_loss *out)
{
	const struct kvs_ring_header *h = r->header;
	*out = (struct ring_loss){0};
	if (r->gone)
		return;
	for (int i = 0; i < KVS_DROP_REASONS; i++)
		out->dropped[i] = atomic_load_explicit(&h->dropped[i], memory_order_relaxed);
	out->dropped_bytes = atomic_load_explicit(&h->dropped_bytes, memory_order_relaxed);
	out->voided = atomic_load_explicit(&h->voided, memory_order_relaxed);
	out->processes = atomic_load_explicit(&h->processes, memory_order_relaxed);
	out->foreign_pidns = atomic_load_explicit(&h->foreign_pidns, memory_order_relaxed);
	out->passthrough = atomic_load_explicit(&h->passthrough, memory_order_relaxed);
}

const struct kvs_ring_header *ring_reader_header(const struct ring_reader *r)
{
	return r->header;
}
