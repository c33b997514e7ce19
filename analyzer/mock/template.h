/* SPDX-License-Identifier: MIT */
#ifndef MOCK_TEMPLATE_H
#define MOCK_TEMPLATE_H

/*
 * Texts with places to fill in: "$name" becomes the value of that name, escaped for a JSON string unless it is raw.
 *
 *     mock_template(&out, "{\"version\":\"$version\"}", (struct mock_field[]){{"version", "0.28", false}, {0}});
 */

#include "base/buf.h"

#include <stdbool.h>

struct mock_field {
	const char *name; /* lower-case letters and '_'; NULL ends the list */
	const char *value;
	bool raw;
};

/* Names without a field stay as they are. */
void mock_template(struct buf *out, const char *text, const struct mock_field *fields);

#endif
