/* SPDX-License-Identifier: MIT */
#include "report/report_text.h"

#include "anatomy/anatomy_out.h"
#include "api/api.h"
#include "base/clock.h"
#include "cost/cost_text.h"
#include "report/report_blind.h"
#include "report/units.h"

#include <math.h>

#define COLUMNS_MIN 80
#define BAR_CHARS 30
#define SYSTEMS_ROWS 10
#define SESSIONS_ROWS 20
#define LINEAGES_ROWS 12

struct page {
	const struct report *r;
	const struct cost *cost;
	const struct text_style *style;
	struct buf *to;
	int columns;
};

static void title(struct page *p, const char *text)
{
	buf_printf(p->to, "\n%s%s%s\n", p->style->bold, text, p->style->reset);
}

/* Breaks text between words so that no line passes the terminal's edge. */
static void wrapped(struct page *p, struct str text)
{
	size_t column = 0;
	while (text.n > 0) {
		const char *blank = memchr(text.p, ' ', text.n);
		size_t word = blank ? (size_t)(blank - text.p) : text.n;
		if (column > 0 && column + 1 + word > (size_t)p->columns) {
			buf_putc(p->to, '\n');
			column = 0;
		} else if (column > 0) {
			buf_putc(p->to, ' ');
			column++;
		}
		buf_append(p->to, text.p, word);
		column += word;
		text.p += blank ? word + 1 : word;
		text.n -= blank ? word + 1 : word;
	}
	buf_putc(p->to, '\n');
}

static void headline(struct page *p)
{
	struct buf text;
	buf_init(&text, 4096);
	cost_headline(p->r, p->cost, &text);
	buf_puts(p->to, p->style->bold);
	wrapped(p, buf_str(&text));
	buf_puts(p->to, p->style->reset);
	buf_release(&text);
}

static void lineage_row(struct page *p, uint32_t lineage)
{
	const struct lineage *l = &p->r->lineages.lineages[lineage];
	const struct report_group *g = &p->r->lineage_groups[lineage];
	char name[8], sent[UNITS_CHARS], repeated[UNITS_CHARS], ttft[UNITS_CHARS], decode[UNITS_CHARS];

	report_lineage_name(lineage, name);
	buf_printf(p->to, "  %-4s%-9s%8llu%9s%10s%9s%9s  ", name, lineage_role_name(l->role),
		   (unsigned long long)g->requests, tokens_count(g->tokens.basis, g->tokens.sent, sent),
		   tokens_count(g->tokens.split_basis, g->tokens.repeated, repeated),
		   units_seconds(g->seconds.ttft, ttft), units_seconds(g->seconds.decode, decode));
	units_text(p->to, g->model, (size_t)p->columns - 62, false);
	buf_puts(p->to, g->models ? ", ...\n" : "\n");
}

static void session_title(struct page *p, uint32_t session)
{
	const struct lineage_session *s = &p->r->lineages.sessions[session];
	const struct report_group *g = &p->r->session_groups[session];
	char wall[UNITS_CHARS];
	buf_puts(p->to, p->style->bold);
	if (s->id) {
		buf_puts(p->to, "Session ");
		units_text(p->to, s->id, 40, false);
	} else {
		buf_puts(p->to, "No session named");
		if (p->r->ntraces > 1)
			buf_printf(p->to, " (trace %u)", p->r->exchanges[s->first].trace + 1);
	}
	buf_printf(p->to, "%s  ", p->style->reset);
	units_plural(p->to, g->requests, "request");
	if (!isnan(g->seconds.wall))
		buf_printf(p->to, " in %s", units_seconds(g->seconds.wall, wall));
	if (g->failed)
		buf_printf(p->to, ", %s%llu failed%s", p->style->yellow, (unsigned long long)g->failed,
			   p->style->reset);
	buf_putc(p->to, '\n');
}

static void sessions(struct page *p)
{
	const struct lineage_set *set = &p->r->lineages;
	size_t at = 0;
	buf_putc(p->to, '\n');
	for (uint32_t s = 0; s < set->nsessions; s++) {
		if (s == SESSIONS_ROWS && !p->style->all) {
			buf_printf(p->to, "  (%zu more sessions: --all)\n", set->nsessions - s);
			return;
		}
		session_title(p, s);
		if (s == 0)
			buf_printf(p->to, "%s  %-4s%-9s%8s%9s%10s%9s%9s  %s%s\n", p->style->dim, "", "", "requests",
				   "prompt", "repeated", "TTFT", "decode", "model", p->style->reset);
		size_t shown = 0, hidden = 0;
		for (; at < set->n && set->lineages[p->r->by_session[at]].session == s; at++) {
			if (shown == LINEAGES_ROWS && !p->style->all) {
				hidden++;
				continue;
			}
			lineage_row(p, p->r->by_session[at]);
			shown++;
		}
		if (hidden)
			buf_printf(p->to, "  (%zu more conversations: --all)\n", hidden);
	}
}

static void answer(const struct page *p, const struct report_exchange *e, size_t columns)
{
	struct buf text;
	buf_init(&text, 4096);
	report_answer(e, &text);
	if (report_failed(e))
		buf_puts(p->to, p->style->yellow);
	units_text(p->to, text.p, columns, false);
	if (report_failed(e))
		buf_puts(p->to, p->style->reset);
	buf_release(&text);
}

static void request_row(struct page *p, const struct report_exchange *e)
{
	char id[32], name[8], size[UNITS_CHARS], new[UNITS_CHARS], cached[UNITS_CHARS], ttft[UNITS_CHARS],
		decode[UNITS_CHARS], rate[UNITS_CHARS];
	report_exchange_name(p->r, e, id);
	report_lineage_name(e->lineage, name);
	buf_printf(p->to, "%6s  %-3s%7s%8s%8s%9s%9s%8s  ", id, name, tokens_count(e->basis, e->prompt, size),
		   tokens_count(e->split_basis, e->new, new), units_count(e->cached, cached),
		   units_seconds(e->ttft, ttft), units_seconds(e->decode, decode), units_rate(e->decode_rate, rate));
	answer(p, e, (size_t)p->columns - 62);
	buf_putc(p->to, '\n');
}

static void requests(struct page *p)
{
	const struct report *r = p->r;
	size_t n = r->nexchanges;
	bool shorten = n > REPORT_TEXT_ROWS && !p->style->all;
	title(p, "Requests");
	buf_printf(p->to, "%s%6s  %-3s%7s%8s%8s%9s%9s%8s  %s%s\n", p->style->dim, "#", "in", "prompt", "new", "cached",
		   "TTFT", "decode", "tokens", "answer", p->style->reset);
	for (size_t i = 0; i < n; i++) {
		if (shorten && i == REPORT_TEXT_ROWS / 2) {
			size_t hidden = n - REPORT_TEXT_ROWS;
			buf_printf(p->to, "%s     ... %zu more requests (--all shows them) ...%s\n", p->style->dim,
				   hidden, p->style->reset);
			i += hidden;
		}
		request_row(p, &r->exchanges[i]);
	}
}

static void systems(struct page *p)
{
	const struct report *r = p->r;
	if (r->nsystems == 0)
		return;
	title(p, "System prompts (by normalised fingerprint)");
	buf_printf(p->to, "%s  %-16s%10s%14s%14s%10s%s\n", p->style->dim, "fingerprint", "sent", "bytes each",
		   "bytes in all", "tokens", p->style->reset);
	for (size_t i = 0; i < r->nsystems; i++) {
		const struct report_system *s = &r->systems[i];
		char hex[DIGEST_HEX_CHARS + 1], sent[UNITS_CHARS], each[UNITS_CHARS], bytes[UNITS_CHARS],
			tokens[UNITS_CHARS];
		if (i == SYSTEMS_ROWS && !p->style->all) {
			buf_printf(p->to, "  (%zu more: --all)\n", r->nsystems - i);
			break;
		}
		digest_hex(&s->fingerprint, hex);
		snprintf(sent, sizeof(sent), "%llux", (unsigned long long)s->requests);
		buf_printf(p->to, "  %.12s    %10s%14s%14s%10s\n", hex, sent, units_bytes(s->bytes_each, each),
			   units_bytes(s->bytes, bytes), tokens_count(s->basis, s->tokens, tokens));
	}
	if (r->billing_variants > 1) {
		struct buf text;
		buf_init(&text, 4096);
		buf_puts(&text, "A billing line, in ");
		units_plural(&text, r->billing_variants, "form");
		buf_puts(&text, ", stood before the system prompt of ");
		units_plural(&text, r->billing_requests, "request");
		buf_puts(&text, "; it is left out of all comparisons.");
		wrapped(p, buf_str(&text));
		buf_release(&text);
	}
}

static void split_row(struct page *p, const char *what, int64_t tokens, int64_t bytes, int64_t all)
{
	char count[UNITS_CHARS], size[UNITS_CHARS], bar[BAR_CHARS + 1];
	double part = all > 0 ? (double)tokens / (double)all : 0;
	size_t filled = (size_t)lround(part * BAR_CHARS);
	for (size_t i = 0; i < BAR_CHARS; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_CHARS] = '\0';
	buf_printf(p->to, "  %-9s%5.1f%%  %s%9s%12s\n", what, part * 100, bar, units_count(tokens, count),
		   units_bytes((uint64_t)bytes, size));
}

static void split(struct page *p)
{
	const struct report_split *s = &p->r->split, *b = &p->r->split_bytes;
	int64_t all = s->tools + s->system + s->history + s->new;
	if (all == 0)
		return;
	title(p, "What the prompts were made of (shares by bytes)");
	buf_printf(p->to, "%s  %-9s%6s  %-*s%9s%12s%s\n", p->style->dim, "", "", BAR_CHARS, "", "tokens", "bytes",
		   p->style->reset);
	split_row(p, "tools", s->tools, b->tools, all);
	split_row(p, "system", s->system, b->system, all);
	split_row(p, "history", s->history, b->history, all);
	split_row(p, "new", s->new, b->new, all);
}

static void next(struct page *p)
{
	const struct report *r = p->r;
	if (r->nexchanges == 0)
		return;
	title(p, "Next");
	/* The request with the longest wait is the one to look at first. */
	const struct report_exchange *slowest = &r->exchanges[0];
	for (size_t i = 1; i < r->nexchanges; i++)
		if (r->exchanges[i].ttft > slowest->ttft || isnan(slowest->ttft))
			slowest = &r->exchanges[i];
	buf_puts(p->to, "  kvscope show ");
	units_text(p->to, r->traces[slowest->trace].path, 4096, false);
	buf_printf(p->to, " %llu\n", (unsigned long long)slowest->x->id);
}

void report_text(const struct report *r, const struct cost *cost, const struct anatomy *anatomy,
		 const struct text_style *style, struct buf *to)
{
	struct page p = {.r = r, .cost = cost, .style = style, .to = to};
	p.columns = style->columns > COLUMNS_MIN ? style->columns : COLUMNS_MIN;
	headline(&p);
	if (r->nexchanges > 0) {
		cost_text(r, cost, style, to);
		sessions(&p);
		requests(&p);
		systems(&p);
		if (anatomy)
			anatomy_text(anatomy, style, to);
		else
			split(&p);
	}
	struct buf blind;
	buf_init(&blind, 1 << 20);
	report_blind(r, &blind);
	if (blind.n > 0) {
		title(&p, "Not seen, or lost");
		for (struct str rest = buf_str(&blind); rest.n > 0;) {
			const char *end = memchr(rest.p, '\n', rest.n);
			size_t line = end ? (size_t)(end - rest.p) : rest.n;
			wrapped(&p, (struct str){rest.p, line});
			rest.p += end ? line + 1 : line;
			rest.n -= end ? line + 1 : line;
		}
	}
	buf_release(&blind);
	next(&p);
}

void report_text_line(const struct report *r, const struct report_exchange *e, uint32_t name,
		      const struct text_style *style, struct buf *to)
{
	struct page p = {.r = r, .style = style, .to = to, .columns = style->columns};
	char id[32], lineage[8], size[UNITS_CHARS], new[UNITS_CHARS], cached[UNITS_CHARS], ttft[UNITS_CHARS],
		rate[UNITS_CHARS];
	report_exchange_name(r, e, id);
	report_lineage_name(name, lineage);
	buf_printf(to, "#%-4s %-2s %-8s %6s prompt %6s new %6s cached %8s TTFT %7s  ", id, lineage,
		   lineage_role_name(r->lineages.lineages[e->lineage].role), tokens_count(e->basis, e->prompt, size),
		   tokens_count(e->split_basis, e->new, new), units_count(e->cached, cached),
		   units_seconds(e->ttft, ttft), units_rate(e->decode_rate, rate));
	answer(&p, e, p.columns > 110 ? (size_t)p.columns - 78 : 32);
	buf_putc(to, '\n');
}
