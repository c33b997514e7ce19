/* SPDX-License-Identifier: MIT */
#ifndef WHY_ACROSS_H
#define WHY_ACROSS_H

/*
 * Which earlier prompts a conversation's first one could have shared its head with: those of the same model and server
 * with the same tools, in whatever order, or the same last system block.
 *
 * And which conversation it goes on with, where that had another model and no header says that they are one: what was
 * said is the same down to the assistant's first answer.
 */

#include "report/report.h"
#include "why/compare.h"

#define ACROSS_MAX 4

struct across;

/* NULL: no memory. */
struct across *across_new(void);
void across_free(struct across *a);
/* Remembers the prompt of a request. -1: no memory. */
int across_add(struct across *a, const struct report *report, uint32_t exchange, const struct view *prompt)
	__attribute__((warn_unused_result));
/* Requests with such a head that were prefilled before this one began, each once, newest first. Returns how many. */
size_t across_find(const struct across *a, const struct report *report, uint32_t exchange, const struct view *prompt,
		   uint32_t out[ACROSS_MAX]);
/* The newest request of such a conversation that was prefilled before this one began; LINEAGE_NONE. */
uint32_t across_other_model(const struct across *a, const struct report *report, uint32_t exchange,
			    const struct view *prompt);

#endif
