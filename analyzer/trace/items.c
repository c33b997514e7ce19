/* SPDX-License-Identifier: MIT */
/* What bodies are made of, and the prompts in them, put together from deltas. */
#include "base/array.h"
#include "trace/index.h"

#include <stdlib.h>
#include <string.h>

void item_list_release(struct item_list *list)
{
	free(list->items);
	free(list->prompt);
	free(list->ending);
	free(list->changes);
	*list = (struct item_list){.exchange = INDEX_NONE};
}

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

/* ---- places of parts, told from one part to the next of its kind (docs/trace-format.md) */

/* Where in the prompt of a list the last part of each kind stands; found when asked for. */
struct last_parts {
	bool known[PART_KINDS];
	size_t at[PART_KINDS]; /* SIZE_MAX: none */
};

static size_t last_part(const struct trace *t, const struct item_list *list, struct last_parts *last,
			enum part_kind kind)
{
	if (!last->known[kind]) {
		size_t i = list->first[kind] == SIZE_MAX ? 0 : list->nprompt;
		while (i > 0 && t->parts[list->prompt[i - 1].part].kind != kind)
			i--;
		last->at[kind] = i ? i - 1 : SIZE_MAX;
		last->known[kind] = true;
	}
	return last->at[kind];
}

/* The place of a part, told from the part of its kind before it (NULL: there is none). */
static struct trace_prompt_part place_of(const struct item *item, const struct trace_prompt_part *before)
{
	int64_t message = before ? (int64_t)before->message : -1, index = before ? (int64_t)before->index : -1;
	int64_t usual = item->step == 0 ? index + 1 : 0;
	return (struct trace_prompt_part){
		.part = item->part,
		.message = (uint32_t)(message + item->step),
		.index = (uint32_t)(item->index == BODY_INDEX_USUAL ? usual : item->index),
	};
}

static int append_part(const struct trace *t, struct item_list *list, struct last_parts *last, const struct item *item)
{
	struct trace_prompt_part *grown =
		array_grow(list->prompt, &list->prompt_capacity, list->nprompt + 1, sizeof(*grown));
	if (!grown)
		return -1;
	list->prompt = grown;
	enum part_kind kind = t->parts[item->part].kind;
	size_t before = last_part(t, list, last, kind);
	if (list->first[kind] == SIZE_MAX)
		list->first[kind] = list->nprompt;
	last->at[kind] = list->nprompt;
	grown[list->nprompt++] = place_of(item, before == SIZE_MAX ? NULL : &grown[before]);
	return 0;
}

/* ---- lists */

static size_t parts_before(const struct item_list *list, size_t item)
{
	return item < list->n ? list->items[item].part_at : list->nprompt;
}

/* Cuts it to its first n items. */
static void cut(struct item_list *list, size_t n)
{
	list->nprompt = parts_before(list, n);
	list->n = n;
	list->located = list->located < n ? list->located : n;
	for (size_t k = 0; k < PART_KINDS; k++)
		if (list->first[k] != SIZE_MAX && list->first[k] >= list->nprompt)
			list->first[k] = SIZE_MAX;
}

/* Puts back in a list what changes of another (or itself) say stood there. */
static void undo_changes(struct item_list *list, const struct item_list *of)
{
	for (size_t i = of->nchanges; i-- > 0;) {
		const struct item_change *c = &of->changes[i];
		list->items[c->at] = c->item;
		if (c->item.part != BODY_LITERAL)
			list->prompt[c->item.part_at].part = c->item.part;
		list->located = list->located < c->at + 1 ? list->located : c->at + 1;
	}
	if (list == of)
		list->nchanges = 0;
}

/* Room for n items is there. */
static int append_item(const struct trace *t, struct item_list *list, struct last_parts *last, struct item item)
{
	item.part_at = (uint32_t)list->nprompt;
	if (item.part != BODY_LITERAL && append_part(t, list, last, &item) < 0)
		return -1;
	list->items[list->n++] = item;
	return 0;
}

/*
 * Appends items [from, from + n) of another list (or of what was cut off this one), whose parts are `places`: all at
 * once where they are messages that stand behind one another as they did. Room is there. Returns how many were
 * appended.
 */
static size_t append_run(const struct trace *t, struct item_list *list, struct last_parts *last,
			 const struct item *items, size_t n, const struct trace_prompt_part *places)
{
	struct trace_prompt_part *to = list->prompt + list->nprompt;
	size_t begin = 0, parts = 0, at = list->nprompt;

	/* The first part is placed by itself and says by how much all others move. */
	while (begin < n && items[begin].part == BODY_LITERAL)
		begin++;
	if (begin == n || t->parts[items[begin].part].kind != PART_MESSAGE)
		return 0;
	size_t before = last_part(t, list, last, PART_MESSAGE);
	struct trace_prompt_part first = place_of(&items[begin], before == SIZE_MAX ? NULL : &list->prompt[before]);
	const struct trace_prompt_part *was = places;
	uint32_t shift = first.message - was->message;
	if (first.index != was->index)
		return 0;
	size_t most = items[n - 1].part_at + (items[n - 1].part != BODY_LITERAL) - items[begin].part_at;
	while (parts < most && t->parts[was[parts].part].kind == PART_MESSAGE) {
		to[parts] = (struct trace_prompt_part){was[parts].part, was[parts].message + shift, was[parts].index};
		parts++;
	}
	size_t count = n;
	while (count > 0 &&
	       items[count - 1].part_at + (items[count - 1].part != BODY_LITERAL) > items[begin].part_at + parts)
		count--;
	uint32_t moved = (uint32_t)at - items[begin].part_at;
	memcpy(list->items + list->n, items, count * sizeof(*items));
	for (size_t i = 0; i < count; i++)
		list->items[list->n + i].part_at += moved;
	list->n += count;
	list->nprompt += parts;
	if (list->first[PART_MESSAGE] == SIZE_MAX)
		list->first[PART_MESSAGE] = at;
	last->known[PART_MESSAGE] = true;
	last->at[PART_MESSAGE] = list->nprompt - 1;
	return count;
}

/* The first n items of another list, all at once. */
static int copy_head(struct item_list *to, const struct item_list *from, size_t n)
{
	size_t parts = parts_before(from, n);
	struct item *items = array_grow(to->items, &to->capacity, n + 1, sizeof(*items));
	if (!items)
		return -1;
	to->items = items;
	struct trace_prompt_part *prompt = array_grow(to->prompt, &to->prompt_capacity, parts + 1, sizeof(*prompt));
	if (!prompt)
		return -1;
	to->prompt = prompt;
	if (n)
		memcpy(items, from->items, n * sizeof(*items));
	if (parts)
		memcpy(prompt, from->prompt, parts * sizeof(*prompt));
	memcpy(to->first, from->first, sizeof(to->first));
	to->n = n;
	to->located = from->located < n ? from->located : n;
	to->nprompt = parts;
	for (size_t k = 0; k < PART_KINDS; k++)
		if (to->first[k] != SIZE_MAX && to->first[k] >= parts)
			to->first[k] = SIZE_MAX;
	return 0;
}

static void empty(struct item_list *list)
{
	list->exchange = list->before = INDEX_NONE;
	list->n = list->nprompt = list->nending = list->nchanges = list->located = 0;
	for (size_t k = 0; k < PART_KINDS; k++)
		list->first[k] = SIZE_MAX;
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
		if (s->kind != SEGMENT_COPY && append_item(t, to, &last, item) < 0)
			return -1;
		size_t k = 0;
		if (s->kind == SEGMENT_COPY && s->count >= RUN_MIN && places && from == 0) {
			const struct item *run = base + s->start;
			struct trace_prompt_part *room =
				array_grow(to->prompt, &to->prompt_capacity, to->nprompt + s->count + 1, sizeof(*room));
			if (!room)
				return -1;
			to->prompt = room;
			k = append_run(t, to, &last, run, s->count, places + run->part_at);
		}
		for (; s->kind == SEGMENT_COPY && k < s->count; k++) {
			size_t number = s->start + k;
			if (append_item(t, to, &last, number < from ? to->items[number] : base[number - from]) < 0)
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
	struct trace_prompt_part here = place_of(item, before);
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
			undo_changes(list, list);
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
	undo_changes(list, list);
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
	cut(list, kept);
	if (append_segments(t, exchange, segment, saved, kept, NULL, list) < 0) {
		empty(list);
		return -1;
	}
	return 0;
}

/* A list of its own for an exchange; its base stays as it is (NULL: it has none). */
static int copy_from(const struct trace *t, uint32_t exchange, const struct item_list *base, struct item_list *to)
{
	size_t kept = base ? head_kept(&t->index->exchanges[exchange]) : 0;
	empty(to);
	if (kept && copy_head(to, base, kept) < 0)
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
		empty(to);
		struct item *grown = array_grow(to->items, &to->capacity, n + 1, sizeof(*grown));
		if (!grown)
			return NULL;
		to->items = grown;
		if (copy_head(to, from, from->kept) < 0)
			return NULL;
		undo_changes(to, from);
		for (size_t k = 0; k < from->nending; k++)
			if (append_item(t, to, &last, from->ending[k]) < 0)
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

	at->parts_kept = base ? (uint32_t)parts_before(base, kept) : 0;
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
		empty(to);
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
