/* SPDX-License-Identifier: MIT */
#include "collect/backlog.h"

#include "base/array.h"
#include "base/seal.h"
#include "trace/quiet_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SPARE_MAX 4
#define ALIGNMENT 8
/* What a folder is called without the file in it. */
#define HERE "."

#define STORED_MAX (sizeof(struct kvs_record) + KVS_RECORD_PAYLOAD_MAX)

static_assert(STORED_MAX <= BACKLOG_CHUNK_BYTES, "a chunk holds any record");
static_assert(KVS_RECORD_PAYLOAD_MAX % ALIGNMENT == 0, "the longest is not rounded up beyond it");

struct chunk {
	uint8_t *at;     /* NULL: it is in the file */
	uint64_t place;  /* there, in chunks */
	uint64_t number; /* under which it is sealed */
	size_t n;
	uint64_t records, bytes;
};

/*
 * The first chunk is read, the last is written, and both are in memory (they may be one). What is between them goes to
 * the file while memory is short: always the last one when it is full, so that nothing is moved twice.
 */
struct backlog {
	char *folder;
	size_t memory_max; /* chunks */
	uint64_t disk_max; /* chunks */
	struct chunk *chunks;
	size_t nchunks, capacity;
	size_t read_at; /* in the first */
	bool full;      /* the last try to add a chunk failed, and nothing has become free since */
	size_t in_memory;
	uint8_t *spare[SPARE_MAX];
	size_t nspare;

	int fd; /* -1: there is no file */
	bool no_file;
	struct seal *seal;
	uint64_t sealed;  /* chunks so far */
	uint64_t places;  /* of the file, in chunks */
	uint64_t on_disk; /* chunks in it */
	uint64_t *free_places;
	size_t nfree, free_capacity;

	uint64_t records, bytes;
	uint64_t lost_records, lost_bytes;
	struct kvs_record record; /* handed out */
};

struct backlog *backlog_new(const char *beside, size_t memory_bytes, uint64_t disk_bytes)
{
	struct backlog *b = calloc(1, sizeof(*b));
	const char *slash = strrchr(beside, '/');
	if (!b)
		return NULL;
	b->fd = -1;
	b->memory_max = memory_bytes / BACKLOG_CHUNK_BYTES > 2 ? memory_bytes / BACKLOG_CHUNK_BYTES : 2;
	b->disk_max = disk_bytes / BACKLOG_CHUNK_BYTES;
	b->folder = !slash ? strdup(HERE) : strndup(beside, slash == beside ? 1 : (size_t)(slash - beside));
	if (!b->folder) {
		free(b);
		return NULL;
	}
	return b;
}

void backlog_free(struct backlog *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->nchunks; i++)
		if (b->chunks[i].at)
			munmap(b->chunks[i].at, BACKLOG_CHUNK_BYTES);
	while (b->nspare > 0)
		munmap(b->spare[--b->nspare], BACKLOG_CHUNK_BYTES);
	if (b->fd >= 0)
		close(b->fd);
	seal_free(b->seal);
	free(b->free_places);
	free(b->chunks);
	free(b->folder);
	free(b);
}

/* ---- memory */

static uint8_t *take_memory(struct backlog *b)
{
	void *p = NULL;
	if (b->nspare > 0) {
		p = b->spare[--b->nspare];
	} else {
		/* Its pages at once: a fault for each of them costs more than the copying. */
		p = mmap(NULL, BACKLOG_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
			 -1, 0);
		if (p == MAP_FAILED)
			return NULL;
	}
	b->in_memory++;
	return p;
}

static void give_memory(struct backlog *b, struct chunk *c)
{
	if (!c->at)
		return;
	b->in_memory--;
	if (b->nspare < SPARE_MAX)
		b->spare[b->nspare++] = c->at;
	else
		munmap(c->at, BACKLOG_CHUNK_BYTES);
	c->at = NULL;
}

/* ---- the file */

static int make_file(struct backlog *b)
{
	struct statvfs fs;
	char name[4096];

	if (b->fd >= 0)
		return 0;
	if (b->no_file)
		return -1;
	b->no_file = true; /* tried once */
	b->seal = seal_new();
	if (!b->seal)
		return -1;
	b->fd = open(b->folder, O_RDWR | O_TMPFILE | O_EXCL | O_CLOEXEC, 0600);
	if (b->fd < 0 && snprintf(name, sizeof(name), "%s/.kvscope-XXXXXX", b->folder) < (int)sizeof(name)) {
		/* A file system that can do without names is not everywhere. */
		b->fd = mkostemp(name, O_CLOEXEC);
		if (b->fd >= 0)
			unlink(name);
	}
	if (b->fd < 0 || fstatvfs(b->fd, &fs) < 0)
		return -1;
	/* The trace needs its disk too. */
	uint64_t half = (uint64_t)fs.f_bavail * fs.f_frsize / 2 / BACKLOG_CHUNK_BYTES;
	if (half < b->disk_max)
		b->disk_max = half;
	return 0;
}

static int write_at(int fd, uint64_t offset, const uint8_t *p, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = quiet_pwrite(fd, (const char *)p + done, n - done, (off_t)(offset + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

static int read_at(int fd, uint64_t offset, uint8_t *p, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ssize_t r = pread(fd, p + done, n - done, (off_t)(offset + done));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -1;
		done += (size_t)r;
	}
	return 0;
}

/* Writes a chunk to the file and takes its memory. -1: it stays as it was. */
static int to_file(struct backlog *b, struct chunk *c)
{
	if (make_file(b) < 0 || b->on_disk >= b->disk_max)
		return -1;
	uint64_t place = b->nfree > 0 ? b->free_places[b->nfree - 1] : b->places;
	uint64_t number = b->sealed++;
	if (seal_apply(b->seal, number, c->at, c->n) < 0)
		return -1;
	if (write_at(b->fd, place * BACKLOG_CHUNK_BYTES, c->at, c->n) < 0) {
		if (seal_apply(b->seal, number, c->at, c->n) < 0)
			c->n = 0; /* cannot happen where the first one went well */
		return -1;
	}
	if (b->nfree > 0)
		b->nfree--;
	else
		b->places++;
	c->place = place;
	c->number = number;
	b->on_disk++;
	give_memory(b, c);
	return 0;
}

static void give_place(struct backlog *b, uint64_t place)
{
	if (--b->on_disk == 0) {
		b->nfree = 0;
		b->places = 0;
		/* Gives the disk back; where that fails, the file is overwritten. */
		if (ftruncate(b->fd, 0) < 0)
			errno = 0;
		return;
	}
	uint64_t *grown = array_grow(b->free_places, &b->free_capacity, b->nfree + 1, sizeof(*grown));
	if (!grown)
		return; /* the place stays unused until the file is empty */
	b->free_places = grown;
	b->free_places[b->nfree++] = place;
}

static int from_file(struct backlog *b, struct chunk *c)
{
	c->at = take_memory(b);
	if (!c->at)
		return -1;
	int r = read_at(b->fd, c->place * BACKLOG_CHUNK_BYTES, c->at, c->n);
	if (r == 0)
		r = seal_apply(b->seal, c->number, c->at, c->n);
	give_place(b, c->place);
	return r;
}

/* ---- the queue */

static size_t stored_bytes(size_t payload)
{
	return sizeof(struct kvs_record) + (payload + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int add_chunk(struct backlog *b)
{
	if (b->full)
		return -1;
	b->full = true;
	struct chunk *grown = array_grow(b->chunks, &b->capacity, b->nchunks + 1, sizeof(*grown));
	if (!grown)
		return -1;
	b->chunks = grown;
	/* The one that is being read stays. */
	if (b->in_memory >= b->memory_max && b->nchunks > 1 && to_file(b, &b->chunks[b->nchunks - 1]) < 0)
		return -1;
	uint8_t *at = take_memory(b);
	if (!at)
		return -1;
	b->chunks[b->nchunks++] = (struct chunk){.at = at};
	b->full = false;
	return 0;
}

bool backlog_room(struct backlog *b)
{
	return (b->nchunks > 0 && b->chunks[b->nchunks - 1].n + STORED_MAX <= BACKLOG_CHUNK_BYTES) || add_chunk(b) == 0;
}

int backlog_put(struct backlog *b, const struct kvs_record *record, struct str payload)
{
	size_t n = stored_bytes(payload.n);
	struct chunk *last = b->nchunks ? &b->chunks[b->nchunks - 1] : NULL;
	if (!last || last->n + n > BACKLOG_CHUNK_BYTES) {
		if (add_chunk(b) < 0)
			return -1;
		last = &b->chunks[b->nchunks - 1];
	}
	memcpy(last->at + last->n, record, sizeof(*record));
	memcpy(last->at + last->n + sizeof(*record), payload.p, payload.n);
	last->n += n;
	last->records++;
	last->bytes += record->wire_bytes;
	b->records++;
	b->bytes += record->wire_bytes;
	return 0;
}

static void drop_first(struct backlog *b)
{
	give_memory(b, &b->chunks[0]);
	b->full = false;
	b->nchunks--;
	memmove(&b->chunks[0], &b->chunks[1], b->nchunks * sizeof(*b->chunks));
	b->read_at = 0;
}

int backlog_next(struct backlog *b, const struct kvs_record **record, struct str *payload)
{
	while (b->nchunks > 0) {
		struct chunk *c = &b->chunks[0];
		if (!c->at && from_file(b, c) < 0) {
			b->lost_records += c->records;
			b->lost_bytes += c->bytes;
			b->records -= c->records;
			b->bytes -= c->bytes;
			drop_first(b);
			continue;
		}
		if (b->read_at == c->n) {
			drop_first(b);
			continue;
		}
		memcpy(&b->record, c->at + b->read_at, sizeof(b->record));
		*record = &b->record;
		*payload = (struct str){(const char *)c->at + b->read_at + sizeof(b->record), b->record.payload_bytes};
		b->read_at += stored_bytes(payload->n);
		b->records--;
		b->bytes -= b->record.wire_bytes;
		return 1;
	}
	return 0;
}

uint64_t backlog_records(const struct backlog *b)
{
	return b->records;
}

uint64_t backlog_bytes(const struct backlog *b)
{
	return b->bytes;
}

uint64_t backlog_on_disk(const struct backlog *b)
{
	return b->on_disk * BACKLOG_CHUNK_BYTES;
}

bool backlog_crowded(const struct backlog *b)
{
	uint64_t room = b->memory_max + (b->no_file && b->fd < 0 ? 0 : b->disk_max);
	return b->nchunks * 2 > room;
}

void backlog_lost(const struct backlog *b, uint64_t *records, uint64_t *bytes)
{
	*records = b->lost_records;
	*bytes = b->lost_bytes;
}
