/* SPDX-License-Identifier: MIT */
/* System prompts by fingerprint, and where they differ. */
#include "html/parts.h"

#include "trace/prompt_place.h"

#include <stdlib.h>

#define SHOWN 8 /* at once; the rest by a click */
#define LISTED 200
#define COMPARED 4
#define BLOCKS_MAX 64

/* The system blocks of one request, the billing block left out. */
struct blocks {
	struct trace *trace;
	size_t exchange; /* in the trace */
	struct trace_prompt_part parts[BLOCKS_MAX];
	size_t n;
};

static const struct report_exchange *sender(const struct report *r, const struct report_system *s)
{
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct prompt *prompt = &r->exchanges[i].x->prompt;
		if (prompt->has_system && !r->exchanges[i].counts_only &&
		    memcmp(&prompt->system_fingerprint, &s->fingerprint, sizeof(s->fingerprint)) == 0)
			return &r->exchanges[i];
	}
	return NULL;
}

static bool read_blocks(const struct page *p, const struct report_system *s, struct blocks *out)
{
	const struct report_exchange *e = sender(p->report, s);
	const struct trace_prompt_part *parts;
	char error[256];
	size_t n;

	*out = (struct blocks){.n = 0};
	if (!e)
		return false;
	out->trace = &p->report->traces[e->trace];
	out->exchange = (size_t)(e->x - out->trace->exchanges);
	if (trace_prompt(out->trace, out->exchange, &parts, &n, error, sizeof(error)) < 0)
		return false;
	for (size_t i = 0; i < n && out->n < BLOCKS_MAX; i++) {
		const struct trace_part *part = &out->trace->parts[parts[i].part];
		if (part->kind == PART_SYSTEM && part->block != BLOCK_BILLING)
			out->parts[out->n++] = parts[i];
	}
	return out->n > 0;
}

static bool same_block(const struct blocks *a, const struct blocks *b, size_t i)
{
	return memcmp(&a->trace->parts[a->parts[i].part].normalised, &b->trace->parts[b->parts[i].part].normalised,
		      DIGEST_BYTES) == 0;
}

static void difference(struct page *p, const struct blocks *a, const struct blocks *b, const char *name)
{
	struct prompt_place place = {0};
	struct html *h = &p->h;
	char error[256];
	size_t i = 0;

	while (i < a->n && i < b->n && same_block(a, b, i))
		i++;
	html_open(h, "p", HTML_END);
	html_element(h, "code", NULL, name);
	if (i == a->n || i == b->n) {
		html_printf(h, " has the same first %zu blocks and then %s.", i, b->n > a->n ? "more" : "fewer");
		html_close(h);
		return;
	}
	html_printf(h, " differs from the most sent one in block %zu", i + 1);
	bool known = prompt_place_find(a->trace, a->parts[i].part, b->trace, b->exchange, &b->parts[i], &place, error,
				       sizeof(error)) == 0;
	if (known && place.path) {
		html_text(h, ", first at ");
		html_element(h, "code", NULL, place.path);
		html_printf(h, ", byte %llu", (unsigned long long)place.byte);
	}
	html_text(h, ".");
	html_close(h);
	if (known && place.old_text && place.new_text) {
		html_open(h, "pre", HTML_END);
		html_open(h, "del", HTML_END);
		html_printf(h, "- %s", place.old_text);
		html_close(h);
		html_open(h, "ins", HTML_END);
		html_printf(h, "+ %s", place.new_text);
		html_close(h);
		html_close(h);
	}
	prompt_place_release(&place);
}

static void differences(struct page *p)
{
	const struct report *r = p->report;
	struct blocks *a = calloc(2, sizeof(*a)), *b = a ? a + 1 : NULL;
	char hex[DIGEST_HEX_CHARS + 1], name[16];
	size_t most = 0;

	if (!a) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 1; i < r->nsystems; i++)
		if (r->systems[i].requests > r->systems[most].requests)
			most = i;
	bool known = read_blocks(p, &r->systems[most], a);
	for (size_t i = 0, shown = 0; known && i < r->nsystems && shown < COMPARED; i++) {
		if (i == most || !read_blocks(p, &r->systems[i], b))
			continue;
		digest_hex(&r->systems[i].fingerprint, hex);
		snprintf(name, sizeof(name), "%.12s", hex);
		difference(p, a, b, name);
		shown++;
	}
	free(a);
}

static void table(struct page *p, const char *summary, size_t from, size_t to)
{
	static const char *const columns[] = {"fingerprint", "requests", "bytes each", "bytes in all", "tokens in all"};
	char hex[DIGEST_HEX_CHARS + 1], text[16];

	part_table_open(p, summary, NULL, columns, 5);
	for (size_t i = from; i < to; i++) {
		const struct report_system *s = &p->report->systems[i];
		digest_hex(&s->fingerprint, hex);
		snprintf(text, sizeof(text), "%.12s", hex);
		part_row_open(p, NULL);
		html_open(&p->h, "td", HTML_END);
		html_element(&p->h, "code", NULL, text);
		html_close(&p->h);
		part_cell_number(p, s->requests);
		part_cell_bytes(p, s->bytes_each);
		part_cell_bytes(p, s->bytes);
		part_cell_count(p, s->basis, s->tokens);
		part_row_close(p);
	}
	part_table_close(p);
}

void page_systems(struct page *p)
{
	const struct report *r = p->report;
	char text[160];

	if (r->nsystems == 0)
		return;
	part_open(p, "systems", "System prompts");
	part_note(p, "By what a model would see of them: markers for caches and the billing line are left out.");
	table(p, NULL, 0, r->nsystems < SHOWN ? r->nsystems : SHOWN);
	if (r->nsystems > SHOWN) {
		snprintf(text, sizeof(text), "%zu more", r->nsystems - SHOWN);
		table(p, text, SHOWN, r->nsystems < LISTED ? r->nsystems : LISTED);
	}
	if (r->billing_variants > 1) {
		snprintf(text, sizeof(text),
			 "A billing line, in %llu forms, stood before the system prompt of %llu requests.",
			 (unsigned long long)r->billing_variants, (unsigned long long)r->billing_requests);
		part_note(p, text);
	}
	if (r->nsystems > 1)
		differences(p);
	html_close(&p->h);
}
