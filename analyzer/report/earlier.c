/* SPDX-License-Identifier: MIT */
#include "report/earlier.h"

#include "lineage/pair_map.h"

#include <math.h>
#include <string.h>

/* What a node of the tree is for a backend: passed by a prompt, or the end of one (its exchange plus this). */
#define PASSED 0
#define ENDS_HERE 1

static double tokens_down_to(const struct prompt_tree *tree, uint32_t node)
{
	const struct tree_node *n = prompt_tree_node(tree, node);
	return n->tokens[PART_TOOL] + n->tokens[PART_SYSTEM] + n->tokens[PART_MESSAGE];
}

static int number_of(struct names *backends, const struct lineage_request *r, uint32_t *number)
{
	struct buf key;
	buf_init(&key, 1 << 20);
	buf_printf(&key, "%s\n%s", r->server ? r->server : "", r->model ? r->model : "");
	int result = key.failed ? -1 : names_number(backends, buf_str(&key), number);
	buf_release(&key);
	return result;
}

/* The deepest node on the way down to `end` that the backend knows. */
static uint32_t deepest_known(const struct prompt_tree *tree, const struct pair_map *known, uint32_t end,
			      uint32_t backend)
{
	uint32_t node = end;
	while (node != TREE_ROOT && pair_map_get(known, node, backend) == PAIR_NONE)
		node = prompt_tree_node(tree, node)->parent;
	return node;
}

static void measure(const struct prompt_tree *tree, const struct pair_map *known, const struct lineage_request *r,
		    uint32_t backend, const struct report_exchange *exchanges, struct report_exchange *e)
{
	uint32_t node = deepest_known(tree, known, r->prompt, backend);
	e->seen = 0;
	e->seen_basis = e->basis;
	if (node == TREE_ROOT)
		return;
	uint32_t ends = pair_map_get(known, node, backend);
	const struct report_exchange *before = ends == PASSED ? NULL : &exchanges[ends - ENDS_HERE];
	if (before && before->basis == e->basis) {
		e->seen = before->prompt < e->prompt ? before->prompt : e->prompt;
		return;
	}
	double whole = tokens_down_to(tree, r->prompt), part = tokens_down_to(tree, node);
	e->seen = whole > 0 ? llround((double)e->prompt * fmin(part / whole, 1)) : 0;
	e->seen_basis = TOKENS_ESTIMATED;
}

static int remember(const struct prompt_tree *tree, struct pair_map *known, uint32_t end, uint32_t backend,
		    uint32_t exchange)
{
	uint32_t node = end;
	while (node != TREE_ROOT && pair_map_get(known, node, backend) == PAIR_NONE) {
		if (pair_map_put(known, node, backend, PASSED) < 0)
			return -1;
		node = prompt_tree_node(tree, node)->parent;
	}
	return end == TREE_ROOT ? 0 : pair_map_put(known, end, backend, exchange + ENDS_HERE);
}

int earlier_exchanges(const struct prompt_tree *tree, const struct lineage_request *requests,
		      struct report_exchange *exchanges, size_t n)
{
	struct names backends = {0};
	struct pair_map known = {0};
	int result = 0;

	for (size_t i = 0; i < n && result == 0; i++) {
		const struct lineage_request *r = &requests[i];
		struct report_exchange *e = &exchanges[i];
		uint32_t backend;
		e->seen = TOKENS_UNKNOWN;
		e->seen_basis = TOKENS_NONE;
		if (!r->has_prompt || e->counts_only || e->basis == TOKENS_NONE)
			continue;
		result = number_of(&backends, r, &backend);
		if (result < 0)
			break;
		measure(tree, &known, r, backend, exchanges, e);
		if (r->prefilled_ns)
			result = remember(tree, &known, r->prompt, backend, (uint32_t)i);
	}
	names_release(&backends);
	pair_map_release(&known);
	return result;
}
