/* SPDX-License-Identifier: MIT */
#ifndef TRACE_SECRETS_H
#define TRACE_SECRETS_H

/*
 * Finds what looks like a key, a token or a password in a text: what begins as the keys of a known provider do (a table
 * in secrets.c), credentials of HTTP headers, private keys in PEM, and values whose name says so ("api_key": "...",
 * API_KEY=...), be the text plain, JSON, or JSON inside a JSON string. It may be wrong in both ways: a key of an
 * unknown shape under an innocent name is not found, and a long word with digits may be taken for one.
 *
 *     struct secret k;
 *     for (size_t at = 0; secret_next(text, at, &k); at = k.at + k.n)
 *             ...
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

struct secret {
	const char *rule; /* what it looks like: static words */
	size_t at, n;     /* its bytes in the text */
	size_t shown;     /* so many of them, at its start, are the same in every key of this kind */
};

/* The first one that begins at `from` or behind. False if there is none. */
bool secret_next(struct str text, size_t from, struct secret *out);
/* Appends what may be told of it: "sk-ant-[masked, 88 bytes]". */
void secret_masked(struct str text, const struct secret *secret, struct buf *out);
/* Appends the text from `from` on, with all that begin there or later masked. */
void secrets_mask(struct str text, size_t from, struct buf *out);

#endif
