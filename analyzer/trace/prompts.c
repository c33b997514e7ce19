/* SPDX-License-Identifier: MIT */
/* The prompts in bodies: their parts, what one has of another, and where a part stands. */
#include "trace/index.h"

/* How far up the chain of deltas an earlier exchange is looked for. */
#define KEPT_STEPS_MAX 16

int trace_prompt(struct trace *t, size_t exchange, const struct trace_prompt_part **out, size_t *n, char *error,
		 size_t error_bytes)
{
	*out = NULL;
	*n = 0;
	if (!t->index->exchanges[exchange].has_request)
		return 0;
	const struct item_list *list = index_items(t, (uint32_t)exchange);
	if (!list) {
		snprintf(error, error_bytes, "%s: out of memory", t->path);
		return -1;
	}
	*out = list->prompt;
	*n = list->nprompt;
	return 0;
}

size_t trace_prompt_kept(const struct trace *t, size_t exchange, size_t earlier)
{
	size_t kept = SIZE_MAX;
	for (int i = 0; i < KEPT_STEPS_MAX && exchange != earlier; i++) {
		const struct indexed_exchange *at = &t->index->exchanges[exchange];
		if (at->base == INDEX_NONE || !at->parts_kept)
			return 0;
		kept = at->parts_kept < kept ? at->parts_kept : kept;
		exchange = at->base;
	}
	return exchange == earlier ? kept : 0;
}

static bool same_place(const struct trace_prompt_part *a, const struct trace_prompt_part *b)
{
	return a->part == b->part && a->message == b->message && a->index == b->index;
}

/* The item that a part of the prompt is: the last one with so many parts before it. */
static size_t item_of(const struct item_list *list, size_t part_at)
{
	size_t from = 0, to = list->n;
	while (to - from > 1) {
		size_t middle = from + (to - from) / 2;
		if (list->items[middle].part_at <= part_at)
			from = middle;
		else
			to = middle;
	}
	return from;
}

static uint64_t item_bytes(const struct trace *t, const struct item *item)
{
	return item->part == BODY_LITERAL ? t->index->exchanges[item->exchange].segments[item->segment].bytes
					  : t->parts[item->part].bytes;
}

/* Where an item begins in the body. */
static uint64_t item_offset(const struct trace *t, struct item_list *list, size_t item)
{
	for (size_t i = list->located; i <= item; i++)
		list->items[i].at = i ? list->items[i - 1].at + item_bytes(t, &list->items[i - 1]) : 0;
	list->located = list->located > item ? list->located : item + 1;
	return list->items[item].at;
}

int64_t trace_part_offset(struct trace *t, size_t exchange, const struct trace_prompt_part *part)
{
	struct item_list *list = t->index->exchanges[exchange].has_request ? index_items(t, (uint32_t)exchange) : NULL;
	size_t n = list ? list->nprompt : 0;

	/* What is asked for is near one end: what is new, or what stands at the head. */
	for (size_t i = 0; i < n; i++) {
		size_t k = i % 2 ? n - 1 - i / 2 : i / 2;
		if (same_place(&list->prompt[k], part))
			return (int64_t)item_offset(t, list, item_of(list, k));
	}
	return -1;
}
