/* SPDX-License-Identifier: MIT */
#include "http/content.h"

/*
 * What comes out of a coded body, and what is said about it, does not depend on how the body is cut, and is never more
 * than the limit. The first byte of the input chooses the coding, the second the length of the pieces.
 */

#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>

#define OUTPUT_MAX ((size_t)1 << 20)

static const char *const headers[] = {"gzip", "deflate", "br", "zstd", "gzip, br", "deflate,zstd", "identity, gzip"};

static void take(void *context, struct str bytes)
{
	buf_append_str(context, bytes);
}

static const char *decode(const char *header, struct str wire, size_t step, struct buf *out)
{
	const char *error = NULL;
	struct content *c = content_new(str_from(header), OUTPUT_MAX, take, out, &error);
	if (!c)
		abort();
	for (size_t at = 0; at < wire.n; at += step)
		content_feed(c, (struct str){wire.p + at, wire.n - at < step ? wire.n - at : step});
	error = content_finish(c);
	content_free(c);
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 3)
		return 0;
	const char *header = headers[data[0] % (sizeof(headers) / sizeof(*headers))];
	struct str wire = {(const char *)data + 2, n - 2};
	struct buf whole, split;
	buf_init(&whole, OUTPUT_MAX); /* refuses what is more, and would then differ */
	buf_init(&split, OUTPUT_MAX);
	const char *error = decode(header, wire, wire.n, &whole);
	const char *split_error = decode(header, wire, 1 + data[1] % 32, &split);
	/* libzstd is stricter with a damaged frame that it gets whole, and any decoder may give out more or less before
	 * it sees the damage. */
	bool same_verdict = !error == !split_error || strstr(header, "zstd");
	bool same_output = error || split_error || str_eq(buf_str(&whole), buf_str(&split));
	if (!same_verdict || !same_output || whole.failed || split.failed)
		abort();
	buf_release(&whole);
	buf_release(&split);
	return 0;
}
