/* SPDX-License-Identifier: MIT */
#ifndef ENGINES_PROFILE_H
#define ENGINES_PROFILE_H

/*
 * What is known beforehand about each inference engine, as a table of data: which routes it has, how its cache is kept
 * out of a cold measurement, how it is emptied, what makes it tell cached tokens. What a running server really does is
 * found by engines/detect.h and engines/probe.h; the table says what to expect and what to advise.
 */

#include "base/str.h"
#include "render/backend.h"

#include <stdbool.h>

/* How a prompt's tokens are had without computing. */
enum count_kind {
	COUNTS_NONE,
	COUNTS_LENGTH,   /* POST /v1/messages/count_tokens: how many */
	COUNTS_CHAT,     /* POST /tokenize with messages: the tokens, as the template lays them out */
	COUNTS_TEMPLATE, /* POST /apply-template, then POST /tokenize: the same */
};

enum reset_kind {
	RESET_NONE,
	RESET_POST,            /* reset_path; 2xx is success, unless the body says {"success":false} */
	RESET_SLOTS,           /* llama.cpp: POST /slots/I?action=erase for every slot */
	RESET_OLLAMA_UNLOAD,   /* POST /api/generate {"model":M,"keep_alive":0} */
	RESET_LMSTUDIO_UNLOAD, /* POST /api/v1/models/unload, then load */
};

struct engine_profile {
	const char *name;   /* what --engine takes; of those that render/backend.h knows its name */
	enum engine engine; /* ENGINE_UNKNOWN: no rules of rendering are known */
	bool anthropic_route;
	enum count_kind counts;
	bool reports_cached;       /* can tell cached tokens at all */
	bool absent_is_zero;       /* leaves the member out when nothing was cached */
	const char *cached_switch; /* what makes it tell them; NULL: nothing is needed */
	const char *salt_member;   /* of the body: separates caches of equal prompts; NULL: none */
	bool salt_on_messages;     /* on /v1/messages, too */
	enum reset_kind reset;
	const char *reset_path;
	bool reset_each;    /* cheap enough to be done before every cold request */
	bool reset_unloads; /* it takes the model from memory: only where that is asked for, and before whole runs */
	const char *reset_switch; /* what allows it; NULL: nothing is needed */
	bool cache_is_asked_for;  /* only what has cache_control is cached */
	const char *cold_launch;  /* without any cache: the relaunch hint */
	const char *cold_remedy;  /* when a cold arm turned out warm */
};

/* Ends with an entry without a name. "mock" and "openai" (any server of that API) are in it, too. */
extern const struct engine_profile engine_profiles[];

/* By name in any case; NULL: none. */
const struct engine_profile *engine_profile_named(struct str name);
/* Of an engine; of ENGINE_UNKNOWN that of "openai". */
const struct engine_profile *engine_profile_of(enum engine engine);

#endif
