/* SPDX-License-Identifier: MIT */
#ifndef ANATOMY_REMINDERS_H
#define ANATOMY_REMINDERS_H

/* What Claude Code itself has put into a user message, by the marks that it sets. */

#include "base/str.h"

struct reminders {
	size_t memory; /* bytes of memory files: from "# claudeMd", or "Contents of FILE.md (", to what the client says
			  next */
	size_t reminders; /* of all else in <system-reminder>...</system-reminder> and <total_tokens>...</total_tokens>
			   */
};

/* json: a block as it stands in a body, escapes and all. What is not closed is none. */
void reminders_measure(struct str json, struct reminders *out);

#endif
