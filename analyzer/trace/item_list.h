/* SPDX-License-Identifier: MIT */
#ifndef TRACE_ITEM_LIST_H
#define TRACE_ITEM_LIST_H

/*
 * The items of a body in a row and the places of the parts among them, each told from the part of its kind before it
 * (docs/trace-format.md). Nothing here knows where the items come from: trace/items.c.
 */

#include "trace/index.h"

#include <stddef.h>

/* Where in the prompt of a list the last part of each kind stands; found when asked for. Zeroed: nothing is known. */
struct last_parts {
	bool known[PART_KINDS];
	size_t at[PART_KINDS]; /* SIZE_MAX: none */
};

void item_list_release(struct item_list *list);
/* Without items, of no exchange; the memory stays. */
void item_list_empty(struct item_list *list);
/* How many parts of the prompt stand before this item. */
size_t item_list_parts_before(const struct item_list *list, size_t item);
/* Cuts it to its first n items. */
void item_list_cut(struct item_list *list, size_t n);
/* Puts back in a list what the changes of another (or its own) say stood there. */
void item_list_undo(struct item_list *list, const struct item_list *of);
/* The first n items of another list, all at once. 0, or -1: no memory. */
int item_list_copy_head(struct item_list *to, const struct item_list *from, size_t n);
/* Appends one; room for it is in `items`. 0, or -1: no memory. */
int item_list_append(const struct trace *t, struct item_list *list, struct last_parts *last, struct item item);
/*
 * Appends n items of another list, of which `places` are the parts, all at once where they are messages that stand
 * behind one another as they did; room for all is in `items` and `prompt`. Returns how many were appended.
 */
size_t item_list_append_run(const struct trace *t, struct item_list *list, struct last_parts *last,
			    const struct item *items, size_t n, const struct trace_prompt_part *places);
/* The place of a part, told from the part of its kind before it (NULL: there is none). */
struct trace_prompt_part item_place(const struct item *item, const struct trace_prompt_part *before);

#endif
