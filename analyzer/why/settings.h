/* SPDX-License-Identifier: MIT */
#ifndef WHY_SETTINGS_H
#define WHY_SETTINGS_H

/* What to set in the client's environment against the causes that were found. */

#include "why/why.h"

#define WHY_SETTINGS_MAX 64

/*
 * "NAME=VALUE" (static text) against the first n causes and what is behind them, expected ones left out, each once.
 * Returns how many were written.
 */
size_t why_settings(const struct why *w, const struct why_cause *causes, size_t n, const char **out, size_t max);

/*
 * Backends that differ most in what they do to a prompt: who judges when the backend is neither given nor recognised.
 */
#define WHY_CANDIDATES 3
extern const struct backend why_candidates[WHY_CANDIDATES];

#endif
