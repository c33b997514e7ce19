/* SPDX-License-Identifier: MIT */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

/*
 * One direction of a connection: records, which may come slightly out of order or not at all, in; pieces in the order
 * of their offsets, each with its time, out. Where bytes are missing a piece says how many.
 *
 *     stream_put(&s, &piece);                  // borrows the bytes
 *     while (stream_next(&s, now_ns, force, &piece)) {
 *         used = read(piece);
 *         stream_take(&s, used);
 *         if (used < piece.bytes.n)            // the reader cannot go on yet
 *             break;
 *     }
 *     stream_keep(&s);                         // copies what is left: the record is about to go
 *
 * Two threads that use a connection at the same time write their records in either order. A piece that comes early is
 * therefore kept until the bytes before it arrive, but not for long: more than STREAM_PIECES_MAX pieces,
 * STREAM_BYTES_MAX bytes or STREAM_WAIT_NS later, what is missing is a hole.
 */

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_PIECES_MAX 256
#define STREAM_BYTES_MAX ((size_t)4 << 20)
#define STREAM_WAIT_NS UINT64_C(2000000000)

enum piece_kind {
	PIECE_BYTES,
	PIECE_UNSEEN, /* bytes that were not recorded on purpose */
	PIECE_LOST,   /* bytes that should be here: a hole */
	PIECE_END,    /* the peer sends no more */
};

struct piece {
	enum piece_kind kind;
	uint64_t offset;
	struct str bytes; /* PIECE_BYTES */
	uint64_t n;       /* length of any kind; 0 for PIECE_END */
	uint64_t time_ns; /* as in the record */
	uint64_t end_ns;
	bool first; /* the first byte of a record, not of what an earlier stream_take left of one */
};

struct stream_item;

struct stream {
	uint64_t position; /* offset of the next byte to hand out */
	struct stream_item *items;
	size_t nitems, capacity;
	size_t kept_bytes;
	uint64_t hole_n; /* of the hole that was handed out last and not taken yet */
};

/* Offsets begin at 0. */
void stream_init(struct stream *s);
void stream_release(struct stream *s);
/* The bytes before `offset` are of no interest: those of another process, or from before the capture. */
void stream_begin_at(struct stream *s, uint64_t offset);
/*
 * Borrows piece->bytes until stream_keep. Bytes that were already handed out or are already there are dropped. Returns
 * -1 when there is no memory or the offsets cannot be; the piece is then lost.
 */
int stream_put(struct stream *s, const struct piece *piece);
/* The next piece that can be read; force: holes are not waited for. */
bool stream_next(struct stream *s, uint64_t now_ns, bool force, struct piece *out);
/* n bytes of the piece that stream_next gave were read. */
void stream_take(struct stream *s, uint64_t n);
/* What is waiting is more, or older, than the limits. */
bool stream_overdue(const struct stream *s, uint64_t now_ns);
/* Copies what is still borrowed. Returns -1 without memory: those bytes become a hole. */
int stream_keep(struct stream *s);

#endif
