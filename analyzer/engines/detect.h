/* SPDX-License-Identifier: MIT */
#ifndef ENGINES_DETECT_H
#define ENGINES_DETECT_H

/*
 * Which engine answers at a base URL: by a header and a JSON key, never by a status alone (LM Studio answers 200 to
 * every path), with at most four GETs and nothing that computes.
 *
 *     engine_detect(client, &base, NULL, NULL, &facts, error, sizeof(error));
 *     printf("%s, model %s\n", facts.name, facts.model);
 *     engine_facts_release(&facts);
 */

#include "client/client.h"
#include "engines/profile.h"
#include "render/backend.h"

#include <stddef.h>
#include <stdint.h>

enum known { KNOWN_NOT, KNOWN_NO, KNOWN_YES };

/* What becomes of a system turn inside messages[]. */
enum system_turn_fate { FATE_UNKNOWN, FATE_IN_PLACE, FATE_HOISTED, FATE_REFUSED };

/* What a template puts first: tools or the system prompt. */
enum head_order { HEAD_UNKNOWN, HEAD_TOOLS_FIRST, HEAD_SYSTEM_FIRST };

#define ENGINE_TIMINGS_MAX 16

struct engine_facts {
	const struct engine_profile *profile; /* never NULL after engine_detect */
	struct backend backend;               /* engine ENGINE_UNKNOWN for "mock" and "openai" */
	char name[96];                        /* "vllm@0.28.1+qwen3", "mock", "openai" */
	char version[64];                     /* as the server says it; "": it does not */
	bool given;                           /* by --engine, not recognised */
	char *model;                          /* that requests will name; NULL: none could be found */
	char *instance;                       /* LM Studio: of the loaded model; NULL: unknown */
	unsigned models;                      /* how many the server lists */
	int64_t context_tokens;               /* -1: unknown */
	int64_t slots;                        /* requests computed at a time; -1: unknown */
	enum known model_loaded;
	enum known busy;            /* llama.cpp: a slot is at work */
	enum known anthropic;       /* has POST /v1/messages; by the table until engine_probe has asked */
	enum known cached_reported; /* tells cached tokens; KNOWN_NOT until engine_probe has asked */
	enum known salt_works;      /* a salted prompt finds nothing cached; KNOWN_NOT until asked */
	enum known reset_works;     /* KNOWN_NOT until engine_reset was tried */
	enum known tokenizer;       /* counts the tokens of a prompt without reading it; by engine_probe_tokenizer */
	double prefill_rate;        /* tokens/s of engine_probe's first prompt; NaN: unknown */
	int64_t block_tokens;       /* of its cache, where it tells; -1: it does not */
	enum system_turn_fate system_turns; /* by engine_probe_system_turns */
	enum head_order head_order;         /* by engine_probe_head */
	enum known cut_back; /* a prompt reuses the part it has in common with another; by engine_probe_head */
	/* What small requests took, but for the very first: for a model of the prefill's cost. */
	struct engine_timing {
		int64_t fresh, reused; /* tokens */
		double seconds;        /* to the first token */
	} timings[ENGINE_TIMINGS_MAX];
	unsigned ntimings;
	uint64_t seed; /* of the prompt that engine_probe sent; 0: none yet */
	bool asked;    /* the first small request was answered */
	bool reuses;   /* a small prompt sent again was found in the cache; some keep long ones alone */
};

/*
 * engine: NULL, or ENGINE[@VERSION][+TEMPLATE] that overrides what is recognised ("mock" and "openai" are names, too).
 * model: NULL, or the model that requests are to name; else the one that is loaded or listed first.
 * Returns 0, or -1 with one line in error: nobody there, no language-model server, an unknown name. The caller releases
 * *out in either case.
 */
int engine_detect(struct client *client, const struct base_url *base, const char *engine, const char *model,
		  struct engine_facts *out, char *error, size_t error_bytes) __attribute__((warn_unused_result));
void engine_facts_release(struct engine_facts *f);

/* What the backend does to a prompt: as in the tables, but what was found out about this server counts. */
void engine_facts_rules(const struct engine_facts *f, struct render_rules *out);

const char *head_order_name(enum head_order order);            /* "unknown", "tools first", "system first" */
const char *known_name(enum known k);                          /* "unknown", "no", "yes" */
const char *system_turn_fate_name(enum system_turn_fate fate); /* "unknown", "in place", "hoisted", "refused" */

#endif
