/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_PAIR_MAP_H
#define LINEAGE_PAIR_MAP_H

/*
 * A table from a pair of small numbers to a number: open addressing, 12 bytes per slot. Trees of prompts have millions
 * of edges keyed like this; uthash's handle alone would be five times an entry.
 *
 * Keys must not have a == PAIR_NONE, values must not be PAIR_NONE. Entries cannot be removed.
 */

#include <stddef.h>
#include <stdint.h>

#define PAIR_NONE UINT32_MAX

struct pair_map {
	struct pair_slot *slots;
	size_t capacity; /* 0 or a power of two */
	size_t n;
};

/* {0} is an empty map. */
void pair_map_release(struct pair_map *m);
/* PAIR_NONE when there is no such entry. */
uint32_t pair_map_get(const struct pair_map *m, uint32_t a, uint32_t b);
/* Adds or replaces. -1: no memory, the map is unchanged. */
int pair_map_put(struct pair_map *m, uint32_t a, uint32_t b, uint32_t value) __attribute__((warn_unused_result));

#endif
