/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_REWRITE_H
#define REPLAY_REWRITE_H

/*
 * A captured request body as it is sent to another backend: exactly the captured bytes but for what must change, and a
 * list of what that was. Every change is made in the same way in every request of a conversation, so prompts that
 * began alike still do.
 *
 * The nonce makes prompts of different runs differ from their first bytes on: a line of digits with blanks between them
 * (so that every nonce has the same number of tokens), put in front of the first system text that is no billing line
 * and of the first tool's description, since templates lay out either of them first; without both, in front of the
 * first user text.
 */

#include "base/buf.h"
#include "base/str.h"
#include "kvscope/llm_paths.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum billing_change { BILLING_AS_SENT, BILLING_STRIP, BILLING_PIN };
enum inline_system { INLINE_KEEP, INLINE_USER, INLINE_MERGE };

struct rewrite_rules {
	const char *model;  /* NULL: as captured */
	int64_t max_tokens; /* < 0: as captured */
	enum billing_change billing;
	enum inline_system inline_system; /* system turns behind the first other message */
	bool drop_total_tokens;           /* system turns that only count tokens down */
	bool sort_tools;                  /* by name */
	bool keep_thinking;               /* chat_template_kwargs for the templates that drop old thinking */
	bool strip_cache_control;
	const char *nonce;       /* NULL: none */
	const char *salt_member; /* NULL: none */
	const char *salt;
	bool to_openai; /* an Anthropic body becomes one of Chat Completions */
};

/* What was changed, as a set. */
enum change {
	CHANGE_MODEL = 1 << 0,
	CHANGE_MAX_TOKENS = 1 << 1,
	CHANGE_STREAM = 1 << 2,
	CHANGE_BILLING_STRIPPED = 1 << 3,
	CHANGE_BILLING_PINNED = 1 << 4,
	CHANGE_SYSTEM_TO_USER = 1 << 5,
	CHANGE_SYSTEM_MERGED = 1 << 6,
	CHANGE_TOTAL_TOKENS = 1 << 7,
	CHANGE_TOOLS_SORTED = 1 << 8,
	CHANGE_KEEP_THINKING = 1 << 9,
	CHANGE_CACHE_CONTROL = 1 << 10,
	CHANGE_NONCE = 1 << 11,
	CHANGE_SALT = 1 << 12,
	CHANGE_TO_OPENAI = 1 << 13,
	CHANGE_THINKING_DROPPED = 1 << 14, /* Chat Completions has no place for it */
	CHANGE_BLOCKS_DROPPED = 1 << 15,   /* of types that it does not know */
	CHANGE_SYNTHETIC = 1 << 16,        /* the text is made up: the trace holds none */
	/* Of the conversion: */
	CHANGE_STOP = 1 << 17,
	CHANGE_TOOL_CHOICE = 1 << 18,
	CHANGE_TOOL_CHOICE_DROPPED = 1 << 19, /* of a kind, or a tool, that is not there */
	CHANGE_TOP_K = 1 << 20,
	CHANGE_METADATA = 1 << 21,
	CHANGE_THINKING_SETTING = 1 << 22,
	CHANGE_SERVICE_TIER = 1 << 23,
	CHANGE_OUTPUT_CONFIG = 1 << 24,
	CHANGE_CONTEXT_MANAGEMENT = 1 << 25,
	CHANGE_PARAMETERS = 1 << 26,    /* others of the body */
	CHANGE_TOOLS_DROPPED = 1 << 27, /* the API's own, which have no schema */
	CHANGE_TOOL_OPTIONS = 1 << 28,
	CHANGE_BLOCK_OPTIONS = 1 << 29, /* citations and the like, of blocks and messages */
	CHANGE_TOOL_ERRORS = 1 << 30,   /* is_error of a tool's result */
	CHANGES = 31,
};
/* "model", "max_tokens", …, by the number of the bit. */
const char *change_name(unsigned bit);

#define NONCE_DIGITS 12
#define NONCE_CHARS (2 * NONCE_DIGITS + 1) /* with the end of its line and a terminator */
void nonce_format(uint64_t number, char out[NONCE_CHARS]);

/*
 * Appends the new body and adds to *changes. Returns 0, or -1 with static words in *error: not a request body of this
 * API, or no memory.
 */
int rewrite_body(enum kvs_llm_api api, struct str body, const struct rewrite_rules *rules, struct buf *out,
		 uint32_t *changes, const char **error) __attribute__((warn_unused_result));

#endif
