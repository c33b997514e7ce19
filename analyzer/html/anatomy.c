/* SPDX-License-Identifier: MIT */
/* What the prompts were made of, and what of it the prefill took. */
#include "html/parts.h"

#include <math.h>

#define TOOLS_SHOWN 12
#define TOOLS_LISTED 300

struct slice {
	const char *class, *name;
};

static const struct slice slices[ANATOMY_PARTS] = {
	[ANATOMY_TOOLS] = {"tools", "tools"},          [ANATOMY_SYSTEM] = {"system", "system prompt"},
	[ANATOMY_MEMORY] = {"memory", "memory files"}, [ANATOMY_REMINDERS] = {"reminders", "reminders"},
	[ANATOMY_HISTORY] = {"history", "history"},    [ANATOMY_NEW] = {"fresh", "new messages"},
};

static bool is_told(const struct anatomy *a, int part)
{
	return a->texts || (part != ANATOMY_MEMORY && part != ANATOMY_REMINDERS);
}

static double seconds_of(const struct anatomy *a, const struct anatomy_sum *s)
{
	return a->timed > 0 ? s->seconds : NAN;
}

/* One bar over the whole width; value picks what it shows. */
static void stacked(struct page *p, const char *id, const char *title, const double *value)
{
	char tip[128], number[UNITS_CHARS];
	double x = 0, all = 0;

	for (int i = 0; i < ANATOMY_PARTS; i++)
		all += value[i];
	if (!(all > 0))
		return;
	html_open(&p->h, "figure", HTML_END);
	html_element(&p->h, "figcaption", NULL, title);
	svg_open(&p->h, id, 30, title,
		 "One bar, from left to right: tools, system prompt, memory files, reminders, history, new messages. "
		 "The table "
		 "has the numbers.");
	for (int i = 0; i < ANATOMY_PARTS; i++) {
		double width = 100 * value[i] / all;
		if (!(value[i] > 0))
			continue;
		snprintf(tip, sizeof(tip), "%s: %s tokens, %.1f %% of this bar", slices[i].name,
			 units_count(llround(p->anatomy->parts[i].tokens), number), width);
		svg_rect(&p->h, slices[i].class, x, 2, width, 26, tip);
		x += width;
	}
	svg_close(&p->h);
	html_close(&p->h);
}

static void sum_cells(struct page *p, const struct anatomy_sum *s, bool told)
{
	part_cell_count(p, told ? TOKENS_ESTIMATED : TOKENS_NONE, llround(s->tokens));
	part_cell_seconds(p, told ? seconds_of(p->anatomy, s) : NAN);
	if (told)
		part_cell_bytes(p, (uint64_t)llround(s->bytes));
	else
		html_element(&p->h, "td", "n", "-");
}

static void parts_table(struct page *p)
{
	static const char *const columns[] = {"", "tokens", "prefill", "bytes"};

	part_table_open(p, "Table of the prompts' parts", NULL, columns, 4);
	for (int i = 0; i < ANATOMY_PARTS; i++) {
		part_row_open(p, NULL);
		part_cell(p, slices[i].name);
		sum_cells(p, &p->anatomy->parts[i], is_told(p->anatomy, i));
		part_row_close(p);
	}
	part_table_close(p);
}

static void tools_bars(struct page *p)
{
	const struct anatomy *a = p->anatomy;
	struct html *h = &p->h;
	char tokens[UNITS_CHARS], id[32];

	html_element(h, "h3", NULL, "Tools, in all prompts, largest first");
	html_open(h, "div", "class", "bars", HTML_END);
	for (size_t i = 0; i < a->ntools && i < TOOLS_SHOWN; i++) {
		const struct anatomy_tool *tool = &a->tools[i];
		const char *count = tokens_count(TOKENS_ESTIMATED, llround(tool->sum.tokens), tokens);
		html_open(h, "span", HTML_END);
		html_printf(h, "%.48s", tool->name);
		html_close(h);
		snprintf(id, sizeof(id), "tool-%zu", i);
		svg_open(h, id, 12, tool->name, count);
		if (a->tools[0].sum.tokens > 0)
			svg_rect(h, "tools", 0, 0, 100 * tool->sum.tokens / a->tools[0].sum.tokens, 12, NULL);
		svg_close(h);
		html_element(h, "span", "n", count);
	}
	html_close(h);
}

static void tools_table(struct page *p)
{
	static const char *const columns[] = {"tool", "requests", "tokens", "prefill", "bytes"};
	const struct anatomy *a = p->anatomy;

	part_table_open(p, "Table of tools", NULL, columns, 5);
	for (size_t i = 0; i < a->ntools && i < TOOLS_LISTED; i++) {
		part_row_open(p, NULL);
		part_cell(p, a->tools[i].name);
		part_cell_number(p, a->tools[i].requests);
		sum_cells(p, &a->tools[i].sum, true);
		part_row_close(p);
	}
	part_table_close(p);
}

void page_anatomy(struct page *p)
{
	const struct anatomy *a = p->anatomy;
	struct part_key keys[ANATOMY_PARTS];
	double tokens[ANATOMY_PARTS], seconds[ANATOMY_PARTS];

	if (a->requests == 0)
		return;
	for (int i = 0; i < ANATOMY_PARTS; i++) {
		keys[i] = (struct part_key){slices[i].class, slices[i].name};
		tokens[i] = a->parts[i].tokens;
		seconds[i] = a->timed > 0 ? a->parts[i].seconds : 0;
	}
	part_open(p, "anatomy", "What the prompts were made of");
	part_note(p, a->texts ? "All prompts together, estimated from bytes."
			      : "All prompts together, estimated from bytes. Memory files and reminders are not told "
				"apart from "
				"other messages: the trace was made without content.");
	part_legend(p, keys, ANATOMY_PARTS);
	stacked(p, "anatomy-tokens", "Tokens sent", tokens);
	stacked(p, "anatomy-seconds", "Prefill seconds", seconds);
	parts_table(p);
	if (a->ntools > 0) {
		tools_bars(p);
		tools_table(p);
	}
	html_close(&p->h);
}
