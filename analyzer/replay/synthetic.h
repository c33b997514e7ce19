/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_SYNTHETIC_H
#define REPLAY_SYNTHETIC_H

/*
 * A request body for a trace that keeps none (--content none): the same tools, system blocks and messages with the same
 * roles, block types and lengths, filled with words. Parts that were equal get equal text, so prefixes break where they
 * did; where inside a part they did is lost.
 */

#include "trace/reader.h"

#include <stddef.h>

/* Appends an Anthropic body. 0, or -1 with one line in error. */
int synthetic_body(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));

#endif
