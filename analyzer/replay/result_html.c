/* SPDX-License-Identifier: MIT */
#include "replay/result_html.h"

#include "html/parts.h"
#include "html/scale.h"

#include <math.h>
#include <stdlib.h>

#define HEIGHT 220
#define TOP 14
#define FOOT 22
#define GUTTER 56
#define LINE 2.5  /* of the cumulative chart, pixels */
#define GROUPS 60 /* more requests than this are drawn in groups */
#define ROWS 300  /* of the table */
#define TICKS 5

/* Colours of the arms: classes of the page's style sheet. */
static const char *class_of(const struct arm *a)
{
	static const char *const classes[] = {[ARM_OFF] = "unknown",
					      [ARM_ASIS] = "again",
					      [ARM_FIXED] = "new",
					      [ARM_FIX] = "decode",
					      [ARM_ASIS2] = "again"};
	return classes[a->kind];
}

static void legend(struct page *p, const struct replay *r)
{
	struct part_key keys[4];
	size_t n = 0;
	for (size_t a = 0; a < r->narms && n < 4; a++)
		if (arm_is_main(&r->arms[a]))
			keys[n++] = (struct part_key){class_of(&r->arms[a]), r->arms[a].name};
	part_legend(p, keys, n);
}

/* ---- one chart's frame: labels to the left, lines across */

struct frame {
	double max;
};

static double y_of(const struct frame *f, double seconds)
{
	return HEIGHT - FOOT - (HEIGHT - FOOT - TOP) * seconds / f->max;
}

static void open_chart(struct page *p, struct frame *f, double max, const char *id, const char *title,
		       const char *description)
{
	double ticks[SCALE_TICKS_MAX];
	char text[UNITS_CHARS];
	size_t n = scale_ticks(max, TICKS, ticks);

	f->max = ticks[n - 1] > 0 ? ticks[n - 1] : 1;
	html_open(&p->h, "div", "class", "rows", HTML_END);
	svg_gutter_open(&p->h, GUTTER, HEIGHT);
	for (size_t i = 0; i < n; i++)
		svg_text(&p->h, NULL, 100, y_of(f, ticks[i]) + 4, SVG_END, units_seconds(ticks[i], text));
	svg_close(&p->h);
	svg_open(&p->h, id, HEIGHT, title, description);
	for (size_t i = 0; i < n; i++)
		svg_horizontal(&p->h, i ? "grid" : "axis", 0, 100, y_of(f, ticks[i]));
}

static void close_chart(struct page *p)
{
	svg_close(&p->h);
	html_close(&p->h);
}

/* Labels below: the first request of every so many groups. */
static void label_requests(struct page *p, size_t groups, size_t each)
{
	size_t step = (groups + 11) / 12;
	char text[24];
	for (size_t g = 0; g < groups; g += step) {
		snprintf(text, sizeof(text), "%zu", g * each + 1);
		svg_text(&p->h, NULL, 100.0 * ((double)g + 0.5) / (double)groups, HEIGHT - 5, SVG_MIDDLE, text);
	}
}

/* ---- per turn */

/* Mean seconds of the group's requests that this arm has answered; NaN: none. */
static double group_seconds(const struct replay *r, size_t arm, size_t from, size_t each)
{
	double sum = 0;
	size_t n = 0;
	for (size_t i = from; i < from + each && i < r->plan->n; i++) {
		double s = summary_ttft(r, arm, i);
		if (!isnan(s)) {
			sum += s;
			n++;
		}
	}
	return n ? sum / (double)n : NAN;
}

static void per_turn(struct page *p, const struct replay *r)
{
	size_t each = (r->plan->n + GROUPS - 1) / GROUPS, groups = (r->plan->n + each - 1) / each, drawn = 0, k = 0;
	struct frame f;
	double max = 0;

	for (size_t a = 0; a < r->narms; a++) {
		drawn += arm_is_main(&r->arms[a]);
		for (size_t g = 0; g < groups && arm_is_main(&r->arms[a]); g++)
			max = fmax(max, group_seconds(r, a, g * each, each));
	}
	part_open(p, "turns", "Seconds to the first token, per request");
	if (each > 1)
		part_note(p, "Requests are drawn in groups: means.");
	legend(p, r);
	open_chart(p, &f, max, "chart-turns", "Seconds to the first token, per request",
		   "Columns side by side for each request, one per arm. The table below has the numbers.");
	double width = 100.0 / (double)groups, bar = width * 0.8 / (double)(drawn ? drawn : 1);
	for (size_t a = 0; a < r->narms; a++) {
		if (!arm_is_main(&r->arms[a]))
			continue;
		for (size_t g = 0; g < groups; g++) {
			double s = group_seconds(r, a, g * each, each);
			char tip[96], text[UNITS_CHARS];
			if (isnan(s))
				continue;
			snprintf(tip, sizeof(tip), "request %zu, %s: %s", g * each + 1, r->arms[a].name,
				 units_seconds(s, text));
			svg_rect(&p->h, class_of(&r->arms[a]), (double)g * width + width * 0.1 + (double)k * bar,
				 y_of(&f, s), bar, y_of(&f, 0) - y_of(&f, s), tip);
		}
		k++;
	}
	label_requests(p, groups, each);
	close_chart(p);
}

/* ---- cumulative */

static void cumulative(struct page *p, const struct replay *r)
{
	struct frame f;
	double max = 0, *sums = calloc(r->plan->n + 1, sizeof(*sums));
	size_t n = r->plan->n;

	if (!sums) {
		p->no_memory = true;
		return;
	}
	for (size_t a = 0; a < r->narms; a++) {
		double sum = 0;
		for (size_t i = 0; i < n && arm_is_main(&r->arms[a]); i++)
			sum += isnan(summary_ttft(r, a, i)) ? 0 : summary_ttft(r, a, i);
		max = fmax(max, sum);
	}
	html_element(&p->h, "h3", NULL, "Added up");
	open_chart(p, &f, max, "chart-sum", "Seconds to the first token, added up over the requests",
		   "One line per arm that rises with each request by its seconds to the first token.");
	for (size_t a = 0; a < r->narms; a++) {
		double sum = 0, width = 100.0 / (double)n;
		bool whole = true;
		if (!arm_is_main(&r->arms[a]))
			continue;
		for (size_t i = 0; i < n; i++)
			whole = whole && !isnan(summary_ttft(r, a, i));
		/* A sampled arm has no sum over all. */
		for (size_t i = 0; i < n && whole; i++) {
			double from = y_of(&f, sum);
			char tip[96], text[UNITS_CHARS];
			sum += summary_ttft(r, a, i);
			double to = y_of(&f, sum);
			snprintf(tip, sizeof(tip), "%s, up to request %zu: %s", r->arms[a].name, i + 1,
				 units_seconds(sum, text));
			svg_rect(&p->h, class_of(&r->arms[a]), (double)i * width, to - LINE / 2, width, LINE, tip);
			svg_rect(&p->h, class_of(&r->arms[a]), (double)i * width, to, 0.2, from - to, NULL);
		}
	}
	label_requests(p, n, 1);
	close_chart(p);
	free(sums);
}

/* ---- per engine */

static void engines(struct page *p, const struct result *list, size_t n)
{
	double max = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t a = 0; a < list[i].replay->narms; a++)
			max = fmax(max, list[i].summary.arms[a].session_s);
	part_open(p, "engines", n > 1 ? "Session time, per backend and arm" : "Session time, per arm");
	part_note(
		p,
		"Re-timed on the causal graph of the capture: this backend's times to the first token and decode, the "
		"captured tool time, nobody's idle time.");
	html_open(&p->h, "div", "class", "bars", HTML_END);
	for (size_t i = 0; i < n; i++) {
		const struct replay *r = list[i].replay;
		for (size_t a = 0; a < r->narms; a++) {
			double s = r->arms[a].kind == ARM_ASIS2 ? NAN : list[i].summary.arms[a].session_s;
			char name[320], text[UNITS_CHARS], id[64];
			if (isnan(s))
				continue;
			snprintf(name, sizeof(name), "%s%s%s, %s", r->main.facts.name, r->side.url ? ", side " : "",
				 r->side.url ? r->side.facts.name : "", r->arms[a].name);
			snprintf(id, sizeof(id), "bar-%zu-%zu", i, a);
			html_element(&p->h, "span", NULL, name);
			svg_open(&p->h, id, 16, name, units_seconds(s, text));
			svg_rect(&p->h, class_of(&r->arms[a]), 0, 1, max > 0 ? 100 * s / max : 0, 14, NULL);
			svg_close(&p->h);
			html_element(&p->h, "span", "n", units_seconds(s, text));
		}
	}
	html_close(&p->h);
	html_close(&p->h);
}

/* ---- which to use */

static void ranking(struct page *p, const struct result *list, size_t n)
{
	static const char *const columns[] = {"backend", "arm", "session", "times as long"};
	size_t arm = 0;
	double best = result_seconds(&list[0], &arm);

	part_open(p, "ranking", "Which backend for this session");
	part_note(p, "By the session time of its best arm. The charts below are of the first one.");
	part_table_open(p, NULL, NULL, columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; i < n; i++) {
		double seconds = result_seconds(&list[i], &arm);
		char longer[16] = "-";
		struct buf name;
		buf_init(&name, 16384);
		buf_printf(&name, "%s at ", list[i].replay->main.facts.name);
		result_backend(list[i].replay, &name);
		buf_putc(&name, '\0');
		if (!isnan(seconds))
			snprintf(longer, sizeof(longer), "%.2f", seconds / best);
		part_row_open(p, NULL);
		part_cell(p, name.failed ? "-" : name.p);
		html_element(&p->h, "td", "n", isnan(seconds) ? "no usable result" : list[i].replay->arms[arm].name);
		part_cell_seconds(p, seconds);
		html_element(&p->h, "td", "n", longer);
		part_row_close(p);
		buf_release(&name);
	}
	part_table_close(p);
	html_close(&p->h);
}

/* ---- head and tables */

static void head(struct page *p, const struct result *result)
{
	const struct replay *r = result->replay;
	const struct summary *s = &result->summary;

	html_open(&p->h, "header", HTML_END);
	html_element(&p->h, "h1", NULL, "kvscope replay");
	html_open(&p->h, "p", "class", "lead", HTML_END);
	if (s->headline == SUMMARY_NO_HEADLINE) {
		html_text(&p->h, "No speed-up can be told.");
	} else {
		const struct comparison_of_arms *c = &s->comparisons[s->headline];
		html_printf(&p->h, "%s → %s: the first token comes %.2fx as fast", r->arms[c->from].name,
			    r->arms[c->to].name, c->ttft.value);
		if (!isnan(c->ttft.low))
			html_printf(&p->h, " (%.2f to %.2f, 95 %%, %s)", c->ttft.low, c->ttft.high,
				    c->over_sessions ? "over sessions" : "this session");
		html_text(&p->h, c->within_noise ? ". That is within the noise: no difference." : ".");
	}
	html_close(&p->h);
	html_open(&p->h, "p", "class", "sub", HTML_END);
	for (size_t number = 0; number < replay_ntargets(r); number++) {
		const struct target *t = replay_target_at(r, number);
		html_printf(&p->h, "%s%s at %s, model %s", number ? "; side requests to " : "", t->facts.name,
			    t->base.root, t->facts.model ? t->facts.model : "-");
	}
	html_printf(&p->h, " · %zu request%s, %u repeat%s%s", r->plan->n, r->plan->n == 1 ? "" : "s",
		    r->options.repeats, r->options.repeats == 1 ? "" : "s",
		    r->stopped ? " · stopped before its end" : "");
	html_close(&p->h);
	if (s->noise.n > 0) {
		html_open(&p->h, "p", "class", "sub", HTML_END);
		html_printf(&p->h, "noise floor: %s at most %.1f %% apart", summary_noise_words(s),
			    100 * s->noise_worst);
		html_close(&p->h);
	}
	html_close(&p->h);
}

static void arms(struct page *p, const struct result *result)
{
	static const char *const columns[] = {"arm", "TTFT", "prefilled", "prompt", "cached", "session"};
	const struct replay *r = result->replay;

	part_open(p, "arms", "Arms");
	part_table_open(p, NULL, "Sums over the requests, means over the repeats.", columns,
			sizeof(columns) / sizeof(*columns));
	for (size_t a = 0; a < r->narms; a++) {
		const struct arm_sums *s = &result->summary.arms[a];
		bool some = s->requests > 0;
		part_row_open(p, NULL);
		part_cell(p, r->arms[a].name);
		part_cell_seconds(p, some ? s->ttft_s : NAN);
		part_cell_count(p, some && s->prefilled >= 0 ? TOKENS_REPORTED : TOKENS_NONE, s->prefilled);
		part_cell_count(p, some && s->prompt >= 0 ? TOKENS_REPORTED : TOKENS_NONE, s->prompt);
		part_cell_count(p, some && s->cached >= 0 ? TOKENS_REPORTED : TOKENS_NONE, s->cached);
		part_cell_seconds(p, s->session_s);
		part_row_close(p);
	}
	part_table_close(p);
	for (size_t a = 0; a < r->narms; a++) {
		const struct verification *v = &result->summary.arms[a].verification;
		html_open(&p->h, "p", "class", "note", HTML_END);
		html_printf(&p->h, "%s: %s%s%s", r->arms[a].name, verdict_name(v->verdict), v->reason[0] ? ": " : "",
			    v->reason);
		html_close(&p->h);
	}
	html_close(&p->h);
}

static void table(struct page *p, const struct replay *r)
{
	const char *columns[2 + 2 * 4];
	size_t n = 0;

	columns[n++] = "request";
	for (size_t a = 0; a < r->narms && n + 1 < sizeof(columns) / sizeof(*columns); a++)
		if (arm_is_main(&r->arms[a]))
			columns[n++] = r->arms[a].name;
	part_table_open(p, "Table", "Seconds to the first token, means over the repeats.", columns, n);
	for (size_t i = 0; i < r->plan->n && i < ROWS; i++) {
		char name[32], lineage[8];
		report_lineage_name(r->plan->requests[i].lineage, lineage);
		snprintf(name, sizeof(name), "%zu %s", i + 1, lineage);
		part_row_open(p, NULL);
		part_cell(p, name);
		for (size_t a = 0; a < r->narms; a++)
			if (arm_is_main(&r->arms[a]))
				part_cell_seconds(p, summary_ttft(r, a, i));
		part_row_close(p);
	}
	part_table_close(p);
	if (r->plan->n > ROWS)
		part_note(p, "The table is cut after 300 requests; --json has all.");
}

int result_html(const struct result *list, size_t n, struct buf *to)
{
	struct page p = {.report = NULL};

	page_begin(&p, to, "kvscope replay");
	head(&p, &list[0]);
	if (n > 1)
		ranking(&p, list, n);
	per_turn(&p, list[0].replay);
	cumulative(&p, list[0].replay);
	table(&p, list[0].replay);
	html_close(&p.h);
	engines(&p, list, n);
	arms(&p, &list[0]);
	return page_end(&p);
}
