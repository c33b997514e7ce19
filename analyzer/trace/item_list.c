/* SPDX-License-Identifier: MIT */
#include "trace/item_list.h"

#include "base/array.h"

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

struct trace_prompt_part item_place(const struct item *item, const struct trace_prompt_part *before)
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
	grown[list->nprompt++] = item_place(item, before == SIZE_MAX ? NULL : &grown[before]);
	return 0;
}

size_t item_list_parts_before(const struct item_list *list, size_t item)
{
	return item < list->n ? list->items[item].part_at : list->nprompt;
}

void item_list_cut(struct item_list *list, size_t n)
{
	list->nprompt = item_list_parts_before(list, n);
	list->n = n;
	list->located = list->located < n ? list->located : n;
	for (size_t k = 0; k < PART_KINDS; k++)
		if (list->first[k] != SIZE_MAX && list->first[k] >= list->nprompt)
			list->first[k] = SIZE_MAX;
}

void item_list_undo(struct item_list *list, const struct item_list *of)
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

int item_list_append(const struct trace *t, struct item_list *list, struct last_parts *last, struct item item)
{
	item.part_at = (uint32_t)list->nprompt;
	if (item.part != BODY_LITERAL && append_part(t, list, last, &item) < 0)
		return -1;
	list->items[list->n++] = item;
	return 0;
}

size_t item_list_append_run(const struct trace *t, struct item_list *list, struct last_parts *last,
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
	struct trace_prompt_part first = item_place(&items[begin], before == SIZE_MAX ? NULL : &list->prompt[before]);
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

int item_list_copy_head(struct item_list *to, const struct item_list *from, size_t n)
{
	size_t parts = item_list_parts_before(from, n);
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

void item_list_empty(struct item_list *list)
{
	list->exchange = list->before = INDEX_NONE;
	list->n = list->nprompt = list->nending = list->nchanges = list->located = 0;
	for (size_t k = 0; k < PART_KINDS; k++)
		list->first[k] = SIZE_MAX;
}
