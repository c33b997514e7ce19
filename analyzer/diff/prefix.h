/* SPDX-License-Identifier: MIT */
#ifndef DIFF_PREFIX_H
#define DIFF_PREFIX_H

/*
 * The static prefix of a session: the tools and system blocks that its main conversation begins with, as a backend lays
 * them out, and how much of that start all its requests share. Sizes are normalised bytes, tokens their share of the
 * first request's prompt (estimated).
 */

#include "render/render.h"
#include "report/report.h"

struct prefix_item {
	enum part_kind kind; /* PART_TOOL or PART_SYSTEM */
	struct trace_prompt_part at;
	char *name; /* of a tool; "system[1]" */
	struct digest digest;
	uint64_t bytes;
};

struct prefix {
	bool known;        /* there is a prompt */
	uint32_t exchange; /* the first request, an index in report.exchanges */
	struct prefix_item *items;
	size_t n, tools; /* tools are among the n */
	uint64_t bytes;  /* of the items, and of system turns that the backend merges into them */
	int64_t tokens;
	/* What all requests of the conversation have in common of it. */
	uint64_t static_bytes;
	int64_t static_tokens;
	uint64_t requests;
	struct rendered first; /* the whole first prompt */
};

/* Returns 0, or -1: no memory. A prompt that cannot be read is passed over. prefix_release in either case. */
int prefix_find(const struct report *report, const struct render_rules *rules, struct prefix *out)
	__attribute__((warn_unused_result));
void prefix_release(struct prefix *p);

#endif
