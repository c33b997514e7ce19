/* SPDX-License-Identifier: MIT */
#ifndef WHY_TEXT_SIGNS_H
#define WHY_TEXT_SIGNS_H

/* What two texts that stood in the same place of two prompts say of why they differ. Pure functions of bytes. */

#include "base/str.h"

/* Bytes that both begin with. */
size_t text_common(struct str a, struct str b);
bool text_contains(struct str s, struct str word);

/* A countdown of tokens left. */
bool text_is_countdown(struct str text);
/* They are equal but for dates (ISO, 24/11/2026, Nov 24 2026, with or without a time or a weekday). */
bool text_date_changed(struct str old, struct str new);
/* The new one is the summary of a compacted conversation and the old is not, or an old tool result was cleared. */
bool text_is_compaction(struct str old, struct str new);
/* Claude Code's sentence that says who the model is. */
bool text_is_identity(struct str text);
/* Both say who the model is, in different words. */
bool text_identity_changed(struct str old, struct str new);
/* They part in the hex digits behind "cch=". */
bool text_attestation(struct str old, struct str new);
/* One has reminders that the other has not, or they part inside one. */
bool text_reminder_differs(struct str old, struct str new);

/* The section of Claude Code's prompt that holds a byte. */
enum text_section { SECTION_NONE, SECTION_GIT, SECTION_ENVIRONMENT, SECTION_MEMORY };
enum text_section text_section_at(struct str text, size_t at);
/* The section that the first difference of two texts lies in, or that came or went there. */
enum text_section text_section_of_difference(struct str old, struct str new);

#endif
