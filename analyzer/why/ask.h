/* SPDX-License-Identifier: MIT */
#ifndef WHY_ASK_H
#define WHY_ASK_H

/*
 * Asks a running backend how it lays out and cuts the prompts of misses, so that their counts are counted and no longer
 * estimated:
 *
 *     llama.cpp     POST /apply-template, then POST /tokenize: the tokens themselves, and where two prompts part
 *     vllm          POST /tokenize with the messages: the same
 *     sglang, lmstudio, anthropic
 *                   POST /v1/messages/count_tokens: the length; where they part stays a share of it
 *     mlx-lm, ollama
 *                   nothing: the counts stay what they were
 *
 * A request is sent as the backend's own Anthropic route would hand it to the template: converted, with system turns
 * and the billing block treated by the rules of the verdict. Nothing is generated and no cache is touched.
 */

#include "engines/detect.h"
#include "why/why.h"

struct ask_counts {
	uint64_t asked;   /* misses; 0: the engine has no route for it */
	uint64_t counted; /* of them: both lengths, and the place where they part */
	uint64_t lengths; /* of them: the length alone */
	uint64_t refuted; /* the real template lays them out alike: they were taken out */
	char error[400];  /* the first thing that went wrong, "" if nothing did */
};

/* At most this many misses are asked for, the ones that lost most first. */
#define ASK_MISSES_MAX 100

/* Changes the misses of *why. Returns 0, or -1: no memory. */
int ask_misses(struct client *client, const struct base_url *base, const struct engine_facts *facts,
	       struct report *report, struct why *why, struct ask_counts *out) __attribute__((warn_unused_result));

#endif
