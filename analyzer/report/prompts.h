/* SPDX-License-Identifier: MIT */
#ifndef REPORT_PROMPTS_H
#define REPORT_PROMPTS_H

/* Reads the prompts of traces into one tree. */

#include "lineage/names.h"
#include "report/report.h"

/* Prompts that came last, a few conversations at a time: parallel ones must not push each other's hint out. */
#define PROMPTS_PATHS 16

/* Parts of one kind that follow each other, in wire order. */
struct prompts_stretch {
	size_t at;
	int kind; /* PART_KINDS: billing blocks */
};

/* The prompt that some client sent last. */
struct prompts_path {
	struct tree_path path;
	const struct trace *trace; /* NULL: none */
	size_t exchange;
	uint32_t *symbols;               /* one per part, in wire order */
	struct trace_prompt_part *parts; /* of the trace */
	size_t n, capacity, parts_capacity;
	struct prompts_stretch *stretches;
	size_t nstretches, stretches_capacity;
};

struct prompts {
	struct prompt_tree *tree;
	struct prompts_path paths[PROMPTS_PATHS];
	struct names billing;
	uint32_t *symbols; /* scratch: of one prompt */
	size_t symbols_capacity;
};

struct prompts_place {
	bool has_prompt;
	bool has_billing;
	uint32_t node;
};

/* Which of PROMPTS_PATHS prompts that came last a request's is likely to go on from. One that is wrong costs time only.
 */
unsigned prompts_path_number(const struct exchange *x);

/* -1: no memory; release in either case. */
int prompts_init(struct prompts *p);
void prompts_release(struct prompts *p);
/*
 * Adds all prompts of a trace, in file order; places has an entry per exchange. A prompt that cannot be read is left
 * out and counted in `unreadable` (*error keeps the first reason). -1: no memory.
 */
int prompts_add(struct prompts *p, report_prompt_fn *prompt, struct trace *t, struct prompts_place *places,
		uint64_t *unreadable, char *error, size_t error_bytes);

#endif
