/* SPDX-License-Identifier: MIT */
#ifndef WHY_AFRESH_H
#define WHY_AFRESH_H

/* Did the conversation begin anew where two prompts part? */

#include "why/compare.h"

/* With the summary of what was said, which the old prompt did not have. */
bool afresh_by_summary(const struct view *old, const struct view *new, const struct comparison *c);
/*
 * With nothing of it: an answer had come, the prompts part before the first one, and behind that place nothing comes
 * again but reminders, with which every conversation begins.
 */
bool afresh_by_clear(const struct view *old, const struct view *new, const struct comparison *c);

#endif
