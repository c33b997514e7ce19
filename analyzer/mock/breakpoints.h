/* SPDX-License-Identifier: MIT */
#ifndef MOCK_BREAKPOINTS_H
#define MOCK_BREAKPOINTS_H

/*
 * Anthropic's prompt cache, by the rules of its documentation: nothing is cached that is not asked for.
 *
 * A prompt is tools, system, messages; each of their blocks ends at a position. A cache_control marks a position, a
 * breakpoint: when the prefill ends, the prefix up to it is kept for its time to live, if it is not too short. A later
 * prompt finds a prefix only where one was kept: from each of its breakpoints it looks at that position and the ones
 * before it, `lookback` in all, and the longest hit counts. Prefixes kept for five minutes and for an hour are apart.
 * Times to live count from the start of the request that wrote or last read the prefix.
 *
 * A key stands for the tokens up to its position and, by section, for what of the request's parameters invalidates the
 * cache from there on: `speed` and citations from the system prompt on; tool_choice, thinking, effort and whether there
 * are images at all in the messages.
 */

#include "mock/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BREAKPOINTS_MAX 4

enum mock_ttl { TTL_5M, TTL_1H, TTLS };

struct mock_position {
	uint64_t key;
	size_t end; /* tokens of the prompt up to here */
};

/* What one request asks for. */
struct mock_breakpoints {
	struct mock_position *positions;
	size_t npositions;
	struct {
		size_t position;
		enum mock_ttl ttl;
	} marks[BREAKPOINTS_MAX]; /* in the order of the prompt */
	size_t nmarks;
};

/*
 * Reads a request's. Marks on prefixes of fewer than min_tokens are left out. seed: prompts with different ones share
 * nothing. Returns NULL, or a sentence for the client about what the API refuses (in why); nothing is to be released
 * then.
 */
const char *mock_breakpoints_read(struct mock_breakpoints *b, const struct mock_request *r, uint64_t seed,
				  size_t min_tokens, char *why, size_t why_bytes);
void mock_breakpoints_release(struct mock_breakpoints *b);

struct mock_prefix;

struct mock_prefixes {
	struct mock_prefix *table;
	uint64_t ttl_ns[TTLS];
	size_t lookback;
};

/* ttl_ns: of TTL_5M; that of TTL_1H is twelve times as long. 0: for ever. */
void mock_prefixes_init(struct mock_prefixes *p, uint64_t ttl_ns, size_t lookback);
/* Empties it; returns how many prefixes there were. */
size_t mock_prefixes_reset(struct mock_prefixes *p);
void mock_prefixes_release(struct mock_prefixes *p);
size_t mock_prefixes_count(const struct mock_prefixes *p);
/*
 * How many tokens of the prompt are cached for a request that starts now; what it reads lives on from now. written: how
 * many of the others it will write, by time to live.
 */
size_t mock_prefixes_lookup(struct mock_prefixes *p, const struct mock_breakpoints *b, uint64_t now_ns,
			    size_t written[TTLS]);
/* Keeps what the request that started then asked for. Out of memory: keeps what it can. */
void mock_prefixes_store(struct mock_prefixes *p, const struct mock_breakpoints *b, uint64_t start_ns);

#endif
