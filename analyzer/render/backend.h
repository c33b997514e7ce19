/* SPDX-License-Identifier: MIT */
#ifndef RENDER_BACKEND_H
#define RENDER_BACKEND_H

/*
 * Which backend is meant, and what it does to a prompt before the model sees it: `ENGINE[@VERSION][+TEMPLATE]`, as in
 * `vllm@0.28+qwen3`. The rules are data (two tables in backend.c, one per engine and one per template); what is in
 * them stands with its source in docs/backends.md.
 */

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum engine {
	ENGINE_UNKNOWN,
	ENGINE_LLAMACPP,
	ENGINE_VLLM,
	ENGINE_SGLANG,
	ENGINE_MLX_LM,
	ENGINE_LMSTUDIO,
	ENGINE_OLLAMA,
	ENGINE_ANTHROPIC,
	ENGINES
};

enum chat_template {
	TEMPLATE_UNKNOWN,
	TEMPLATE_PLAIN,
	TEMPLATE_QWEN3,
	TEMPLATE_LLAMA3,
	TEMPLATE_GEMMA,
	TEMPLATE_MISTRAL,
	TEMPLATE_GPT_OSS,
	TEMPLATE_GLM,
	TEMPLATES
};

enum tools_place { TOOLS_BEFORE_SYSTEM, TOOLS_AFTER_SYSTEM, TOOLS_BEFORE_LAST_USER };

enum system_turns {
	TURNS_IN_PLACE, /* a system turn inside messages[] stays where it is */
	TURNS_HOISTED,  /* all of them are merged into the leading system prompt */
	TURNS_REROLED,  /* in place, as user turns */
	TURNS_REFUSED,  /* the request is answered with an error */
};

enum billing_rule {
	BILLING_KEPT,
	BILLING_MASKED, /* the block stays, the value of cch= is overwritten with a constant */
	BILLING_REMOVED,
};

enum thinking_rule {
	THINKING_KEPT,
	THINKING_DROPPED,     /* never rendered: no turn can lose it */
	THINKING_DROPPED_OLD, /* rendered in the turns after the last user message only */
};

/* Reuse of a prefix goes by blocks of this many tokens; 1: token-exact. */
struct render_rules {
	enum tools_place tools;
	enum system_turns system_turns;
	enum billing_rule billing;
	enum thinking_rule thinking;
	unsigned block_tokens;
	bool text_before_tool_results; /* of one user turn, whatever the order on the wire */
};

struct backend {
	enum engine engine;
	enum chat_template chat_template;
	unsigned version[3]; /* 0.28 is {0, 28, 0}; builds as b8906 are {8906, 0, 0}; all 0: the newest known */
};

/*
 * Reads `ENGINE[@VERSION][+TEMPLATE]`. Returns 0, or -1 with static words in *error ("no such engine", …).
 * Without a template TEMPLATE_UNKNOWN is taken.
 */
int backend_parse(struct str name, struct backend *out, const char **error) __attribute__((warn_unused_result));
/* Writes the name that backend_parse reads; out holds at least 64 bytes. */
void backend_name(const struct backend *b, char *out, size_t out_bytes);
/* The rules; of an unknown template those of TEMPLATE_PLAIN. */
void backend_rules(const struct backend *b, struct render_rules *out);

/* Cuts the oldest messages off a prompt that is too long, and says nothing; others refuse it. */
bool engine_truncates(enum engine engine);
/* "llama.cpp", …; "unknown". */
const char *engine_name(enum engine engine);
enum engine engine_from_name(struct str name);
const char *template_name(enum chat_template chat_template);
/* A guess by the model's name ("qwen3-coder-30b" → qwen3); TEMPLATE_UNKNOWN where nothing fits. */
enum chat_template template_of_model(struct str model);

#endif
