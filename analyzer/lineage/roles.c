/* SPDX-License-Identifier: MIT */
#include "lineage/roles.h"

#include "lineage/pair_map.h"

#include <stdlib.h>

/* What is looked at, per lineage. */
struct profile {
	bool has_prompt, counts; /* counts: count_tokens */
	uint32_t widest;         /* the request with the most tools */
	uint32_t tools;
	uint64_t bytes; /* of its longest prompt */
	uint64_t first_ns, last_ns;
};

static void profile_add(struct profile *p, const struct prompt_tree *tree, const struct lineage_request *requests,
			uint32_t i)
{
	const struct lineage_request *r = &requests[i];
	if (!p->first_ns)
		p->first_ns = r->start_ns;
	p->last_ns = r->start_ns;
	p->counts = r->api == KVS_API_ANTHROPIC_COUNT_TOKENS;
	if (!r->has_prompt)
		return;
	const struct tree_node *n = prompt_tree_node(tree, r->prompt);
	if (!p->has_prompt || n->count[PART_TOOL] > p->tools) {
		p->widest = i;
		p->tools = n->count[PART_TOOL];
	}
	p->has_prompt = true;
	uint64_t bytes = n->bytes[PART_TOOL] + n->bytes[PART_SYSTEM] + n->bytes[PART_MESSAGE];
	if (bytes > p->bytes)
		p->bytes = bytes;
}

/* a is a better main conversation than b; lineages are in the order in which they begin, a after b. */
static bool better_main(const struct profile *a, uint32_t a_requests, const struct profile *b, uint32_t b_requests)
{
	if (a->tools != b->tools)
		return a->tools > b->tools;
	if (a->tools > 0)
		return false;
	if (a_requests != b_requests)
		return a_requests > b_requests;
	return a->bytes > b->bytes;
}

static int note_tools(const struct prompt_tree *tree, uint32_t prompt, struct pair_map *tools, uint32_t session)
{
	struct tree_walk walk = prompt_tree_walk(tree, prompt_tree_node(tree, prompt)->head);
	for (uint32_t symbol; prompt_tree_walk_up(tree, &walk, &symbol);)
		if (prompt_tree_symbol_of(tree, symbol)->kind == PART_TOOL &&
		    pair_map_put(tools, session, symbol, 0) < 0)
			return -1;
	return 0;
}

static bool shares_tool(const struct prompt_tree *tree, uint32_t prompt, const struct pair_map *tools, uint32_t session)
{
	struct tree_walk walk = prompt_tree_walk(tree, prompt_tree_node(tree, prompt)->head);
	for (uint32_t symbol; prompt_tree_walk_up(tree, &walk, &symbol);)
		if (prompt_tree_symbol_of(tree, symbol)->kind == PART_TOOL &&
		    pair_map_get(tools, session, symbol) != PAIR_NONE)
			return true;
	return false;
}

/* main: NULL when the session has none. */
static enum lineage_role role_beside(const struct profile *p, const struct profile *main, const struct lineage *lineage,
				     bool session_named, bool shares)
{
	if (!main && !lineage->agent && !p->counts)
		return LINEAGE_MAIN; /* of an API whose prompts are not understood */
	if (!p->has_prompt || p->counts)
		return LINEAGE_SIDE;
	if (!main)
		return LINEAGE_SUBAGENT;
	bool parallel = p->first_ns <= main->last_ns && p->last_ns >= main->first_ns;
	if (lineage->agent)
		return p->tools > 0 || main->tools == 0 ? LINEAGE_SUBAGENT : LINEAGE_SIDE;
	if (!session_named && ((shares && !parallel) || (p->tools == 0 && main->tools == 0)))
		return LINEAGE_MAIN;
	return shares ? LINEAGE_SUBAGENT : LINEAGE_SIDE;
}

int roles_find(const struct prompt_tree *tree, const struct lineage_request *requests, size_t n,
	       struct lineage_set *set)
{
	int result = -1;
	struct pair_map tools = {0};
	struct profile *profiles = calloc(set->n + 1, sizeof(*profiles));
	uint32_t *mains = malloc((set->nsessions + 1) * sizeof(*mains));
	if (!profiles || !mains)
		goto out;

	for (size_t i = 0; i < n; i++)
		profile_add(&profiles[requests[i].lineage], tree, requests, (uint32_t)i);
	for (size_t i = 0; i < set->nsessions; i++)
		mains[i] = LINEAGE_NONE;
	for (size_t i = 0; i < set->n; i++) {
		const struct lineage *l = &set->lineages[i];
		uint32_t *main = &mains[l->session];
		if (l->agent || !profiles[i].has_prompt || profiles[i].counts)
			continue;
		if (*main == LINEAGE_NONE ||
		    better_main(&profiles[i], l->requests, &profiles[*main], set->lineages[*main].requests))
			*main = (uint32_t)i;
	}
	for (size_t i = 0; i < set->nsessions; i++)
		if (mains[i] != LINEAGE_NONE &&
		    note_tools(tree, requests[profiles[mains[i]].widest].prompt, &tools, (uint32_t)i) < 0)
			goto out;
	for (size_t i = 0; i < set->n; i++) {
		struct lineage *l = &set->lineages[i];
		uint32_t main = mains[l->session];
		if (main == i) {
			l->role = LINEAGE_MAIN;
			continue;
		}
		bool shares = profiles[i].has_prompt &&
			      shares_tool(tree, requests[profiles[i].widest].prompt, &tools, l->session);
		l->role = role_beside(&profiles[i], main == LINEAGE_NONE ? NULL : &profiles[main], l,
				      set->sessions[l->session].id != NULL, shares);
	}
	result = 0;
out:
	free(profiles);
	free(mains);
	pair_map_release(&tools);
	return result;
}

const char *lineage_role_name(enum lineage_role role)
{
	static const char *const names[] = {"main", "subagent", "side"};
	return names[role];
}
