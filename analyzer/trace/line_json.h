/* SPDX-License-Identifier: MIT */
#ifndef TRACE_LINE_JSON_H
#define TRACE_LINE_JSON_H

/* Values that lines of several types have, written. */

#include "base/json_out.h"
#include "exchange.h"
#include "trace/hide.h"

/* Hex digits; with hiding on those of the keyed hash. */
void line_json_digest(struct json_out *j, const char *key, const struct digest *d, const struct hide *hide);
/* The object "times_ns": monotonic, null when absent. */
void line_json_times(struct json_out *j, const struct exchange_times *t);
/* "text" or, for what JSON cannot carry exactly or only at great length, "base64". */
void line_json_text(struct json_out *j, struct str text);
/* Whether "text" would do. */
bool line_json_plain(struct str text);

#endif
