/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_RING_READER_H
#define COLLECT_RING_READER_H

/*
 * The reading side of the ring (include/kvscope/ring.h), and the making of its file. One reader per ring, one thread.
 *
 *     struct ring_reader *r;
 *     if (ring_reader_open(path, &r, error, sizeof(error)) < 0) ...
 *     while (ring_reader_next(r, &record, &payload) > 0)
 *         use(record, payload);       // payload is valid until the next call
 */

#include "base/str.h"
#include "kvscope/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring_reader;

/* What went wrong in the ring so far. */
struct ring_loss {
	uint64_t dropped[KVS_DROP_REASONS];
	uint64_t dropped_bytes;
	uint64_t voided;
	uint64_t processes;
	uint64_t foreign_pidns;
	uint64_t passthrough;
};

/*
 * Makes a ring file of at least data_bytes (rounded up to a power of two of slots, within the limits), 0600, in a
 * private 0700 folder of its own below the first of $XDG_RUNTIME_DIR, /dev/shm that is safe and has room. All of it is
 * allocated, so that no writer can be killed by a full tmpfs. *path is the caller's to free(). Returns 0 or -1 with one
 * line of text in error.
 */
int ring_create(uint64_t data_bytes, char **path, char *error, size_t error_bytes);
/* Removes the ring file and its folder. */
void ring_remove(const char *path);

/* Maps a ring to read it. Refuses a file that is no ring, of another version, foreign-owned or readable by others. */
int ring_reader_open(const char *path, struct ring_reader **out, char *error, size_t error_bytes);
void ring_reader_close(struct ring_reader *r);

/*
 * The next complete record: 1, *record and *payload set (valid until the next call); 0: none now; -1: the ring is
 * corrupt, nothing more can be read from it. Never blocks. Records left open by a thread that is gone are voided here;
 * one that stays open for longer than two seconds is passed (its space is not given back before it is settled).
 */
int ring_reader_next(struct ring_reader *r, const struct kvs_record **record, struct str *payload);
/*
 * While held, records that were read keep their place in the ring, up to a quarter of it, and are read again by the
 * next reader should this one be killed. For as long as somebody makes something of them that is not yet written down.
 */
void ring_reader_hold(struct ring_reader *r, bool hold);
/* The part of the ring that writers cannot have now, in 256ths: what was not read, and what is held. */
unsigned ring_reader_taken(const struct ring_reader *r);
/* Nothing more will be written by processes that are gone: voids what they left open at once instead of waiting. */
void ring_reader_settle(struct ring_reader *r);
/* Tells writers that nobody reads any more. */
void ring_reader_detach(struct ring_reader *r);
/*
 * False: somebody has shortened the file, and a look at what is gone would be the end of us. From then on
 * ring_reader_next looks at nothing. Cheap enough for every round, which leaves a moment in which it can still happen.
 */
bool ring_reader_whole(struct ring_reader *r);
void ring_reader_loss(const struct ring_reader *r, struct ring_loss *out);
const struct kvs_ring_header *ring_reader_header(const struct ring_reader *r);

#endif
