/* SPDX-License-Identifier: MIT */
#ifndef MOCK_TOKENS_H
#define MOCK_TOKENS_H

/*
 * The mock's own tokeniser. It has no vocabulary: a token is a piece of text cut by fixed rules (docs/mock.md), its id
 * a hash of that text. About four bytes of prose make a token. Roles and block borders are tokens that no text can
 * spell.
 *
 * Text is cut piece by piece from its start, so the same text always gives the same tokens.
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mock_mark {
	MARK_TOOL = 1,
	MARK_SYSTEM,
	MARK_USER,
	MARK_ASSISTANT,
	MARK_TOOL_RESULT,
	MARK_THINKING,
	MARK_TOOL_CALL,
	MARK_BLOCK, /* between the fields of a block and between blocks of one kind */
	MARK_OTHER,
	MARK_END,
};

struct mock_tokens {
	uint64_t *ids;
	size_t n;
	size_t capacity;
	bool failed;      /* out of memory: the list is not complete */
	struct buf *text; /* borrowed; NULL, or where the same is written as text, marks as "<|user|>" and the like */
};

/* Starts out zeroed. */
void mock_tokens_release(struct mock_tokens *t);
void mock_tokens_mark(struct mock_tokens *t, enum mock_mark mark);
void mock_tokens_append(struct mock_tokens *t, const struct mock_tokens *more);
void mock_tokens_text(struct mock_tokens *t, struct str text);
/* A text in which marks may be spelled. */
void mock_tokens_spelled(struct mock_tokens *t, struct str text);
/* Hashes n tokens on from h: every bit of either reaches every bit of the result. */
uint64_t mock_tokens_hash(uint64_t h, const uint64_t *ids, size_t n);
/* Bytes of the first token of a text, 0 only for an empty one. */
size_t mock_token_bytes(struct str text);

#endif
