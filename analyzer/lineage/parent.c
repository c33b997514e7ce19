/* SPDX-License-Identifier: MIT */
#include "base/array.h"
#include "lineage/finder.h"

/* How far from the end of a prompt that of the one before it is looked for. */
#define SUCCESSOR_PARTS 64

static uint32_t longer(const struct finder *f, uint32_t a, uint32_t b)
{
	if (a == LINEAGE_NONE)
		return b;
	uint64_t bytes[2];
	for (int i = 0; i < 2; i++) {
		const struct tree_node *n = node_of(f, f->requests[i ? b : a].prompt);
		bytes[i] = n->bytes[PART_TOOL] + n->bytes[PART_SYSTEM] + n->bytes[PART_MESSAGE];
	}
	return bytes[1] >= bytes[0] ? b : a;
}

/* The newer prompt is shorter and holds what the other ended with: what got lost is earlier, and will not come again.
 */
static bool repeats_end(const struct finder *f, uint32_t longest, uint32_t newer)
{
	uint32_t last, symbol;
	struct tree_walk end = prompt_tree_walk(f->tree, f->requests[longest].prompt);
	struct tree_walk walk = prompt_tree_walk(f->tree, f->requests[newer].prompt);
	if (longer(f, newer, longest) != longest || !prompt_tree_walk_up(f->tree, &end, &last))
		return false;
	for (int i = 0; i < SUCCESSOR_PARTS && message_above(f, &walk, &symbol); i++)
		if (symbol == last)
			return true;
	return false;
}

/* Its lineage had answers, and none of them is in the prefix that this prompt shares with it. */
static bool lost_all_answers(const struct finder *f, const struct lineage_request *r)
{
	uint32_t longest = f->states[r->lineage].longest;
	return longest != LINEAGE_NONE && node_of(f, f->requests[longest].prompt)->assistants > 0 &&
	       node_of(f, r->shared)->assistants == 0;
}

int parent_choose(struct finder *f, uint32_t request, bool restart)
{
	struct lineage_request *r = &f->requests[request];
	struct state *s = &f->states[r->lineage];
	size_t left = 0;
	for (size_t i = 0; i < s->nunfilled; i++) {
		uint32_t earlier = s->unfilled[i];
		if (f->requests[earlier].prefilled_ns <= r->start_ns)
			s->longest = earlier == s->successor ? earlier : longer(f, s->longest, earlier);
		else
			s->unfilled[left++] = earlier;
	}
	s->nunfilled = left;
	r->parent = s->longest;
	if (s->longest != LINEAGE_NONE && repeats_end(f, s->longest, request))
		s->successor = request;
	if (restart || lost_all_answers(f, r)) {
		s->longest = LINEAGE_NONE;
		s->nunfilled = 0;
	}
	if (r->prefilled_ns == 0)
		return 0;
	uint32_t *grown = array_grow(s->unfilled, &s->capacity, s->nunfilled + 1, sizeof(*grown));
	if (!grown)
		return -1;
	s->unfilled = grown;
	s->unfilled[s->nunfilled++] = request;
	return 0;
}
