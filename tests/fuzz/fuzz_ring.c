/* SPDX-License-Identifier: MIT */
#include "collect/ring_reader.h"

/*
 * Whatever a process writes into a ring, before the reader comes and while it reads: every call returns, what is
 * delivered is a sound record, and there are no more of them than the ring had room for. The input is a list of steps
 * of six bytes: what, where (2), value (3).
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS KVS_RING_SLOTS_MIN
#define FILE_BYTES (KVS_RING_HEADER_BYTES + SLOTS * (sizeof(uint64_t) + KVS_SLOT_BYTES))
#define STEP_BYTES 6

static char path[64];
static struct kvs_ring_header *ring;
static uint8_t *bytes;

static void remove_file(void)
{
	unlink(path);
}

static void make_file(void)
{
	snprintf(path, sizeof(path), "/dev/shm/kvscope-fuzz-%d", (int)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)FILE_BYTES) < 0)
		abort();
	bytes = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		abort();
	ring = (struct kvs_ring_header *)bytes;
	close(fd);
	atexit(remove_file);
}

static void fresh_ring(void)
{
	memset(bytes, 0, FILE_BYTES);
	ring->version = KVS_RING_VERSION;
	ring->slots = SLOTS;
	ring->file_bytes = FILE_BYTES;
	ring->meta_offset = KVS_RING_HEADER_BYTES;
	ring->data_offset = KVS_RING_HEADER_BYTES + SLOTS * sizeof(uint64_t);
	ring->magic = KVS_RING_MAGIC;
}

static void put_record(uint64_t position, uint64_t value)
{
	uint32_t payload = (uint32_t)(value % 200);
	struct kvs_record record = {.payload_bytes = payload, .type = (uint8_t)(value >> 8), .conn = value >> 16};
	_Atomic uint64_t *meta = (_Atomic uint64_t *)(bytes + KVS_RING_HEADER_BYTES);

	memcpy(bytes + ring->data_offset + position % SLOTS * KVS_SLOT_BYTES, &record, sizeof(record));
	atomic_store(&meta[position % SLOTS],
		     kvs_meta_word(kvs_record_slots(payload), (uint64_t)getpid(), KVS_META_DONE, position / SLOTS));
	atomic_store(&ring->head, position + kvs_record_slots(payload));
}

/* One step of the process that writes what it likes. The geometry stays: a ring without it is refused at once. */
static void write_something(const uint8_t *step)
{
	uint64_t at = (uint64_t)step[1] << 8 | step[2];
	uint64_t value = (uint64_t)step[3] << 16 | (uint64_t)step[4] << 8 | step[5];
	_Atomic uint64_t *meta = (_Atomic uint64_t *)(bytes + KVS_RING_HEADER_BYTES);

	switch (step[0] % 8) {
	case 0:
		put_record(at, value);
		break;
	case 1: /* behind the last one, as a writer does */
		put_record(atomic_load(&ring->head), value);
		break;
	case 2:
		atomic_store(&meta[at % SLOTS],
			     kvs_meta_word(value >> 8, value % 5 ? value : 0, value & 3, at / SLOTS));
		break;
	case 3:
		atomic_store(&ring->head, at * value);
		break;
	case 4:
		atomic_store(&ring->tail, at * value);
		break;
	case 5:
		memcpy(bytes + KVS_RING_HEADER_BYTES + (at * 16 + step[0]) % (FILE_BYTES - KVS_RING_HEADER_BYTES - 3),
		       step + 3, 3);
		break;
	case 6: /* the words of the geometry that the reader must not believe twice */
		ring->slots = (uint32_t)value;
		break;
	default:
		atomic_store(&meta[at % SLOTS], value << 40 | value << 16 | at);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char error[512];
	struct ring_reader *reader;
	const struct kvs_record *record;
	struct str payload;
	size_t delivered = 0, before = n ? data[0] : 0;

	if (!bytes)
		make_file();
	if (n < 2)
		return 0;
	fresh_ring();
	unsigned how = data[1];
	data += 2;
	n -= 2;
	for (; before > 0 && n >= STEP_BYTES; before--, data += STEP_BYTES, n -= STEP_BYTES)
		write_something(data);
	if (ring_reader_open(path, &reader, error, sizeof(error)) < 0)
		return 0;
	if (how & 1)
		ring_reader_settle(reader);
	for (;;) {
		int r = ring_reader_next(reader, &record, &payload);
		if (r > 0 && (payload.n != record->payload_bytes || payload.n > KVS_RECORD_PAYLOAD_MAX ||
			      ++delivered > 4 * SLOTS))
			abort();
		if (r < 0 || (r == 0 && n < STEP_BYTES))
			break;
		/* And on it writes, while others read. */
		ring_reader_hold(reader, how & 2 && delivered % 3);
		if (n >= STEP_BYTES) {
			write_something(data);
			data += STEP_BYTES;
			n -= STEP_BYTES;
		}
	}
	ring_reader_hold(reader, false);
	ring_reader_detach(reader);
	ring_reader_close(reader);
	return 0;
}
