/* SPDX-License-Identifier: MIT */
#include "trace/excerpt.h"

#include "base/json_out.h"
#include "trace/secrets.h"

#include <string.h>

/* How far around the excerpt a key may begin whose end shows in it. */
#define MASK_REACH 512
#define MASKED "[masked]"

/* Bytes of the character at the start; one that is no UTF-8 counts as a character of its own. */
static size_t character_length(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++)
		if (utf8_valid((struct str){s.p, n}))
			return n;
	return s.n ? 1 : 0;
}

static size_t back(struct str s, size_t at)
{
	size_t n = 1;
	while (n < 4 && n < at && ((unsigned char)s.p[at - n] & 0xc0) == 0x80)
		n++;
	return at - n + character_length((struct str){s.p + at - n, n}) == at ? at - n : at - 1;
}

static void escape_one(struct str c, struct buf *out)
{
	unsigned char b = (unsigned char)c.p[0];
	/* C1 controls are two bytes of UTF-8, and terminals obey them too. */
	bool c1 = c.n == 2 && b == 0xc2 && (unsigned char)c.p[1] < 0xa0;

	if (b == '\n')
		buf_puts(out, "\\n");
	else if (b == '\t')
		buf_puts(out, "\\t");
	else if (c1)
		buf_printf(out, "\\u00%02x", (unsigned char)c.p[1]);
	else if (b < 0x20 || b == 0x7f || (c.n == 1 && b >= 0x80))
		buf_printf(out, "\\x%02x", b);
	else
		buf_append_str(out, c);
}

void escape_for_terminal(struct str text, struct buf *out)
{
	for (size_t at = 0; at < text.n;) {
		struct str c = {text.p + at, character_length((struct str){text.p + at, text.n - at})};
		escape_one(c, out);
		at += c.n;
	}
}

void excerpt(struct str text, size_t at, size_t characters, struct buf *out)
{
	size_t from = at, to = at;

	for (size_t i = 0; i < characters && from > 0; i++)
		from = back(text, from);
	for (size_t i = 0; i < characters && to < text.n; i++)
		to += character_length((struct str){text.p + to, text.n - to});
	if (from > 0)
		buf_puts(out, "…");
	struct str around = {text.p, text.n - to > MASK_REACH ? to + MASK_REACH : text.n};
	struct secret key;
	size_t i = from > MASK_REACH ? from - MASK_REACH : 0;
	bool masked = secret_next(around, i, &key);
	while (i < to) {
		if (masked && key.at <= i) {
			i = key.at + key.n;
			if (i > from)
				buf_puts(out, MASKED);
			masked = secret_next(around, i, &key);
		} else if (i < from) {
			i++;
		} else {
			struct str c = {text.p + i, character_length((struct str){text.p + i, text.n - i})};
			escape_one(c, out);
			i += c.n;
		}
	}
	if (to < text.n)
		buf_puts(out, "…");
}
