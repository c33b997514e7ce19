/* SPDX-License-Identifier: MIT */
/* The timeline: a row per request in a short session, a lane per conversation in a long one. */
#include "html/parts.h"
#include "html/scale.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

#define ROWS_MAX 60 /* requests that get a row each */
#define ROW 16
#define AXIS 20
#define LANES_MAX 8
#define LANE_SHARE 0.03 /* of all requests: less gets no lane of its own where there are many */
#define LANE 44
#define LANE_BAR 34
#define BINS 240
#define TICKS 5
/* Pauses longer than this share of the time in which something happens are cut out of the axis. */
#define CUT_SHARE 0.05
#define CUT_MIN_S 2.0
#define LABEL_ROOM 15.0 /* percent of the width that a label of the axis takes */

struct timeline {
	struct page *p;
	struct scale_time scale;
	uint64_t base_ns;
};

enum layer { LAYER_AGAIN, LAYER_NEW, LAYER_UNKNOWN, LAYER_DECODE, LAYER_CLIENT, LAYERS };

static const char *const layer_classes[LAYERS] = {"again", "new", "unknown", "decode", "client"};

/* A stretch of one request's time. */
struct stretch {
	enum layer layer;
	double from, to; /* seconds since the beginning */
};

static double since(const struct timeline *t, uint64_t ns)
{
	return ns >= t->base_ns ? (double)(ns - t->base_ns) / (double)NS_PER_S : 0;
}

static size_t stretches(const struct timeline *t, size_t i, struct stretch out[LAYERS])
{
	const struct report_exchange *e = &t->p->report->exchanges[i];
	const struct cost_exchange *c = &t->p->cost->exchanges[i];
	double start = since(t, e->start_ns), end = since(t, e->end_ns);
	size_t n = 0;

	if (c->gap == GAP_CLIENT && c->client > 0)
		out[n++] = (struct stretch){LAYER_CLIENT, fmax(start - c->client, 0), start};
	if (isnan(c->prefill) || c->prefill_start_ns == 0 || c->prefill_end_ns == 0) {
		out[n++] = (struct stretch){LAYER_UNKNOWN, start, end};
		return n;
	}
	double from = since(t, c->prefill_start_ns), to = since(t, c->prefill_end_ns);
	double again = isnan(c->re_prefill) || c->prefill <= 0 ? 0 : (to - from) * c->re_prefill / c->prefill;
	if (from > start)
		out[n++] = (struct stretch){LAYER_UNKNOWN, start, from};
	if (again > 0)
		out[n++] = (struct stretch){LAYER_AGAIN, from, from + again};
	if (from + again < to)
		out[n++] = (struct stretch){isnan(c->re_prefill) ? LAYER_UNKNOWN : LAYER_NEW, from + again, to};
	if (end > to)
		out[n++] = (struct stretch){LAYER_DECODE, to, end};
	return n;
}

static int make_scale(struct timeline *t)
{
	const struct report *r = t->p->report;

	t->base_ns = UINT64_MAX;
	for (size_t i = 0; i < r->nexchanges; i++)
		if (r->exchanges[i].start_ns && r->exchanges[i].start_ns < t->base_ns)
			t->base_ns = r->exchanges[i].start_ns;
	for (size_t i = 0; i < r->nexchanges; i++) {
		struct stretch s[LAYERS];
		size_t n = stretches(t, i, s);
		for (size_t k = 0; k < n; k++)
			scale_time_add(&t->scale, s[k].from, s[k].to);
	}
	if (scale_time_finish(&t->scale, 0) < 0)
		return -1;
	return scale_time_finish(&t->scale, fmax(t->scale.shown * CUT_SHARE, CUT_MIN_S));
}

static double at(const struct timeline *t, double seconds)
{
	return scale_time_at(&t->scale, seconds);
}

/* "0 s", "45 s", "12 min", "1:30 min", "2:05 h" */
static void clock_label(double seconds, char *out, size_t out_bytes)
{
	long s = lround(seconds);
	if (seconds < 10 && fabs(seconds - (double)s) > 1e-6)
		snprintf(out, out_bytes, "%g s", round(seconds * 1000) / 1000);
	else if (s < 60)
		snprintf(out, out_bytes, "%ld s", s);
	else if (s < 3600 && s % 60 == 0)
		snprintf(out, out_bytes, "%ld min", s / 60);
	else if (s < 3600)
		snprintf(out, out_bytes, "%ld:%02ld min", s / 60, s % 60);
	else
		snprintf(out, out_bytes, "%ld:%02ld h", s / 3600, s % 3600 / 60);
}

static void tick(struct timeline *t, double seconds, double height)
{
	char label[32];
	double x = at(t, seconds);
	clock_label(seconds, label, sizeof(label));
	svg_vertical(&t->p->h, "grid", x, AXIS - 4, height);
	svg_text(&t->p->h, NULL, x, 11, x < 4 ? SVG_START : x > 96 ? SVG_END : SVG_MIDDLE, label);
}

static void axis(struct timeline *t, double height)
{
	double ticks[SCALE_TICKS_MAX], last = -LABEL_ROOM;

	if (t->scale.n <= 1) {
		double from = t->scale.n ? t->scale.spans[0].from : 0;
		size_t n = scale_time_ticks(t->scale.shown, TICKS, ticks);
		for (size_t i = 0; i < n; i++)
			tick(t, from + ticks[i], height);
		return;
	}
	/* With cuts: when each stretch began, as far as there is room. */
	for (size_t i = 0; i < t->scale.n; i++) {
		double x = at(t, t->scale.spans[i].from);
		if (i > 0)
			svg_vertical(&t->p->h, "cut", at(t, (t->scale.spans[i - 1].to + t->scale.spans[i].from) / 2),
				     AXIS - 4, height);
		if (x - last < LABEL_ROOM)
			continue;
		tick(t, t->scale.spans[i].from, height);
		last = x;
	}
}

/* ---- a row per request */

static void describe(struct timeline *t, size_t i, struct buf *out)
{
	const struct report_exchange *e = &t->p->report->exchanges[i];
	const struct cost_exchange *c = &t->p->cost->exchanges[i];
	char name[48], a[UNITS_CHARS], b[UNITS_CHARS];

	buf_printf(out, "request %s, %s tokens", part_request(t->p, e, name), tokens_count(e->basis, e->prompt, a));
	struct cost_use use = cost_use_of(t->p->report, t->p->cost, t->p->why, i);
	if (use.basis != TOKENS_NONE) {
		buf_printf(out, ": %s reused", units_count(use.reused, a));
		buf_printf(out, ", %s again, %s new", units_count(use.again, a), units_count(use.new, b));
	}
	if (!isnan(c->prefill))
		buf_printf(out, "; prefill %s, decode %s", units_seconds(c->prefill, a), units_seconds(c->decode, b));
	else
		buf_printf(out, "; %s in all", units_seconds(e->total, a));
}

static void row(struct timeline *t, size_t i)
{
	struct stretch s[LAYERS];
	struct html *h = &t->p->h;
	struct buf tip;
	size_t n = stretches(t, i, s);
	double y = AXIS + (double)i * ROW;

	buf_init(&tip, 1024);
	describe(t, i, &tip);
	html_open(h, "g", HTML_END);
	html_element(h, "title", NULL, tip.p);
	for (size_t k = 0; k < n; k++) {
		bool thin = s[k].layer == LAYER_CLIENT;
		double x = at(t, s[k].from);
		svg_rect(h, layer_classes[s[k].layer], x, y + (thin ? 6 : 2), at(t, s[k].to) - x, thin ? 3 : ROW - 5,
			 NULL);
	}
	html_close(h);
	buf_release(&tip);
}

static void rows(struct timeline *t)
{
	const struct report *r = t->p->report;
	struct html *h = &t->p->h;
	char style[64], name[48], tokens[UNITS_CHARS];
	unsigned height = AXIS + (unsigned)r->nexchanges * ROW;

	html_open(h, "figure", "class", "rows", HTML_END);
	snprintf(style, sizeof(style), "padding-top:%dpx;line-height:%dpx", AXIS, ROW);
	html_open(h, "ol", "style", style, HTML_END);
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		html_open(h, "li", HTML_END);
		html_printf(h, "%s · %s", part_request(t->p, e, name), tokens_count(e->basis, e->prompt, tokens));
		html_close(h);
	}
	html_close(h);
	svg_open(h, "timeline-chart", height, "Timeline of requests",
		 "One row per request, from the left when it was sent: waiting, prefill again, new prefill, decode; "
		 "the thin "
		 "line before it is the client's own time. The table below sums this up by conversation.");
	axis(t, height);
	for (size_t i = 0; i < r->nexchanges; i++)
		row(t, i);
	svg_close(h);
	html_close(h);
}

/* ---- a lane per conversation */

/* Adds to each bin the share of it that [from, to) percent covers. */
static void cover(double bins[BINS], double from, double to)
{
	double a = from / 100 * BINS, b = to / 100 * BINS;
	for (size_t i = a > 0 ? (size_t)a : 0; i < BINS && (double)i < b; i++)
		bins[i] += fmin(b, (double)i + 1) - fmax(a, (double)i);
}

static int compare_requests(const void *a, const void *b)
{
	const struct lineage *const *x = a, *const *y = b;
	return (*x)->requests != (*y)->requests ? ((*x)->requests > (*y)->requests ? -1 : 1) : (*x > *y) - (*x < *y);
}

/* lane_of[lineage]: the largest have one each, in the order in which they begin; all others share the last. */
static size_t assign_lanes(const struct report *r, uint32_t *lane_of, uint32_t *shown, size_t *own)
{
	size_t n = r->lineages.n, lanes = 0;
	const struct lineage **by_size = calloc(n + 1, sizeof(*by_size));

	if (!by_size)
		return 0;
	for (size_t i = 0; i < n; i++)
		by_size[i] = &r->lineages.lineages[i];
	qsort(by_size, n, sizeof(*by_size), compare_requests);
	for (size_t i = 0; i < n; i++)
		lane_of[i] = LINEAGE_NONE;
	*own = n;
	for (size_t i = 0; n > LANES_MAX && i < n; i++) {
		if (i == LANES_MAX - 1 || by_size[i]->requests < LANE_SHARE * (double)r->nexchanges) {
			*own = i;
			break;
		}
	}
	for (size_t i = 0; i < *own; i++)
		lane_of[by_size[i] - r->lineages.lineages] = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (lane_of[i] != LINEAGE_NONE) {
			shown[lanes] = i;
			lane_of[i] = (uint32_t)lanes++;
		}
	}
	for (size_t i = 0; i < n; i++)
		if (lane_of[i] == LINEAGE_NONE)
			lane_of[i] = (uint32_t)lanes;
	free(by_size);
	return *own < n ? lanes + 1 : lanes;
}

static void fill_lanes(struct timeline *t, const uint32_t *lane_of, double (*bins)[LAYERS][BINS])
{
	const struct report *r = t->p->report;
	for (size_t i = 0; i < r->nexchanges; i++) {
		struct stretch s[LAYERS];
		size_t n = stretches(t, i, s);
		for (size_t k = 0; k < n; k++)
			cover(bins[lane_of[r->exchanges[i].lineage]][s[k].layer], at(t, s[k].from), at(t, s[k].to));
	}
}

static void draw_lane(struct timeline *t, double bins[LAYERS][BINS], double top)
{
	double base[BINS] = {0};
	for (size_t b = 0; b < BINS; b++) {
		double all = 0;
		for (size_t l = 0; l < LAYERS; l++)
			all += bins[l][b];
		for (size_t l = 0; l < LAYERS; l++)
			bins[l][b] *= LANE_BAR / fmax(all, 1);
	}
	for (size_t l = 0; l < LAYERS; l++)
		svg_columns(&t->p->h, layer_classes[l], top, top + LANE_BAR, base, bins[l], BINS);
	svg_horizontal(&t->p->h, "grid", 0, 100, top + LANE_BAR);
}

static void lane_label(struct page *p, uint32_t lineage)
{
	const struct lineage *l = &p->report->lineages.lineages[lineage];
	char name[8];
	report_lineage_name(lineage, name);
	html_open(&p->h, "li", HTML_END);
	html_printf(&p->h, "%s %s, %u", name, lineage_role_name(l->role), l->requests);
	html_close(&p->h);
}

static void lanes(struct timeline *t)
{
	const struct report *r = t->p->report;
	struct html *h = &t->p->h;
	uint32_t *lane_of = calloc(r->lineages.n + 1, sizeof(*lane_of)), shown[LANES_MAX];
	double(*bins)[LAYERS][BINS] = calloc(LANES_MAX, sizeof(*bins));
	size_t own = 0, n = lane_of && bins ? assign_lanes(r, lane_of, shown, &own) : 0;
	char style[64];

	if (n == 0) {
		t->p->no_memory = true;
		goto out;
	}
	fill_lanes(t, lane_of, bins);
	html_open(h, "figure", "class", "rows", HTML_END);
	snprintf(style, sizeof(style), "padding-top:%dpx;line-height:%dpx", AXIS, LANE);
	html_open(h, "ol", "style", style, HTML_END);
	for (size_t i = 0; i < own; i++)
		lane_label(t->p, shown[i]);
	if (own < n) {
		html_open(h, "li", HTML_END);
		html_printf(h, "%zu others", r->lineages.n - own);
		html_close(h);
	}
	html_close(h);
	svg_open(h, "timeline-chart", AXIS + (unsigned)n * LANE, "Timeline of conversations",
		 "One lane per conversation; the height of each colour is its share of that stretch of time: prefill "
		 "again, new "
		 "prefill, not known, decode, client. The table below has the sums.");
	axis(t, AXIS + (double)n * LANE);
	for (size_t i = 0; i < n; i++)
		draw_lane(t, bins[i], AXIS + (double)i * LANE + (LANE - LANE_BAR) / 2);
	svg_close(h);
	html_close(h);
out:
	free(lane_of);
	free(bins);
}

/* ---- the table */

static void table(struct page *p)
{
	static const char *const columns[] = {"conversation",   "requests",     "prompt tokens",
					      "prefill, again", "prefill, new", "decode",
					      "client",         "idle",         "from start to end"};
	const struct report *r = p->report;

	part_table_open(p, "Table of conversations", NULL, columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < r->lineages.n; i++) {
		uint32_t lineage = r->by_session[i];
		const struct report_group *g = &r->lineage_groups[lineage];
		const struct cost_seconds *s = &p->cost->lineages[lineage];
		char name[8], text[64];
		if (i == 200) {
			part_row_open(p, NULL);
			snprintf(text, sizeof(text), "(%zu more)", r->lineages.n - i);
			part_cell(p, text);
			part_row_close(p);
			break;
		}
		report_lineage_name(lineage, name);
		snprintf(text, sizeof(text), "%s %s", name, lineage_role_name(r->lineages.lineages[lineage].role));
		part_row_open(p, NULL);
		part_cell(p, text);
		part_cell_number(p, g->requests);
		part_cell_count(p, g->tokens.basis, g->tokens.sent);
		part_cell_seconds(p, s->re_prefill);
		part_cell_seconds(p, s->prefill_new);
		part_cell_seconds(p, s->decode);
		part_cell_seconds(p, s->client);
		part_cell_seconds(p, s->idle);
		part_cell_seconds(p, s->wall);
		part_row_close(p);
	}
	part_table_close(p);
}

void page_timeline(struct page *p)
{
	static const struct part_key keys[] = {
		{"again", "prefill, again"},
		{"new", "prefill, new"},
		{"decode", "decode"},
		{"client", "client and tools"},
		{"unknown", "waiting, or not known"},
	};
	struct timeline t = {.p = p};

	part_open(p, "timeline", "Timeline");
	if (make_scale(&t) < 0)
		p->no_memory = true;
	if (t.scale.n > 1)
		part_note(p, "Where nothing happened for long, the axis is cut (dashed line).");
	part_legend(p, keys, sizeof(keys) / sizeof(*keys));
	if (p->report->nexchanges <= ROWS_MAX)
		rows(&t);
	else
		lanes(&t);
	table(p);
	html_close(&p->h);
	scale_time_release(&t.scale);
}
