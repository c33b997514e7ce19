/* SPDX-License-Identifier: MIT */
#ifndef ANATOMY_ANATOMY_H
#define ANATOMY_ANATOMY_H

/*
 * What the prompts were made of, and what of it the prefill took: tools (each), system prompt, memory files (CLAUDE.md,
 * which the client puts into its first user message), reminders (<system-reminder>, <total_tokens>), other messages
 * that had been sent before (history) and that were new.
 *
 * A prompt's tokens are spread over its parts by the estimate of report/tokens.h; a part's place among them says
 * whether it was prefilled (the places behind what was reused, in the order tools, system, messages) and what share of
 * the request's prefill it took (cost_model_stretch). All is estimated. Reads the texts of messages and tools once
 * each.
 */

#include "cost/cost.h"

enum anatomy_part {
	ANATOMY_TOOLS,
	ANATOMY_SYSTEM,
	ANATOMY_MEMORY,
	ANATOMY_REMINDERS,
	ANATOMY_HISTORY,
	ANATOMY_NEW,
	ANATOMY_PARTS
};

struct anatomy_sum {
	double tokens, bytes; /* sent */
	double seconds;       /* of prefill */
};

struct anatomy_tool {
	char *name;
	uint64_t requests; /* that offered it */
	struct anatomy_sum sum;
};

struct anatomy {
	struct anatomy_sum parts[ANATOMY_PARTS];
	struct anatomy_tool *tools; /* most tokens first */
	size_t ntools;
	uint64_t requests; /* counted here */
	uint64_t timed;    /* of them with known prefill seconds and count of reused tokens */
	bool texts;        /* false: without texts (--content none) memory files and reminders are not told apart */
};

/* Returns 0, or -1 with one line in error. anatomy_release in either case. */
int anatomy_build(struct report *report, const struct cost *cost, struct anatomy *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));
void anatomy_release(struct anatomy *a);

const char *anatomy_part_name(enum anatomy_part part); /* "tools", "system", "memory", ... */

#endif
