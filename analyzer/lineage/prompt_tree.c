/* SPDX-License-Identifier: MIT */
#include "lineage/prompt_tree.h"

#include "base/array.h"
#include "lineage/names.h"
#include "lineage/pair_map.h"

#include <stdlib.h>

struct prompt_tree {
	struct tree_node *nodes;
	size_t nnodes, nodes_capacity;
	struct tree_symbol *symbols;
	size_t nsymbols, symbols_capacity;
	uint32_t *digest_symbol; /* by number in digests */
	size_t digests_capacity;
	struct names digests;
	struct pair_map children; /* (node, symbol) → node */
	uint32_t *ordered;        /* scratch: a prompt in canonical order */
	size_t ordered_capacity;
};

struct prompt_tree *prompt_tree_new(void)
{
	struct prompt_tree *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->nodes = array_grow(NULL, &t->nodes_capacity, 1, sizeof(*t->nodes));
	if (!t->nodes) {
		free(t);
		return NULL;
	}
	t->nodes[t->nnodes++] = (struct tree_node){.parent = TREE_NONE, .symbol = TREE_NONE, .head = TREE_ROOT};
	return t;
}

void prompt_tree_free(struct prompt_tree *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->symbols);
	free(t->digest_symbol);
	free(t->ordered);
	names_release(&t->digests);
	pair_map_release(&t->children);
	free(t);
}

void tree_path_release(struct tree_path *path)
{
	free(path->symbols);
	free(path->nodes);
	*path = (struct tree_path){0};
}

static int new_symbol(struct prompt_tree *t, const struct tree_symbol *what, uint32_t *symbol)
{
	struct tree_symbol *grown = array_grow(t->symbols, &t->symbols_capacity, t->nsymbols + 1, sizeof(*grown));
	if (!grown)
		return -1;
	t->symbols = grown;
	if (t->nsymbols >= TREE_NONE)
		return -1;
	*symbol = (uint32_t)t->nsymbols;
	t->symbols[t->nsymbols++] = *what;
	return 0;
}

int prompt_tree_symbol(struct prompt_tree *t, const struct digest *digest, const struct tree_symbol *what,
		       uint32_t *symbol)
{
	uint32_t known = t->digests.n, number;
	uint32_t *grown = array_grow(t->digest_symbol, &t->digests_capacity, (size_t)known + 1, sizeof(*grown));
	if (!grown)
		return -1;
	t->digest_symbol = grown;
	if (names_number(&t->digests, (struct str){(const char *)digest->b, DIGEST_BYTES}, &number) < 0)
		return -1;
	if (number == known) {
		t->digest_symbol[number] = TREE_NONE;
		if (new_symbol(t, what, &t->digest_symbol[number]) < 0)
			return -1;
	}
	*symbol = t->digest_symbol[number];
	return *symbol == TREE_NONE ? -1 : 0;
}

enum part_kind prompt_tree_symbol_kind(const struct prompt_tree *t, uint32_t symbol)
{
	return t->symbols[symbol].kind;
}

static int child(struct prompt_tree *t, uint32_t parent, uint32_t symbol, uint32_t *out)
{
	*out = pair_map_get(&t->children, parent, symbol);
	if (*out != PAIR_NONE)
		return 0;

	struct tree_node *grown = array_grow(t->nodes, &t->nodes_capacity, t->nnodes + 1, sizeof(*grown));
	if (!grown)
		return -1;
	t->nodes = grown;
	if (t->nnodes >= TREE_NONE)
		return -1;
	uint32_t number = (uint32_t)t->nnodes;
	const struct tree_symbol *s = &t->symbols[symbol];
	struct tree_node node = t->nodes[parent];
	node.parent = parent;
	node.symbol = symbol;
	if (s->kind != PART_MESSAGE)
		node.head = number;
	node.assistants += s->role == ROLE_ASSISTANT;
	node.count[s->kind]++;
	node.bytes[s->kind] += s->bytes;
	node.tokens[s->kind] += s->tokens;
	if (pair_map_put(&t->children, parent, symbol, number) < 0)
		return -1;
	t->nodes[t->nnodes++] = node;
	*out = number;
	return 0;
}

static int path_reserve(struct tree_path *path, size_t n)
{
	size_t capacity = path->capacity;
	uint32_t *symbols = array_grow(path->symbols, &capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	path->symbols = symbols;
	capacity = path->capacity;
	uint32_t *nodes = array_grow(path->nodes, &capacity, n + 1, sizeof(*nodes));
	if (!nodes)
		return -1;
	path->nodes = nodes;
	path->capacity = capacity;
	return 0;
}

int prompt_tree_add(struct prompt_tree *t, struct tree_path *hint, const uint32_t *symbols, size_t n, uint32_t *end)
{
	uint32_t *ordered = array_grow(t->ordered, &t->ordered_capacity, n + 1, sizeof(*ordered));
	if (!ordered)
		return -1;
	t->ordered = ordered;
	size_t to = 0;
	for (int kind = 0; kind < PART_KINDS; kind++)
		for (size_t i = 0; i < n; i++)
			if ((int)t->symbols[symbols[i]].kind == kind)
				ordered[to++] = symbols[i];

	if (path_reserve(hint, to) < 0)
		return -1;
	size_t same = 0;
	while (same < to && same < hint->n && hint->symbols[same] == ordered[same])
		same++;
	uint32_t node = same ? hint->nodes[same - 1] : TREE_ROOT;
	hint->n = same;
	while (hint->n < to) {
		if (child(t, node, ordered[hint->n], &node) < 0)
			return -1;
		hint->symbols[hint->n] = ordered[hint->n];
		hint->nodes[hint->n++] = node;
	}
	*end = node;
	return 0;
}

/* The symbols of one kind behind the first `kept` ones are those of the path, all of them. They begin there at `start`.
 */
static bool same_kind(const struct prompt_tree *t, const struct tree_path *path, size_t start, uint32_t count,
		      uint32_t kept, enum part_kind kind, const uint32_t *symbols, size_t n)
{
	uint32_t at = kept;
	for (size_t i = 0; i < n; i++) {
		if (t->symbols[symbols[i]].kind != kind)
			continue;
		if (at >= count || path->symbols[start + at] != symbols[i])
			return false;
		at++;
	}
	return at == count;
}

int prompt_tree_extend(struct prompt_tree *t, struct tree_path *path, const uint32_t kept[PART_KINDS],
		       const uint32_t *symbols, size_t n, uint32_t *end)
{
	uint32_t node = path->n ? path->nodes[path->n - 1] : TREE_ROOT;
	const uint32_t *count = t->nodes[node].count;
	size_t head = 0;

	for (int kind = 0; kind < PART_MESSAGE; kind++) {
		if (!same_kind(t, path, head, count[kind], kept[kind], (enum part_kind)kind, symbols, n))
			return 1;
		head += count[kind];
	}
	if (kept[PART_MESSAGE] > count[PART_MESSAGE])
		return 1;
	size_t to = head + kept[PART_MESSAGE];
	if (path_reserve(path, to + n) < 0)
		return -1;
	path->n = to;
	node = to ? path->nodes[to - 1] : TREE_ROOT;
	for (size_t i = 0; i < n; i++) {
		if (t->symbols[symbols[i]].kind != PART_MESSAGE)
			continue;
		if (child(t, node, symbols[i], &node) < 0)
			return -1;
		path->symbols[path->n] = symbols[i];
		path->nodes[path->n++] = node;
	}
	*end = node;
	return 0;
}

const struct tree_node *prompt_tree_node(const struct prompt_tree *t, uint32_t node)
{
	return &t->nodes[node];
}

const struct tree_symbol *prompt_tree_symbol_of(const struct prompt_tree *t, uint32_t node)
{
	static const struct tree_symbol none = {.kind = PART_TOOL, .role = ROLE_NONE};
	return node == TREE_ROOT ? &none : &t->symbols[t->nodes[node].symbol];
}

bool prompt_tree_is_message(const struct prompt_tree *t, uint32_t node)
{
	return t->nodes[node].head != node;
}
