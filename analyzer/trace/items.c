/* SPDX-License-Identifier: MIT */
/* What bodies are made of, and the prompts in them, put together from deltas. */
#include "base/array.h"
#include "trace/item_list.h"

#include <stdlib.h>
#include <string.h>

static struct item_list *cached(struct trace_index *in, uint32_t exchange)
{
	for (size_t i = 0; i < INDEX_LISTS; i++) {
		if (in->lists[i].exchange != exchange)
			continue;
		in->lists[i].used = ++in->clock;
		return &in->lists[i];
	}
	return NULL;
}

/* The list that was not used for longest, other than `keep`. */
static struct item_list *oldest(struct trace_index *in, const struct item_list *keep)
{
	struct item_list *found = NULL;
	for (size_t i = 0; i < INDEX_LISTS; i++)
		if (&in->lists[i] != keep && (!found || in->lists[i].used < found->used))
			found = &in->lists[i];
	return found;
}

/* The items that a body begins with and its base's too. */
static size_t head_kept(const struct indexed_exchange *at)
{
	const struct segment *s = at->segments;
	return at->base != INDEX_NONE && at->nsegments && s->kind == SEGMENT_COPY && s->start == 0 ? s->count : 0;
}

/* The items that a body begins with and that stand in these places in its base's, but for some; *segment: behind them.
 */
static size_t head_in_place(const struct indexed_exchange *at, uint32_t *segment)
{
	size_t kept = 0, place = 0;
	*segment = 0;
	for (uint32_t i = 0; at->base != INDEX_NONE && i < at->nsegments; i++) {
		const struct segment *s = &at->segments[i];
		if (s->kind != SEGMENT_COPY) {
			place++;
			continue;
		}
		if (s->start != place)
			break;
		place += s->count;
		kept = place;
		*segment = i + 1;
	}
	return kept;
}

/* Shorter ones are not worth the trouble. */
#define RUN_MIN 32

/*
 * The segments of an exchange from the one given on; base: the items of its base from the number `from` on, places:
 * where all parts of its base stand, or NULL.
 */
static int append_segments(const struct trace *t, uint32_t exchange, uint32_t segment, const struct item *base,
			   size_t from, const struct trace_prompt_part *places, struct item_list *to)
{
	const struct indexed_exchange *at = &t->index->exchanges[exchange];
	struct last_parts last = {{false}, {0}};
	struct item *grown = array_grow(to->items, &to->capacity, (size_t)at->nitems + 1, sizeof(*grown));
	if (!grown)
		return -1;
	to->items = grown;
	for (uint32_t i = segment; i < at->nsegments; i++) {
		const struct segment *s = &at->segments[i];
		struct item item = {
			.part = s->kind == SEGMENT_PART ? s->part : BODY_LITERAL,
			.step = s->step,
			.index = s->index,
			.exchange = exchange,
			.segment = i,
		};
		if (s->kind != SEGMENT_COPY && item_list_append(t, to, &last, item) < 0)
			return -1;
		size_t k = 0;
		if (s->kind == SEGMENT_COPY && s->count >= RUN_MIN && places && from == 0) {
			const struct item *run = base + s->start;
			struct trace_prompt_part *room =
				array_grow(to->prompt, &to->prompt_capacity, to->nprompt + s->count + 1, sizeof(*room));
			if (!room)
				return -1;
			to->prompt = room;
			k = item_list_append_run(t, to, &last, run, s->count, places + run->part_at);
		}
		for (; s->kind == SEGMENT_COPY && k < s->count; k++) {
			size_t number = s->start + k;
			if (item_list_append(t, to, &last, number < from ? to->items[number] : base[number - from]) < 0)
				return -1;
		}
	}
	return 0;
}

/* Where a part stands that takes the place of another: where that one stood, if its own words say so. */
static bool stands_there(const struct trace *t, const struct item_list *list, const struct item *item, size_t part_at)
{
	enum part_kind kind = t->parts[item->part].kind;
	const struct trace_prompt_part *old = &list->prompt[part_at], *before = NULL;

	if (t->parts[old->part].kind != kind)
		return false;
	for (size_t i = part_at; !before && i > list->first[kind]; i--)
		if (t->parts[list->prompt[i - 1].part].kind == kind)
			before = &list->prompt[i - 1];
	struct trace_prompt_part here = item_place(item, before);
	return old->message == here.message && old->index == here.index;
}

/* Is one of the changed items copied once more? */
static bool copies_changed(const struct indexed_exchange *at, uint32_t segment, const struct item_list *list)
{
	for (uint32_t i = segment; i < at->nsegments; i++) {
		const struct segment *s = &at->segments[i];
		for (size_t k = 0; s->kind == SEGMENT_COPY && k < list->nchanges; k++)
			if (list->changes[k].at >= s->start && list->changes[k].at - s->start < s->count)
				return true;
	}
	return false;
}

/*
 * Puts the new ones of the first items of a body in the places of its base's, if that moves nothing: what was there is
 * in `changes`. False: it would, and the list is as it was, or there is no memory.
 */
static bool change_in_place(const struct trace *t, uint32_t exchange, uint32_t segments, struct item_list *list)
{
	const struct indexed_exchange *at = &t->index->exchanges[exchange];
	size_t place = 0;

	list->nchanges = 0;
	for (uint32_t i = 0; i < segments; i++) {
		const struct segment *s = &at->segments[i];
		if (s->kind == SEGMENT_COPY) {
			place += s->count;
			continue;
		}
		struct item old = list->items[place], item = {.part_at = old.part_at,
							      .part = s->kind == SEGMENT_PART ? s->part : BODY_LITERAL,
							      .step = s->step,
							      .index = s->index,
							      .exchange = exchange,
							      .segment = i};
		bool part = item.part != BODY_LITERAL;
		struct item_change *changes =
			array_grow(list->changes, &list->changes_capacity, list->nchanges + 1, sizeof(*changes));
		list->changes = changes ? changes : list->changes;
		if (!changes || part != (old.part != BODY_LITERAL) ||
		    (part && !stands_there(t, list, &item, old.part_at))) {
			item_list_undo(list, list);
			return false;
		}
		changes[list->nchanges++] = (struct item_change){place, old};
		item.at = old.at;
		list->items[place] = item;
		if (part)
			list->prompt[old.part_at].part = item.part;
		list->located = list->located < place + 1 ? list->located : place + 1;
		place++;
	}
	if (!copies_changed(at, segments, list))
		return true;
	item_list_undo(list, list);
	return false;
}

/*
 * Makes the base's own list that of the exchange, its first `kept` items changed already. What it cuts off is kept
 * beside it.
 */
static int take_over(const struct trace *t, uint32_t exchange, size_t kept, uint32_t segment, struct item_list *list)
{
	size_t ending = list->n - kept;
	struct item *saved = array_grow(list->ending, &list->ending_capacity, ending + 1, sizeof(*saved));
	if (!saved)
		return -1;
	list->ending = saved;
	if (ending)
		memcpy(saved, list->items + kept, ending * sizeof(*saved));
	list->nending = ending;
	list->before = list->exchange;
	list->kept = kept;
	list->exchange = INDEX_NONE;
	item_list_cut(list, kept);
	if (append_segments(t, exchange, segment, saved, kept, NULL, list) < 0) {
		item_list_empty(list);
		return -1;
	}
	return 0;
}

/* A list of its own for an exchange; its base stays as it is (NULL: it has none). */
static int copy_from(const struct trace *t, uint32_t exchange, const struct item_list *base, struct item_list *to)
{
	size_t kept = base ? head_kept(&t->index->exchanges[exchange]) : 0;
	item_list_empty(to);
	if (kept && item_list_copy_head(to, base, kept) < 0)
		return -1;
	return append_segments(t, exchange, kept ? 1 : 0, base ? base->items : NULL, 0, base ? base->prompt : NULL, to);
}

/* The list of an exchange that another was made from lately, made again. NULL: there is none, or no memory. */
static struct item_list *restored(struct trace *t, uint32_t exchange)
{
	struct trace_index *in = t->index;
	struct last_parts last = {{false}, {0}};
	for (size_t i = 0; i < INDEX_LISTS; i++) {
		const struct item_list *from = &in->lists[i];
		if (from->exchange == INDEX_NONE || from->before != exchange)
			continue;
		struct item_list *to = oldest(in, from);
		size_t n = from->kept + from->nending;
		item_list_empty(to);
		struct item *grown = array_grow(to->items, &to->capacity, n + 1, sizeof(*grown));
		if (!grown)
			return NULL;
		to->items = grown;
		if (item_list_copy_head(to, from, from->kept) < 0)
			return NULL;
		item_list_undo(to, from);
		for (size_t k = 0; k < from->nending; k++)
			if (item_list_append(t, to, &last, from->ending[k]) < 0)
				return NULL;
		to->exchange = exchange;
		to->used = ++in->clock;
		return to;
	}
	return NULL;
}

/* The step from a base (NULL: none) to an exchange. */
static struct item_list *step(struct trace *t, uint32_t exchange, struct item_list *base)
{
	struct trace_index *in = t->index;
	struct indexed_exchange *at = &in->exchanges[exchange];
	uint32_t segment = 1, in_place_segment = 0;
	size_t kept = base ? head_kept(at) : 0, in_place = base ? head_in_place(at, &in_place_segment) : 0, copied = 0;

	at->parts_kept = base ? (uint32_t)item_list_parts_before(base, kept) : 0;
	if (in_place > kept && in_place <= base->n && in_place * 2 >= base->n) {
		/* The changes that led to the list are forgotten, so nothing can be made again from it. */
		base->before = INDEX_NONE;
		if (change_in_place(t, exchange, in_place_segment, base)) {
			kept = in_place;
			segment = in_place_segment;
		}
	} else if (base && kept > 0 && kept * 2 >= base->n) {
		base->nchanges = 0;
	}
	if (base && kept > 0 && kept * 2 >= base->n) {
		if (take_over(t, exchange, kept, segment, base) < 0)
			return NULL;
		base->exchange = exchange;
		base->used = ++in->clock;
		return base;
	}
	struct item_list *to = oldest(in, base);
	if (copy_from(t, exchange, base, to) < 0) {
		item_list_empty(to);
		return NULL;
	}
	to->exchange = exchange;
	to->used = ++in->clock;
	/* Who goes on from a base makes it the first to go: a conversation must not push out others' lists. */
	for (uint32_t i = 0; base && i < at->nsegments; i++)
		copied += at->segments[i].kind == SEGMENT_COPY ? at->segments[i].count : 0;
	if (base && copied * 2 >= base->n)
		base->used = 0;
	return to;
}

struct item_list *index_items(struct trace *t, uint32_t exchange)
{
	struct trace_index *in = t->index;
	uint32_t *chain = NULL;
	size_t n = 0, capacity = 0;
	struct item_list *list = NULL;

	/* Down to something known, then up again. Bases stand earlier in the file, so this ends. */
	for (uint32_t x = exchange; x != INDEX_NONE && !(list = cached(in, x)) && !(list = restored(t, x));
	     x = in->exchanges[x].base) {
		uint32_t *grown = array_grow(chain, &capacity, n + 1, sizeof(*grown));
		if (!grown) {
			free(chain);
			return NULL;
		}
		chain = grown;
		chain[n++] = x;
	}
	while (n > 0 && (list = step(t, chain[n - 1], list)))
		n--;
	free(chain);
	return list;
}
