/* SPDX-License-Identifier: MIT */
#ifndef WHY_MESSAGE_SIGNS_H
#define WHY_MESSAGE_SIGNS_H

/*
 * What the first difference of two prompts says of the message that it lies in, and of those around it. Both prompts
 * have a piece there.
 */

#include "why/compare.h"

/* The message has the same text in other blocks; *step then leads behind it. */
bool message_same_text(const struct view *old, const struct view *new, const struct comparison *c, struct excuse *step);
/* Whole messages were left out, and what stood behind them comes again to the old prompt's end. *gone: how many pieces.
 */
bool message_trimmed(const struct view *old, const struct view *new, const struct comparison *c, uint32_t *gone);
/* This request still sends the thinking of the last one, though it is not rendered any more. */
bool message_thinking_left_out(const struct view *old, const struct view *new, const struct comparison *c);
/* The assistant's message comes again without its thinking. */
bool message_thinking_gone(const struct view *old, const struct view *new, const struct comparison *c);
/*
 * The last turn's results come again behind texts that stand behind them on the wire. *texts: how many pieces came
 * between.
 */
bool message_text_moved(const struct view *old, const struct view *new, const struct comparison *c, uint32_t *texts);

#endif
