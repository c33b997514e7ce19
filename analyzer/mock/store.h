/* SPDX-License-Identifier: MIT */
#ifndef MOCK_STORE_H
#define MOCK_STORE_H

/*
 * The prefix cache of an engine, of whichever policy: what is found when a prompt is begun, and what is kept when its
 * prefill ends, when its answer ends, or when its client leaves. Each policy has a module of its own; the limits are
 * data, most of them the profile's and the command line's.
 */

#include "mock/breakpoints.h"
#include "mock/cache.h"
#include "mock/radix.h"
#include "mock/sequences.h"
#include "mock/tokens.h"

#include <stdbool.h>

enum mock_policy {
	POLICY_BLOCKS,      /* mock/cache.h */
	POLICY_RADIX,       /* mock/radix.h */
	POLICY_SLOTS,       /* mock/sequences.h, with slots */
	POLICY_LIST,        /* mock/sequences.h, without */
	POLICY_BREAKPOINTS, /* mock/breakpoints.h */
};

/* Those of other policies are not looked at. SIZE_MAX: no limit. */
struct mock_limits {
	enum mock_policy policy;
	size_t min;         /* shorter hits count as none; of POLICY_BREAKPOINTS: shorter prefixes are not kept */
	double ttl_s;       /* of what is not used for so long nothing is left; 0: it stays */
	bool whole;         /* a kept state cannot be shortened: models with windows or recurrent layers */
	size_t token_bytes; /* that a token takes where a limit is in bytes */

	/* POLICY_BLOCKS, POLICY_RADIX */
	size_t tokens; /* capacity; 0: nothing is kept */
	size_t blocks; /* the same in blocks, two of which hold nothing that is kept; 0: not given */
	size_t block;  /* tokens of a block */

	/* POLICY_SLOTS, POLICY_LIST: sequences apart from the slots */
	size_t kept, kept_bytes;
	double similarity;  /* of a prompt that a slot must share */
	bool saves, clears; /* slots that are idle when a prompt begins: to the sequences apart; and are empty then */

	/* POLICY_BREAKPOINTS */
	size_t lookback; /* positions looked at from each */
};

struct mock_store {
	struct mock_limits limits;
	struct mock_cache cache;
	struct mock_radix radix;
	struct mock_sequences sequences;
	struct mock_prefixes prefixes;
	size_t at_work;
	uint64_t idle_ns; /* since when nothing is at work */
};

/* One prompt's way through the store. The caller fills in the first five. */
struct mock_use {
	uint64_t seed;                              /* prompts with different seeds share nothing: the model */
	bool no_reuse;                              /* is prefilled from its start */
	const struct mock_tokens *prompt;           /* borrowed until it has left */
	const struct mock_breakpoints *breakpoints; /* borrowed likewise; NULL: it asks for none */
	size_t system_end; /* of POLICY_LIST: tokens of the system prompt, if that is kept by itself */

	uint64_t start_ns;
	size_t cached;        /* tokens of the prompt that were found */
	size_t written[TTLS]; /* of those not found, that breakpoints keep */
	size_t slot;
	struct mock_radix_node *held;
};

/* slots: prompts computed at a time. Returns 0, or -1 without memory. */
int mock_store_init(struct mock_store *s, const struct mock_limits *limits, size_t slots);
void mock_store_release(struct mock_store *s);

/* The prompt is begun: looks it up, and takes a slot. */
void mock_store_begin(struct mock_store *s, struct mock_use *u, uint64_t now_ns);
/* Its first token is there. */
void mock_store_prefilled(struct mock_store *s, struct mock_use *u);
/* It has left, its slot is free, at this time; n tokens were computed: of its prompt, or of `whole` if that is given.
 */
void mock_store_end(struct mock_store *s, struct mock_use *u, const struct mock_tokens *whole, size_t n,
		    uint64_t now_ns);

/* Empties it; returns how many tokens were kept (prefixes of breakpoints have none of their own). */
size_t mock_store_empty(struct mock_store *s);
size_t mock_store_tokens(const struct mock_store *s);
/* Tokens that it can keep. */
size_t mock_store_capacity(const struct mock_store *s);

#endif
