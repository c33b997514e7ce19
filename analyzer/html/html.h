/* SPDX-License-Identifier: MIT */
#ifndef HTML_HTML_H
#define HTML_HTML_H

/*
 * Writes HTML that is well-formed XML, too (every element closed, every attribute quoted), so that any XML parser can
 * check it. All text and attribute values pass through html_escape; nothing of a trace can become markup.
 *
 *     struct html h;
 *     html_init(&h, &buf);
 *     html_open(&h, "p", "class", "note", HTML_END);
 *     html_printf(&h, "%s of %s", a, b);
 *     html_close(&h);
 *
 * Memory: the buffer's failed flag tells of lack of it.
 */

#include "base/buf.h"

#define HTML_DEPTH_MAX 32

struct html {
	struct buf *to;
	int depth;
	const char *open[HTML_DEPTH_MAX]; /* static words */
	unsigned ids;                     /* numbers for html_id */
};

void html_init(struct html *h, struct buf *to);
/* Ends the attributes: a plain NULL may be an int. */
#define HTML_END ((const char *)NULL)
/* tag and then name, value, ..., HTML_END; a value of NULL leaves its attribute out. Tags and names are static words.
 */
void html_open(struct html *h, const char *tag, ...) __attribute__((sentinel));
/* An element without content: <meta />, <rect />. */
void html_void(struct html *h, const char *tag, ...) __attribute__((sentinel));
/* Closes the innermost element. */
void html_close(struct html *h);
void html_text(struct html *h, const char *text);
void html_printf(struct html *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* <tag class="class">text</tag>; class may be NULL. */
void html_element(struct html *h, const char *tag, const char *class, const char *text);

/*
 * Appends text that is safe between tags and inside quotes: < > & " ' as entities, control characters that XML does not
 * know and bytes that are no UTF-8 as U+FFFD.
 */
void html_escape(struct buf *to, struct str text);

#endif
