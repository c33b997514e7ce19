/* SPDX-License-Identifier: MIT */
#ifndef ENGINES_PROBE_H
#define ENGINES_PROBE_H

/*
 * What a server really does, found by small requests of one output token. These compute: the prompts are a few hundred
 * tokens long and have nothing in common with anybody's conversation.
 */

#include "engines/detect.h"

/*
 * Asks for the Anthropic route (where the table allows for one: MLX-LM would answer 404 without reading the body), then
 * sends one prompt twice and, where a salt is known, once more with one, and looks at the cached counts. Fills in
 * anthropic, cached_reported, salt_works and (vLLM: from its metrics) block_tokens. Also what warms the server up.
 * Returns 0, or -1 with one line in error: the server does not answer such a request.
 */
int engine_probe(struct client *client, const struct base_url *base, struct engine_facts *facts, char *error,
		 size_t error_bytes) __attribute__((warn_unused_result));

/*
 * What a request costs whatever its prefill: the prompt of engine_probe twice more, of which all is reused, and three
 * of a line. Long prompts alone cannot tell a cost per request from one per token that is reused. Adds to timings.
 * Directly after engine_probe; nothing where a prompt sent again is not found.
 */
void engine_probe_times(struct client *client, const struct base_url *base, struct engine_facts *facts);

/*
 * Sends a conversation, and it again with a system turn behind it: is the first one's prefix still found, and if not,
 * would it be without that turn? Fills in system_turns; FATE_UNKNOWN where the engine tells no cached tokens, or finds
 * nothing of a conversation that goes on. After engine_probe.
 */
void engine_probe_system_turns(struct client *client, const struct base_url *base, struct engine_facts *facts);

/* Sends a prompt that has nothing in common with any other: a model that was unloaded is there again afterwards. */
void engine_warm_up(struct client *client, const struct base_url *base, struct engine_facts *facts);

/*
 * Sends a system prompt with a tool, and again with another tool, then with another system prompt: what is still found
 * says which of them the template puts first, and whether the cache can go back to the part that two prompts share.
 * Fills in head_order and cut_back; nothing where the engine tells no cached tokens. After engine_probe.
 */
void engine_probe_head(struct client *client, const struct base_url *base, struct engine_facts *facts);

/*
 * Both of the routes that lay a prompt out or cut it into tokens (llama.cpp, vLLM): nothing is computed, no cache
 * touched. What the template does is told; vLLM's Anthropic route merges to the head what a template refuses, since
 * 0.32 and only then: of older ones FATE_UNKNOWN stays where the template takes system turns. Nothing is filled in
 * where there are no such routes.
 */
void engine_ask_layout(struct client *client, const struct base_url *base, struct engine_facts *facts);

/* Asks for the number of tokens of a short text, by Anthropic's count_tokens or the engine's own /tokenize. */
void engine_probe_tokenizer(struct client *client, const struct base_url *base, struct engine_facts *facts);

/* Prompt tokens and cached tokens of an answer, by the API's own way of counting; -1: not told. */
void engine_prompt_tokens(const struct engine_facts *facts, const struct exchange *x, int64_t *prompt, int64_t *cached);

#endif
