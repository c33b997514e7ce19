/* SPDX-License-Identifier: MIT */
/* What the misses cost, by cause, and what to do. */
#include "html/parts.h"
#include "why/settings.h"

#include <ctype.h>
#include <math.h>

#define CAUSES_MAX 64

static const char *const sides[] = {
	[SIDE_CLIENT] = "the client's doing",
	[SIDE_SERVER] = "the server's doing",
	[SIDE_NEITHER] = "neither side's doing",
};

static void code_line(struct page *p, const char *before, const char *code)
{
	html_open(&p->h, "p", HTML_END);
	html_text(&p->h, before);
	html_element(&p->h, "code", NULL, code);
	html_close(&p->h);
}

static void example(struct page *p, const struct why_miss *m)
{
	char name[48], matched[UNITS_CHARS], of[UNITS_CHARS];
	struct html *h = &p->h;

	html_open(h, "p", "class", "note", HTML_END);
	html_printf(h, "Worst: request %s, where %s of %s tokens match the prompt before",
		    part_request(p, &p->report->exchanges[m->exchange], name), units_count(m->matched_tokens, matched),
		    units_count(m->prompt_tokens, of));
	if (m->broken && m->path) {
		html_text(h, "; it diverges at ");
		html_element(h, "code", NULL, m->path);
	}
	html_text(h, ".");
	html_close(h);
	if (!m->old_text || !m->new_text)
		return;
	html_open(h, "pre", HTML_END);
	html_open(h, "del", HTML_END);
	html_printf(h, "- %s", m->old_text);
	html_close(h);
	html_open(h, "ins", HTML_END);
	html_printf(h, "+ %s", m->new_text);
	html_close(h);
	html_close(h);
}

static void fixes(struct page *p, const struct why_miss *m)
{
	static const char *const where[] = {
		[FIX_ENV] = "client", [FIX_OPTION] = "client", [FIX_SERVER] = "backend", [FIX_REQUEST] = "request"};
	struct why_fix list[WHY_FIXES_MAX];
	size_t n = why_fixes(p->why, m, list);
	char before[64];

	html_open(&p->h, "p", HTML_END);
	html_printf(&p->h, "Fix: %s", m->cause->fix);
	html_close(&p->h);
	for (size_t i = 0; i < n; i++) {
		bool named = list[i].engine != ENGINE_UNKNOWN;
		snprintf(before, sizeof(before), "%s: ", named ? engine_name(list[i].engine) : where[list[i].kind]);
		code_line(p, before, list[i].what);
	}
}

/* How long its bar is: by seconds where all are known, else by tokens. */
static double weight(const struct why_cause *c, bool by_seconds)
{
	if (by_seconds)
		return isnan(c->seconds_lost) ? 0 : c->seconds_lost;
	return c->lost_tokens == TOKENS_UNKNOWN ? 0 : (double)c->lost_tokens;
}

/* All prefill of the session, in the same unit; 0: not known. */
static double whole(const struct page *p, bool by_seconds)
{
	double sum = 0;
	if (!by_seconds)
		return (double)p->report->all.tokens.sent;
	for (size_t i = 0; i < p->cost->nexchanges; i++)
		sum += isnan(p->cost->exchanges[i].prefill) ? 0 : p->cost->exchanges[i].prefill;
	return sum;
}

static void cost_words(const struct why_cause *c, double share, bool by_seconds, struct buf *out)
{
	char number[UNITS_CHARS];
	buf_printf(out, "%llu %s", (unsigned long long)c->misses, c->misses == 1 ? "miss" : "misses");
	if (c->lost_tokens != TOKENS_UNKNOWN)
		buf_printf(out, ", %s tokens to prefill again", units_count(c->lost_tokens, number));
	if (!isnan(c->seconds_lost))
		buf_printf(out, ", %s", units_seconds(c->seconds_lost, number));
	if (share > 0)
		buf_printf(out, ": %.*f %% of all %s", share < 0.0995 ? 1 : 0, 100 * share,
			   by_seconds ? "prefill seconds" : "prompt tokens");
}

static void cause(struct page *p, const struct why_cause *c, double share, bool by_seconds)
{
	const struct why_miss *m = &p->why->misses[c->worst];
	struct html *h = &p->h;
	struct buf words;
	char id[64];

	html_open(h, "div", "class", "cause", HTML_END);
	html_open(h, "h3", HTML_END);
	html_printf(h, "%s ", c->cause->name);
	html_element(h, "span", "tag", sides[c->cause->side]);
	html_close(h);
	html_open(h, "p", HTML_END);
	html_printf(h, "%c%s.", toupper((unsigned char)c->cause->title[0]), c->cause->title + 1);
	html_close(h);
	buf_init(&words, 1024);
	cost_words(c, share, by_seconds, &words);
	snprintf(id, sizeof(id), "cause-%s", c->cause->name);
	html_open(h, "div", "class", "bar", HTML_END);
	svg_open(h, id, 12, c->cause->name, words.p);
	svg_rect(h, "idle", 0, 0, 100, 12, NULL);
	svg_rect(h, "again", 0, 0, 100 * share, 12, words.p);
	svg_close(h);
	html_close(h);
	html_element(h, "p", "note", words.p);
	buf_release(&words);
	example(p, m);
	for (size_t i = 0; i < WHY_BEHIND_MAX && m->behind[i]; i++) {
		html_open(h, "p", "class", "note", HTML_END);
		html_printf(h, "Behind it: %s: %s.", m->behind[i]->name, m->behind[i]->title);
		html_close(h);
	}
	fixes(p, m);
	html_close(h);
}

/* The settings of all causes and of what is behind them, each once. */
static void environment(struct page *p, const struct why_cause *causes, size_t n)
{
	const char *given[WHY_SETTINGS_MAX];
	size_t ngiven = why_settings(p->why, causes, n, given, WHY_SETTINGS_MAX);

	if (ngiven == 0)
		return;
	part_note(p, "To try all of it, in the environment of the client:");
	html_open(&p->h, "pre", HTML_END);
	for (size_t i = 0; i < ngiven; i++)
		html_printf(&p->h, "export %s\n", given[i]);
	html_close(&p->h);
}

static void table(struct page *p, const struct why_cause *causes, size_t n)
{
	static const char *const columns[] = {"cause", "expected", "misses", "tokens lost", "seconds lost"};

	part_table_open(p, "Table of causes", NULL, columns, 5);
	for (size_t i = 0; i < n; i++) {
		part_row_open(p, NULL);
		part_cell(p, causes[i].cause->name);
		html_element(&p->h, "td", "n", causes[i].cause->expected ? "yes" : "no");
		part_cell_number(p, causes[i].misses);
		part_cell_count(p, TOKENS_REPORTED, causes[i].lost_tokens);
		part_cell_seconds(p, causes[i].seconds_lost);
		part_row_close(p);
	}
	part_table_close(p);
}

void page_causes(struct page *p)
{
	struct why_cause causes[CAUSES_MAX];
	size_t n = why_causes(p->why, causes, CAUSES_MAX), unexpected = 0;
	bool by_seconds = true;

	part_open(p, "causes", "Cost by cause");
	while (unexpected < n && !causes[unexpected].cause->expected)
		by_seconds = by_seconds && !isnan(causes[unexpected++].seconds_lost);
	double all = whole(p, by_seconds);
	if (unexpected == 0)
		part_note(p, "No unexpected cache miss.");
	for (size_t i = 0; i < unexpected; i++)
		cause(p, &causes[i], all > 0 ? fmin(weight(&causes[i], by_seconds) / all, 1) : 0, by_seconds);
	if (p->why->unreadable) {
		char text[96];
		snprintf(text, sizeof(text), "%llu prompts could not be compared (not kept, or cut).",
			 (unsigned long long)p->why->unreadable);
		part_note(p, text);
	}
	environment(p, causes, unexpected);
	if (n > 0)
		table(p, causes, n);
	html_close(&p->h);
}
