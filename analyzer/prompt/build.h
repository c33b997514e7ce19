/* SPDX-License-Identifier: MIT */
#ifndef PROMPT_BUILD_H
#define PROMPT_BUILD_H

/*
 * Inside of prompt/: how the parts of a prompt are collected while the scanner passes over the body. First all parts
 * with their ranges (prompt_read), then their hashes (prompt.c): a part that is known from the previous request is
 * passed over once and never looked into.
 *
 * Functions that return int return 0, or -1 with the error in b->scan.
 */

#include "base/json_span.h"
#include "prompt/prompt.h"

/* A body of 64 MiB made of nothing but empty messages must not become gigabytes of parts. */
#define PROMPT_PARTS_MAX 262144

/* How far around the expected place something is looked for in the previous request: a few blocks came or went. */
#define PROMPT_LOOK_BACK 4
#define PROMPT_LOOK_AHEAD 8

/* The i-th place to look at: the expected one, then behind it, then before it. May lie outside of the list. */
static inline size_t prompt_look(size_t expected, size_t i)
{
	return i <= PROMPT_LOOK_AHEAD ? expected + i : expected - (i - PROMPT_LOOK_AHEAD);
}

/* Parts that were taken over from the previous prompt, hashes and all. */
struct prompt_run {
	size_t first, previous_first; /* part, here and there */
	size_t nparts;
};

struct prompt_build {
	struct json_scan scan;
	struct prompt *out;
	struct prompt_request *request;
	bool openai;
	const struct prompt_previous *previous; /* NULL: none */
	size_t previous_message;                /* where in its list the next message is expected */
	size_t previous_tool;                   /* where among its parts the next tool is expected */
	struct prompt_run *runs;                /* ascending */
	size_t nruns, runs_capacity;
	/* Read to the end of the list: a fingerprint of half of it would be one of something that nobody sent. */
	bool system_whole;
	bool tools_whole;
};

/* The whole body; the scanner stands at its beginning. */
int prompt_read(struct prompt_build *b);

/* Adds a part for the bytes from offset to the cursor. Kind and role follow by build_finish_message. */
int build_part(struct prompt_build *b, enum block_type block, uint32_t message, uint32_t index, size_t offset);
/* A string, an array of blocks, or null at the cursor: a part for each block, with *index counting on. */
int build_content(struct prompt_build *b, uint32_t message, uint32_t *index);
/* The block at the cursor: its type and, if it is text, the text without its quotes. */
int build_block(struct json_scan *s, enum block_type *block, struct str *text);
/*
 * If the bytes at the cursor are those of the message that is expected here by the previous prompt, or of one near it:
 * takes its parts over and passes it, and those behind it that are known to be the same. 1, 0 if they are not, or -1.
 */
int build_known_message(struct prompt_build *b);
/* Likewise for a tool, which is one part. */
int build_known_tool(struct prompt_build *b);
/* The message from offset to the cursor, with the parts from first_part on, is complete. 0 or -1. */
int build_keep_message(struct prompt_build *b, size_t offset, size_t first_part, bool head);
/*
 * Gives the parts from `first` on their kind and role, which in JSON may be known only after the content. Only system
 * text can be a billing header.
 */
void build_finish_message(struct prompt_build *b, size_t first, enum part_kind kind, enum part_role role);
/* Fails if *seen is set already, else sets it: a body with two lists of messages can be read in two ways. */
int build_once(struct prompt_build *b, bool *seen);
/* The value of a key that is no part of the prompt: kept if it is one of struct prompt_request, else skipped. */
int build_parameter(struct prompt_build *b, struct str key);
enum part_role build_role(struct str inner);

/*
 * Hashes the bytes of a part as a model would get to see them: sets normalised and normalised_bytes. -1: it holds a bad
 * escape; nothing was set then.
 */
int prompt_normalise(struct str body, struct prompt_part *part) __attribute__((warn_unused_result));

#endif
