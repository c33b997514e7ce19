/* SPDX-License-Identifier: MIT */
#include "trace/bases.h"

#include <stdlib.h>
#include <string.h>

struct base *bases_find(struct bases *b, const char *key, const char *server, const struct body_items *items)
{
	struct base *best = NULL, *latest = NULL;
	size_t best_likeness = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct base *x = &b->list[i];
		if (strcmp(x->key, key) == 0) {
			size_t likeness = body_likeness(&x->items, items);
			if (!best || likeness > best_likeness || (likeness == best_likeness && x->used > best->used)) {
				best = x;
				best_likeness = likeness;
			}
		} else if (strcmp(x->server, server) == 0 && (!latest || x->used > latest->used)) {
			latest = x;
		}
	}
	return best ? best : latest;
}

const struct body_items *bases_of(const struct bases *b, uint64_t exchange)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].exchange == exchange)
			return &b->list[i].items;
	return NULL;
}

static void forget(struct bases *b, struct base *x)
{
	free(x->key);
	free(x->server);
	body_items_release(&x->items);
	*x = b->list[--b->n];
}

/* Makes room for one more conversation of this key. */
static void make_room(struct bases *b, const char *key)
{
	struct base *oldest = NULL, *oldest_of_key = NULL;
	size_t of_key = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct base *x = &b->list[i];
		if (!oldest || x->used < oldest->used)
			oldest = x;
		if (strcmp(x->key, key) != 0)
			continue;
		of_key++;
		if (!oldest_of_key || x->used < oldest_of_key->used)
			oldest_of_key = x;
	}
	if (of_key >= BASES_PER_KEY_MAX)
		forget(b, oldest_of_key);
	else if (b->n == BASES_MAX)
		forget(b, oldest);
}

void bases_remember(struct bases *b, struct base *base, size_t copied, const char *key, const char *server,
		    uint64_t exchange, struct body_items *items)
{
	if (base && strcmp(base->key, key) == 0 && 2 * copied >= base->items.n)
		forget(b, base);
	make_room(b, key);

	char *own_key = strdup(key), *own_server = strdup(server);
	if (!own_key || !own_server) {
		free(own_key);
		free(own_server);
		return;
	}
	b->list[b->n++] = (struct base){exchange, own_key, own_server, *items, ++b->clock};
	b->list[b->n - 1].items.like = NULL;
	body_items_init(items);
}

void bases_release(struct bases *b)
{
	while (b->n > 0)
		forget(b, &b->list[0]);
}
