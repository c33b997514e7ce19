/* SPDX-License-Identifier: MIT */
#include "trace/body.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

/* A literal shorter than this is cheaper repeated than copied, unless what follows it is copied too. */
#define RUN_LITERAL_MIN 16
#define NOWHERE SIZE_MAX

int32_t body_usual_step(enum part_kind kind)
{
	return kind == PART_MESSAGE ? 0 : 1;
}

size_t body_usable_parts(const struct prompt *p, size_t body_bytes)
{
	size_t at = 0, n = 0;
	for (; n < p->nparts && n < BODY_PARTS_MAX; n++) {
		const struct prompt_part *part = &p->parts[n];
		if (part->kind >= PART_KINDS || part->offset < at || part->offset > body_bytes ||
		    part->bytes > body_bytes - part->offset)
			break;
		at = part->offset + part->bytes;
	}
	return n;
}

void body_items_init(struct body_items *b)
{
	*b = (struct body_items){0};
	buf_init(&b->literals, UINT32_MAX - 1);
}

void body_items_release(struct body_items *b)
{
	free(b->items);
	buf_release(&b->literals);
	body_items_init(b);
}

static int add_literal(struct body_items *b, struct str body, size_t from, size_t to)
{
	if (from == to)
		return 0;
	struct body_item item = {.part = BODY_LITERAL, .offset = (uint32_t)from, .bytes = (uint32_t)(to - from)};
	item.kept = UINT32_MAX;
	if (to - from <= BODY_LITERAL_MAX) {
		item.kept = (uint32_t)b->literals.n;
		if (buf_append(&b->literals, body.p + from, to - from) < 0)
			return -1;
	}
	b->items[b->n++] = item;
	return 0;
}

/* The items of another body up to and with its part number nparts - 1. Room for them is there. */
static int copy_items(struct body_items *b, const struct body_items *like, size_t nparts)
{
	size_t n = 0, literals = 0;
	for (size_t parts = 0; parts < nparts && n < like->n; n++) {
		const struct body_item *item = &like->items[n];
		if (item->part != BODY_LITERAL)
			parts++;
		else if (item->kept != UINT32_MAX)
			literals = item->kept + item->bytes;
	}
	if (buf_append(&b->literals, like->literals.p, literals) < 0)
		return -1;
	memcpy(b->items, like->items, n * sizeof(*b->items));
	b->n = b->alike = n;
	b->like = like;
	return 0;
}

int body_items_build(struct body_items *b, const struct prompt *p, size_t nparts, const uint32_t *ids, struct str body,
		     const struct body_items *like, size_t like_parts)
{
	struct {
		int64_t message, index;
	} before[PART_KINDS];
	size_t at = 0, first = like && like_parts <= nparts ? like_parts : 0;

	b->n = b->alike = 0;
	b->like = NULL;
	buf_reset(&b->literals);
	struct body_item *grown = array_grow(b->items, &b->capacity, 2 * nparts + 1, sizeof(*grown));
	if (!grown)
		return -1;
	b->items = grown;
	for (size_t k = 0; k < PART_KINDS; k++)
		before[k].message = before[k].index = -1;
	if (first > 0) {
		if (copy_items(b, like, first) < 0)
			return -1;
		at = p->parts[first - 1].offset + p->parts[first - 1].bytes;
		for (size_t i = 0; i < first; i++) {
			before[p->parts[i].kind].message = p->parts[i].message;
			before[p->parts[i].kind].index = p->parts[i].index;
		}
	}
	for (size_t i = first; i < nparts; i++) {
		const struct prompt_part *part = &p->parts[i];
		int64_t step = (int64_t)part->message - before[part->kind].message;
		int64_t usual = step == 0 ? before[part->kind].index + 1 : 0;

		if (add_literal(b, body, at, part->offset) < 0)
			return -1;
		b->items[b->n++] = (struct body_item){
			.part = ids[i],
			.step = (int32_t)step,
			.index = part->index == usual ? BODY_INDEX_USUAL : part->index,
			.usual = part->index == usual && step == body_usual_step(part->kind),
		};
		before[part->kind].message = part->message;
		before[part->kind].index = part->index;
		at = part->offset + part->bytes;
	}
	return add_literal(b, body, at, body.n);
}

static bool same(const struct body_items *a, size_t i, const struct body_items *b, size_t j)
{
	const struct body_item *x = &a->items[i], *y = &b->items[j];
	if (x->part != y->part)
		return false;
	if (x->part != BODY_LITERAL)
		return x->step == y->step && x->index == y->index;
	return x->bytes == y->bytes && x->kept != UINT32_MAX && y->kept != UINT32_MAX &&
	       memcmp(a->literals.p + x->kept, b->literals.p + y->kept, x->bytes) == 0;
}

size_t body_likeness(const struct body_items *a, const struct body_items *b)
{
	size_t shorter = a->n < b->n ? a->n : b->n, head = b->like == a ? b->alike : 0, tail = 0;
	while (head < shorter && same(a, head, b, head))
		head++;
	while (head + tail < shorter && same(a, a->n - 1 - tail, b, b->n - 1 - tail))
		tail++;
	return head + tail;
}

static size_t run_length(const struct body_items *base, size_t p, const struct body_items *to, size_t j)
{
	size_t n = p == j && to->like == base && p < to->alike ? to->alike - p : 0;
	while (p + n < base->n && j + n < to->n && same(base, p + n, to, j + n))
		n++;
	return n;
}

/* Where in the base a run begins that continues at item j; `expected` is where the last run and its like would go on.
 */
static size_t find_run(const struct body_items *base, const struct body_items *to, size_t j, size_t expected,
		       const uint32_t *seen, size_t nseen)
{
	const struct body_item *item = &to->items[j];

	if (expected == j && to->like == base && j < to->alike)
		return j;
	if (expected < base->n && same(base, expected, to, j)) {
		if (item->part != BODY_LITERAL || item->bytes >= RUN_LITERAL_MIN ||
		    run_length(base, expected, to, j) > 1)
			return expected;
	}
	if (item->part != BODY_LITERAL && item->part < nseen && seen[item->part] > 0 &&
	    same(base, seen[item->part] - 1, to, j))
		return seen[item->part] - 1;
	return NOWHERE;
}

static int add_op(struct body_ops *out, size_t start, size_t count)
{
	struct body_op *grown = array_grow(out->ops, &out->capacity, out->n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	out->ops = grown;
	out->ops[out->n++] = (struct body_op){(uint32_t)start, (uint32_t)count};
	return 0;
}

int body_delta(const struct body_items *base, const struct body_items *to, uint32_t *seen, size_t nseen,
	       struct body_ops *out)
{
	static const struct body_items empty;
	size_t expected = 0, j = 0;
	int status = -1;

	if (!base)
		base = &empty;
	out->n = 0;
	out->copied = 0;
	/* Backwards, so that the first of equal parts is the one that is remembered. */
	for (size_t i = base->n; i-- > 0;)
		if (base->items[i].part < nseen)
			seen[base->items[i].part] = (uint32_t)i + 1;

	while (j < to->n) {
		size_t p = find_run(base, to, j, expected, seen, nseen);
		if (p == NOWHERE) {
			/* As if one replaced the other; an inserted part is made up for by the table. */
			if (add_op(out, j, 0) < 0)
				goto out;
			j++;
			expected++;
			continue;
		}
		/* What was just written out may belong to the run: the literal before a part that moved. */
		while (out->n > 0 && out->ops[out->n - 1].count == 0 && p > 0 && same(base, p - 1, to, j - 1)) {
			out->n--;
			p--;
			j--;
		}
		size_t n = run_length(base, p, to, j);
		if (add_op(out, p, n) < 0)
			goto out;
		out->copied += n;
		j += n;
		expected = p + n;
	}
	status = 0;
out:
	for (size_t i = 0; i < base->n; i++)
		if (base->items[i].part < nseen)
			seen[base->items[i].part] = 0;
	return status;
}
