/* SPDX-License-Identifier: MIT */
#ifndef DOCTOR_DOCTOR_TEXT_H
#define DOCTOR_DOCTOR_TEXT_H

/* What `kvscope doctor` says, for people and as JSON (docs/doctor.md). Both append. */

#include "doctor/doctor.h"

struct doctor_text_style {
	bool all; /* what does not apply, too */
	const char *bold, *dim, *red, *green, *yellow, *reset;
};

void doctor_text(const struct doctor *d, const struct doctor_text_style *style, struct buf *to);
void doctor_json(const struct doctor *d, struct buf *to);

#endif
