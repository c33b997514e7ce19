/* SPDX-License-Identifier: MIT */
#ifndef WHY_REQUEST_SIGNS_H
#define WHY_REQUEST_SIGNS_H

/* What two requests say besides their prompts, and what of it a cache can depend on. Reads both requests. */

#include "report/report.h"

struct request_signs {
	bool parameters_changed;    /* effort, thinking or tool_choice differ */
	bool long_ttl;              /* the earlier one asks for an hour */
	bool ttl_changed;           /* they ask for different times to live */
	bool marker_on_system_turn; /* the earlier one's last cache_control is on a system turn inside messages[] */
	double behind_marker;       /* the share of the earlier prompt that stands behind its last cache_control */
};

/* What is known of the cache markers of parts and of the requests that were looked at last: each is read once. */
struct request_memo;
/* NULL: no memory. */
struct request_memo *request_memo_new(const struct report *report);
void request_memo_free(struct request_memo *memo);

/* Where texts were not kept, nothing of them is claimed. Without `markers` only parameters are looked at. */
void request_signs(const struct report *report, struct request_memo *memo, uint32_t old, uint32_t new, bool markers,
		   struct request_signs *out);

#endif
