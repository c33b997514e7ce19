/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_FORECAST_H
#define REPLAY_FORECAST_H

/*
 * How much of each prompt a cache that holds should find, from the bytes that were sent before it: each prompt is laid
 * out as the backend does it (render/), and what it has in common with any prompt that was answered before is what can
 * be reused. Tokens are the engine's own counts where a common part ends with a whole earlier prompt, else a share by
 * bytes.
 *
 *     forecast_ask(&f, api, body, &p);          // before it is sent
 *     forecast_learn(&f, &p, prompt_tokens);    // when it was answered
 *     tokens = forecast_tokens(&p, prompt_tokens);
 */

#include "base/str.h"
#include "engines/detect.h"
#include "kvscope/llm_paths.h"
#include "render/render.h"

#include <stddef.h>
#include <stdint.h>

struct forecast_entry;

struct forecast {
	struct render_rules rules;
	struct forecast_entry *known; /* by chained digest of pieces */
	struct forecast_entry *parts; /* by the digest of each alone: how often it was asked */
	size_t asked;
};

struct forecast_piece {
	struct digest alone, chain;
	uint64_t bytes; /* of all pieces up to here */
};

struct forecast_prompt {
	struct forecast_piece *pieces;
	size_t n;
	uint64_t bytes;        /* of all pieces */
	uint64_t common_bytes; /* of those that were sent before, in whole pieces */
	int64_t anchor_tokens; /* tokens of the longest earlier prompt that this one begins with; 0: none */
	uint64_t anchor_bytes;
	bool known; /* false: the body could not be read */
};

/* What was found out about the server goes before what is known of its kind. */
void forecast_init(struct forecast *f, const struct engine_facts *facts);
void forecast_release(struct forecast *f);

/* forecast_prompt_release in either case. -1: no memory. */
int forecast_ask(struct forecast *f, enum kvs_llm_api api, struct str body, struct forecast_prompt *out)
	__attribute__((warn_unused_result));
/* tokens < 0: not told. */
int forecast_learn(struct forecast *f, const struct forecast_prompt *p, int64_t tokens)
	__attribute__((warn_unused_result));
void forecast_prompt_release(struct forecast_prompt *p);

/* Cached tokens that are to be expected, rounded down to whole blocks; -1: unknown. */
int64_t forecast_tokens(const struct forecast *f, const struct forecast_prompt *p, int64_t prompt_tokens);
/*
 * No more than this can have been reused, however the server lays prompts out and in whatever order it served those
 * that were asked so far: the pieces that another prompt had, too, and the largest of the others, which may begin
 * alike. As exact as a share by bytes. To be called when the answer is there.
 */
int64_t forecast_bound(const struct forecast *f, const struct forecast_prompt *p, int64_t prompt_tokens);

#endif
