/* SPDX-License-Identifier: MIT */
#include "http/sse.h"

/*
 * The events of a stream do not depend on how it is cut. The first byte of the input is the length of the pieces.
 */

#include <stdint.h>
#include <stdlib.h>

#define EVENT_MAX 256

static void note(void *context, struct str name, struct str data, uint64_t time_ns)
{
	(void)time_ns;
	buf_append_str(context, name);
	buf_putc(context, '|');
	buf_append_str(context, data);
	buf_putc(context, ';');
}

static void read_all(struct str stream, size_t step, struct buf *seen)
{
	struct sse s;
	sse_init(&s, EVENT_MAX, note, seen);
	for (size_t at = 0; at < stream.n; at += step)
		sse_feed(&s, (struct str){stream.p + at, stream.n - at < step ? stream.n - at : step}, at);
	sse_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	struct str stream = {(const char *)data + 1, n - 1};
	struct buf whole, split;
	buf_init(&whole, BUF_UNLIMITED);
	buf_init(&split, BUF_UNLIMITED);
	read_all(stream, stream.n, &whole);
	read_all(stream, 1 + data[0] % 32, &split);
	if (!str_eq(buf_str(&whole), buf_str(&split)))
		abort();
	buf_release(&whole);
	buf_release(&split);
	return 0;
}
