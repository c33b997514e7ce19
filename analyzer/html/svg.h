/* SPDX-License-Identifier: MIT */
#ifndef HTML_SVG_H
#define HTML_SVG_H

/*
 * Charts that are as wide as their place: across in percent, down in pixels, so that text and lines keep their size on
 * any screen and no script is needed. Colours are classes of the page's style sheet.
 */

#include "html/html.h"

enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END };

/* id is unique in the page; title and description are what a screen reader says in place of the picture. */
void svg_open(struct html *h, const char *id, unsigned height, const char *title, const char *description);
void svg_close(struct html *h);
/* A strip of labels beside a chart of this height, right-aligned; nothing that a screen reader needs. */
void svg_gutter_open(struct html *h, unsigned width, unsigned height);
/* Widths below 0.05 % are drawn as that. tip: shown when pointed at, NULL: nothing. */
void svg_rect(struct html *h, const char *class, double x, double y, double width, double height, const char *tip);
void svg_circle(struct html *h, const char *class, double x, double y, double radius, const char *tip);
void svg_text(struct html *h, const char *class, double x, double y, enum svg_anchor anchor, const char *text);
void svg_vertical(struct html *h, const char *class, double x, double from, double to);
void svg_horizontal(struct html *h, const char *class, double from, double to, double y);

/*
 * n columns of equal width over the whole chart, each from base[i] up by value[i] (pixels, base 0 is at y = bottom),
 * as one path; base is then raised by value, so that calls stack.
 */
void svg_columns(struct html *h, const char *class, double top, double bottom, double *base, const double *value,
		 size_t n);

#endif
