/* SPDX-License-Identifier: MIT */
/* System prompts by fingerprint, and where they differ. */
#include "html/parts.h"

#include "trace/line_diff.h"
#include "trace/prompt_place.h"
#include "why/signs.h"

#include <stdlib.h>

#define SHOWN 8 /* at once; the rest by a click */
#define LISTED 200
#define COMPARED 6
#define BLOCKS_MAX 64
#define LINES_SHOWN 24 /* of a block that differs */
#define BLOCK_MAX ((size_t)16 << 20)

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

static void read_blocks(const struct page *p, const struct report_system *s, struct blocks *out)
{
	const struct report_exchange *e = sender(p->report, s);
	const struct trace_prompt_part *parts;
	char error[256];
	size_t n;

	*out = (struct blocks){.n = 0};
	if (!e)
		return;
	out->trace = &p->report->traces[e->trace];
	out->exchange = (size_t)(e->x - out->trace->exchanges);
	if (trace_prompt(out->trace, out->exchange, &parts, &n, error, sizeof(error)) < 0)
		return;
	for (size_t i = 0; i < n && out->n < BLOCKS_MAX; i++) {
		const struct trace_part *part = &out->trace->parts[parts[i].part];
		if (part->kind == PART_SYSTEM && part->block != BLOCK_BILLING)
			out->parts[out->n++] = parts[i];
	}
}

static bool same_block(const struct blocks *a, const struct blocks *b, size_t i)
{
	return memcmp(&a->trace->parts[a->parts[i].part].normalised, &b->trace->parts[b->parts[i].part].normalised,
		      DIGEST_BYTES) == 0;
}

/* Where b leaves a: the block, and the place in it. */
struct parting {
	size_t block;
	bool ends; /* one has no more blocks */
	bool known;
	struct prompt_place place;
};

static void part_ways(const struct blocks *a, const struct blocks *b, struct parting *out)
{
	char error[256];

	*out = (struct parting){.block = 0};
	while (out->block < a->n && out->block < b->n && same_block(a, b, out->block))
		out->block++;
	out->ends = out->block == a->n || out->block == b->n;
	if (!out->ends)
		out->known = prompt_place_find(a->trace, a->parts[out->block].part, b->trace, b->exchange,
					       &b->parts[out->block], &out->place, error, sizeof(error)) == 0;
}

/* Does x leave b later than y does? */
static bool closer(const struct parting *x, const struct parting *y)
{
	if (x->block != y->block)
		return x->block > y->block;
	if (x->ends != y->ends)
		return x->ends;
	return x->known && (!y->known || x->place.byte > y->place.byte);
}

static void short_name(const struct report_system *s, char out[16])
{
	char hex[DIGEST_HEX_CHARS + 1];
	digest_hex(&s->fingerprint, hex);
	snprintf(out, 16, "%.12s", hex);
}

/* The block that differs, line by line. */
static void lines(struct page *p, const struct blocks *a, const struct blocks *b, size_t block)
{
	struct buf old, new, text;
	struct line_diff counts;
	char words[80];

	buf_init(&old, BLOCK_MAX);
	buf_init(&new, BLOCK_MAX);
	buf_init(&text, BLOCK_MAX);
	if (signs_part_text(a->trace, a->parts[block].part, &old) == 0 &&
	    signs_part_text(b->trace, b->parts[block].part, &new) == 0 &&
	    line_diff(buf_str(&old), buf_str(&new), "", LINES_SHOWN, &counts, &text) == 0) {
		html_open(&p->h, "pre", HTML_END);
		for (size_t at = 0; at < text.n;) {
			const char *line = text.p + at, *end = memchr(line, '\n', text.n - at);
			size_t n = end ? (size_t)(end - line) : text.n - at;
			const char *tag = *line == '-' ? "del" : *line == '+' ? "ins" : "span";
			html_open(&p->h, tag, HTML_END);
			html_printf(&p->h, "%.*s%s", (int)n, line, *tag == 's' ? "\n" : "");
			html_close(&p->h);
			at += n + 1;
		}
		html_close(&p->h);
		snprintf(words, sizeof(words), "%zu more lines differ or stand beside them.", counts.left_out);
		if (counts.left_out)
			part_note(p, words);
	}
	buf_release(&old);
	buf_release(&new);
	buf_release(&text);
}

static void describe(struct page *p, const struct report_system *a, const struct report_system *b,
		     const struct blocks *from, const struct blocks *to, const struct parting *d)
{
	bool longer = to->n > d->block;

	struct html *h = &p->h;
	char name[16];

	html_open(h, "p", HTML_END);
	short_name(b, name);
	html_element(h, "code", NULL, name);
	html_text(h, d->ends ? " begins like " : " differs from ");
	short_name(a, name);
	html_element(h, "code", NULL, name);
	if (d->ends)
		html_printf(h, ", the same %zu blocks, and then has %s", d->block, longer ? "more" : "no more");
	else
		html_printf(h, " in block %zu", d->block + 1);
	if (d->known && d->place.path) {
		html_text(h, ", first at ");
		html_element(h, "code", NULL, d->place.path);
		html_printf(h, ", byte %llu", (unsigned long long)d->place.byte);
	}
	html_text(h, ".");
	html_close(h);
	if (d->known && d->place.old_text && d->place.new_text)
		lines(p, from, to, d->block);
}

/* Each of the first few against the one among those listed before it that it is most like. */
static void differences(struct page *p)
{
	const struct report *r = p->report;
	size_t n = r->nsystems < COMPARED ? r->nsystems : COMPARED;
	struct blocks *blocks = calloc(n + 1, sizeof(*blocks));

	if (!blocks) {
		p->no_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++)
		read_blocks(p, &r->systems[i], &blocks[i]);
	for (size_t i = 1; i < n; i++) {
		struct parting best = {.block = 0}, now;
		size_t base = SIZE_MAX;
		for (size_t k = 0; k < i && blocks[i].n > 0; k++) {
			if (blocks[k].n == 0)
				continue;
			part_ways(&blocks[k], &blocks[i], &now);
			bool better = base == SIZE_MAX || closer(&now, &best);
			prompt_place_release(better ? &best.place : &now.place);
			if (better) {
				best = now;
				base = k;
			}
		}
		if (base != SIZE_MAX)
			describe(p, &r->systems[base], &r->systems[i], &blocks[base], &blocks[i], &best);
		prompt_place_release(&best.place);
	}
	free(blocks);
}

static void table(struct page *p, const char *summary, size_t from, size_t to)
{
	static const char *const columns[] = {"fingerprint", "requests", "each", "in all", "tokens"};
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
