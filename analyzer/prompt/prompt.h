/* SPDX-License-Identifier: MIT */
#ifndef PROMPT_PROMPT_H
#define PROMPT_PROMPT_H

/*
 * The prompt inside a request body, as a list of parts: each tool, each system block, each block of each message, with
 * the byte range of the body that it is. What lies between the parts (keys, brackets, parameters) belongs to none.
 *
 * Two hashes per part: `raw` of exactly those bytes, `normalised` of what a model would get to see: cache_control
 * removed, string content and a single text block made equal, insignificant white space gone. Role and kind are part of
 * both (the same text in another role is another part). The billing header that Claude Code puts first in `system` is a
 * part of its own (block type BLOCK_BILLING) that the normalised system fingerprint leaves out.
 *
 * OpenAI's API: the system messages before any other are PART_SYSTEM; each call of an assistant message is a part, and
 * so is its reasoning; a message of a tool is one part as a whole, since its call's id belongs to it.
 *
 * What is the same after normalisation: escapes written in another way, the order of a part's own members (a template
 * picks them by name), other members of a text block than its text. What is not: the order of anything inside, and
 * nothing is left out of a tool's input or of its schema.
 *
 * A prompt borrows nothing: it holds offsets, not pointers.
 */

#include "base/digest.h"
#include "base/str.h"
#include "kvscope/llm_paths.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum part_kind { PART_TOOL, PART_SYSTEM, PART_MESSAGE, PART_KINDS };

enum part_role { ROLE_NONE, ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL, ROLE_OTHER };

enum block_type {
	BLOCK_TEXT,
	BLOCK_THINKING,
	BLOCK_TOOL_USE,
	BLOCK_TOOL_RESULT,
	BLOCK_IMAGE,
	BLOCK_TOOL, /* a tool definition */
	BLOCK_BILLING,
	BLOCK_OTHER,
};

struct prompt_part {
	enum part_kind kind;
	enum part_role role;
	enum block_type block;
	uint32_t message; /* index in messages[], or in tools[] or system[] for those kinds */
	uint32_t index;   /* of the block in its message */
	size_t offset;    /* byte range in the body */
	size_t bytes;
	size_t normalised_bytes;
	struct digest raw;
	struct digest normalised;
};

/* An element of messages[], and the parts in it. Kept for the next request's sake, which most likely repeats it. */
struct prompt_message {
	size_t offset; /* byte range in the body */
	size_t bytes;
	size_t first_part;
	size_t nparts;
	uint32_t message;      /* its index there */
	bool head, head_after; /* OpenAI's API: only system messages were before it, and with it */
};

struct prompt {
	struct prompt_part *parts; /* in wire order, ranges ascending and disjoint */
	size_t nparts;
	size_t capacity;
	struct prompt_message *list; /* in wire order; those that are objects and were read to their end */
	size_t nlist;
	size_t list_capacity;
	uint32_t messages;
	uint32_t tools;
	uint64_t kind_bytes[PART_KINDS]; /* normalised */

	/* Of all tools, of all system blocks; meaningful where has_… is set. */
	bool has_system;
	bool has_tools;
	struct digest system_fingerprint, system_fingerprint_raw;
	struct digest tools_fingerprint, tools_fingerprint_raw;
};

/* What a request body says besides its prompt. Views into the body (escapes as they stand), absent where not said. */
struct prompt_request {
	struct str model;
	struct str user_id; /* metadata.user_id: an identifier, never to be written in clear */
	int64_t max_tokens; /* -1: absent */
	bool stream;
};

void prompt_init(struct prompt *p);
void prompt_release(struct prompt *p);
/* Empties, keeps the memory. */
void prompt_clear(struct prompt *p);

/* An earlier prompt of the same conversation and its body, of which the new one's first `same` bytes are known to be
 * its first (0 if that is not known). */
struct prompt_previous {
	const struct prompt *prompt;
	struct str body;
	size_t same;
};

/*
 * Finds the prompt in a request body of the given API. Linear in the body; no recursion; nothing is copied.
 *
 * previous: an earlier prompt, or NULL. What is the same there is compared and not read or hashed again: a message
 * whose bytes are those of the message at the same place takes over its parts, a part elsewhere takes over the hashes
 * of the part at the same place. Messages within previous->same are taken over all at once.
 *
 * Returns 0, or -1 with *error pointing to static words when the body is not a JSON object of this API ("not JSON",
 * "truncated", "nested too deep", …) and *error_offset to the byte where that was seen; out then holds the parts found
 * up to there, and a fingerprint only of lists that were read to their end.
 */
int prompt_parse(enum kvs_llm_api api, struct str body, const struct prompt_previous *previous, struct prompt *out,
		 struct prompt_request *request, const char **error, size_t *error_offset)
	__attribute__((warn_unused_result));
/* How many parts at the beginning of two prompts are the same ones at the same places, their bodies being the same for
 * the first `same` bytes. */
size_t prompt_same_parts(const struct prompt *a, const struct prompt *b, size_t same);

/* The words used in traces and reports: "tool", "system", "message"; "user", …; "text", …. */
const char *part_kind_name(enum part_kind kind);
const char *part_role_name(enum part_role role);
const char *block_type_name(enum block_type block);
/* The reverse; -1 for a word that is none. */
int part_kind_from_name(struct str name);
int part_role_from_name(struct str name);
int block_type_from_name(struct str name);

#endif
