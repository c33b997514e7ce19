/* SPDX-License-Identifier: MIT */
#include "relay/rewrite.h"

/*
 * What a relay passes on does not depend on how it came in, nothing is passed on before the token was seen, and nothing
 * is added but the host. The first byte of the input is the length of the pieces.
 */

#include <stdint.h>
#include <stdlib.h>

static const struct rewrite_rule rule = {{"t", 1}, {"", 0}, {"h", 1}};

static enum rewrite_result pass(struct str wire, size_t step, struct buf *out)
{
	struct rewrite w;
	enum rewrite_result r = REWRITE_OK;
	rewrite_init(&w, &rule);
	for (size_t at = 0; at < wire.n && r == REWRITE_OK; at += step)
		r = rewrite_feed(&w, (struct str){wire.p + at, wire.n - at < step ? wire.n - at : step}, out);
	if (w.requests == 0 && out->n > 0)
		abort();
	/* Each head loses "/t" and may gain a "/" or a host that is longer than the one it had. */
	if (out->n > wire.n + w.requests)
		abort();
	rewrite_release(&w);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2)
		return 0;
	struct buf whole, split;
	struct str wire = {(const char *)data + 1, n - 1};
	buf_init(&whole, BUF_UNLIMITED);
	buf_init(&split, BUF_UNLIMITED);
	enum rewrite_result a = pass(wire, wire.n, &whole), b = pass(wire, 1 + data[0] % 32, &split);
	/* How much of a body that breaks off was passed on may differ: its parser saw it in other pieces. */
	if (a != b || (a == REWRITE_OK && !str_eq(buf_str(&whole), buf_str(&split))))
		abort();
	buf_release(&whole);
	buf_release(&split);
	return 0;
}
