/* SPDX-License-Identifier: MIT */
#include "why/text_signs.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdint.h>

/* How far around a difference its surroundings are looked at. */
#define NEAR 64
#define REGION_MAX ((size_t)1 << 20)

size_t text_common(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n, i = 0;
	while (i < n && a.p[i] == b.p[i])
		i++;
	return i;
}

bool text_contains(struct str s, struct str word)
{
	return word.n > 0 && s.n >= word.n && memmem(s.p, s.n, word.p, word.n) != NULL;
}

bool text_is_countdown(struct str text)
{
	return text.n < 400 && text_contains(text, STR("<total_tokens>")) && text_contains(text, STR("tokens left"));
}

bool text_is_compaction(struct str old, struct str new)
{
	const struct str summary = STR("This session is being continued from a previous conversation");
	const struct str cleared = STR("[Old tool result content cleared]");
	return (text_contains(new, cleared) && !text_contains(old, cleared)) ||
	       (text_contains(new, summary) && !text_contains(old, summary));
}

bool text_is_identity(struct str text)
{
	return str_starts(text, STR("You are Claude Code")) || str_starts(text, STR("You are a Claude agent"));
}

bool text_identity_changed(struct str old, struct str new)
{
	return text_is_identity(old) && text_is_identity(new) && old.n < 400 && new.n < 400;
}

bool text_attestation(struct str old, struct str new)
{
	size_t at = text_common(old, new), begin = at;
	while (begin > 0 && at - begin < 5 && isxdigit((unsigned char)old.p[begin - 1]))
		begin--;
	if (begin < 4 || memcmp(old.p + begin - 4, "cch=", 4) != 0)
		return false;
	const struct str both[] = {old, new};
	for (int i = 0; i < 2; i++)
		for (size_t k = begin; k < begin + 5; k++)
			if (k >= both[i].n || !isxdigit((unsigned char)both[i].p[k]))
				return false;
	return true;
}

/* ---- dates */

static size_t digits(struct str s, size_t at)
{
	size_t n = 0;
	while (at + n < s.n && isdigit((unsigned char)s.p[at + n]))
		n++;
	return n;
}

/* Length of a name of a month or weekday, or of its first three letters. */
static size_t calendar_name(struct str s, size_t at)
{
	static const char *const names[] = {"January",  "February", "March",    "April",     "May",
					    "June",     "July",     "August",   "September", "October",
					    "November", "December", "Monday",   "Tuesday",   "Wednesday",
					    "Thursday", "Friday",   "Saturday", "Sunday"};
	size_t n = 0;
	while (at + n < s.n && isalpha((unsigned char)s.p[at + n]))
		n++;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if ((n == 3 || n == strlen(names[i])) && strncasecmp(s.p + at, names[i], n) == 0)
			return n;
	return 0;
}

/*
 * Length of what can be part of a date, a time or the white space inside one; *weight counts what makes it one: a year,
 * a month's name, a separator between numbers.
 */
static size_t date_length(struct str s, size_t from)
{
	size_t at = from, end = from;
	unsigned numbers = 0, names = 0;
	bool year = false;

	while (at < s.n) {
		size_t n = digits(s, at);
		if (n > 0) {
			bool is_year = n == 4 && (s.p[at] == '1' || s.p[at] == '2');
			if (is_year && year)
				break; /* of the next date */
			year = year || is_year;
			numbers++;
		} else if ((n = calendar_name(s, at)) > 0) {
			names++;
		} else {
			break;
		}
		at += n;
		end = at;
		/* "-", "/", ":", "T", ", ", " " between two parts; a zone behind. */
		while (at < s.n && at - end < 3 && strchr("-/:.,T ", s.p[at]))
			at++;
		if (at == end)
			break;
	}
	return year && (numbers >= 3 || (numbers >= 2 && names)) ? end - from : 0;
}

/* Length of a time that stands alone, 9:14 or 09:14:02. */
static size_t time_length(struct str s, size_t at)
{
	size_t n = digits(s, at), end = at + n;
	if (n < 1 || n > 2)
		return 0;
	unsigned parts = 0;
	while (parts < 2 && end < s.n && s.p[end] == ':' && digits(s, end + 1) == 2 && s.p[end + 1] < '6') {
		end += 3;
		parts++;
	}
	return parts > 0 && (end == s.n || s.p[end] != ':') ? end - at : 0;
}

/* Appends the text with a mark in place of every date or time; *dates counts them. */
static bool without_dates(struct str s, struct buf *out, size_t *dates)
{
	*dates = 0;
	for (size_t i = 0; i < s.n;) {
		bool begins = i == 0 || !isalnum((unsigned char)s.p[i - 1]);
		size_t n = begins && isalnum((unsigned char)s.p[i]) ? date_length(s, i) : 0;
		if (n == 0 && begins && (i == 0 || !strchr(":.", s.p[i - 1])))
			n = time_length(s, i);
		if (n > 0) {
			buf_puts(out, "\x01");
			++*dates;
			i += n;
		} else {
			buf_putc(out, s.p[i++]);
		}
	}
	return !out->failed;
}

bool text_date_changed(struct str old, struct str new)
{
	size_t at = text_common(old, new), end = 0;
	while (end < old.n - at && end < new.n - at &&old.p[old.n - 1 - end] == new.p[new.n - 1 - end])
		end++;
	/* The difference with as much around it as a date can be long. */
	size_t from = at > NEAR ? at - NEAR : 0, rest = end > NEAR ? end - NEAR : 0;
	struct str a = {old.p + from, old.n - rest - from}, b = {new.p + from, new.n - rest - from};
	if (a.n > REGION_MAX || b.n > REGION_MAX)
		return false;
	while (from > 0 && a.n > 0 && a.n < REGION_MAX && isalnum((unsigned char)a.p[-1])) {
		a = (struct str){a.p - 1, a.n + 1};
		b = (struct str){b.p - 1, b.n + 1};
		from--;
	}
	struct buf x, y;
	size_t dates[2];
	buf_init(&x, 2 * REGION_MAX);
	buf_init(&y, 2 * REGION_MAX);
	bool equal = without_dates(a, &x, &dates[0]) && without_dates(b, &y, &dates[1]) && dates[0] > 0 &&
		     dates[0] == dates[1] && str_eq(buf_str(&x), buf_str(&y));
	buf_release(&x);
	buf_release(&y);
	return equal;
}

/* ---- reminders and sections */

static size_t last_of(struct str s, struct str word)
{
	size_t found = SIZE_MAX, at = 0;
	const char *p;
	while (at < s.n && (p = memmem(s.p + at, s.n - at, word.p, word.n))) {
		found = (size_t)(p - s.p);
		at = found + 1;
	}
	return found;
}

static bool inside_reminder(struct str text, size_t at)
{
	struct str before = {text.p, at};
	size_t open = last_of(before, STR("<system-reminder>"));
	if (open == SIZE_MAX)
		return false;
	return !text_contains((struct str){text.p + open, at - open}, STR("</system-reminder>"));
}

bool text_reminder_differs(struct str old, struct str new)
{
	size_t at = text_common(old, new);
	if (inside_reminder(old, at) && inside_reminder(new, at))
		return true;
	/* The difference may begin inside the tag's own "<" or after a line end that both have. */
	size_t back = at > 18 ? 18 : at;
	struct str a = {old.p + at - back, old.n - at + back}, b = {new.p + at - back, new.n - at + back};
	return text_contains(a, STR("<system-reminder>")) != text_contains(b, STR("<system-reminder>"));
}

/* Where each section begins and what ends it. A memory file has headings of its own, so they do not end it. */
static const struct {
	const char *begins;
	enum text_section section;
	const char *ends[4];
} sections[] = {
	{"gitStatus", SECTION_GIT, {"\n# ", "</context>", "</system-reminder>"}},
	{"<env>", SECTION_ENVIRONMENT, {"</env>"}},
	{"# Environment\n", SECTION_ENVIRONMENT, {"\n# ", "\n\n", "gitStatus"}},
	{"# claudeMd", SECTION_MEMORY, {"\n# currentDate", "IMPORTANT: this context may", "</system-reminder>"}},
};
#define SECTIONS (sizeof(sections) / sizeof(*sections))

/* Which of them holds a byte, and where it begins; SECTIONS: none does. */
static size_t find_section(struct str text, size_t at, size_t *where)
{
	size_t found = SECTIONS, begin = 0;

	for (size_t i = 0; i < SECTIONS; i++) {
		struct str begins = str_from(sections[i].begins);
		/* The difference may be that the section itself came or went, so its first line counts. */
		size_t reach = at + begins.n < text.n ? at + begins.n : text.n;
		size_t open = last_of((struct str){text.p, reach}, begins);
		if (open == SIZE_MAX || open < begin)
			continue;
		bool ended = false;
		for (size_t k = 0; k < 4 && sections[i].ends[k] && at > open; k++)
			ended = ended ||
				text_contains((struct str){text.p + open, at - open}, str_from(sections[i].ends[k]));
		if (!ended) {
			found = i;
			begin = open;
		}
	}
	*where = begin;
	return found;
}

enum text_section text_section_at(struct str text, size_t at)
{
	size_t begin, i = find_section(text, at, &begin);
	return i == SECTIONS ? SECTION_NONE : sections[i].section;
}

enum text_section text_section_of_difference(struct str old, struct str new)
{
	const struct str both[] = {old, new};
	size_t at = text_common(old, new);

	for (int k = 0; k < 2; k++) {
		size_t begin, i = find_section(both[k], at, &begin);
		/* One that only begins at the difference, and stands in the other text too, has been moved by it. */
		if (i < SECTIONS && (begin < at || !text_contains(both[1 - k], str_from(sections[i].begins))))
			return sections[i].section;
	}
	return SECTION_NONE;
}
