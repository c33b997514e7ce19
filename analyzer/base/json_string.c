/* SPDX-License-Identifier: MIT */
#include "base/json_string.h"

#include <string.h>

static int hex4(const char *p, uint32_t *out)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		uint32_t digit;
		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (uint32_t)((c | 0x20) - 'a') + 10;
		else
			return -1;
		v = v << 4 | digit;
	}
	*out = v;
	return 0;
}

size_t json_escape_read(struct str s, uint32_t *code)
{
	static const char values[] = {
		['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
		['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
	};
	uint32_t high, low;

	if (s.n < 2 || s.p[0] != '\\')
		return 0;
	unsigned char name = (unsigned char)s.p[1];
	if (name < sizeof(values) && values[name]) {
		*code = (unsigned char)values[name];
		return 2;
	}
	if (s.p[1] != 'u' || s.n < 6 || hex4(s.p + 2, &high) < 0)
		return 0;
	*code = high;
	if (high >> 10 == 0xd800 >> 10 && s.n >= 12 && s.p[6] == '\\' && s.p[7] == 'u' && hex4(s.p + 8, &low) == 0 &&
	    low >> 10 == 0xdc00 >> 10) {
		*code = 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
		return 12;
	}
	return 6;
}

size_t json_utf8_write(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	out[0] = (char)(lead[n] | code);
	return n;
}

/* How many bytes of the string are the plain text; false if it does not begin with it. */
static bool match(struct str inner, struct str plain, size_t *used)
{
	size_t i = 0, j = 0;
	while (j < plain.n) {
		char bytes[4];
		size_t n = 1, taken = 1;
		if (i == inner.n)
			return false;
		if (inner.p[i] == '\\') {
			uint32_t code;
			taken = json_escape_read((struct str){inner.p + i, inner.n - i}, &code);
			if (taken == 0)
				return false;
			n = json_utf8_write(code, bytes);
		} else {
			bytes[0] = inner.p[i];
		}
		if (n > plain.n - j || memcmp(bytes, plain.p + j, n) != 0)
			return false;
		i += taken;
		j += n;
	}
	*used = i;
	return true;
}

/* An escape is six bytes at most for one of what it stands for. */
#define ESCAPE_BYTES_MAX 6

bool json_string_eq(struct str inner, struct str plain)
{
	size_t used;
	if (inner.n < plain.n || !inner.p)
		return false;
	if (memcmp(inner.p, plain.p, plain.n) == 0)
		return inner.n == plain.n;
	/* What differs may still mean the same, but only with an escape in it. */
	if (inner.n > ESCAPE_BYTES_MAX * plain.n || !memchr(inner.p, '\\', inner.n))
		return false;
	return match(inner, plain, &used) && used == inner.n;
}

bool json_string_starts(struct str inner, struct str plain)
{
	size_t used;
	return match(inner, plain, &used);
}

int json_string_decode(struct str inner, struct buf *out)
{
	while (inner.n > 0) {
		const char *escape = memchr(inner.p, '\\', inner.n);
		size_t plain = escape ? (size_t)(escape - inner.p) : inner.n;
		if (buf_append(out, inner.p, plain) < 0)
			return -1;
		inner = (struct str){inner.p + plain, inner.n - plain};
		if (!escape)
			break;
		uint32_t code;
		char bytes[4];
		size_t taken = json_escape_read(inner, &code);
		if (taken == 0 || buf_append(out, bytes, json_utf8_write(code, bytes)) < 0)
			return -1;
		inner = (struct str){inner.p + taken, inner.n - taken};
	}
	return 0;
}
