/* SPDX-License-Identifier: MIT */
#include "stream/stream.h"

#include "base/array.h"

#include <stdlib.h>

/* Sorted by offset, without overlap; taken from the front. */
struct stream_item {
	struct piece piece;
	char *owned; /* piece.bytes points into it; NULL: borrowed */
	bool split;  /* its first bytes are taken */
};

void stream_init(struct stream *s)
{
	*s = (struct stream){0};
}

void stream_release(struct stream *s)
{
	for (size_t i = 0; i < s->nitems; i++)
		free(s->items[i].owned);
	free(s->items);
	stream_init(s);
}

void stream_begin_at(struct stream *s, uint64_t offset)
{
	s->position = offset;
}

/* Drops the first n bytes of a piece. */
static void skip(struct piece *p, uint64_t n)
{
	p->offset += n;
	p->n -= n;
	if (p->kind == PIECE_BYTES) {
		p->bytes.p += n;
		p->bytes.n -= n;
	}
}

static int insert(struct stream *s, size_t at, const struct piece *p, bool split)
{
	struct stream_item *grown = array_grow(s->items, &s->capacity, s->nitems + 1, sizeof(*grown));
	if (!grown)
		return -1;
	s->items = grown;
	memmove(&grown[at + 1], &grown[at], (s->nitems - at) * sizeof(*grown));
	grown[at] = (struct stream_item){.piece = *p, .split = split};
	s->nitems++;
	return 0;
}

/*
 * Puts the beginning of *p where it belongs, as far as nothing is there already, and leaves the rest in *p (n 0: none).
 * In a sane stream nothing ever overlaps; in another one what came first stays, however it is cut.
 */
static int put_beginning(struct stream *s, struct piece *p, bool *split)
{
	size_t at = s->nitems;
	while (at > 0 && s->items[at - 1].piece.offset > p->offset)
		at--;
	if (at > 0 && p->n) {
		const struct piece *before = &s->items[at - 1].piece;
		uint64_t end = before->offset + before->n;
		if (end > p->offset) {
			skip(p, end - p->offset < p->n ? end - p->offset : p->n);
			*split = true;
			if (p->n == 0)
				return 0;
		}
	}
	size_t after = at;
	while (after < s->nitems && s->items[after].piece.n == 0)
		after++; /* the end of the stream takes no room */
	struct piece beginning = *p;
	if (after < s->nitems && p->n && s->items[after].piece.offset - p->offset < p->n) {
		beginning.n = s->items[after].piece.offset - p->offset;
		if (p->kind == PIECE_BYTES)
			beginning.bytes.n = (size_t)beginning.n;
	}
	skip(p, beginning.n);
	bool inside = *split;
	*split = true;
	return beginning.n || beginning.kind == PIECE_END ? insert(s, at, &beginning, inside) : 0;
}

int stream_put(struct stream *s, const struct piece *piece)
{
	struct piece p = *piece;
	bool split = false;
	p.n = p.kind == PIECE_BYTES ? p.bytes.n : p.kind == PIECE_END ? 0 : p.n;
	if (p.n > UINT64_MAX - p.offset)
		return -1;
	if (p.offset < s->position) {
		uint64_t old = s->position - p.offset;
		if (old >= p.n && p.kind != PIECE_END)
			return 0;
		if (p.kind == PIECE_END)
			p.offset = s->position;
		else
			skip(&p, old);
		split = p.kind != PIECE_END;
	}
	if (p.n == 0 && p.kind != PIECE_END)
		return 0;
	do {
		if (put_beginning(s, &p, &split) < 0)
			return -1;
	} while (p.n);
	return 0;
}

bool stream_overdue(const struct stream *s, uint64_t now_ns)
{
	if (s->nitems == 0)
		return false;
	uint64_t since = s->items[0].piece.time_ns;
	return s->nitems > STREAM_PIECES_MAX || s->kept_bytes > STREAM_BYTES_MAX ||
	       (now_ns > since && now_ns - since > STREAM_WAIT_NS);
}

bool stream_next(struct stream *s, uint64_t now_ns, bool force, struct piece *out)
{
	s->hole_n = 0;
	if (s->nitems == 0)
		return false;
	const struct stream_item *first = &s->items[0];
	if (first->piece.offset > s->position) {
		if (!force && !stream_overdue(s, now_ns))
			return false;
		s->hole_n = first->piece.offset - s->position;
		*out = (struct piece){.kind = PIECE_LOST,
				      .offset = s->position,
				      .n = s->hole_n,
				      .time_ns = first->piece.time_ns,
				      .end_ns = first->piece.end_ns,
				      .first = true};
		return true;
	}
	*out = first->piece;
	out->first = !first->split;
	return true;
}

static void drop_first(struct stream *s)
{
	if (s->items[0].owned)
		s->kept_bytes -= s->items[0].piece.bytes.n;
	free(s->items[0].owned);
	s->nitems--;
	memmove(&s->items[0], &s->items[1], s->nitems * sizeof(*s->items));
}

void stream_take(struct stream *s, uint64_t n)
{
	if (s->hole_n) {
		s->position += s->hole_n;
		s->hole_n = 0;
		return;
	}
	struct stream_item *first = &s->items[0];
	if (n >= first->piece.n) {
		s->position += first->piece.n;
		drop_first(s);
	} else if (n) {
		s->position += n;
		first->split = true;
		skip(&first->piece, n);
		if (first->owned)
			s->kept_bytes -= (size_t)n;
	}
}

int stream_keep(struct stream *s)
{
	int result = 0;
	for (size_t i = 0; i < s->nitems; i++) {
		struct stream_item *item = &s->items[i];
		struct str *bytes = &item->piece.bytes;
		if (item->piece.kind != PIECE_BYTES || item->owned)
			continue;
		item->owned = malloc(bytes->n);
		if (!item->owned) {
			item->piece.kind = PIECE_LOST;
			result = -1;
			continue;
		}
		memcpy(item->owned, bytes->p, bytes->n);
		bytes->p = item->owned;
		s->kept_bytes += bytes->n;
	}
	return result;
}
