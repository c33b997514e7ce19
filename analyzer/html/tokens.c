/* SPDX-License-Identifier: MIT */
/* Tokens per request, and the table of requests. */
#include "html/parts.h"
#include "html/scale.h"

#include <stdlib.h>

#define COLUMNS_MAX 180 /* more requests than this are drawn in groups */
#define TOP 18
#define HEIGHT 190
#define FOOT 20
#define GUTTER 42
#define COLUMN_WIDTH_MAX 7.0 /* percent */
#define LABELS 6
/* Rows of the table: its beginning, its end, and what missed in between. */
#define ROWS_EDGE 150
#define ROWS_MISSES 300

/* A request, or several in a row: averages. */
struct column {
	size_t first, n;
	double prompt, reused, again, fresh; /* prompt: also of those whose parts are not known */
	uint64_t counted;
	unsigned unexpected, expected;
};

static void add(struct column *c, const struct page *p, size_t i)
{
	const struct report_exchange *e = &p->report->exchanges[i];
	const struct why_request *r = &p->why->requests[i];
	struct cost_use use = cost_use_of(p->report, p->cost, p->why, i);

	if (c->n++ == 0)
		c->first = i;
	if (r->misses && p->why->misses[r->miss].cause->expected)
		c->expected++;
	else if (r->misses)
		c->unexpected++;
	if (e->basis == TOKENS_NONE)
		return;
	c->counted++;
	c->prompt += (double)e->prompt;
	if (use.basis == TOKENS_NONE)
		return;
	c->reused += (double)use.reused;
	c->again += (double)use.again;
	c->fresh += (double)use.new;
}

static void average(struct column *c)
{
	double n = c->counted > 0 ? (double)c->counted : 1;
	c->prompt /= n;
	c->reused /= n;
	c->again /= n;
	c->fresh /= n;
}

/* Returns how many were written. *group: requests in each. */
static size_t make_columns(const struct page *p, struct column *out, size_t *group)
{
	const struct report *r = p->report;
	size_t requests = 0, n = 0;

	for (size_t i = 0; i < r->nexchanges; i++)
		requests += !r->exchanges[i].counts_only;
	*group = (requests + COLUMNS_MAX - 1) / COLUMNS_MAX;
	for (size_t i = 0; i < r->nexchanges; i++) {
		if (r->exchanges[i].counts_only)
			continue;
		if (n == 0 || out[n - 1].n == *group)
			memset(&out[n++], 0, sizeof(*out));
		add(&out[n - 1], p, i);
	}
	for (size_t i = 0; i < n; i++)
		average(&out[i]);
	return n;
}

static void tip_of(const struct page *p, const struct column *c, struct buf *tip)
{
	char name[48], a[UNITS_CHARS], b[UNITS_CHARS];

	buf_printf(tip, "request %s", part_request(p, &p->report->exchanges[c->first], name));
	if (c->n > 1)
		buf_printf(tip, " and %zu more, on average", c->n - 1);
	buf_printf(tip, ": %s tokens", units_count((int64_t)c->prompt, a));
	buf_printf(tip, "; %s reused", units_count((int64_t)c->reused, a));
	buf_printf(tip, ", %s again, %s new", units_count((int64_t)c->again, a), units_count((int64_t)c->fresh, b));
	const struct why_request *r = &p->why->requests[c->first];
	if (c->n == 1 && r->misses)
		buf_printf(tip, "; %s", p->why->misses[r->miss].cause->name);
	else if (c->unexpected)
		buf_printf(tip, "; %u unexpected misses", c->unexpected);
}

static void draw_column(struct page *p, const struct column *c, double x, double width, double max)
{
	struct html *h = &p->h;
	struct buf tip;
	const double parts[] = {c->reused, c->again, c->fresh, c->prompt - c->reused - c->again - c->fresh};
	static const char *const classes[] = {"reused", "again", "new", "unknown"};
	double y = TOP + HEIGHT;

	buf_init(&tip, 1024);
	tip_of(p, c, &tip);
	html_open(h, "g", HTML_END);
	html_element(h, "title", NULL, tip.p);
	for (size_t k = 0; k < 4; k++) {
		double height = parts[k] / max * HEIGHT;
		if (height < 0.2)
			continue;
		y -= height;
		svg_rect(h, classes[k], x - width / 2, y, width, height, NULL);
	}
	if (c->unexpected || c->expected)
		svg_circle(h, c->unexpected ? "miss" : "calm", x, y - 8, width < 0.8 ? 2.5 : 4, NULL);
	html_close(h);
	buf_release(&tip);
}

static double tick_y(const double *ticks, size_t n, size_t i)
{
	return TOP + HEIGHT - ticks[i] / ticks[n - 1] * HEIGHT;
}

static void gutter(struct page *p, const double *ticks, size_t n)
{
	char label[UNITS_CHARS];
	svg_gutter_open(&p->h, GUTTER, TOP + HEIGHT + FOOT);
	for (size_t i = 0; i < n; i++)
		svg_text(&p->h, NULL, 100, tick_y(ticks, n, i) + 4, SVG_END, units_count((int64_t)ticks[i], label));
	svg_close(&p->h);
}

static void draw(struct page *p, const struct column *columns, size_t n)
{
	double ticks[SCALE_TICKS_MAX], max = 0, slot = 100 / (double)n, last = -100;
	double width = slot * (n > 60 ? 0.9 : 0.7);
	char name[48];

	for (size_t i = 0; i < n; i++)
		max = columns[i].prompt > max ? columns[i].prompt : max;
	size_t nticks = scale_ticks(max, 4, ticks);
	gutter(p, ticks, nticks);
	svg_open(&p->h, "tokens-chart", TOP + HEIGHT + FOOT, "Prompt tokens per request",
		 "One column per request or group of requests, from below: tokens that the cache gave, tokens "
		 "prefilled again, "
		 "new tokens. A filled dot is an unexpected miss, an empty one an expected miss. The table of requests "
		 "has the "
		 "numbers.");
	for (size_t i = 0; i < nticks; i++)
		svg_horizontal(&p->h, i == 0 ? "axis" : "grid", 0, 100, tick_y(ticks, nticks, i));
	width = width < COLUMN_WIDTH_MAX ? width : COLUMN_WIDTH_MAX;
	for (size_t i = 0; i < n; i++) {
		double x = slot * ((double)i + 0.5);
		draw_column(p, &columns[i], x, width, ticks[nticks - 1]);
		if (x - last < 100.0 / LABELS)
			continue;
		svg_text(&p->h, NULL, x, TOP + HEIGHT + 14,
			 x < 3    ? SVG_START
			 : x > 97 ? SVG_END
				  : SVG_MIDDLE,
			 part_request(p, &p->report->exchanges[columns[i].first], name));
		last = x;
	}
	svg_close(&p->h);
}

void page_tokens(struct page *p)
{
	static const struct part_key keys[] = {
		{"reused", "from the cache"}, {"again", "prefilled again"}, {"new", "new"},
		{"unknown", "not known"},     {"miss", "unexpected miss"},  {"calm", "expected miss"},
	};
	struct column *columns = calloc(COLUMNS_MAX + 1, sizeof(*columns));
	size_t group = 1, n = 0;

	part_open(p, "tokens", "Tokens per request");
	if (columns)
		n = make_columns(p, columns, &group);
	else
		p->no_memory = true;
	if (n == 0) {
		part_note(p, "No request of which a model read the prompt.");
	} else {
		if (group > 1) {
			char text[96];
			snprintf(text, sizeof(text), "Each column is the average of %zu requests.", group);
			part_note(p, text);
		}
		part_legend(p, keys, sizeof(keys) / sizeof(*keys));
		html_open(&p->h, "figure", "class", "rows", HTML_END);
		draw(p, columns, n);
		html_close(&p->h);
	}
	page_requests(p);
	html_close(&p->h);
	free(columns);
}

/* ---- the table of requests */

#define ANSWER_COLUMNS 96

static void answer(struct page *p, const struct report_exchange *e)
{
	struct buf text, cut;

	buf_init(&text, 4096);
	buf_init(&cut, 4096);
	report_answer(e, &text);
	units_text(&cut, text.p, ANSWER_COLUMNS, false);
	part_cell(p, cut.p);
	buf_release(&cut);
	buf_release(&text);
}

static void request_row(struct page *p, size_t i)
{
	const struct report_exchange *e = &p->report->exchanges[i];
	const struct cost_exchange *c = &p->cost->exchanges[i];
	const struct why_request *r = &p->why->requests[i];
	const struct why_miss *m = r->misses ? &p->why->misses[r->miss] : NULL;
	struct cost_use use = cost_use_of(p->report, p->cost, p->why, i);
	char name[48];

	part_row_open(p, m && !m->cause->expected ? "miss" : NULL);
	part_cell(p, part_request(p, e, name));
	part_cell_count(p, e->basis, e->prompt);
	part_cell_count(p, e->cached == TOKENS_UNKNOWN ? TOKENS_NONE : TOKENS_REPORTED, e->cached);
	part_cell_count(p, use.basis, use.again);
	part_cell_count(p, use.basis, use.new);
	part_cell_seconds(p, c->prefill);
	part_cell_seconds(p, c->re_prefill);
	part_cell_seconds(p, c->decode);
	answer(p, e);
	part_cell(p, m ? m->cause->name : "");
	part_row_close(p);
}

void page_requests(struct page *p)
{
	static const char *const columns[] = {"request", "prompt",      "from the cache", "again",  "new",
					      "prefill", "of it again", "decode",         "answer", "miss"};
	size_t n = p->report->nexchanges, misses = 0, hidden = 0;
	bool shorten = n > 2 * ROWS_EDGE + ROWS_MISSES;
	char text[96];

	part_table_open(p, "Table of requests", NULL, columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < n; i++) {
		const struct why_request *r = &p->why->requests[i];
		bool unexpected = r->misses && !p->why->misses[r->miss].cause->expected;
		if (shorten && i >= ROWS_EDGE && i < n - ROWS_EDGE && (!unexpected || misses++ >= ROWS_MISSES)) {
			hidden++;
			continue;
		}
		request_row(p, i);
	}
	if (hidden) {
		part_row_open(p, NULL);
		snprintf(text, sizeof(text), "(%zu requests from the middle are left out)", hidden);
		part_cell(p, text);
		part_row_close(p);
	}
	part_table_close(p);
}
