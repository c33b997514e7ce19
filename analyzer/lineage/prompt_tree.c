/* SPDX-License-Identifier: MIT */
#include "lineage/prompt_tree.h"

#include "base/array.h"
#include "lineage/names.h"
#include "lineage/pair_map.h"

#include <stdlib.h>
#include <string.h>

/* Fewer symbols than these are written once more rather than referred to by a node of their own. */
#define SHARED_MIN 32

struct prompt_tree {
	struct tree_node *nodes;
	size_t nnodes, nodes_capacity;
	struct tree_symbol *symbols;
	size_t nsymbols, symbols_capacity;
	uint32_t *digest_symbol; /* by number in digests */
	size_t digests_capacity;
	struct names digests;
	struct pair_map children; /* (node, symbol of its first part) → node */
	uint32_t *labels;         /* symbols that nodes hold behind their first one; only ever added to */
	size_t nlabels, labels_capacity;
	uint32_t *ordered; /* scratch: a prompt in canonical order */
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
	t->nodes[t->nnodes++] = (struct tree_node){.parent = TREE_NONE, .first = TREE_NONE, .head = TREE_ROOT};
	return t;
}

void prompt_tree_free(struct prompt_tree *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->symbols);
	free(t->labels);
	free(t->digest_symbol);
	free(t->ordered);
	names_release(&t->digests);
	pair_map_release(&t->children);
	free(t);
}

void tree_path_release(struct tree_path *path)
{
	free(path->symbols);
	free(path->labels);
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

const struct tree_symbol *prompt_tree_symbol_of(const struct prompt_tree *t, uint32_t symbol)
{
	return &t->symbols[symbol];
}

/* Parts from the root down to a node, it included. */
static uint32_t depth(const struct prompt_tree *t, uint32_t node)
{
	const uint32_t *count = t->nodes[node].count;
	return count[PART_TOOL] + count[PART_SYSTEM] + count[PART_MESSAGE];
}

static uint32_t length(const struct prompt_tree *t, uint32_t node)
{
	return node == TREE_ROOT ? 0 : depth(t, node) - depth(t, t->nodes[node].parent);
}

/* The symbol of the part `at` parts below the node's parent. */
static uint32_t symbol_in(const struct prompt_tree *t, const struct tree_node *n, uint32_t at)
{
	return at == 0 ? n->first : t->labels[n->rest + at - 1];
}

/* Adds a node below `parent` that holds `n` parts. Sums go from the root down, part by part. -1: no memory. */
static int new_node(struct prompt_tree *t, uint32_t parent, uint32_t first, uint32_t rest, size_t n, uint32_t *out)
{
	struct tree_node *grown = array_grow(t->nodes, &t->nodes_capacity, t->nnodes + 1, sizeof(*grown));
	if (!grown)
		return -1;
	t->nodes = grown;
	if (t->nnodes >= TREE_NONE)
		return -1;
	uint32_t number = (uint32_t)t->nnodes;
	struct tree_node *node = &t->nodes[number];
	*node = t->nodes[parent];
	node->parent = parent;
	node->first = first;
	node->rest = rest;
	for (uint32_t i = 0; i < n; i++) {
		const struct tree_symbol *s = &t->symbols[symbol_in(t, node, i)];
		node->assistants += s->role == ROLE_ASSISTANT;
		node->count[s->kind]++;
		node->bytes[s->kind] += s->bytes;
		node->tokens[s->kind] += s->tokens;
	}
	/* No node holds parts of the head and messages. */
	if (t->symbols[first].kind != PART_MESSAGE)
		node->head = number;
	if (pair_map_put(&t->children, parent, first, number) < 0)
		return -1;
	t->nnodes++;
	*out = number;
	return 0;
}

/* Makes a node of the first n parts of one; what is left keeps its number. -1: no memory. */
static int split(struct prompt_tree *t, uint32_t node, uint32_t n, uint32_t *upper)
{
	const struct tree_node *whole = &t->nodes[node];
	if (new_node(t, whole->parent, whole->first, whole->rest, n, upper) < 0)
		return -1;
	struct tree_node *lower = &t->nodes[node];
	lower->parent = *upper;
	lower->first = symbol_in(t, lower, n);
	lower->rest += n;
	return pair_map_put(&t->children, *upper, lower->first, node);
}

static int path_reserve(struct tree_path *path, size_t n)
{
	size_t capacity = path->capacity;
	uint32_t *symbols = array_grow(path->symbols, &capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	path->symbols = symbols;
	capacity = path->capacity;
	uint32_t *labels = array_grow(path->labels, &capacity, n + 1, sizeof(*labels));
	if (!labels)
		return -1;
	path->labels = labels;
	path->capacity = capacity;
	return 0;
}

/* The node that ends with the first n parts of a path: one that is there, or a part of one. */
static int node_at(struct prompt_tree *t, const struct tree_path *path, size_t n, uint32_t *node)
{
	uint32_t at = path->end;
	while (at != TREE_ROOT && depth(t, t->nodes[at].parent) >= n)
		at = t->nodes[at].parent;
	*node = at;
	uint32_t above = depth(t, at) - length(t, at);
	return depth(t, at) == n ? 0 : split(t, at, (uint32_t)n - above, node);
}

/*
 * Writes what a node holds into the path, which reaches down to its parent, as far as the symbols say the same. Returns
 * how many parts these are.
 */
static uint32_t follow(const struct prompt_tree *t, uint32_t node, struct tree_path *path, size_t at,
		       const uint32_t *symbols, size_t n)
{
	const struct tree_node *held = &t->nodes[node];
	uint32_t all = length(t, node), same = 0;
	while (same < all && same < n && symbol_in(t, held, same) == symbols[same]) {
		path->symbols[at + same] = symbols[same];
		path->labels[at + same] = same ? held->rest + same - 1 : TREE_NONE;
		same++;
	}
	return same;
}

/* How many of the symbols follow each other in the labels, as the path's last prompt (`end` parts) has them at `at`. */
static size_t run(const struct tree_path *path, size_t at, size_t end, const uint32_t *symbols, size_t n)
{
	size_t same = 0;
	while (same < n && at + same < end && path->symbols[at + same] == symbols[same] &&
	       path->labels[at + same] != TREE_NONE && path->labels[at + same] == path->labels[at] + same)
		same++;
	return same;
}

/*
 * Whether a node of its own is worth while for the first `known` of n symbols, those of a run. It is where another part
 * took the place of the path's next one. Where the path's pieces end or it does, the run must be half of what is left:
 * small pieces are thus put together again, and no path has more than the logarithm of its length.
 */
static bool worth_sharing(const struct tree_path *path, size_t at, size_t end, size_t known, const uint32_t *symbols,
			  size_t n)
{
	bool changed = known < n && at + known < end && path->symbols[at + known] != symbols[known];
	return known >= SHARED_MIN && (changed || known >= n - known);
}

static int write_labels(struct prompt_tree *t, const uint32_t *symbols, size_t n)
{
	uint32_t *grown = array_grow(t->labels, &t->labels_capacity, t->nlabels + n, sizeof(*grown));
	if (!grown || t->nlabels + n >= TREE_NONE)
		return -1;
	t->labels = grown;
	memcpy(t->labels + t->nlabels, symbols, n * sizeof(*symbols));
	t->nlabels += n;
	return 0;
}

/*
 * Adds a node for as many of the symbols as can be kept in one piece: those behind the first are either where the
 * path's last prompt (`end` parts) has them, or written. Returns how many, 0: no memory.
 */
static size_t append(struct prompt_tree *t, uint32_t *node, struct tree_path *path, size_t at, size_t end,
		     const uint32_t *symbols, size_t n)
{
	size_t held = 1 + run(path, at + 1, end, symbols + 1, n - 1);
	size_t rest = held > 1 ? path->labels[at + 1] : t->nlabels;
	if (held < n && rest + held - 1 != t->nlabels && !worth_sharing(path, at, end, held, symbols, n)) {
		held = 1;
		rest = t->nlabels;
	}
	/* Further symbols can only be written right behind. */
	while (held < n && rest + held - 1 == t->nlabels) {
		size_t known = run(path, at + held, end, symbols + held, n - held);
		if (known >= 2 * held && worth_sharing(path, at + held, end, known, symbols + held, n - held))
			break;
		size_t more = known < n - held ? known + 1 : known;
		if (write_labels(t, symbols + held, more) < 0)
			return 0;
		held += more;
	}
	if (at >= end || path->symbols[at] != symbols[0])
		path->labels[at] = TREE_NONE;
	path->symbols[at] = symbols[0];
	for (size_t i = 1; i < held; i++) {
		path->symbols[at + i] = symbols[i];
		path->labels[at + i] = (uint32_t)(rest + i - 1);
	}
	return new_node(t, *node, symbols[0], (uint32_t)rest, held, node) < 0 ? 0 : held;
}

/* Makes the path that of a prompt that begins with its first `same` parts and goes on with the n symbols. */
static int go_on(struct prompt_tree *t, struct tree_path *path, size_t same, const uint32_t *symbols, size_t n)
{
	uint32_t node;
	size_t end = path->n, to = same + n, at = same;
	path->n = 0; /* it is none while it changes */
	if (path_reserve(path, to) < 0 || node_at(t, path, same, &node) < 0)
		return -1;
	for (uint32_t next; at < to; at += depth(t, node) - at) {
		next = pair_map_get(&t->children, node, symbols[at - same]);
		if (next == PAIR_NONE)
			break;
		uint32_t held = follow(t, next, path, at, symbols + (at - same), to - at);
		node = next;
		if (held < length(t, next) && split(t, next, held, &node) < 0)
			return -1;
	}
	size_t head = at;
	while (head < to && t->symbols[symbols[head - same]].kind != PART_MESSAGE)
		head++;
	while (at < to) {
		size_t held = append(t, &node, path, at, end, symbols + (at - same), at < head ? head - at : to - at);
		if (held == 0)
			return -1;
		at += held;
	}
	path->n = to;
	path->end = node;
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

	size_t same = 0;
	while (same < to && same < hint->n && hint->symbols[same] == ordered[same])
		same++;
	if (go_on(t, hint, same, ordered + same, to - same) < 0)
		return -1;
	*end = hint->end;
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
	const uint32_t *count = t->nodes[path->n ? path->end : TREE_ROOT].count;
	size_t same = 0, to = 0;

	for (int kind = 0; kind < PART_MESSAGE; kind++) {
		if (!same_kind(t, path, same, count[kind], kept[kind], (enum part_kind)kind, symbols, n))
			return 1;
		same += count[kind];
	}
	if (kept[PART_MESSAGE] > count[PART_MESSAGE])
		return 1;
	same += kept[PART_MESSAGE];
	uint32_t *messages = array_grow(t->ordered, &t->ordered_capacity, n + 1, sizeof(*messages));
	if (!messages)
		return -1;
	t->ordered = messages;
	for (size_t i = 0; i < n; i++)
		if (t->symbols[symbols[i]].kind == PART_MESSAGE)
			messages[to++] = symbols[i];
	size_t more = 0;
	while (more < to && same + more < path->n && path->symbols[same + more] == messages[more])
		more++;
	if (go_on(t, path, same + more, messages + more, to - more) < 0)
		return -1;
	*end = path->end;
	return 0;
}

const struct tree_node *prompt_tree_node(const struct prompt_tree *t, uint32_t node)
{
	return &t->nodes[node];
}

bool prompt_tree_is_message(const struct prompt_tree *t, uint32_t node)
{
	return t->nodes[node].head != node;
}

struct tree_walk prompt_tree_walk(const struct prompt_tree *t, uint32_t node)
{
	return (struct tree_walk){node, length(t, node)};
}

bool prompt_tree_walk_up(const struct prompt_tree *t, struct tree_walk *walk, uint32_t *symbol)
{
	if (walk->node == TREE_ROOT)
		return false;
	const struct tree_node *n = &t->nodes[walk->node];
	*symbol = symbol_in(t, n, --walk->left);
	if (walk->left == 0)
		*walk = prompt_tree_walk(t, n->parent);
	return true;
}
