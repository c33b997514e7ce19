/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_SPANS_H
#define REPLAY_SPANS_H

/*
 * Looking into a request body and changing single places of it, on byte ranges: what is not changed stays as it was
 * sent, byte for byte. All views point into the body.
 */

#include "base/json_span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a member of the object; false: no object, or no such member. The last one counts, as it does in parsers.
 */
bool span_member(struct str object, struct str key, struct json_value *out);
/* A member that is a string: its text without quotes, escapes as they stand; absent else. */
struct str span_text(struct str object, struct str key);
/* A member that is this string. */
bool span_is(struct str object, struct str key, struct str word);

/*
 * The elements of an array:
 *
 *     for (struct span_walk w = span_walk(array); span_next(&w, &v);)
 */
struct span_walk {
	struct json_scan scan;
	struct json_level level;
	bool bad;
};
struct span_walk span_walk(struct str array);
bool span_next(struct span_walk *w, struct json_value *out);

/* Where to insert a member so that it is the object's last: its offset in `object`, and whether a comma is needed. */
size_t span_end_of_object(struct str object, bool *empty);

/*
 * A list of changes to one text. Ranges must not overlap; the replacement is copied.
 */
struct edit {
	size_t at, bytes;   /* what is replaced; bytes 0: an insertion */
	size_t from, count; /* the replacement, in edits.texts */
};

struct edits {
	struct str text; /* borrowed */
	struct edit *list;
	size_t n, capacity;
	struct buf texts;
	bool failed; /* no memory, or a range outside of the text */
};

void edits_init(struct edits *e, struct str text);
void edits_release(struct edits *e);
/* Replaces a range given as a view into the text. */
void edits_replace(struct edits *e, struct str range, struct str by);
void edits_insert(struct edits *e, const char *before, struct str what);
/* Sets a member of the top-level object to this JSON text, or adds it as the last one. */
void edits_set(struct edits *e, const char *key, struct str json);
/* Removes a member, with the comma that goes with it, of an object inside the text. False: it has none. */
bool edits_remove_member(struct edits *e, struct str object, struct str key);
/* Appends the changed text. 0, or -1. */
int edits_apply(struct edits *e, struct buf *out) __attribute__((warn_unused_result));

#endif
