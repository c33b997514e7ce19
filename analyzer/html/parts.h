/* SPDX-License-Identifier: MIT */
#ifndef HTML_PARTS_H
#define HTML_PARTS_H

/* Private to the page: its sections, one file each, and what they share. Every section appends; none fails but for
 * lack of memory, which the buffer and no_memory remember. */

#include "html/page.h"
#include "html/svg.h"
#include "report/units.h"
#include "cost/use.h"

struct page {
	struct html h;
	const struct report *report;
	const struct cost *cost;
	const struct why *why;
	const struct anatomy *anatomy;
	bool no_memory;
};

extern const char *const page_style[]; /* NULL-terminated */

/* From the document's type to <body>, and its end. page_end: 0, or -1: there was no memory. */
void page_begin(struct page *p, struct buf *to, const char *title);
int page_end(struct page *p);

void page_head(struct page *p);
void page_seconds(struct page *p);
void page_timeline(struct page *p);
void page_tokens(struct page *p);
void page_causes(struct page *p);
void page_anatomy(struct page *p);
void page_systems(struct page *p);
/* The table of requests, beside the chart of their tokens. */
void page_requests(struct page *p);
void page_losses(struct page *p);

/* A section with its heading; closed with html_close. */
void part_open(struct page *p, const char *id, const char *heading);
void part_note(struct page *p, const char *text);

/* One colour of a chart. */
struct part_key {
	const char *class, *text;
};
void part_legend(struct page *p, const struct part_key *keys, size_t n);

/*
 * A table that opens by a click, beside a chart; or an open one (summary NULL). columns[0] heads the rows' names and is
 * left-aligned, the others are numbers. Closed with part_table_close.
 */
void part_table_open(struct page *p, const char *summary, const char *caption, const char *const *columns, size_t n);
void part_table_close(struct page *p);
void part_row_open(struct page *p, const char *class);
void part_row_close(struct page *p);
/* Cells. Numbers carry their exact value in <data value="...">; unknown ones are "-" without it. */
void part_cell(struct page *p, const char *text);
void part_cell_count(struct page *p, enum tokens_basis basis, int64_t n);
void part_cell_seconds(struct page *p, double seconds);
void part_cell_bytes(struct page *p, uint64_t bytes);
void part_cell_number(struct page *p, uint64_t n);

/* "14 A", with the trace's number where there are several. */
const char *part_request(const struct page *p, const struct report_exchange *e, char out[48]);

#endif
