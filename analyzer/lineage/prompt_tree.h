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
 * its head, or anywhere, from the one before it and then goes on like it, the parts behind are other nodes, but their
 * symbols (labels) are kept once and referred to by nodes of both, wherever they stand: memory for what is new, and
 * time to compare numbers and add up tokens.
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
	uint32_t *symbols; /* by part */
	size_t n, capacity;
	uint32_t end;
};

/* The parts of one kind of a prompt, in their order; the path's prompt begins with the first `kept`, too. */
struct tree_kind {
	const uint32_t *symbols;
	size_t n, kept;
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
/* The same for parts that are sorted by kind. Costs little for what is the path's, if only in another place. */
int prompt_tree_extend(struct prompt_tree *t, struct tree_path *path, const struct tree_kind kinds[PART_KINDS],
		       uint32_t *end) __attribute__((warn_unused_result));

/* Valid until the next prompt_tree_add or prompt_tree_extend. */
const struct tree_node *prompt_tree_node(const struct prompt_tree *t, uint32_t node);
/* The node holds parts of the conversation: not the root, a tool or of the system prompt. */
bool prompt_tree_is_message(const struct prompt_tree *t, uint32_t node);
/* From a node's last part up. Good until the next prompt_tree_add or prompt_tree_extend. */
struct tree_walk prompt_tree_walk(const struct prompt_tree *t, uint32_t node);
/* The symbol of the next part; false above the first one. */
bool prompt_tree_walk_up(const struct prompt_tree *t, struct tree_walk *walk, uint32_t *symbol);
/* Which labels are those of a node behind its first part, [*from, *to). False: it has one part or none. */
bool prompt_tree_labels(const struct prompt_tree *t, uint32_t node, uint32_t *from, uint32_t *to);
/* The symbol of a label. */
uint32_t prompt_tree_label(const struct prompt_tree *t, uint32_t label);

#endif
