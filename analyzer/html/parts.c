/* SPDX-License-Identifier: MIT */
#include "html/parts.h"

#include <math.h>

void page_begin(struct page *p, struct buf *to, const char *title)
{
	html_init(&p->h, to);
	buf_puts(to, "<!DOCTYPE html>\n");
	html_open(&p->h, "html", "lang", "en", HTML_END);
	html_open(&p->h, "head", HTML_END);
	html_void(&p->h, "meta", "charset", "utf-8", HTML_END);
	html_void(&p->h, "meta", "name", "viewport", "content", "width=device-width, initial-scale=1", HTML_END);
	/* Should anything of a trace ever get out of its place: it cannot load or run. */
	html_void(&p->h, "meta", "http-equiv", "Content-Security-Policy", "content",
		  "default-src 'none'; style-src 'unsafe-inline'", HTML_END);
	html_void(&p->h, "meta", "name", "referrer", "content", "no-referrer", HTML_END);
	html_element(&p->h, "title", NULL, title);
	html_open(&p->h, "style", HTML_END);
	for (size_t i = 0; page_style[i]; i++)
		buf_puts(to, page_style[i]);
	html_close(&p->h);
	html_close(&p->h);
	html_open(&p->h, "body", HTML_END);
}

int page_end(struct page *p)
{
	html_close(&p->h);
	html_close(&p->h);
	return p->no_memory || p->h.to->failed ? -1 : 0;
}

void part_open(struct page *p, const char *id, const char *heading)
{
	html_open(&p->h, "section", "id", id, HTML_END);
	html_element(&p->h, "h2", NULL, heading);
}

void part_note(struct page *p, const char *text)
{
	html_element(&p->h, "p", "note", text);
}

void part_legend(struct page *p, const struct part_key *keys, size_t n)
{
	html_open(&p->h, "ul", "class", "legend", HTML_END);
	for (size_t i = 0; i < n; i++) {
		char class[32];
		snprintf(class, sizeof(class), "key %s", keys[i].class);
		html_open(&p->h, "li", HTML_END);
		html_element(&p->h, "span", class, "");
		html_text(&p->h, keys[i].text);
		html_close(&p->h);
	}
	html_close(&p->h);
}

void part_table_open(struct page *p, const char *summary, const char *caption, const char *const *columns, size_t n)
{
	struct html *h = &p->h;

	html_open(h, summary ? "details" : "div", "class", summary ? NULL : "scroll", HTML_END);
	if (summary) {
		html_element(h, "summary", NULL, summary);
		html_open(h, "div", "class", "scroll", HTML_END);
	} else {
		html_open(h, "div", HTML_END);
	}
	html_open(h, "table", HTML_END);
	if (caption)
		html_element(h, "caption", NULL, caption);
	html_open(h, "thead", HTML_END);
	html_open(h, "tr", HTML_END);
	for (size_t i = 0; i < n; i++) {
		html_open(h, "th", "scope", "col", "class", i == 0 ? NULL : "n", HTML_END);
		html_text(h, columns[i]);
		html_close(h);
	}
	html_close(h);
	html_close(h);
	html_open(h, "tbody", HTML_END);
}

void part_table_close(struct page *p)
{
	for (int i = 0; i < 4; i++) /* tbody, table, div, details */
		html_close(&p->h);
}

void part_row_open(struct page *p, const char *class)
{
	html_open(&p->h, "tr", "class", class, HTML_END);
}

void part_row_close(struct page *p)
{
	html_close(&p->h);
}

void part_cell(struct page *p, const char *text)
{
	html_element(&p->h, "td", NULL, text);
}

static void number_cell(struct page *p, const char *exact, const char *text)
{
	html_open(&p->h, "td", "class", "n", HTML_END);
	if (exact) {
		html_open(&p->h, "data", "value", exact, HTML_END);
		html_text(&p->h, text);
		html_close(&p->h);
	} else {
		html_text(&p->h, text);
	}
	html_close(&p->h);
}

void part_cell_count(struct page *p, enum tokens_basis basis, int64_t n)
{
	char text[UNITS_CHARS], exact[24];
	bool known = basis != TOKENS_NONE && n >= 0;
	snprintf(exact, sizeof(exact), "%lld", (long long)n);
	number_cell(p, known ? exact : NULL, tokens_count(basis, n, text));
}

void part_cell_seconds(struct page *p, double seconds)
{
	char text[UNITS_CHARS], exact[32];
	snprintf(exact, sizeof(exact), "%.6f", seconds);
	number_cell(p, isnan(seconds) ? NULL : exact, units_seconds(seconds, text));
}

void part_cell_bytes(struct page *p, uint64_t bytes)
{
	char text[UNITS_CHARS], exact[24];
	snprintf(exact, sizeof(exact), "%llu", (unsigned long long)bytes);
	number_cell(p, exact, units_bytes(bytes, text));
}

void part_cell_number(struct page *p, uint64_t n)
{
	char exact[24];
	snprintf(exact, sizeof(exact), "%llu", (unsigned long long)n);
	number_cell(p, exact, exact);
}

const char *part_request(const struct page *p, const struct report_exchange *e, char out[48])
{
	char id[32], lineage[8];
	report_exchange_name(p->report, e, id);
	report_lineage_name(e->lineage, lineage);
	snprintf(out, 48, "%s %s", id, lineage);
	return out;
}
