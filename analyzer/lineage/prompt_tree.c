/* SPDX-License-Identifier: MIT */
#include "lineage/prompt_tree.h"

#include "base/array.h"
#include "lineage/labels.h"
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
	struct labels labels;     /* symbols that nodes hold behind their first one */
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
	t->nodes[t->nnodes++] = (struct tree_node){.parent = TREE_NONE, .first = TREE_NONE, .head = TREE_ROOT};
	return t;
}

void prompt_tree_free(struct prompt_tree *t)
{
	if (!t)
		return;
	free(t->nodes);
	free(t->symbols);
	labels_release(&t->labels);
	free(t->digest_symbol);
	free(t->ordered);
	names_release(&t->digests);
	pair_map_release(&t->children);
	free(t);
}

void tree_path_release(struct tree_path *path)
{
	free(path->symbols);
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
	return at == 0 ? n->first : t->labels.symbols[n->rest + at - 1];
}

static void add_part(struct tree_node *node, const struct tree_symbol *s)
{
	node->assistants += s->role == ROLE_ASSISTANT;
	node->count[s->kind]++;
	node->bytes[s->kind] += s->bytes;
	node->tokens[s->kind] += s->tokens;
}

/* Adds labels [from, to) that are all of messages. Tokens are summed part by part, so that no sum depends on how. */
static void add_messages(struct tree_node *node, const struct labels *l, size_t from, size_t to)
{
	if (from == to)
		return;
	node->assistants += l->before[to].assistants - l->before[from].assistants;
	node->count[PART_MESSAGE] += (uint32_t)(to - from);
	node->bytes[PART_MESSAGE] += l->before[to].bytes - l->before[from].bytes;
	double tokens = node->tokens[PART_MESSAGE];
	for (size_t i = from; i < to; i++)
		tokens += l->tokens[i];
	node->tokens[PART_MESSAGE] = tokens;
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
	add_part(node, &t->symbols[first]);
	/* No node holds parts of the head and messages. */
	if (t->symbols[first].kind == PART_MESSAGE) {
		add_messages(node, &t->labels, rest, rest + n - 1);
	} else {
		node->head = number;
		for (size_t i = 0; i + 1 < n; i++)
			add_part(node, &t->symbols[t->labels.symbols[rest + i]]);
	}
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
	uint32_t *symbols = array_grow(path->symbols, &path->capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	path->symbols = symbols;
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

/* How many of the first parts of a node the symbols say, too. */
static uint32_t follow(const struct prompt_tree *t, uint32_t node, const uint32_t *symbols, size_t n)
{
	const struct tree_node *held = &t->nodes[node];
	if (n == 0 || held->first != symbols[0])
		return 0;
	return (uint32_t)(1 + labels_same(&t->labels, held->rest, length(t, node) - 1, symbols + 1, n - 1));
}

/*
 * Whether a node of its own is worth while for the first `known` of n symbols, those of a run of labels. It is where
 * another part took the place of the path's next one. Where the labels end or the path does, the run must be half of
 * what is left: small pieces are thus put together again, and no path has more than the logarithm of its length.
 */
static bool worth_sharing(const struct tree_path *path, size_t at, size_t end, size_t known, const uint32_t *symbols,
			  size_t n)
{
	bool changed = known < n && at + known < end && path->symbols[at + known] != symbols[known];
	return known >= SHARED_MIN && (changed || known >= n - known);
}

static int write_labels(struct prompt_tree *t, const uint32_t *symbols, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct tree_symbol *s = &t->symbols[symbols[i]];
		const struct label_weight weight = {s->role == ROLE_ASSISTANT, s->bytes, s->tokens};
		if (labels_write(&t->labels, symbols[i], &weight) < 0)
			return -1;
	}
	return 0;
}

/*
 * Adds a node for as many of the symbols as can be kept in one piece: those behind the first are either among the
 * labels, or written. The path's last prompt has `end` parts. Returns how many, 0: no memory.
 */
static size_t append(struct prompt_tree *t, uint32_t *node, const struct tree_path *path, size_t at, size_t end,
		     const uint32_t *symbols, size_t n)
{
	struct labels *l = &t->labels;
	size_t rest = l->n, held = 1 + labels_find(l, symbols + 1, n - 1, &rest);
	if (held < n && rest + held - 1 != l->n && !worth_sharing(path, at, end, held, symbols, n)) {
		held = 1;
		rest = l->n;
	}
	/* Further symbols can only be written right behind. */
	while (held < n && rest + held - 1 == l->n) {
		size_t place, known = labels_find(l, symbols + held, n - held, &place);
		if (known >= 2 * held && worth_sharing(path, at + held, end, known, symbols + held, n - held))
			break;
		size_t more = known < n - held ? known + 1 : known;
		if (write_labels(t, symbols + held, more) < 0)
			return 0;
		held += more;
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
		uint32_t held = follow(t, next, symbols + (at - same), to - at);
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
	if (n)
		memcpy(path->symbols + same, symbols, n * sizeof(*symbols));
	path->n = to;
	path->end = node;
	return 0;
}

static int reserve_ordered(struct prompt_tree *t, size_t n)
{
	uint32_t *ordered = array_grow(t->ordered, &t->ordered_capacity, n + 1, sizeof(*ordered));
	if (!ordered)
		return -1;
	t->ordered = ordered;
	return 0;
}

int prompt_tree_add(struct prompt_tree *t, struct tree_path *path, const uint32_t *symbols, size_t n, uint32_t *end)
{
	size_t to = 0;
	if (reserve_ordered(t, n) < 0)
		return -1;
	for (int kind = 0; kind < PART_KINDS; kind++)
		for (size_t i = 0; i < n; i++)
			if ((int)t->symbols[symbols[i]].kind == kind)
				t->ordered[to++] = symbols[i];

	size_t same = labels_equal(path->symbols, t->ordered, path->n < to ? path->n : to);
	if (go_on(t, path, same, t->ordered + same, to - same) < 0)
		return -1;
	*end = path->end;
	return 0;
}

int prompt_tree_extend(struct prompt_tree *t, struct tree_path *path, const struct tree_kind kinds[PART_KINDS],
		       uint32_t *end)
{
	const struct tree_kind *messages = &kinds[PART_MESSAGE];
	const uint32_t *count = t->nodes[path->n ? path->end : TREE_ROOT].count;
	size_t heads = kinds[PART_TOOL].n + kinds[PART_SYSTEM].n, same = 0;

	for (int kind = 0; kind < PART_KINDS; kind++) {
		const struct tree_kind *k = &kinds[kind];
		size_t most = k->n < count[kind] ? k->n : count[kind], known = k->kept < most ? k->kept : most;
		known += labels_equal(path->symbols + same + known, k->symbols + known, most - known);
		same += known;
		/* Where another number of them is there, the next kind stands elsewhere. */
		if (known < k->n || count[kind] != k->n)
			break;
	}
	const uint32_t *rest = messages->symbols + (same >= heads ? same - heads : 0);
	size_t n = heads + messages->n - same;
	if (same < heads) {
		size_t at = 0, to = 0;
		if (reserve_ordered(t, heads + messages->n) < 0)
			return -1;
		for (int kind = 0; kind < PART_KINDS; at += kinds[kind++].n) {
			size_t from = same > at ? same - at : 0;
			if (from < kinds[kind].n)
				memcpy(t->ordered + to, kinds[kind].symbols + from,
				       (kinds[kind].n - from) * sizeof(*t->ordered));
			to += from < kinds[kind].n ? kinds[kind].n - from : 0;
		}
		rest = t->ordered;
	}
	if (go_on(t, path, same, rest, n) < 0)
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

bool prompt_tree_labels(const struct prompt_tree *t, uint32_t node, uint32_t *from, uint32_t *to)
{
	*from = node == TREE_ROOT ? 0 : t->nodes[node].rest;
	*to = node == TREE_ROOT ? 0 : *from + length(t, node) - 1;
	return *to > *from;
}

uint32_t prompt_tree_label(const struct prompt_tree *t, uint32_t label)
{
	return t->labels.symbols[label];
}
