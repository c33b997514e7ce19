/* SPDX-License-Identifier: MIT */
#ifndef BASE_JSON_STRING_H
#define BASE_JSON_STRING_H

/*
 * Strings of JSON text where they lie, as their inner range: what stands between the quotes, escapes and all. Nothing
 * is allocated but by json_string_decode, into the caller's buffer.
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Compare, escapes decoded, with plain text. */
bool json_string_eq(struct str inner, struct str plain);
bool json_string_starts(struct str inner, struct str plain);
/* Appends the decoded string. -1: a bad escape, or the buffer failed. A lone surrogate becomes its three bytes. */
int json_string_decode(struct str inner, struct buf *out) __attribute__((warn_unused_result));
/* One escape, from its backslash on: returns how many bytes it has, 0 if it is none. */
size_t json_escape_read(struct str s, uint32_t *code);
/* Returns 1 to 4. */
size_t json_utf8_write(uint32_t code, char out[4]);

#endif
