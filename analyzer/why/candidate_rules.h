/* SPDX-License-Identifier: MIT */
#ifndef WHY_CANDIDATE_RULES_H
#define WHY_CANDIDATE_RULES_H

/*
 * Private to candidates: which of a backend's rules can make a difference to the prompts of some traces. Backends whose
 * rules come to the same there are judged once.
 */

#include "render/backend.h"
#include "report/report.h"

/* What is in the traces that rules can make a difference to. */
struct candidate_features {
	bool tools, turns, thinking, text, results; /* any such parts */
	bool billing;                               /* several attribution blocks */
	bool heads;   /* tools or system prompt differ within a conversation, or between two that share one */
	bool cached;  /* the responses say what was reused */
	bool cut_off; /* a prompt was counted shorter than its parent, or not as much longer as it is */
};

/* Rules for these traces, and what else of a backend counts in them. */
struct candidate_key {
	struct render_rules rules;
	bool anthropic, effort_in_prompt, truncates;
};

void candidate_features_of(const struct report *report, struct candidate_features *out);
/* Rules that come to the same for these traces become equal ones. */
struct candidate_key candidate_key_of(const struct candidate_features *has, const struct backend *backend);
bool candidate_keys_equal(const struct candidate_key *a, const struct candidate_key *b);

#endif
