/* SPDX-License-Identifier: MIT */
#include "bench/result.h"

#include "html/svg.h"
#include "report/units.h"

#include <math.h>

/* Pixels down; across it is per cent of the picture's width. */
#define ROW 30
#define BAR 20
#define TOP 40
#define PROJECTION 180
#define LEFT 24.0
#define WIDE 70.0

static const char *const styles = "text{font:12px system-ui,sans-serif;fill:#333}.off{fill:#d5541b}.on{fill:#8cc5b0}"
				  ".grid{stroke:#d4d9df}svg{background:#fff;overflow:visible}";

static void bar(struct html *h, double y, double share, const char *class, const char *name, double s)
{
	char text[UNITS_CHARS];

	svg_text(h, "dark", LEFT - 1, y + BAR - 5, SVG_END, name);
	if (!isnan(s))
		svg_rect(h, class, LEFT, y, WIDE * share, BAR, NULL);
	svg_text(h, "dark", LEFT + (isnan(s) ? 0 : WIDE * share) + 1, y + BAR - 5, SVG_START, units_seconds(s, text));
}

/* Seconds after 1 to n queries, off and on, as pairs of columns. */
static void projection(struct html *h, double y, unsigned n, const struct bench_costs *c)
{
	double most = c->project_off_s;
	unsigned shown = n < 40 ? n : 40;
	char text[96], s[2][UNITS_CHARS];

	snprintf(text, sizeof(text), "%u queries: %s off, %s on", n, units_seconds(c->project_off_s, s[0]),
		 units_seconds(c->project_on_s, s[1]));
	svg_text(h, "dark", 2, y, SVG_START, text);
	if (!(most > 0) || isnan(c->project_on_s))
		return;
	double step = 92.0 / shown, bottom = y + PROJECTION - 20;
	for (unsigned i = 1; i <= shown; i++) {
		double q = (double)i * n / shown, x = 4 + step * (i - 1);
		double off = q * c->with_s / most * (PROJECTION - 50);
		double on = (c->first_s + (q - 1) * c->warm_s) / most * (PROJECTION - 50);
		svg_rect(h, "off", x, bottom - off, step * 0.4, off, NULL);
		svg_rect(h, "on", x + step * 0.42, bottom - on, step * 0.4, on, NULL);
	}
	svg_horizontal(h, "grid", 2, 98, bottom);
}

void bench_chart(const struct bench *b, unsigned n, struct buf *out)
{
	struct bench_figures f;
	struct html h;
	const struct bench_costs *c = &f.costs[BENCH_TOTAL];
	unsigned height = TOP + 4 * ROW + PROJECTION + 20;
	char size[16], title[200];

	bench_figures(b, 0, n, &f);
	snprintf(size, sizeof(size), "%u", height);
	snprintf(title, sizeof(title), "%.90s: what a system prompt of %lld tokens costs", b->facts.name,
		 (long long)(f.prompt_with - f.prompt_without));
	html_init(&h, out);
	html_open(&h, "svg", "xmlns", "http://www.w3.org/2000/svg", "width", "720", "height", size, HTML_END);
	html_element(&h, "style", NULL, styles);
	svg_open(&h, "bench", height, title, "Seconds of requests with and without a system prompt, cache off and on");
	svg_text(&h, "dark", 2, 20, SVG_START, title);
	double most = 0;
	const struct {
		const char *name, *class;
		double s;
	} bars[] = {{"with it, off", "off", c->with_s},
		    {"with it, on, first", "on", c->first_s},
		    {"with it, on, then", "on", c->warm_s},
		    {"without it", "off", c->without_s}};
	for (size_t i = 0; i < 4; i++)
		most = bars[i].s > most ? bars[i].s : most;
	for (size_t i = 0; i < 4; i++)
		bar(&h, TOP + ROW * (double)i, most > 0 ? bars[i].s / most * 0.85 : 0, bars[i].class, bars[i].name,
		    bars[i].s);
	projection(&h, TOP + 4 * ROW + 24, n, c);
	svg_close(&h);
	html_close(&h);
	buf_putc(out, '\n');
}
