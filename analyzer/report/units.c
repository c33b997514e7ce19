/* SPDX-License-Identifier: MIT */
#include "report/units.h"

#include "base/json_out.h"

#include <math.h>
#include <stdio.h>

/* Three significant digits and one of the units, which are 1000 apart. */
static void three_digits(double v, const char *const *units, size_t n, char *out)
{
	size_t unit = 0;
	/* 999.5 would be printed as 1000. */
	while (unit + 1 < n && v >= (unit ? 999.5 : 1000)) {
		v /= 1000;
		unit++;
	}
	int decimals = unit == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
	snprintf(out, UNITS_CHARS, "%.*f%s", decimals, v, units[unit]);
}

const char *units_count(int64_t n, char out[UNITS_CHARS])
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
	if (n < 0)
		snprintf(out, UNITS_CHARS, "-");
	else
		three_digits((double)n, units, sizeof(units) / sizeof(*units), out);
	return out;
}

const char *units_bytes(uint64_t n, char out[UNITS_CHARS])
{
	static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB", " EB"};
	three_digits((double)n, units, sizeof(units) / sizeof(*units), out);
	return out;
}

const char *units_seconds(double s, char out[UNITS_CHARS])
{
	if (isnan(s))
		snprintf(out, UNITS_CHARS, "-");
	else if (s < 0.9995)
		snprintf(out, UNITS_CHARS, "%.0f ms", s * 1000);
	else if (s < 9.995)
		snprintf(out, UNITS_CHARS, "%.2f s", s);
	else if (s < 99.95)
		snprintf(out, UNITS_CHARS, "%.1f s", s);
	else if (s < 599.5)
		snprintf(out, UNITS_CHARS, "%.0f s", s);
	else if (s < 35970)
		snprintf(out, UNITS_CHARS, "%.0f min", s / 60);
	else
		snprintf(out, UNITS_CHARS, "%.0f h", s / 3600);
	return out;
}

const char *units_rate(double per_second, char out[UNITS_CHARS])
{
	char n[UNITS_CHARS];
	if (isnan(per_second))
		snprintf(out, UNITS_CHARS, "-");
	else if (per_second < 9.95)
		snprintf(out, UNITS_CHARS, "%.1f/s", per_second);
	else
		snprintf(out, UNITS_CHARS, "%.20s/s", units_count(llround(per_second), n));
	return out;
}

void units_plural(struct buf *to, uint64_t n, const char *noun)
{
	buf_printf(to, "%llu %s%s", (unsigned long long)n, noun, n == 1 ? "" : "s");
}

/* Bytes of the character at p; 0: none that a terminal should get. */
static size_t character(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	if (c < 0x20 || c == 0x7f)
		return 0;
	size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	/* C1 controls (U+0080 to U+009F) drive terminals too. */
	if (len > n || !utf8_valid((struct str){p, len}) || (c == 0xc2 && (unsigned char)p[1] < 0xa0))
		return 0;
	return len;
}

void units_text(struct buf *to, const char *s, size_t columns, bool pad)
{
	struct str rest = str_from(s ? s : "-");
	size_t printed = 0, total = 0;
	for (size_t i = 0; i < rest.n; total++) {
		size_t len = character(rest.p + i, rest.n - i);
		i += len ? len : 1;
	}
	size_t room = total <= columns ? columns : columns > 3 ? columns - 3 : 0;
	while (rest.n > 0 && printed < room) {
		size_t len = character(rest.p, rest.n);
		if (len)
			buf_append(to, rest.p, len);
		else
			buf_putc(to, '?');
		rest.p += len ? len : 1;
		rest.n -= len ? len : 1;
		printed++;
	}
	for (; total > columns && printed < columns; printed++)
		buf_putc(to, '.');
	for (; pad && printed < columns; printed++)
		buf_putc(to, ' ');
}
