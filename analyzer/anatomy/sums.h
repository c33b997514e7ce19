/* SPDX-License-Identifier: MIT */
#ifndef ANATOMY_SUMS_H
#define ANATOMY_SUMS_H

/*
 * Sums over the first parts of a prompt, carried from a client's prompt to its next one: of a prompt that differs from
 * the one before in a few places, only the blocks of parts around these are added up again. Sums of two stretches make
 * the sum of both.
 */

#include "prompt/prompt.h"
#include "trace/reader.h"

#include <stddef.h>
#include <stdint.h>

/* Of what a message is made: shares of it. */
enum sums_share { SHARE_MEMORY, SHARE_REMINDERS, SHARE_OTHER, SHARES };

/* What one part adds. */
struct sums_part {
	enum part_kind kind;
	double tokens, bytes;
	double share[SHARES]; /* of a message; their sum is 1 */
};

struct sums {
	uint32_t count[PART_KINDS];
	double tokens[PART_KINDS], bytes[PART_KINDS];
	/* Of messages, by share: */
	double share_tokens[SHARES];
	double share_squares[SHARES]; /* of end^2 - begin^2, places counted in tokens of the messages before */
	double share_bytes[SHARES];   /* of parts that have tokens */
	double empty_bytes[SHARES];   /* of others */
};

/* Weighs the part of a trace. -1: no memory. */
typedef int sums_part_fn(void *context, uint32_t part, struct sums_part *out);

/* The prompt that some client sent last; {0} is none. */
struct sums_prompt {
	uint32_t *parts;
	size_t n, capacity;
	struct sums *blocks, *before; /* of each block of parts, and of all before it */
	size_t blocks_capacity, before_capacity;
	sums_part_fn *weigh;
	void *context;
};

/*
 * Makes it the next prompt, whose first `kept` parts are those of the last one. A part must weigh the same each time.
 * -1: no memory; nothing is carried then.
 */
int sums_follow(struct sums_prompt *p, const struct trace_prompt_part *parts, size_t n, size_t kept)
	__attribute__((warn_unused_result));
void sums_release(struct sums_prompt *p);

/* Over the first parts. Parts that were weighed once do not fail. */
void sums_of(const struct sums_prompt *p, size_t parts, struct sums *out);
/* The next part of a kind from one on; n: there is none. */
size_t sums_next(const struct sums_prompt *p, enum part_kind kind, size_t from);
/* The first part with which the messages have more than so many tokens; n: they have not. */
size_t sums_exceed(const struct sums_prompt *p, double message_tokens);

#endif
