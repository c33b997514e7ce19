/* SPDX-License-Identifier: MIT */
#include "trace/base64.h"

#include <stdint.h>

static int digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int base64_decode(struct str text, struct buf *out)
{
	if (text.n % 4)
		return -1;
	char *to = buf_reserve(out, text.n / 4 * 3);
	if (!to)
		return -1;

	size_t n = 0;
	for (size_t i = 0; i < text.n; i += 4) {
		int d[4], digits = 0;
		while (digits < 4 && (d[digits] = digit(text.p[i + (size_t)digits])) >= 0)
			digits++;
		bool last = i + 4 == text.n;
		if (digits < 2 || (digits < 4 && !last) || (digits < 4 && text.p[i + 3] != '=') ||
		    (digits == 2 && text.p[i + 2] != '=')) {
			out->p[out->n] = '\0';
			return -1;
		}
		uint32_t v = (uint32_t)d[0] << 18 | (uint32_t)d[1] << 12;
		if (digits > 2)
			v |= (uint32_t)d[2] << 6;
		if (digits > 3)
			v |= (uint32_t)d[3];
		char bytes[3] = {(char)(v >> 16), (char)(v >> 8 & 255), (char)(v & 255)};
		memcpy(to + n, bytes, (size_t)digits - 1);
		n += (size_t)digits - 1;
	}
	out->n += n;
	out->p[out->n] = '\0';
	return 0;
}
