/* SPDX-License-Identifier: MIT */
#ifndef MOCK_SCRIPT_H
#define MOCK_SCRIPT_H

/*
 * What the mock is to answer, as a JSON document (docs/mock.md): rules with conditions, a list of turns for a client
 * with tools, a default. The first rule that matches decides; nothing is counted per conversation, so conversations in
 * parallel do not disturb each other.
 */

#include "mock/answer.h"
#include "mock/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script_rule {
	/* Conditions; absent ones hold. */
	int64_t turn_min, turn_max;  /* -1: absent */
	char *model, *system, *user; /* parts of these texts */
	int tools;                   /* 1: some are offered, 0: none, -1: absent */
	uint64_t repeat;             /* uses left; UINT64_MAX: no limit */
	struct answer answer;
};

struct script {
	struct script_rule *rules;
	size_t nrules, rules_capacity;
	struct answer *turns;
	size_t nturns, turns_capacity;
	struct answer otherwise; /* "default" */
};

/* Without a script: a short text to everything. Returns 0, or -1 without memory. */
int script_init(struct script *s);
/*
 * Reads a document. Returns 0; -1 with what is wrong and where ("rule 2: ...") in why, the script is then as after
 * script_release.
 */
int script_parse(struct script *s, struct str text, char *why, size_t why_bytes);
void script_release(struct script *s);

/*
 * The answer to a request. It lives as long as the script. Counts down the rule's `repeat`. The name of what matched,
 * such as "rules[2]", goes to `matched`.
 */
const struct answer *script_match(struct script *s, const struct mock_request *r, char *matched, size_t matched_bytes);

#endif
