/* SPDX-License-Identifier: MIT */
#include "trace/excerpt.h"
#include "trace/secrets.h"

/*
 * Keys that are found lie in the text, one behind the other, and what is told of them or around them does not hold
 * them. The first byte chooses the place of the excerpt.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1)
		return 0;
	struct str text = {(const char *)data + 1, n - 1};
	struct secret s;
	struct buf masked, around;

	buf_init(&masked, 1 << 20);
	buf_init(&around, 1 << 24);
	excerpt(text, text.n * data[0] / 256, 40, &around);
	for (size_t at = 0; secret_next(text, at, &s); at = s.at + s.n) {
		if (s.at < at || s.n == 0 || s.n > text.n - s.at || s.shown > s.n)
			abort();
		buf_reset(&masked);
		secret_masked(text, &s, &masked);
		if (s.n - s.shown >= 8 && memmem(masked.p, masked.n, text.p + s.at + s.shown, s.n - s.shown))
			abort();
		/* Elsewhere the same text may be no key. */
		const char *first = memmem(text.p, text.n, text.p + s.at, s.n);
		bool again = first < text.p + s.at || memmem(first + 1, text.n - s.at - 1, text.p + s.at, s.n);
		if (!again && around.n && memmem(around.p, around.n, text.p + s.at, s.n))
			abort();
	}
	buf_release(&masked);
	buf_release(&around);
	return 0;
}
