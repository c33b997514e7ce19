/* SPDX-License-Identifier: MIT */
#include "html/html.h"

#include "base/json_out.h"

#include <assert.h>

#define REPLACEMENT "\xef\xbf\xbd"

void html_init(struct html *h, struct buf *to)
{
	*h = (struct html){.to = to};
}

/* Bytes of the character at the start; 0: none that may stand in XML. */
static size_t character(struct str s)
{
	unsigned char c = (unsigned char)*s.p;
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c < 0x20)
		return c == '\n' || c == '\t' ? 1 : 0;
	if (c == 0x7f || n > s.n || !utf8_valid((struct str){s.p, n}))
		return 0;
	/* C1 controls, and U+FFFE and U+FFFF, which XML refuses. */
	if (c == 0xc2 && (unsigned char)s.p[1] < 0xa0)
		return 0;
	return n == 3 && memcmp(s.p, "\xef\xbf", 2) == 0 && (unsigned char)s.p[2] >= 0xbe ? 0 : n;
}

void html_escape(struct buf *to, struct str text)
{
	while (text.n > 0) {
		size_t n = character(text);
		if (n == 0)
			buf_puts(to, REPLACEMENT);
		else if (*text.p == '<')
			buf_puts(to, "&lt;");
		else if (*text.p == '>')
			buf_puts(to, "&gt;");
		else if (*text.p == '&')
			buf_puts(to, "&amp;");
		else if (*text.p == '"')
			buf_puts(to, "&quot;");
		else if (*text.p == '\'')
			buf_puts(to, "&#39;");
		else
			buf_append(to, text.p, n);
		text.p += n ? n : 1;
		text.n -= n ? n : 1;
	}
}

static void start(struct html *h, const char *tag, va_list attributes)
{
	const char *name;

	buf_putc(h->to, '<');
	buf_puts(h->to, tag);
	while ((name = va_arg(attributes, const char *))) {
		const char *value = va_arg(attributes, const char *);
		if (!value)
			continue;
		buf_printf(h->to, " %s=\"", name);
		html_escape(h->to, str_from(value));
		buf_putc(h->to, '"');
	}
}

void html_open(struct html *h, const char *tag, ...)
{
	va_list attributes;

	assert(h->depth < HTML_DEPTH_MAX);
	va_start(attributes, tag);
	start(h, tag, attributes);
	va_end(attributes);
	buf_putc(h->to, '>');
	h->open[h->depth++] = tag;
}

void html_void(struct html *h, const char *tag, ...)
{
	va_list attributes;

	va_start(attributes, tag);
	start(h, tag, attributes);
	va_end(attributes);
	buf_puts(h->to, "/>");
}

/* One line per row and block: inside <pre> and between words a line end would be seen, after these it is not. */
static bool ends_line(const char *tag)
{
	static const char *const blocks[] = {"p",      "div",   "section", "tr",      "ul",  "ol",
					     "li",     "table", "svg",     "details", "h1",  "h2",
					     "figure", "h3",    "header",  "style",   "rect"};
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++)
		if (strcmp(tag, blocks[i]) == 0)
			return true;
	return false;
}

void html_close(struct html *h)
{
	assert(h->depth > 0);
	const char *tag = h->open[--h->depth];
	buf_printf(h->to, ends_line(tag) ? "</%s>\n" : "</%s>", tag);
}

void html_text(struct html *h, const char *text)
{
	html_escape(h->to, str_from(text));
}

void html_printf(struct html *h, const char *format, ...)
{
	struct buf text;
	va_list args;

	buf_init(&text, 1 << 20);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	if (text.failed)
		h->to->failed = true;
	html_escape(h->to, buf_str(&text));
	buf_release(&text);
}

void html_element(struct html *h, const char *tag, const char *class, const char *text)
{
	html_open(h, tag, "class", class, HTML_END);
	html_text(h, text);
	html_close(h);
}
