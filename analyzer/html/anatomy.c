/* SPDX-License-Identifier: MIT */
/* What the prompts were made of. */
#include "html/parts.h"

#include <stdlib.h>

#define TOOLS_SHOWN 12

struct slice {
	const char *class, *name;
	int64_t tokens;
	int64_t bytes;
};

static void stacked(struct page *p, const struct slice *slices, size_t n, int64_t all)
{
	char tip[128], tokens[UNITS_CHARS];
	double x = 0;

	svg_open(
		&p->h, "anatomy-bar", 34, "What the prompts were made of",
		"One bar, from left to right: tools, system prompt, history, new messages. The table has the numbers.");
	for (size_t i = 0; i < n; i++) {
		double width = 100 * (double)slices[i].tokens / (double)all;
		if (slices[i].tokens <= 0)
			continue;
		snprintf(tip, sizeof(tip), "%s: %s tokens, %.1f %%", slices[i].name,
			 units_count(slices[i].tokens, tokens), width);
		svg_rect(&p->h, slices[i].class, x, 2, width, 30, tip);
		x += width;
	}
	svg_close(&p->h);
}

static int by_bytes(const void *a, const void *b)
{
	const struct prefix_item *const *x = a, *const *y = b;
	return (*x)->bytes != (*y)->bytes ? ((*x)->bytes > (*y)->bytes ? -1 : 1) : strcmp((*x)->name, (*y)->name);
}

static int64_t tokens_of(const struct page *p, uint64_t bytes)
{
	return p->prefix.tokens == TOKENS_UNKNOWN || p->prefix.bytes == 0
		       ? TOKENS_UNKNOWN
		       : (int64_t)((double)p->prefix.tokens * (double)bytes / (double)p->prefix.bytes);
}

/* Tools and system blocks of the main conversation, largest first. */
static void pieces(struct page *p)
{
	static const char *const columns[] = {"piece", "tokens", "bytes"};
	const struct prefix *x = &p->prefix;
	const struct prefix_item **sorted = calloc(x->n + 1, sizeof(*sorted));
	char tokens[UNITS_CHARS], id[32];
	struct html *h = &p->h;

	if (!sorted) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i < x->n; i++)
		sorted[i] = &x->items[i];
	if (x->n > 1)
		qsort(sorted, x->n, sizeof(*sorted), by_bytes);
	html_element(h, "h3", NULL, "Tools and system blocks of the main conversation, largest first");
	html_open(h, "div", "class", "bars", HTML_END);
	for (size_t i = 0; i < x->n && i < TOOLS_SHOWN; i++) {
		const struct prefix_item *item = sorted[i];
		html_open(h, "span", HTML_END);
		html_printf(h, "%.48s", item->name);
		html_close(h);
		snprintf(id, sizeof(id), "piece-%zu", i);
		units_count(tokens_of(p, item->bytes), tokens);
		svg_open(h, id, 12, item->name, tokens);
		svg_rect(h, item->kind == PART_TOOL ? "tools" : "system", 0, 0,
			 100 * (double)item->bytes / (double)sorted[0]->bytes, 12, NULL);
		svg_close(h);
		html_open(h, "span", "class", "n", HTML_END);
		html_text(h, part_count(TOKENS_ESTIMATED, tokens_of(p, item->bytes), tokens));
		html_close(h);
	}
	html_close(h);
	part_table_open(p, "Table of tools and system blocks", NULL, columns, 3);
	for (size_t i = 0; i < x->n; i++) {
		part_row_open(p, NULL);
		part_cell(p, sorted[i]->name);
		part_cell_count(p, TOKENS_ESTIMATED, tokens_of(p, sorted[i]->bytes));
		part_cell_bytes(p, sorted[i]->bytes);
		part_row_close(p);
	}
	part_table_close(p);
	free(sorted);
}

void page_anatomy(struct page *p)
{
	const struct report_split *t = &p->report->split, *b = &p->report->split_bytes;
	const struct slice slices[] = {
		{"tools", "tools", t->tools, b->tools},
		{"system", "system prompt", t->system, b->system},
		{"history", "history (messages sent before)", t->history, b->history},
		{"fresh", "new messages", t->new, b->new},
	};
	static const struct part_key keys[] = {
		{"tools", "tools"}, {"system", "system prompt"}, {"history", "history"}, {"fresh", "new messages"}};
	static const char *const columns[] = {"", "tokens", "bytes"};
	int64_t all = t->tools + t->system + t->history + t->new;

	if (all <= 0)
		return;
	part_open(p, "anatomy", "What the prompts were made of");
	part_note(p, "All prompts together; shares by bytes.");
	part_legend(p, keys, 4);
	html_open(&p->h, "figure", HTML_END);
	stacked(p, slices, 4, all);
	html_close(&p->h);
	part_table_open(p, "Table of the prompts' parts", NULL, columns, 3);
	for (size_t i = 0; i < 4; i++) {
		part_row_open(p, NULL);
		part_cell(p, slices[i].name);
		part_cell_count(p, TOKENS_REPORTED, slices[i].tokens);
		part_cell_bytes(p, (uint64_t)slices[i].bytes);
		part_row_close(p);
	}
	part_table_close(p);
	if (p->prefix.n > 0)
		pieces(p);
	html_close(&p->h);
}
