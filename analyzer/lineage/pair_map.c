/* SPDX-License-Identifier: MIT */
#include "lineage/pair_map.h"

#include <stdlib.h>
#include <string.h>

struct pair_slot {
	uint32_t a, b; /* a == PAIR_NONE: free */
	uint32_t value;
};

void pair_map_release(struct pair_map *m)
{
	free(m->slots);
	*m = (struct pair_map){0};
}

/* The slot of the key, or the free one where it would go. There is always a free slot. */
static struct pair_slot *find(struct pair_slot *slots, size_t capacity, uint32_t a, uint32_t b)
{
	/* Fibonacci hashing: the high half of the product is well mixed. */
	uint64_t hash = ((uint64_t)a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15);
	size_t i = (size_t)(hash >> 32) & (capacity - 1);
	while (slots[i].a != PAIR_NONE && (slots[i].a != a || slots[i].b != b))
		i = (i + 1) & (capacity - 1);
	return &slots[i];
}

static int grow(struct pair_map *m)
{
	size_t capacity = m->capacity ? m->capacity * 2 : 64;
	if (capacity > SIZE_MAX / sizeof(*m->slots) || capacity > (size_t)1 << 31)
		return -1;
	struct pair_slot *slots = malloc(capacity * sizeof(*slots));
	if (!slots)
		return -1;
	memset(slots, 0xff, capacity * sizeof(*slots));
	for (size_t i = 0; i < m->capacity; i++)
		if (m->slots[i].a != PAIR_NONE)
			*find(slots, capacity, m->slots[i].a, m->slots[i].b) = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->capacity = capacity;
	return 0;
}

uint32_t pair_map_get(const struct pair_map *m, uint32_t a, uint32_t b)
{
	if (m->n == 0)
		return PAIR_NONE;
	const struct pair_slot *slot = find(m->slots, m->capacity, a, b);
	return slot->a == PAIR_NONE ? PAIR_NONE : slot->value;
}

int pair_map_put(struct pair_map *m, uint32_t a, uint32_t b, uint32_t value)
{
	if ((m->n + 1) * 4 > m->capacity * 3 && grow(m) < 0)
		return -1;
	struct pair_slot *slot = find(m->slots, m->capacity, a, b);
	m->n += slot->a == PAIR_NONE;
	*slot = (struct pair_slot){a, b, value};
	return 0;
}
