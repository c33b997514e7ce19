/* SPDX-License-Identifier: MIT */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

/*
 * Writes one JSON document into a buffer as a stream: no tree, keys in the order of the calls. Commas are placed here.
 * Every call that adds a value takes the key first: a string inside an object, NULL inside an array or at the top.
 *
 *     struct json_out j;
 *     json_out_init(&j, &buf, false);
 *     json_out_object(&j, NULL);
 *     json_out_int(&j, "bytes", 12);
 *     json_out_array(&j, "names");
 *     json_out_cstr(&j, NULL, "a");
 *     json_out_end(&j);
 *     json_out_end(&j);
 *
 * Unknown is never 0: the _or_null calls write null for a negative value.
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_OUT_DEPTH_MAX 32

struct json_out {
	struct buf *to;
	bool pretty;
	int depth;
	char closing[JSON_OUT_DEPTH_MAX]; /* ']' or '}' per open level */
	bool empty[JSON_OUT_DEPTH_MAX];
};

/* pretty: two-space indentation for people; else one line. Borrows `to`. */
void json_out_init(struct json_out *j, struct buf *to, bool pretty);
void json_out_object(struct json_out *j, const char *key);
void json_out_array(struct json_out *j, const char *key);
/* Closes the innermost object or array. */
void json_out_end(struct json_out *j);
/* Bytes that are not valid UTF-8 come out as U+FFFD, one for each byte: callers that must keep them exact write base64.
 */
void json_out_str(struct json_out *j, const char *key, struct str s);
void json_out_cstr(struct json_out *j, const char *key, const char *s); /* NULL: null */
void json_out_base64(struct json_out *j, const char *key, const void *p, size_t n);
void json_out_hex(struct json_out *j, const char *key, const uint8_t *p, size_t n);
void json_out_int(struct json_out *j, const char *key, int64_t v);
void json_out_uint(struct json_out *j, const char *key, uint64_t v);
void json_out_int_or_null(struct json_out *j, const char *key, int64_t v); /* v < 0: null */
/* Nanoseconds, 0 = never happened = null. */
void json_out_time_or_null(struct json_out *j, const char *key, uint64_t ns);
/* Seconds and the like: up to `decimals` places; NaN and infinities become null. */
void json_out_double(struct json_out *j, const char *key, double v, int decimals);
void json_out_bool(struct json_out *j, const char *key, bool v);
void json_out_null(struct json_out *j, const char *key);
/* A value that is JSON text already. */
void json_out_raw(struct json_out *j, const char *key, struct str json);

/* True if all of s is valid UTF-8 (no surrogates, no overlong forms). */
bool utf8_valid(struct str s);

#endif
