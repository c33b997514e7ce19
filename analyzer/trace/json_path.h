/* SPDX-License-Identifier: MIT */
#ifndef TRACE_JSON_PATH_H
#define TRACE_JSON_PATH_H

#include "base/buf.h"

#include <stddef.h>

/*
 * Appends the path of the innermost value of a JSON text that holds the byte at offset: "messages[3].content[0].text".
 * Keys appear with their escapes as they stand; nothing is appended for the document itself. Where the text is not JSON
 * the path ends before the place that is not.
 */
void json_path_at(struct str text, size_t offset, struct buf *out);

#endif
