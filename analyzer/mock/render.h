/* SPDX-License-Identifier: MIT */
#ifndef MOCK_RENDER_H
#define MOCK_RENDER_H

/*
 * From the JSON of a request to the tokens of its prompt. Servers and chat templates change a prompt before their cache
 * sees it; the rules say which of these habits to imitate. The analyzer has a table of its own for them: nothing is
 * shared, so that each can prove the other wrong.
 */

#include <stdbool.h>

struct mock_request;

/* Turns with role "system" or "developer" that are not the first of the prompt. */
enum mock_system_turns { SYSTEM_TURNS_KEEP, SYSTEM_TURNS_HOIST, SYSTEM_TURNS_USER, SYSTEM_TURNS_REFUSE };
/* The line "x-anthropic-billing-header: ..." that begins a text of a system turn. */
enum mock_billing { BILLING_KEEP, BILLING_MASK, BILLING_REMOVE };
/* What the assistant thought in earlier turns. DROP_OLD: until the last message that really is a user's. */
enum mock_thinking { THINKING_KEEP, THINKING_DROP_OLD, THINKING_DROP };

/* Zeroed: nothing is changed, tools come first. */
struct mock_rendering {
	enum mock_system_turns system_turns;
	enum mock_billing billing;
	enum mock_thinking thinking;
	bool system_first; /* before the tools */
};

/*
 * Fills in the prompt, the turn and the texts that the script searches; these are those of the request as it was sent,
 * whatever the rules. Returns NULL, or what is wrong with the request. Out of memory shows in the parts filled in.
 */
const char *mock_render(struct mock_request *r, const struct mock_rendering *how);

#endif
