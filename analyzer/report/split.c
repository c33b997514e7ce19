/* SPDX-License-Identifier: MIT */
#include "report/split.h"

#include <math.h>
#include <string.h>

static double estimate(const struct tree_node *n)
{
	return n->tokens[PART_TOOL] + n->tokens[PART_SYSTEM] + n->tokens[PART_MESSAGE];
}

static int64_t share(int64_t total, double part, double whole)
{
	return whole > 0 ? llround((double)total * (part < whole ? part / whole : 1)) : 0;
}

static bool same_model(const struct exchange *a, const struct exchange *b)
{
	return strcmp(a->model ? a->model : "", b->model ? b->model : "") == 0;
}

/*
 * The tokens of the prefix that was sent before. Best is what is known of the very prompt that is that prefix; its
 * generation prompt (a handful of tokens) counts with it. Where this prompt's own size was not reported, it is that
 * prefix and an estimate of what follows.
 */
static void split_repeated(const struct report_exchange *exchanges, struct report_exchange *e,
			   const struct lineage_request *r, double shared, double whole, double scale)
{
	const struct report_exchange *before = r->repeats == LINEAGE_NONE ? NULL : &exchanges[r->repeats];
	bool continues = before && before->basis != TOKENS_NONE && same_model(before->x, e->x);

	if (e->basis == TOKENS_NONE) {
		double estimated = continues ? (double)before->prompt + (whole - shared) * scale : whole * scale;
		e->prompt = llround(estimated);
		e->basis = TOKENS_ESTIMATED;
	}
	e->split_basis = e->basis;
	if (r->shared == TREE_ROOT) {
		e->repeated = 0;
	} else if (continues && (before->basis == e->basis || e->basis == TOKENS_ESTIMATED)) {
		e->repeated = before->prompt < e->prompt ? before->prompt : e->prompt;
	} else {
		e->repeated = share(e->prompt, shared, whole);
		e->split_basis = TOKENS_ESTIMATED;
	}
	e->new = e->prompt - e->repeated;
}

/* Spreads tokens over the kinds of parts by weight; nothing is lost to rounding. Without weights: to the messages. */
static void spread(int64_t tokens, const double *weight, int64_t *out)
{
	double all = weight[PART_TOOL] + weight[PART_SYSTEM] + weight[PART_MESSAGE];
	out[PART_TOOL] = share(tokens, weight[PART_TOOL], all);
	tokens -= out[PART_TOOL];
	out[PART_SYSTEM] = share(tokens, weight[PART_SYSTEM], weight[PART_SYSTEM] + weight[PART_MESSAGE]);
	out[PART_MESSAGE] = tokens - out[PART_SYSTEM];
}

static void split_parts(struct report_exchange *e, const struct tree_node *end, const struct tree_node *shared)
{
	int64_t repeated[PART_KINDS], new[PART_KINDS];
	double rest[PART_KINDS];
	for (int k = 0; k < PART_KINDS; k++)
		rest[k] = fmax(end->tokens[k] - shared->tokens[k], 0);
	spread(e->repeated, shared->tokens, repeated);
	spread(e->new, rest, new);
	e->split = (struct report_split){
		.tools = repeated[PART_TOOL] + new[PART_TOOL],
		.system = repeated[PART_SYSTEM] + new[PART_SYSTEM],
		.history = repeated[PART_MESSAGE],
		.new = new[PART_MESSAGE],
	};
}

static void split_one(const struct prompt_tree *tree, const struct lineage_request *r,
		      struct report_exchange *exchanges, struct report_exchange *e, const struct tokens_scale *scale)
{
	if (!r->has_prompt)
		return;
	const struct tree_node *end = prompt_tree_node(tree, r->prompt);
	const struct tree_node *shared = prompt_tree_node(tree, r->shared);
	double whole = estimate(end);
	e->bytes = (struct report_split){
		.tools = (int64_t)end->bytes[PART_TOOL],
		.system = (int64_t)end->bytes[PART_SYSTEM],
		.history = (int64_t)shared->bytes[PART_MESSAGE],
		.new = (int64_t)(end->bytes[PART_MESSAGE] - shared->bytes[PART_MESSAGE]),
	};
	split_repeated(exchanges, e, r, estimate(shared), whole, tokens_scale_for(scale, e->x->model));
	split_parts(e, end, shared);
}

int split_exchanges(const struct prompt_tree *tree, const struct lineage_request *requests,
		    struct report_exchange *exchanges, size_t n)
{
	struct tokens_scale scale = {0};
	int result = 0;
	for (size_t i = 0; i < n && result == 0; i++) {
		struct report_exchange *e = &exchanges[i];
		e->prompt = tokens_reported_prompt(e->x);
		if (e->prompt == TOKENS_UNKNOWN)
			continue;
		e->basis = TOKENS_REPORTED;
		if (requests[i].has_prompt)
			result = tokens_scale_add(&scale, e->x->model, e->prompt,
						  estimate(prompt_tree_node(tree, requests[i].prompt)));
	}
	/* In the order in which they began: a prompt is split by those before it. */
	for (size_t i = 0; i < n && result == 0; i++)
		split_one(tree, &requests[i], exchanges, &exchanges[i], &scale);
	tokens_scale_release(&scale);
	return result;
}
