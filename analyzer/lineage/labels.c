/* SPDX-License-Identifier: MIT */
#include "lineage/labels.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

/* Which of the symbols that are looked for tell where all of them may be: some are said often, and elsewhere. */
static const size_t asked[] = {0, 1, 2, 3, 5, 8, 13, 21};
/* Symbols that are compared at once. */
#define BLOCK 64

void labels_release(struct labels *l)
{
	free(l->symbols);
	free(l->tokens);
	free(l->before);
	free(l->where);
	*l = (struct labels){0};
}

static int reserve(struct labels *l, uint32_t symbol)
{
	uint32_t *symbols = array_grow(l->symbols, &l->capacity, l->n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	l->symbols = symbols;
	double *tokens = array_grow(l->tokens, &l->tokens_capacity, l->n + 1, sizeof(*tokens));
	if (!tokens)
		return -1;
	l->tokens = tokens;
	struct label_sums *before = array_grow(l->before, &l->before_capacity, l->n + 2, sizeof(*before));
	if (!before)
		return -1;
	l->before = before;
	uint32_t *where = array_grow(l->where, &l->where_capacity, (size_t)symbol + 1, sizeof(*where));
	if (!where)
		return -1;
	l->where = where;
	while (l->nwhere <= symbol)
		where[l->nwhere++] = LABELS_NONE;
	return 0;
}

int labels_write(struct labels *l, uint32_t symbol, const struct label_weight *weight)
{
	if (l->n + 1 >= LABELS_NONE || reserve(l, symbol) < 0)
		return -1;
	if (l->n == 0)
		l->before[0] = (struct label_sums){0};
	l->symbols[l->n] = symbol;
	l->tokens[l->n] = weight->tokens;
	l->where[symbol] = (uint32_t)l->n++;
	l->before[l->n].bytes = l->before[l->n - 1].bytes + weight->bytes;
	l->before[l->n].assistants = l->before[l->n - 1].assistants + weight->assistants;
	return 0;
}

size_t labels_equal(const uint32_t *a, const uint32_t *b, size_t n)
{
	size_t same = 0;
	while (same + BLOCK <= n && memcmp(a + same, b + same, BLOCK * sizeof(*a)) == 0)
		same += BLOCK;
	while (same < n && a[same] == b[same])
		same++;
	return same;
}

size_t labels_same(const struct labels *l, size_t at, size_t max, const uint32_t *symbols, size_t n)
{
	return labels_equal(l->symbols + at, symbols, max < n ? max : n);
}

size_t labels_find(const struct labels *l, const uint32_t *symbols, size_t n, size_t *at)
{
	size_t best = 0;
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked) && asked[i] < n; i++) {
		uint32_t symbol = symbols[asked[i]];
		uint32_t place = symbol < l->nwhere ? l->where[symbol] : LABELS_NONE;
		if (place == LABELS_NONE || place < asked[i])
			continue;
		size_t from = place - asked[i];
		/* It has been looked at. */
		if (best > 0 && from == *at)
			continue;
		size_t same = labels_same(l, from, l->n - from, symbols, n);
		if (same <= best)
			continue;
		best = same;
		*at = from;
	}
	return best;
}
