/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_NAMES_H
#define LINEAGE_NAMES_H

/* Numbers byte strings of any kind (session ids, digests) from 0 in the order in which they are first seen. */

#include "base/str.h"

#include <stdint.h>

#define NAMES_NONE UINT32_MAX

struct names {
	struct name *table; /* uthash */
	uint32_t n;
};

/* {0} is empty. */
void names_release(struct names *names);
/* The number of s, NAMES_NONE if it has none. */
uint32_t names_find(const struct names *names, struct str s);
/* The number of s, given now if it is new. -1: no memory. */
int names_number(struct names *names, struct str s, uint32_t *number) __attribute__((warn_unused_result));

#endif
