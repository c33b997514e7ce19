/* SPDX-License-Identifier: MIT */
#ifndef HTTP_CONTENT_H
#define HTTP_CONTENT_H

/*
 * Takes the content coding off a body as it comes: gzip (several members), deflate (zlib or raw, as servers disagree),
 * br, zstd (several frames), identity, and several of them on top of each other.
 *
 *     struct content *c = content_new(STR("gzip"), PIPELINE_BODY_MAX, on_bytes, me, &error);
 *     content_feed(c, bytes);           // calls on_bytes with what comes out
 *     error = content_finish(c);
 *     content_free(c);
 */

#include "base/str.h"

#include <stddef.h>

#define CONTENT_CODINGS_MAX 4

struct content;

/* The view lives as long as the call. */
typedef void content_bytes_fn(void *context, struct str bytes);

/*
 * coding is the value of a Content-Encoding header, absent or empty for none. No step gives out more than output_max
 * bytes. NULL with *error pointing to static words: a coding that is not known, too many of them, no memory.
 */
struct content *content_new(struct str coding, size_t output_max, content_bytes_fn *on_bytes, void *context,
			    const char **error);
/* After an error the rest is passed over. */
void content_feed(struct content *c, struct str bytes);
/* NULL, or what was wrong with the body in static words; also when it ended too early. */
const char *content_finish(struct content *c);
void content_free(struct content *c);

#endif
