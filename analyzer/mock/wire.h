/* SPDX-License-Identifier: MIT */
#ifndef MOCK_WIRE_H
#define MOCK_WIRE_H

/*
 * How an answer is put on the wire: Anthropic's Messages or OpenAI's Chat Completions, as a stream of events or in one
 * piece. Every event is sent by itself, in one chunk.
 */

#include "base/buf.h"
#include "mock/answer.h"
#include "mock/profile.h"
#include "net/http_server.h"

#include <stdbool.h>
#include <stdint.h>

enum stop { STOP_END, STOP_TOOL, STOP_MAX_TOKENS };

/* An answer under way. */
struct reply {
	struct http_call *call;
	const char *model;
	char id[21]; /* hex digits that message and tool ids are made of */
	uint64_t created_s;
	bool include_usage; /* OpenAI's stream */
	const struct mock_profile *profile;
	const char *fingerprint; /* OpenAI's system_fingerprint; NULL: none */
	bool report_cached;      /* in the usage */
	size_t prompt_tokens, cached_tokens, output_tokens;
	size_t written_tokens[TTLS];                              /* to the cache, by time to live */
	uint64_t prefill_start_ns, first_token_ns, last_token_ns; /* CLOCK_MONOTONIC */
	const struct answer *answer;
	struct buf out;
};

struct wire {
	/* The stream, event by event. */
	void (*start)(struct reply *r);
	void (*block_start)(struct reply *r, size_t block);
	void (*piece)(struct reply *r, size_t block, struct str text);
	void (*block_end)(struct reply *r, size_t block);
	void (*finish)(struct reply *r, enum stop stop);
	void (*error)(struct reply *r, const char *type, const char *message);
	/* The answer in one piece, into r->out: nblocks blocks, of the last one last_bytes bytes of text. */
	void (*whole)(struct reply *r, size_t nblocks, size_t last_bytes, enum stop stop);
	/* The body of an error response. */
	void (*refusal)(struct buf *out, const char *type, const char *message);
};

extern const struct wire wire_anthropic, wire_openai;

/* The body of an error response of this server. */
void wire_refusal(const struct mock_profile *p, const struct wire *w, struct buf *out, int status, const char *type,
		  const char *message);

/* Sends what is in r->out as one chunk and empties it. */
void reply_send(struct reply *r);
/* How many tools are called before this block. */
size_t reply_tools_before(const struct reply *r, size_t block);

/* Anthropic's names for HTTP errors; "api_error" and 500 for what has no name. */
const char *error_type_of_status(int status);
int status_of_error_type(const char *type);

#endif
