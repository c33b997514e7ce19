/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_PROMPT_TREE_H
#define LINEAGE_PROMPT_TREE_H

/*
 * All prompts of one or more traces as a tree of parts, root first: tools → system → messages, whatever their order on
 * the wire. A prompt is the node where it ends; what two prompts share is the path down to their lowest common node.
 *
 *     t ── t ── s ── u1 ── a1 ── u2 ── a2 ── u3        main conversation: three prompts end at u1, u2, u3
 *                 └─ u1'                               another one with the same tools and system prompt
 *
 * Parts are symbols: equal numbers for parts that a model sees as equal (same normalised digest).
 *
 * The tree is compressed: nodes stand only where a prompt ends, where prompts part, where the messages begin, and where
 * labels end (below); each holds the parts on the way down from its parent. Whatever is true of a node because prompts
 * passed through it is thus true of all parts that it holds.
 *
 * So it grows with what is new, and a long session costs its length and not the square of it. Where a prompt differs at
 * its head from the one before it and then goes on like it, the parts behind are other nodes, but their symbols
 * (labels) are kept once and referred to by nodes of both: memory for what is new, and time to compare and add up the
 * rest. Parts that moved by some places are not known again: their symbols are written once more, four bytes each.
 */

#include "base/digest.h"
#include "prompt/prompt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_ROOT 0u
#define TREE_NONE UINT32_MAX

struct tree_symbol {
	enum part_kind kind;
	enum part_role role;
	uint64_t bytes; /* normalised */
	double tokens;  /* estimate of the caller's */
};

struct tree_node {
	uint32_t parent; /* TREE_NONE for the root */
	uint32_t first;  /* symbol of the first part that it holds, right below its parent; TREE_NONE for the root */
	uint32_t rest;   /* where the symbols of its other parts begin in the tree's labels */
	uint32_t head;   /* the last node of tools and system above here; its own number where it is one of them */
	uint32_t assistants; /* parts in the assistant's role from the root down to here */
	/* From the root down to here, this node included, by kind of part. */
	uint32_t count[PART_KINDS];
	uint64_t bytes[PART_KINDS];
	double tokens[PART_KINDS];
};

struct prompt_tree;

/* The prompt added last by some client: a hint that makes adding its next one cheap. {0} is none. */
struct tree_path {
	uint32_t *symbols, *labels; /* by part: its symbol, and a place of it in the tree's labels or TREE_NONE */
	size_t n, capacity;
	uint32_t end;
};

/* Goes up from the end of a prompt part by part. */
struct tree_walk {
	uint32_t node, left; /* parts of the node that were not seen yet */
};

/* NULL: no memory. */
struct prompt_tree *prompt_tree_new(void);
void prompt_tree_free(struct prompt_tree *t);
void tree_path_release(struct tree_path *path);

/* The symbol for a digest; `what` is taken the first time it is seen. -1: no memory. */
int prompt_tree_symbol(struct prompt_tree *t, const struct digest *digest, const struct tree_symbol *what,
		       uint32_t *symbol) __attribute__((warn_unused_result));
/* What its part was when it was first seen. Valid until the next prompt_tree_symbol. */
const struct tree_symbol *prompt_tree_symbol_of(const struct prompt_tree *t, uint32_t symbol);
/* Adds a prompt in wire order and gives the node where it ends (TREE_ROOT for an empty one). -1: no memory. */
int prompt_tree_add(struct prompt_tree *t, struct tree_path *hint, const uint32_t *symbols, size_t n, uint32_t *end)
	__attribute__((warn_unused_result));
/*
 * The same for a prompt that shares its beginning with the one added last by this path: of each kind the first `kept`
 * symbols, which were there, and then those of `symbols`. Costs time for what is new. 1: its tools or system prompt are
 * others, so that nothing was added and the whole prompt is needed.
 */
int prompt_tree_extend(struct prompt_tree *t, struct tree_path *path, const uint32_t kept[PART_KINDS],
		       const uint32_t *symbols, size_t n, uint32_t *end) __attribute__((warn_unused_result));

/* Valid until the next prompt_tree_add or prompt_tree_extend. */
const struct tree_node *prompt_tree_node(const struct prompt_tree *t, uint32_t node);
/* The node holds parts of the conversation: not the root, a tool or of the system prompt. */
bool prompt_tree_is_message(const struct prompt_tree *t, uint32_t node);
/* From a node's last part up. Good until the next prompt_tree_add or prompt_tree_extend. */
struct tree_walk prompt_tree_walk(const struct prompt_tree *t, uint32_t node);
/* The symbol of the next part; false above the first one. */
bool prompt_tree_walk_up(const struct prompt_tree *t, struct tree_walk *walk, uint32_t *symbol);

#endif
