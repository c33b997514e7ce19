/* SPDX-License-Identifier: MIT */
#include "mock/radix.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct mock_radix_node {
	uint64_t seed;
	uint64_t *ids; /* of the edge from its parent */
	size_t n;
	struct mock_radix_node *parent, *children, *sibling;
	uint64_t used;
	size_t held; /* by prompts at work, here or further down */
};

int mock_radix_init(struct mock_radix *r, size_t page, size_t capacity)
{
	*r = (struct mock_radix){.page = page, .capacity = capacity};
	r->root = calloc(1, sizeof(*r->root));
	return r->root ? 0 : -1;
}

static struct mock_radix_node *node_new(uint64_t seed, const uint64_t *ids, size_t n)
{
	struct mock_radix_node *node = calloc(1, sizeof(*node));
	uint64_t *copy = malloc(n * sizeof(*copy));

	if (!node || !copy) {
		free(node);
		free(copy);
		return NULL;
	}
	memcpy(copy, ids, n * sizeof(*copy));
	node->seed = seed;
	node->ids = copy;
	node->n = n;
	return node;
}

static void add_child(struct mock_radix_node *parent, struct mock_radix_node *child)
{
	child->parent = parent;
	child->sibling = parent->children;
	parent->children = child;
}

static void take_child(struct mock_radix_node *child)
{
	struct mock_radix_node **at = &child->parent->children;
	while (*at != child)
		at = &(*at)->sibling;
	*at = child->sibling;
}

static void drop_leaf(struct mock_radix *r, struct mock_radix_node *leaf)
{
	r->tokens -= leaf->n;
	take_child(leaf);
	free(leaf->ids);
	free(leaf);
}

/* The next node of the tree, parents before children; NULL behind the last one. */
static struct mock_radix_node *next_node(struct mock_radix_node *node)
{
	if (node->children)
		return node->children;
	while (node && !node->sibling)
		node = node->parent;
	return node ? node->sibling : NULL;
}

static struct mock_radix_node *oldest_leaf(const struct mock_radix *r, bool held_too)
{
	struct mock_radix_node *oldest = NULL;

	for (struct mock_radix_node *node = r->root->children; node; node = next_node(node))
		if (!node->children && (held_too || !node->held) && (!oldest || node->used < oldest->used))
			oldest = node;
	return oldest;
}

size_t mock_radix_reset(struct mock_radix *r)
{
	size_t tokens = r->tokens;

	while (r->root && r->root->children)
		drop_leaf(r, oldest_leaf(r, true));
	return tokens;
}

void mock_radix_release(struct mock_radix *r)
{
	mock_radix_reset(r);
	free(r->root);
	*r = (struct mock_radix){0};
}

/* Whole pages at the start of the edge that agree. */
static size_t agreed(const struct mock_radix *r, const struct mock_radix_node *node, uint64_t seed, const uint64_t *ids,
		     size_t n)
{
	size_t i = 0, max = node->n < n ? node->n : n;

	if (node->seed != seed)
		return 0;
	while (i < max && node->ids[i] == ids[i])
		i++;
	return i - i % r->page;
}

/* Cuts a node in two; returns the upper part, NULL without memory. */
static struct mock_radix_node *split(struct mock_radix_node *lower, size_t at)
{
	struct mock_radix_node *upper = node_new(lower->seed, lower->ids, at);

	if (!upper)
		return NULL;
	upper->used = lower->used;
	upper->held = lower->held;
	take_child(lower);
	add_child(lower->parent, upper);
	add_child(upper, lower);
	lower->n -= at;
	memmove(lower->ids, lower->ids + at, lower->n * sizeof(*lower->ids));
	return upper;
}

/* The node at which the tokens end, or part from what is kept; *matched: how many were found. */
static struct mock_radix_node *walk(struct mock_radix *r, uint64_t seed, const uint64_t *ids, size_t n, size_t *matched)
{
	struct mock_radix_node *node = r->root, *child = node->children;

	*matched = 0;
	r->clock++;
	while (child) {
		size_t same = agreed(r, child, seed, ids + *matched, n - *matched);
		if (same == 0) {
			child = child->sibling;
			continue;
		}
		child->used = r->clock;
		if (same < child->n)
			child = split(child, same);
		if (!child)
			return node;
		*matched += same;
		node = child;
		if (same < node->n || *matched == n)
			break;
		child = node->children;
	}
	return node;
}

static void hold(struct mock_radix_node **held, struct mock_radix_node *node)
{
	for (struct mock_radix_node *up = node; up; up = up->parent)
		up->held++;
	mock_radix_leave(held);
	*held = node;
}

void mock_radix_leave(struct mock_radix_node **held)
{
	for (struct mock_radix_node *up = *held; up; up = up->parent)
		up->held--;
	*held = NULL;
}

size_t mock_radix_lookup(struct mock_radix *r, uint64_t seed, const uint64_t *ids, size_t n,
			 struct mock_radix_node **held)
{
	size_t max = n > 0 ? n - 1 : 0, matched;

	hold(held, walk(r, seed, ids, max - max % r->page, &matched));
	return matched;
}

void mock_radix_store(struct mock_radix *r, uint64_t seed, const uint64_t *ids, size_t n, struct mock_radix_node **held)
{
	size_t matched;

	n -= n % r->page;
	struct mock_radix_node *node = walk(r, seed, ids, n, &matched);
	hold(held, node);
	while (r->tokens + n - matched > r->capacity) {
		struct mock_radix_node *leaf = oldest_leaf(r, false);
		if (!leaf)
			break;
		drop_leaf(r, leaf);
	}
	size_t room = r->capacity > r->tokens ? r->capacity - r->tokens : 0, more = n - matched;
	if (more > room)
		more = room - room % r->page;
	struct mock_radix_node *leaf = more ? node_new(seed, ids + matched, more) : NULL;
	if (!leaf)
		return;
	leaf->used = r->clock;
	add_child(node, leaf);
	r->tokens += more;
	hold(held, leaf);
}
