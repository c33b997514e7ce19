/* SPDX-License-Identifier: MIT */
#ifndef TRACE_HIDE_H
#define TRACE_HIDE_H

/*
 * What a trace with --content none says instead of content: keyed hashes. The key is random, lives as long as the
 * writer and is never written, so nobody can look a hash up or try guesses against it; equal things still have equal
 * hashes within one trace.
 */

#include "base/buf.h"
#include "base/digest.h"

#include <stdbool.h>

/* A chain has one hash per step, so that the place where two texts part is found to within a step. */
#define HIDE_STEP_BYTES 64
#define HIDE_STEP_HASH_BYTES 8

struct hide {
	bool on;
	uint8_t key[DIGEST_BYTES];
};

/* Draws a key. -1: the system has no random bytes. */
int hide_init(struct hide *h, bool on);
void hide_release(struct hide *h);
/* The digest itself, or with hiding on the keyed hash of it. */
struct digest hide_digest(const struct hide *h, const struct digest *d);
/*
 * Appends hex digits: for each 64-byte step of the text (the last may be shorter) the first 8 bytes of
 * HMAC(key, hash before it (0 at first) || step).
 */
void hide_chain(const struct hide *h, struct str text, struct buf *hex);

#endif
