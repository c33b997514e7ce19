/* SPDX-License-Identifier: MIT */
#ifndef BASE_JSON_SPAN_H
#define BASE_JSON_SPAN_H

/*
 * Reads JSON text where it lies: a cursor that hands out the byte ranges of values and builds nothing. One pass, no
 * recursion, no allocation; a value that is entered is not read a second time by whoever walks its parent.
 *
 *     struct json_scan s;
 *     struct json_level object;
 *     struct json_value v;
 *     struct str key;
 *
 *     json_scan_init(&s, text);
 *     json_enter(&s, JSON_OBJECT, &object);
 *     while (json_next(&s, &object, &key)) {
 *             if (json_string_eq(key, STR("model")))
 *                     json_read(&s, &v);
 *             else
 *                     json_skip(&s);
 *     }
 *     json_finish(&s);
 *     if (s.error) ... s.error_offset
 *
 * After each json_next that returns true the value at the cursor must be consumed: by json_read, json_skip, or by
 * entering it and walking to its end. The first error stays, and every later call fails.
 *
 * Checked: structure, literals, numbers, depth. Not checked here: what is inside strings (escapes are checked by those
 * that decode them; control characters and bad UTF-8 pass).
 */

#include "base/json_string.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SCAN_DEPTH_MAX 512

enum json_type { JSON_NONE, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json_scan {
	struct str text;   /* borrowed */
	size_t at;         /* the next byte to be read */
	unsigned depth;    /* levels entered and not left */
	const char *error; /* static words; NULL: none so far */
	size_t error_offset;
};

struct json_level {
	bool object;
	bool begun;
};

struct json_value {
	enum json_type type;
	struct str raw; /* into the text, quotes and brackets included */
};

#define JSON_TRUNCATED "truncated"
#define JSON_INVALID "not JSON"
#define JSON_TOO_DEEP "nested too deep"

void json_scan_init(struct json_scan *s, struct str text);
/* Passes white space; the type of the value that begins there, JSON_NONE (and an error) if none does. */
enum json_type json_peek(struct json_scan *s);
/* Passes over the value at the cursor. 0 or -1. */
int json_skip(struct json_scan *s);
/* The same; tells what it was. *v is left alone on failure. */
int json_read(struct json_scan *s, struct json_value *v);
/* Goes into the object or array at the cursor. -1: it is something else (an error), or an error. */
int json_enter(struct json_scan *s, enum json_type type, struct json_level *level);
/*
 * Moves to the next member or element. key (may be NULL) becomes the member's key without quotes, escapes as they
 * stand; absent in an array. False at the end, which has then been passed, and after an error.
 */
bool json_next(struct json_scan *s, struct json_level *level, struct str *key);
/* Nothing but white space may follow. 0 or -1. */
int json_finish(struct json_scan *s);
/* The value of a member of the object; false: no object, or no such member. The last one counts, as it does in parsers.
 */
bool json_span_member(struct str object, struct str key, struct json_value *out);
/* Sets the first error. Always -1. */
int json_fail(struct json_scan *s, const char *error, size_t offset);

/* The range of a string value without its quotes; absent for other types. */
struct str json_string_inner(struct json_value v);
/* A number without fraction and exponent that fits. 0 or -1. */
int json_int(struct json_value v, int64_t *out);

#endif
