/* SPDX-License-Identifier: MIT */
#ifndef HTTP_HEADERS_H
#define HTTP_HEADERS_H

/*
 * What may be kept of a head. Values are kept by an allow-list: a header that is not on it may carry a secret and is
 * kept by name only. Of a query, the names of the parameters alone are kept.
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

bool header_value_kept(struct str name);
/* Splits a request target at its first '?' and takes an absolute one ("http://host/path") down to its path. query is
 * absent without one. Views into target. */
void target_split(struct str target, struct str *path, struct str *query);
/* "a=1&b&c=2" → "a&b&c". Returns 0, or -1 when out has failed. */
int query_names(struct str query, struct buf *out);
/* The media type of a Content-Type value: no parameters, no space around. A view into it. */
struct str media_type(struct str content_type);

#endif
