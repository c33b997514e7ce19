/* SPDX-License-Identifier: MIT */
#ifndef TRACE_BODY_H
#define TRACE_BODY_H

/*
 * A request body as the trace sees it: prompt parts by number, and the literal bytes between them. Two bodies of one
 * conversation differ in a few of these segments, so a body is written as runs of an earlier one's segments and what is
 * new between them.
 */

#include "base/buf.h"
#include "prompt/prompt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_LITERAL UINT32_MAX
#define BODY_INDEX_USUAL UINT32_MAX
/* Longer literals are not compared, so that no base has to keep them. */
#define BODY_LITERAL_MAX ((size_t)64 << 10)
/* Parts of one body; what follows more is a literal. Readers rely on at most two segments for each and one more. */
#define BODY_PARTS_MAX ((size_t)1 << 19)
#define BODY_ITEMS_MAX (2 * BODY_PARTS_MAX + 1)

/*
 * Where a part stands is told relative to the part of its kind before it, so that a run of segments can be copied to
 * another place: step is how many messages (tools, system blocks) further it is, index its block number there if that
 * is not the usual one (one more in the same message, 0 in another).
 */
struct body_item {
	uint32_t part; /* number in the trace, or BODY_LITERAL */
	int32_t step;
	uint32_t index;
	bool usual;      /* step and index are what a reader assumes for the part's kind */
	uint32_t offset; /* of a literal: in the body */
	uint32_t bytes;
	uint32_t kept; /* of a literal: its place in body_items.literals, or UINT32_MAX: too long to be kept */
};

struct body_items {
	struct body_item *items;
	size_t n, capacity;
	struct buf literals;
	/* The first `alike` are those of these other items, which may be gone; 0: not known. */
	const struct body_items *like;
	size_t alike;
};

/* One segment of a delta: count > 0: that many segments of the base from `start` on; 0: item `start` of the new body.
 */
struct body_op {
	uint32_t start;
	uint32_t count;
};

struct body_ops {
	struct body_op *ops;
	size_t n, capacity;
	size_t copied; /* segments taken over from the base */
};

/* The step of a part that follows the one before it in the usual way. */
int32_t body_usual_step(enum part_kind kind);

/* How many leading parts of the prompt lie in the body in order, as they should: all, unless the prompt is another's.
 */
size_t body_usable_parts(const struct prompt *p, size_t body_bytes);

void body_items_init(struct body_items *b);
void body_items_release(struct body_items *b);
/*
 * Takes the body apart; ids has the numbers of the first nparts parts. like: items of another body (NULL: none) whose
 * first like_parts parts, and all that is before and between them, are the same. -1: no memory.
 */
int body_items_build(struct body_items *b, const struct prompt *p, size_t nparts, const uint32_t *ids, struct str body,
		     const struct body_items *like, size_t like_parts);

/* Segments at both ends that the two share: how well the one would serve as the other's base. */
size_t body_likeness(const struct body_items *a, const struct body_items *b);
/*
 * Finds `to` in terms of `base` (NULL: none). Linear in both. seen is scratch of nseen = parts in the trace, all 0
 * before and after. -1: no memory.
 */
int body_delta(const struct body_items *base, const struct body_items *to, uint32_t *seen, size_t nseen,
	       struct body_ops *out);

#endif
