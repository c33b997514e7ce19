/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_CONTINUES_H
#define COLLECT_CONTINUES_H

/*
 * What a request has in common with the one before it in its conversation, known as soon as the request is complete:
 * what a follower of the trace can be told before the answer comes. As far as the parts are equal in the order in which
 * most templates lay them out (tools, system, messages; without the billing block); what a server makes of them is not
 * considered.
 */

#include "exchange.h"

#define CONTINUES_MAX 16 /* conversations that are remembered */

struct continues {
	uint64_t exchange;               /* the earlier request's id; 0: none is like this */
	uint64_t parts, bytes;           /* of this prompt, normalised */
	uint64_t same_parts, same_bytes; /* of its beginning, as in the earlier one */
	bool whole;                      /* all of the earlier prompt is in it */
	bool has_place;                  /* something comes behind the common beginning, namely: */
	enum part_kind kind;
	uint32_t message, index;
};

struct continues_memory;

/* NULL: no memory. */
struct continues_memory *continues_new(void);
void continues_free(struct continues_memory *m);
/* Compares a complete request and remembers it for the next. Time grows with the number of its parts. */
void continues_add(struct continues_memory *m, const struct exchange *x, struct continues *out);

#endif
