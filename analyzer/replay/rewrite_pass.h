/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_REWRITE_PASS_H
#define REPLAY_REWRITE_PASS_H

/* Inside of rewriting: one pass over a body. Each reads what the one before it has written, and leaves its changes in
 * `edits`. */

#include "replay/rewrite.h"
#include "replay/spans.h"

struct pass {
	struct str body;
	bool openai;
	const struct rewrite_rules *rules;
	struct edits edits;
	uint32_t *changes;
};

/* A member of the body; absent if it has none of that name. */
struct str pass_member(const struct pass *p, struct str key);
/* A block of the system prompt that is the client's billing line. */
bool pass_is_billing(struct str block);

void pass_messages(struct pass *p); /* system turns */
void pass_billing(struct pass *p);
void pass_tools(struct pass *p);
void pass_cache_control(struct pass *p);

#endif
