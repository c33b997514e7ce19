/* SPDX-License-Identifier: MIT */
#ifndef ENGINES_PROBE_REQUEST_H
#define ENGINES_PROBE_REQUEST_H

/* The small requests that probes send; words that have nothing in common with anybody's conversation. */

#include "engines/detect.h"

/* What a small request says: one user message (or a line of it), or the conversation that system turns are tried on. */
enum probe_text { PROBE_SINGLE, PROBE_SHORT, PROBE_CONVERSATION, PROBE_WITH_TURN, PROBE_CONTINUED, PROBE_HEAD };

struct probe_request {
	bool messages; /* the Anthropic route */
	uint64_t seed; /* of the user's text; PROBE_HEAD: of the system prompt */
	uint64_t tool_seed;
	const char *salt; /* NULL: none */
	enum probe_text text;
};

/* Its body: the words are the same for either API, and so is everything but the names around them. Appends. */
void probe_request_write(const struct engine_facts *f, const struct probe_request *r, struct buf *body);

#endif
