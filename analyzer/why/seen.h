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
 * Adds a prompt; *bytes becomes the length of its longest prefix that was there before. The first `known` pieces are
 * known to have been there (those that it shares with the prompt before it): they cost nothing. model and server may be
 * NULL. Of a long new tail only some prefixes are kept, so that neither memory nor time grows with the square of a
 * conversation whose every prompt differs at its head; *bytes can then be short by up to SEEN_STRIDE pieces, or by a
 * sixteenth of the tail where that is more, and is never too long.
 * -1: no memory.
 */
#define SEEN_STRIDE 64
int seen_add(struct seen *s, const char *model, const char *server, const struct rendered *prompt, size_t known,
	     uint64_t *bytes) __attribute__((warn_unused_result));
void seen_free(struct seen *s);

#endif
