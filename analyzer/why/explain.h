/* SPDX-License-Identifier: MIT */
#ifndef WHY_EXPLAIN_H
#define WHY_EXPLAIN_H

/* The difference of two prompts, explained: its cause, what is behind that, the place, and what undoing it all gives.
 */

#include "report/report.h"
#include "trace/prompt_place.h"
#include "why/breaker.h"
#include "why/compare.h"
#include "why/why.h"

struct explained {
	const struct breaker *cause; /* NULL: none that counts */
	const struct breaker *behind[WHY_BEHIND_MAX];
	struct comparison first;
	struct prompt_place place;
	uint64_t prefix;   /* bytes of the new prompt before the divergence, inside its part, too */
	uint64_t regained; /* bytes that would be reused again, were the causes undone; 0 for an expected one */
};

/*
 * Explains what a comparison found, makes as if it had not been, and looks again. With `across`, only causes count that
 * keep conversations from sharing their heads. explained_release in either case.
 */
void explain(const struct report *report, uint32_t exchange, const struct view *old, const struct view *new,
	     const struct comparison *found, bool across, struct explained *x);
void explained_release(struct explained *x);

/* Adds a cause to those behind the first one, unless it is there. */
void explain_add_behind(const struct breaker *behind[WHY_BEHIND_MAX], const struct breaker *first,
			const struct breaker *cause);

#endif
