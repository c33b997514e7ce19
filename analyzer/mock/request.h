/* SPDX-License-Identifier: MIT */
#ifndef MOCK_REQUEST_H
#define MOCK_REQUEST_H

/*
 * A request for an answer, read from the JSON of either API: what the script may look at, and the prompt as tokens.
 *
 * The prompt is rendered by a plain template (docs/mock.md): tools, then system, then the messages as they come, each
 * introduced by a token for its role; the rules of mock/render.h may ask for something else. cache_control, ids and
 * other fields that are not shown to a model are left out.
 */

#include "base/buf.h"
#include "mock/render.h"
#include "mock/tokens.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ollama's num_keep. */
#define MOCK_KEEP_TOKENS 4

enum mock_api { MOCK_API_NONE, MOCK_ANTHROPIC_MESSAGES, MOCK_ANTHROPIC_COUNT_TOKENS, MOCK_OPENAI_CHAT };

enum mock_section { SECTION_TOOLS, SECTION_SYSTEM, SECTION_MESSAGES };

/* A tool, or a content block of the system prompt or of a message, in the order of the prompt. */
struct mock_block {
	enum mock_section section;
	size_t message, content; /* its place on the wire; content is also the number of a tool or system block */
	const cJSON *json;       /* itself; a string where it is one */
	size_t end;              /* tokens of the prompt up to its end */
};

struct mock_request {
	enum mock_api api;
	const char *model; /* into json; NULL: not given */
	bool stream;
	bool include_usage; /* OpenAI's stream_options */
	int64_t max_tokens; /* -1: not given */
	size_t left_out;    /* of the oldest messages, at most: they are no part of the prompt */
	size_t turn;        /* assistant messages so far */
	bool last_is_user;  /* the last message */
	struct mock_tokens prompt;
	struct mock_block *blocks;
	size_t nblocks, blocks_capacity;
	struct buf system;    /* text of all system and developer turns */
	struct buf last_user; /* text of the last user message */
	cJSON *json;          /* the whole request */
};

/*
 * Reads a body. Returns 0; -1 with a sentence for the client in why (the request is then as after
 * mock_request_release).
 */
int mock_request_read(struct mock_request *r, enum mock_api api, const struct mock_rendering *how, struct str body,
		      char *why, size_t why_bytes);
/* The same; the prompt is also appended to `text` (mock/tokens.h). */
int mock_request_read_text(struct mock_request *r, enum mock_api api, const struct mock_rendering *how, struct str body,
			   struct buf *text, char *why, size_t why_bytes);
/* Leaves the oldest messages out of the prompt, but not system turns and the last one, until it has max tokens. */
void mock_request_drop_old(struct mock_request *r, const struct mock_rendering *how, size_t max);
/* Cuts tokens out of the middle of a prompt that fills the context: what is left are MOCK_KEEP_TOKENS at the beginning
 * and the end of it, half the context in all. Its blocks are no longer known. */
void mock_request_cut(struct mock_request *r, size_t context);
void mock_request_release(struct mock_request *r);
/* What a tool's definition is in: itself with Anthropic, its "function" with OpenAI. */
const cJSON *mock_tool_definition(const cJSON *tool);
/* True if the request offers any tool (name NULL), or this one. */
bool mock_request_offers_tool(const struct mock_request *r, const char *name);

#endif
