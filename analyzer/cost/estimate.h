/* SPDX-License-Identifier: MIT */
#ifndef COST_ESTIMATE_H
#define COST_ESTIMATE_H

/*
 * Where a backend does not say what it reused: as much as its rules let a cache reuse that holds (why). That is an
 * estimate, and it is believed only as far as the clock agrees: a model must fit the seconds to these counts.
 */

#include "cost/cost.h"

/* Fills prefilled and reused where the backend says nothing and the prompt's size is known. */
void estimate_counts(const struct report *report, const struct why *why, struct cost *cost);
/* Takes the counts back of backends whose model does not fit them, and counts those that stay in
 * cost->tokens.estimated. */
void estimate_check(const struct report *report, struct cost *cost);

#endif
