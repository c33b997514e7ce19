/* SPDX-License-Identifier: MIT */
#ifndef DOCTOR_DOCTOR_TEXT_H
#define DOCTOR_DOCTOR_TEXT_H

/* What `kvscope doctor` says, for people and as JSON (docs/doctor.md). Both append. */

#include "base/text_style.h"
#include "doctor/doctor.h"

/* style->all: what does not apply, too. */
void doctor_text(const struct doctor *d, const struct text_style *style, struct buf *to);
void doctor_json(const struct doctor *d, struct buf *to);

#endif
