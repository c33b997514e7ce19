/* SPDX-License-Identifier: MIT */
#include "html/svg.h"

#include <math.h>
#include <stdio.h>

#define NUMBER_CHARS 24
#define WIDTH_MIN 0.05

/* Two decimals, without those that are 0. */
static const char *number(double v, const char *unit, char out[NUMBER_CHARS])
{
	if (!isfinite(v))
		v = 0;
	v = v < -1e6 ? -1e6 : v > 1e6 ? 1e6 : v;
	int n = snprintf(out, NUMBER_CHARS, "%.2f", v);
	while (n > 0 && out[n - 1] == '0')
		n--;
	if (n > 0 && out[n - 1] == '.')
		n--;
	snprintf(out + n, NUMBER_CHARS - (size_t)n, "%s", unit);
	return out;
}

void svg_open(struct html *h, const char *id, unsigned height, const char *title, const char *description)
{
	char title_id[64], description_id[64], both[130], pixels[16];

	snprintf(title_id, sizeof(title_id), "%.40s-title", id);
	snprintf(description_id, sizeof(description_id), "%.40s-desc", id);
	snprintf(both, sizeof(both), "%s %s", title_id, description_id);
	snprintf(pixels, sizeof(pixels), "%u", height);
	html_open(h, "svg", "id", id, "role", "img", "width", "100%", "height", pixels, "aria-labelledby", both,
		  HTML_END);
	html_open(h, "title", "id", title_id, HTML_END);
	html_text(h, title);
	html_close(h);
	html_open(h, "desc", "id", description_id, HTML_END);
	html_text(h, description);
	html_close(h);
}

void svg_gutter_open(struct html *h, unsigned width, unsigned height)
{
	char across[16], down[16];
	snprintf(across, sizeof(across), "%u", width);
	snprintf(down, sizeof(down), "%u", height);
	html_open(h, "svg", "width", across, "height", down, "aria-hidden", "true", HTML_END);
}

void svg_close(struct html *h)
{
	html_close(h);
}

static void tip_and_close(struct html *h, const char *tip)
{
	html_element(h, "title", NULL, tip);
	html_close(h);
}

void svg_rect(struct html *h, const char *class, double x, double y, double width, double height, const char *tip)
{
	char a[NUMBER_CHARS], b[NUMBER_CHARS], c[NUMBER_CHARS], d[NUMBER_CHARS];
	number(x, "%", a);
	number(y, "", b);
	number(width > WIDTH_MIN ? width : WIDTH_MIN, "%", c);
	number(height, "", d);
	if (!tip) {
		html_void(h, "rect", "class", class, "x", a, "y", b, "width", c, "height", d, HTML_END);
		return;
	}
	html_open(h, "rect", "class", class, "x", a, "y", b, "width", c, "height", d, HTML_END);
	tip_and_close(h, tip);
}

void svg_circle(struct html *h, const char *class, double x, double y, double radius, const char *tip)
{
	char a[NUMBER_CHARS], b[NUMBER_CHARS], c[NUMBER_CHARS];
	html_open(h, "circle", "class", class, "cx", number(x, "%", a), "cy", number(y, "", b), "r",
		  number(radius, "", c), HTML_END);
	if (tip)
		html_element(h, "title", NULL, tip);
	html_close(h);
}

void svg_text(struct html *h, const char *class, double x, double y, enum svg_anchor anchor, const char *text)
{
	static const char *const anchors[] = {NULL, "middle", "end"};
	char a[NUMBER_CHARS], b[NUMBER_CHARS];
	html_open(h, "text", "class", class, "x", number(x, "%", a), "y", number(y, "", b), "text-anchor",
		  anchors[anchor], HTML_END);
	html_text(h, text);
	html_close(h);
}

void svg_vertical(struct html *h, const char *class, double x, double from, double to)
{
	char a[NUMBER_CHARS], b[NUMBER_CHARS], c[NUMBER_CHARS];
	number(x, "%", a);
	html_void(h, "line", "class", class, "x1", a, "x2", a, "y1", number(from, "", b), "y2", number(to, "", c),
		  HTML_END);
}

void svg_horizontal(struct html *h, const char *class, double from, double to, double y)
{
	char a[NUMBER_CHARS], b[NUMBER_CHARS], c[NUMBER_CHARS];
	number(y, "", c);
	html_void(h, "line", "class", class, "x1", number(from, "%", a), "x2", number(to, "%", b), "y1", c, "y2", c,
		  HTML_END);
}

void svg_columns(struct html *h, const char *class, double top, double bottom, double *base, const double *value,
		 size_t n)
{
	char a[NUMBER_CHARS], box[64];
	bool any = false;
	struct buf path;

	buf_init(&path, 1 << 20);
	for (size_t i = 0; i < n; i++) {
		double height = floor(value[i] * 4 + 0.5) / 4;
		if (height <= 0)
			continue;
		/* One rectangle for neighbours of the same height. */
		size_t end = i + 1;
		while (end < n && floor(value[end] * 4 + 0.5) / 4 == height && base[end] == base[i])
			end++;
		buf_printf(&path, "M%zu %s", i, number(bottom - top - base[i], "", a));
		buf_printf(&path, "v%s", number(-height, "", a));
		buf_printf(&path, "h%zu", end - i);
		buf_printf(&path, "v%sz", number(height, "", a));
		for (size_t k = i; k < end; k++)
			base[k] += height;
		i = end - 1;
		any = true;
	}
	if (any) {
		char y[NUMBER_CHARS], height[NUMBER_CHARS];
		snprintf(box, sizeof(box), "0 0 %zu %s", n, number(bottom - top, "", a));
		html_open(h, "svg", "x", "0", "y", number(top, "", y), "width", "100%", "height",
			  number(bottom - top, "", height), "viewBox", box, "preserveAspectRatio", "none", HTML_END);
		html_void(h, "path", "class", class, "d", path.p, HTML_END);
		html_close(h);
	}
	if (path.failed)
		h->to->failed = true;
	buf_release(&path);
}
