/* SPDX-License-Identifier: MIT */
#ifndef WHY_SETTINGS_H
#define WHY_SETTINGS_H

/* What to set against the causes that were found. */

#include "why/why.h"

#define WHY_SETTINGS_MAX 64

/*
 * "NAME=VALUE" (static text) against the first n causes and what is behind them, expected ones left out, each once.
 * Returns how many were written.
 */
size_t why_settings(const struct why *w, const struct why_cause *causes, size_t n, const char **out, size_t max);

/* A setting against a cause, and who it is for. */
struct why_fix {
	enum fix_kind kind;
	const char *what;   /* static text */
	enum engine engine; /* of several candidates those of this engine; ENGINE_UNKNOWN: whoever it is */
};

#define WHY_FIXES_MAX 16

/* All settings against the cause of a miss, for the backends of the verdict. Returns how many were written. */
size_t why_fixes(const struct why *w, const struct why_miss *m, struct why_fix out[WHY_FIXES_MAX]);

#endif
