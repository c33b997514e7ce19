/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void json_out_init(struct json_out *j, struct buf *to, bool pretty)
{
	*j = (struct json_out){.to = to, .pretty = pretty};
}

static void new_line(struct json_out *j)
{
	if (!j->pretty)
		return;
	buf_putc(j->to, '\n');
	for (int i = 0; i < j->depth; i++)
		buf_append(j->to, "  ", 2);
}

/* Length of the valid UTF-8 sequence at the start of s, 0 if there is none. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
	if (n == 0)
		return 0;
	unsigned char c = p[0];
	if (c < 0x80)
		return 1;
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || n < len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
	    (c == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool utf8_valid(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t i = 0;
	while (i < s.n) {
		size_t len = utf8_sequence(p + i, s.n - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

static void quoted(struct buf *to, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t start = 0, i = 0;

	buf_putc(to, '"');
	while (i < s.n) {
		unsigned char c = p[i];
		size_t len = 1;
		if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || (len = utf8_sequence(p + i, s.n - i)) > 0)) {
			i += len;
			continue;
		}
		buf_append(to, s.p + start, i - start);
		switch (c) {
		case '"':
			buf_append(to, "\\\"", 2);
			break;
		case '\\':
			buf_append(to, "\\\\", 2);
			break;
		case '\n':
			buf_append(to, "\\n", 2);
			break;
		case '\r':
			buf_append(to, "\\r", 2);
			break;
		case '\t':
			buf_append(to, "\\t", 2);
			break;
		default:
			if (c < 0x20)
				buf_printf(to, "\\u%04x", c);
			else
				buf_append(to, "\xef\xbf\xbd", 3);
		}
		start = ++i;
	}
	if (i > start)
		buf_append(to, s.p + start, i - start);
	buf_putc(to, '"');
}

/* Keys are words of our own, nearly always: no byte of such a one needs an escape. */
static void put_key(struct json_out *j, struct str key)
{
	char *to = buf_reserve(j->to, key.n + 4);
	size_t n = 1;
	if (!to)
		return;
	to[0] = '"';
	for (; n <= key.n; n++) {
		unsigned char c = (unsigned char)key.p[n - 1];
		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\') {
			quoted(j->to, key);
			buf_append(j->to, ": ", j->pretty ? 2 : 1);
			return;
		}
		to[n] = (char)c;
	}
	to[n++] = '"';
	to[n++] = ':';
	if (j->pretty)
		to[n++] = ' ';
	to[n] = '\0';
	j->to->n += n;
}

static void begin_value(struct json_out *j, const char *key)
{
	if (j->depth > 0) {
		if (!j->empty[j->depth - 1])
			buf_putc(j->to, ',');
		j->empty[j->depth - 1] = false;
		new_line(j);
	}
	if (key)
		put_key(j, str_from(key));
}

static void open_level(struct json_out *j, const char *key, char opening, char closing)
{
	begin_value(j, key);
	buf_putc(j->to, opening);
	if (j->depth == JSON_OUT_DEPTH_MAX) {
		j->to->failed = true;
		return;
	}
	j->closing[j->depth] = closing;
	j->empty[j->depth] = true;
	j->depth++;
}

void json_out_object(struct json_out *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void json_out_array(struct json_out *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void json_out_end(struct json_out *j)
{
	if (j->depth == 0) {
		j->to->failed = true;
		return;
	}
	j->depth--;
	if (!j->empty[j->depth])
		new_line(j);
	buf_putc(j->to, j->closing[j->depth]);
}

void json_out_str(struct json_out *j, const char *key, struct str s)
{
	begin_value(j, key);
	quoted(j->to, s);
}

void json_out_cstr(struct json_out *j, const char *key, const char *s)
{
	if (s)
		json_out_str(j, key, str_from(s));
	else
		json_out_null(j, key);
}

void json_out_base64(struct json_out *j, const char *key, const void *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;

	begin_value(j, key);
	buf_putc(j->to, '"');
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16;
		if (i + 1 < n)
			v |= (unsigned)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		char quad[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63], digits[v & 63]};
		if (i + 1 >= n)
			quad[2] = '=';
		if (i + 2 >= n)
			quad[3] = '=';
		buf_append(j->to, quad, 4);
	}
	buf_putc(j->to, '"');
}

void json_out_hex(struct json_out *j, const char *key, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	begin_value(j, key);
	buf_putc(j->to, '"');
	char *to = n <= SIZE_MAX / 2 ? buf_reserve(j->to, 2 * n) : NULL;
	if (!to) {
		j->to->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		to[2 * i] = digits[p[i] >> 4];
		to[2 * i + 1] = digits[p[i] & 15];
	}
	j->to->n += 2 * n;
	buf_putc(j->to, '"');
}

static void put_digits(struct buf *to, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_append(to, digits + at, sizeof(digits) - at);
}

void json_out_int(struct json_out *j, const char *key, int64_t v)
{
	uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
	begin_value(j, key);
	if (v < 0)
		buf_putc(j->to, '-');
	put_digits(j->to, magnitude);
}

void json_out_uint(struct json_out *j, const char *key, uint64_t v)
{
	begin_value(j, key);
	put_digits(j->to, v);
}

void json_out_int_or_null(struct json_out *j, const char *key, int64_t v)
{
	if (v < 0)
		json_out_null(j, key);
	else
		json_out_int(j, key, v);
}

void json_out_time_or_null(struct json_out *j, const char *key, uint64_t ns)
{
	if (ns == 0)
		json_out_null(j, key);
	else
		json_out_uint(j, key, ns);
}

void json_out_double(struct json_out *j, const char *key, double v, int decimals)
{
	if (!isfinite(v)) {
		json_out_null(j, key);
		return;
	}
	begin_value(j, key);
	size_t before = j->to->n;
	buf_printf(j->to, "%.*f", decimals, v);
	if (decimals > 0 && !j->to->failed) {
		size_t n = j->to->n;
		while (n > before && j->to->p[n - 1] == '0')
			n--;
		if (n > before && j->to->p[n - 1] == '.')
			n--;
		j->to->n = n;
		j->to->p[n] = '\0';
	}
}

void json_out_bool(struct json_out *j, const char *key, bool v)
{
	begin_value(j, key);
	buf_puts(j->to, v ? "true" : "false");
}

void json_out_null(struct json_out *j, const char *key)
{
	begin_value(j, key);
	buf_puts(j->to, "null");
}

void json_out_raw(struct json_out *j, const char *key, struct str json)
{
	begin_value(j, key);
	buf_append_str(j->to, json);
}
