/* SPDX-License-Identifier: MIT */
#ifndef WHY_SEEN_H
#define WHY_SEEN_H

/* All prefixes that a model on a server was sent so far, whatever the conversation: what an unbounded cache would hold.
 */

#include "render/render.h"

struct seen;

/* NULL: no memory. */
struct seen *seen_new(void);
/*
 * Adds a prompt; *bytes becomes the length of its longest prefix that was there before. model and server may be NULL.
 * -1: no memory. Time linear in the pieces.
 */
int seen_add(struct seen *s, const char *model, const char *server, const struct rendered *prompt, uint64_t *bytes)
	__attribute__((warn_unused_result));
void seen_free(struct seen *s);

#endif
