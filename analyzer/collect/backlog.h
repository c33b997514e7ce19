/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_BACKLOG_H
#define COLLECT_BACKLOG_H

/*
 * Records that were taken out of the ring and wait to be read: a queue between the ring, which must never be full, and
 * the pipeline, which may be slower for a while than the programs that write.
 *
 *     ring ──memcpy──▶ newest chunk … chunks on disk … oldest chunk ──▶ pipeline
 *
 * What the memory has no room for goes to a file: unlinked from the start, sealed (base/seal.h) under a key that is in
 * this process alone, so that neither a name nor a readable byte is left of it whatever happens. It is cut when nothing
 * waits in it.
 *
 * What waits here ends with the process. Only what is still in the ring can be had by a later collector.
 */

#include "base/str.h"
#include "kvscope/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BACKLOG_CHUNK_BYTES ((size_t)1 << 20)
#define BACKLOG_MEMORY_MAX ((size_t)64 << 20)
/* And never more than half of what its disk had left when the file was made. */
#define BACKLOG_DISK_MAX ((uint64_t)8 << 30)

struct backlog;

/*
 * beside: the file goes into the folder of this one. At most memory_bytes are kept in memory (in whole chunks, at least
 * two) and disk_bytes in the file. NULL: no memory.
 */
struct backlog *backlog_new(const char *beside, size_t memory_bytes, uint64_t disk_bytes);
void backlog_free(struct backlog *b);

/* True if there is room for any one record more. False costs little, until one has been taken. */
bool backlog_room(struct backlog *b);
/* Returns 0, or -1: there is no room for it. */
int backlog_put(struct backlog *b, const struct kvs_record *record, struct str payload);
/* The oldest record: 1, *record and *payload set (valid until the next call); 0: none waits. */
int backlog_next(struct backlog *b, const struct kvs_record **record, struct str *payload);
uint64_t backlog_records(const struct backlog *b);
/* Of the payload, and what stands for it: as in ring_loss.dropped_bytes. */
uint64_t backlog_bytes(const struct backlog *b);
/* Bytes in the file now. */
uint64_t backlog_on_disk(const struct backlog *b);
/* True from when half of the room that there is is taken: it is time to hurry. */
bool backlog_crowded(const struct backlog *b);
/* Records that the file could not give back, and the bytes they stood for. */
void backlog_lost(const struct backlog *b, uint64_t *records, uint64_t *bytes);

#endif
