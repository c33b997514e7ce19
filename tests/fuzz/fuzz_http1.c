/* SPDX-License-Identifier: MIT */
#include "http/headers.h"
#include "http/http1.h"

/*
 * What is read from a connection does not depend on how it is cut. The first byte of the input says which side it is
 * and how the receiver answers to heads, the second the length of the pieces.
 */

#include <stdlib.h>

struct seen {
	struct buf text;
	enum http1_body answer;
};

static enum http1_body on_head(void *context, const struct http1_head *head)
{
	struct seen *seen = context;
	struct str path, query;
	target_split(head->target, &path, &query);
	buf_printf(&seen->text, "{%.*s %d %.*s?", STR_FMT(head->method), head->status, STR_FMT(path));
	query_names(query, &seen->text);
	for (size_t i = 0; i < head->nheaders; i++) {
		buf_append_str(&seen->text, head->headers[i].name);
		buf_putc(&seen->text, header_value_kept(head->headers[i].name) ? '=' : '-');
		buf_append_str(&seen->text, head->headers[i].value);
		buf_putc(&seen->text, ' ');
	}
	buf_putc(&seen->text, '}');
	return seen->answer;
}

static void on_body(void *context, struct str bytes)
{
	buf_append_str(&((struct seen *)context)->text, bytes);
}

static const struct http1_sink sink = {on_head, on_body};

static enum http1_result read_piece(struct http1 *h, struct seen *seen, struct str bytes)
{
	enum http1_result r = HTTP1_MORE;
	while (bytes.n && r != HTTP1_BAD && r != HTTP1_SWITCH) {
		size_t used = 0;
		r = http1_feed(h, bytes, &used);
		if (used > bytes.n)
			abort();
		buf_putc(&seen->text, (char)('0' + r));
		if (r == HTTP1_MORE)
			seen->text.n--; /* how often more is needed does depend on the cuts */
		bytes.p += used;
		bytes.n -= used;
	}
	return r;
}

static void read_all(struct str wire, size_t step, enum http1_side side, struct seen *seen)
{
	struct http1 h;
	enum http1_result r = HTTP1_MORE;
	http1_init(&h, side, 2048, &sink, seen);
	for (size_t at = 0; at < wire.n && r != HTTP1_BAD && r != HTTP1_SWITCH; at += step)
		r = read_piece(&h, seen, (struct str){wire.p + at, wire.n - at < step ? wire.n - at : step});
	if (r != HTTP1_BAD && r != HTTP1_SWITCH)
		buf_putc(&seen->text, (char)('0' + http1_finish(&h)));
	http1_release(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 3)
		return 0;
	enum http1_side side = data[0] & 1 ? HTTP1_RESPONSES : HTTP1_REQUESTS;
	struct seen whole = {.answer = (enum http1_body)((data[0] >> 1) % 3)}, split = whole;
	struct str wire = {(const char *)data + 2, n - 2};
	buf_init(&whole.text, BUF_UNLIMITED);
	buf_init(&split.text, BUF_UNLIMITED);
	read_all(wire, wire.n, side, &whole);
	read_all(wire, 1 + data[1] % 32, side, &split);
	if (!str_eq(buf_str(&whole.text), buf_str(&split.text)))
		abort();
	buf_release(&whole.text);
	buf_release(&split.text);
	return 0;
}
