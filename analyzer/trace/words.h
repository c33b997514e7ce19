/* SPDX-License-Identifier: MIT */
#ifndef TRACE_WORDS_H
#define TRACE_WORDS_H

/* The words of a trace that stand for numbers elsewhere. */

#include "base/str.h"
#include "exchange.h"
#include "kvscope/ring.h"

/* "exact", "record-level", "degenerate". */
const char *timing_grade_name(enum timing_grade grade);
/* The reverse; -1 for a word that is none. */
int timing_grade_from_name(struct str name);

/* What a capture mode is known to change about what it records; NULL-terminated, none for an unknown mode. */
const char *const *capture_changes(const char *capture_mode);

/* By enum kvs_drop, by enum kvs_blind (from 1). */
extern const char *const loss_drop_names[KVS_DROP_REASONS];
#define LOSS_BLIND_NAMES (KVS_BLIND_CHILD + 1)
extern const char *const loss_blind_names[LOSS_BLIND_NAMES];

#endif
