/* SPDX-License-Identifier: MIT */
#ifndef BASE_DIGEST_MARKS_H
#define BASE_DIGEST_MARKS_H

/*
 * SHA-256 of bytes that begin as others did. SHA-256 reads from front to back, so its state after the common beginning
 * is the same for both: states are kept every DIGEST_MARK_BYTES, and the next digest goes on from the last one that the
 * common beginning covers. The result is that of digest_of.
 *
 *     struct digest_marks old = DIGEST_MARKS_NONE, now = DIGEST_MARKS_NONE;
 *     digest_marked(NULL, 0, first, &old);
 *     digest_marked(&old, common_bytes(first, second), second, &now);
 *     digest_marks_release(&old);
 *     digest_marks_release(&now);
 */

#include "base/digest.h"

#include <stddef.h>

#define DIGEST_MARK_BYTES 32768

struct digest_mark; /* a state of SHA-256 */

struct digest_marks {
	struct digest_mark *mark; /* mark[i]: after (i + 1) * DIGEST_MARK_BYTES */
	size_t n;
	size_t capacity;
};

#define DIGEST_MARKS_NONE ((struct digest_marks){NULL, 0, 0})

/*
 * old: the marks of bytes of which the first `same` are those of `bytes`; NULL: none. *out, which may hold marks of
 * something else, becomes the marks of `bytes`; without memory it has fewer, which costs time alone. out is not old.
 */
struct digest digest_marked(const struct digest_marks *old, size_t same, struct str bytes, struct digest_marks *out);
void digest_marks_release(struct digest_marks *m);

#endif
