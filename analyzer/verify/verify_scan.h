/* SPDX-License-Identifier: MIT */
#ifndef VERIFY_VERIFY_SCAN_H
#define VERIFY_VERIFY_SCAN_H

/* The search for keys, below verify.c. */

#include "verify/verify.h"

struct verify_place {
	uint64_t line;
	const char *what; /* "exchange 3" */
	/* Set where the text is a string in a line: its JSON path is told. */
	struct str json;
	size_t offset;
};

/* A text as it is. again false: keys that were found before are not counted once more. */
void verify_scan_text(struct verify *v, const struct verify_place *place, struct str text, bool again);
/* All strings of a line, keys included, but for the values of the members `text` and `base64` at its top if `top_text`
 * is false. */
void verify_scan_line(struct verify *v, const struct verify_place *place, struct str line, bool top_text);
/* What the events of a stream say, joined. */
void verify_scan_stream(struct verify *v, const struct verify_place *place, struct str body);

#endif
