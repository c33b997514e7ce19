/* SPDX-License-Identifier: MIT */
#ifndef WHY_BREAKER_H
#define WHY_BREAKER_H

/*
 * The table of prefix breakers, as data (breakers.c): one entry each, with the versions of the client that have it, the
 * backends that suffer, and the settings against it. Adding one is adding an entry and a test; an entry whose sign
 * needs code has it in signs.c, server.c or across.c.
 */

#include "render/backend.h"

#include <stdbool.h>
#include <stddef.h>

enum breaker_side { SIDE_CLIENT, SIDE_SERVER, SIDE_NEITHER };

struct client_version {
	unsigned n[3]; /* 2.1.330; all 0: not known */
	bool other;    /* another program than Claude Code: no setting of its client is one of this one's */
};

/* Versions of Claude Code, both ends included; 0.0.0 is an open end. */
struct client_range {
	struct client_version since, until;
};

enum fix_kind {
	FIX_ENV,     /* NAME=VALUE in the client's environment, or under "env" in its settings */
	FIX_OPTION,  /* of the client's command line */
	FIX_SERVER,  /* option or variable of the backend */
	FIX_REQUEST, /* field of the request, as a gateway can add it */
};

struct breaker_fix {
	enum fix_kind kind;
	const char *what;                 /* NULL ends the list */
	struct client_range clients;      /* the versions that know it */
	enum engine engine;               /* ENGINE_UNKNOWN: whatever the backend */
	enum chat_template chat_template; /* TEMPLATE_UNKNOWN: whatever the template */
};

#define BREAKER_FIXES_MAX 8

/* What a backend must do for an entry to cost anything. */
enum breaker_hurts {
	HURTS_ANY_CACHE,            /* have a prefix cache */
	HURTS_BILLING_KEPT,         /* leave the attribution block in the prompt; one that masks cch= suffers less */
	HURTS_TURNS_HOISTED,        /* merge system turns into the head */
	HURTS_THINKING_DROPPED_OLD, /* leave old thinking out once a new user message comes */
	HURTS_TOOLS_MOVED,          /* render the tools before the newest user message */
	HURTS_FEW_SLOTS,            /* keep few conversations at a time */
	HURTS_FULL,                 /* have a cache of a size that a user can reach */
	HURTS_NO_TRIM,              /* have caches that some models cannot cut back */
	HURTS_TRUNCATES,            /* cut long prompts silently */
	HURTS_ANTHROPIC,            /* cache what is marked, for a time */
};

struct breaker {
	const char *name; /* as in JSON: "billing_header" */
	enum breaker_side side;
	bool expected;                /* no setting could avoid it: first_request, compaction, … */
	bool across;                  /* keeps conversations from sharing tools and system prompt, too */
	const char *reason;           /* the API's own name for it ("system_changed"); NULL: it has none */
	const char *title;            /* "the attribution header changes with every request" */
	const char *looks;            /* how it looks on the wire or in the rendered prompt */
	struct client_range versions; /* of Claude Code that send it; open: all, or any client */
	const char *clients;          /* the same in words where there is more to say; NULL: any */
	const char *engines;          /* who suffers, in words; NULL: any */
	enum breaker_hurts hurts;
	/* It comes in every session of these versions (of some models), not only where something changes. */
	bool in_every_session;
	struct client_range every;
	const char *fix; /* words, one sentence */
	struct breaker_fix fixes[BREAKER_FIXES_MAX];
	const char *source; /* public thread or document that describes it */
};

extern const struct breaker breakers[];
extern const size_t nbreakers;
/* NULL: there is none of that name. */
const struct breaker *breaker_find(const char *name);

/* "2.1.330" or what begins with it ("2.1.330.572", "2.1.330 (external, cli)"); false: no version. */
bool client_version_parse(struct str s, struct client_version *out);
/* Is the version inside? One that is not known is inside every range. */
bool client_in_range(struct client_version v, const struct client_range *range);
/* Does this entry's client have it, as far as the version tells? */
bool breaker_concerns(const struct breaker *b, struct client_version client);
/*
 * The first setting of this kind that the client's version knows and that is meant for the backend (NULL: for any; then
 * entries for one engine count, too). NULL: there is none.
 */
const char *breaker_fix_for(const struct breaker *b, enum fix_kind kind, struct client_version client,
			    const struct backend *backend);

#endif
