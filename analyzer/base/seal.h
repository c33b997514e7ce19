/* SPDX-License-Identifier: MIT */
#ifndef BASE_SEAL_H
#define BASE_SEAL_H

/*
 * Makes bytes unreadable for anybody but this process: AES-256 in counter mode, by libcrypto, under a random key that
 * is kept in memory alone. For what has to go to a disk for a while: nobody can tell what was on a disk later. Against
 * reading, not against changing.
 *
 *     struct seal *s = seal_new();
 *     seal_apply(s, 7, bytes, n);      // unreadable; 7 is used for these bytes alone
 *     seal_apply(s, 7, bytes, n);      // as they were
 */

#include <stddef.h>
#include <stdint.h>

struct seal;

/* NULL: no memory, or no random key. */
struct seal *seal_new(void);
void seal_free(struct seal *s);
/* In place; the second time with the same number undoes the first. Returns 0, or -1: libcrypto failed. */
int seal_apply(struct seal *s, uint64_t number, void *bytes, size_t n);

#endif
