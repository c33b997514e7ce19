/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_FINDER_H
#define LINEAGE_FINDER_H

/* What the files of this folder share while requests are sorted into lineages. */

#include "base/buf.h"
#include "lineage/lineage.h"
#include "lineage/names.h"
#include "lineage/pair_map.h"

struct scope {
	bool session, agent; /* the headers that made it */
	uint32_t main;       /* its lineage with the most tools, the earliest of these */
	uint32_t main_tools;
};

/* What finding needs to know of a lineage besides what it answers. */
struct state {
	uint32_t tools; /* of its last prompt */
	bool single;    /* no prompt of it had an assistant part so far */
	uint32_t longest;
	uint32_t successor; /* a shorter one that goes on in place of the longest */
	uint32_t
		*unfilled; /* its requests that were not prefilled when the last one began: few, they run in parallel */
	size_t nunfilled, capacity;
	struct noted *noted; /* labels that it said last, by key of its scope; the newest few */
	size_t nnoted;
	uint64_t taken; /* words that it said last and others had said before it */
};

/* Labels of which a lineage is the witness: all of them, as long as nobody else has said any since. */
#define NOTED_MAX 8
struct noted {
	uint32_t key, from, to;
	uint64_t taken; /* by others, when it was noted */
};

struct finder {
	const struct prompt_tree *tree;
	struct lineage_request *requests;
	struct lineage_set *out;
	size_t lineages_capacity, sessions_capacity;

	struct names scope_names, session_names;
	struct scope *scopes;
	size_t nscopes, scopes_capacity;
	struct state *states; /* by lineage */
	size_t states_capacity;
	struct buf key;

	struct names backend_names; /* model and server */
	struct pair_map anywhere;   /* (model and server, node) → lineage of no agent that first sent this answer */
	struct pair_map owner;      /* (scope, node) → lineage that first sent this prefix */
	struct pair_map sent;       /* (lineage, node) → 0: the lineage has sent this prefix */
	struct pair_map ends;       /* (scope, node) → last request whose prompt ended here */
	struct pair_map heads;      /* (scope, node) → last lineage with these tools and system */
	struct pair_map witness;    /* (scope and whether it has tools, symbol) → last lineage that sent it */
	uint64_t taken;             /* entries of it that another lineage took over */
};

static inline const struct tree_node *node_of(const struct finder *f, uint32_t node)
{
	return prompt_tree_node(f->tree, node);
}

/* The next part further up of a prompt's messages; false above the first one. */
static inline bool message_above(const struct finder *f, struct tree_walk *walk, uint32_t *symbol)
{
	return prompt_tree_walk_up(f->tree, walk, symbol) &&
	       prompt_tree_symbol_of(f->tree, *symbol)->kind == PART_MESSAGE;
}

/*
 * Chooses the parent of a request that has been entered into its lineage. restart: the conversation begins afresh with
 * it. Returns 0, or -1: no memory.
 */
int parent_choose(struct finder *f, uint32_t request, bool restart);

#endif
