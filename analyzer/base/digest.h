/* SPDX-License-Identifier: MIT */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

/*
 * SHA-256 and HMAC-SHA-256 by libcrypto, with the algorithm fetched once per process. Not for several threads.
 * A failure of libcrypto (out of memory) ends the program: no digest would be an answer.
 */

#include "base/str.h"

#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_HEX_CHARS 64

struct digest {
	uint8_t b[DIGEST_BYTES];
};

/* Incremental use: digest_stream_new, _update …, _final (which frees), or _free. */
struct digest_stream;
struct digest_stream *digest_stream_new(void);
void digest_stream_update(struct digest_stream *s, struct str bytes);
struct digest digest_stream_final(struct digest_stream *s);
void digest_stream_free(struct digest_stream *s);

struct digest digest_of(struct str bytes);
struct digest digest_keyed(const uint8_t key[DIGEST_BYTES], struct str bytes);
/* Writes 64 hex digits and a terminator. */
void digest_hex(const struct digest *d, char out[DIGEST_HEX_CHARS + 1]);
/* 0, or -1 if hex is not exactly 64 hex digits. */
int digest_from_hex(struct str hex, struct digest *out);

#endif
