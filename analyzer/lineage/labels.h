/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_LABELS_H
#define LINEAGE_LABELS_H

/*
 * Private to the tree of prompts: the symbols that its nodes hold behind their first one, one behind the other. They
 * are only added to, so that several nodes can hold one stretch of them, whose sums are at hand.
 */

#include <stddef.h>
#include <stdint.h>

#define LABELS_NONE UINT32_MAX

/* What a symbol adds to a prompt. */
struct label_weight {
	uint32_t assistants; /* 1 for a part in the assistant's role */
	uint64_t bytes;
	double tokens;
};

struct labels {
	uint32_t *symbols;
	double *tokens;            /* of each */
	struct label_sums *before; /* of all in front of each, and of all */
	size_t n, capacity, tokens_capacity, before_capacity;
	uint32_t *where; /* by symbol: where it was written last, or LABELS_NONE */
	size_t nwhere, where_capacity;
};

struct label_sums {
	uint64_t bytes;
	uint32_t assistants;
};

/* {0} is empty. */
void labels_release(struct labels *l);
/* Adds one. -1: no memory. */
int labels_write(struct labels *l, uint32_t symbol, const struct label_weight *weight)
	__attribute__((warn_unused_result));
/* How many of n symbols stand one behind the other, as the first ones; *at becomes where. 0: none is known to. */
size_t labels_find(const struct labels *l, const uint32_t *symbols, size_t n, size_t *at);
/* How many of n symbols stand from a place on, which has no more than `max`. */
size_t labels_same(const struct labels *l, size_t at, size_t max, const uint32_t *symbols, size_t n);
/* How many of two lists of n are equal, as the first ones. */
size_t labels_equal(const uint32_t *a, const uint32_t *b, size_t n);

#endif
