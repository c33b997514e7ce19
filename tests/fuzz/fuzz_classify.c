/* SPDX-License-Identifier: MIT */
#include "classify.h"

/*
 * The one parser that runs inside other people's programs: what the first bytes of a connection are. It looks at
 * nothing beyond them (they end where their memory does), a server name lies within them, and a verdict that was spoken
 * is not taken back when more bytes come.
 */

#include <stdlib.h>
#include <string.h>

static void check(struct verdict v, const uint8_t *p, size_t n)
{
	if (v.class > KVS_CLASS_DROPPED || (v.name && v.class != KVS_CLASS_OPAQUE))
		abort();
	if (v.name && (v.name < p || v.name_bytes > n || (size_t)(v.name - p) > n - v.name_bytes))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	enum kvs_class before = KVS_CLASS_CANDIDATE;
	for (size_t length = 0; length <= n; length += 1 + length / 16) {
		uint8_t *exact = malloc(length ? length : 1);
		if (!exact)
			abort();
		memcpy(exact, data, length);
		struct verdict v = classify(exact, length);
		check(v, exact, length);
		if (before != KVS_CLASS_CANDIDATE && v.class != before)
			abort();
		before = v.class;
		free(exact);
	}
	return 0;
}
