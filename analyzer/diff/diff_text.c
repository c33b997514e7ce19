/* SPDX-License-Identifier: MIT */
#include "diff/diff_text.h"

#include "report/units.h"

#include <math.h>

#define CHANGES_SHOWN 8
#define SYSTEMS_SHOWN 6

struct page {
	const struct diff *d;
	const struct text_style *style;
	struct buf *to;
};

static void title(struct page *p, const char *text)
{
	buf_printf(p->to, "\n%s%s%s\n", p->style->bold, text, p->style->reset);
}

static void side_line(struct page *p, char name, const struct diff_side *s)
{
	const struct report *r = s->report;
	char backend[64];

	backend_name(&s->why->backend, backend, sizeof(backend));
	buf_printf(p->to, "%s%c%s  ", p->style->bold, name, p->style->reset);
	units_text(p->to, r->traces[0].path, 60, false);
	if (s->client) {
		struct buf client;
		buf_init(&client, 256);
		buf_append(&client, s->client, s->client_bytes);
		buf_puts(p->to, "  ");
		units_text(p->to, client.p, 40, false);
		buf_release(&client);
	}
	if (r->all.model) {
		buf_puts(p->to, "  ");
		units_text(p->to, r->all.model, 40, false);
		buf_puts(p->to, r->all.models ? ", ..." : "");
	}
	if (s->why->recognised)
		buf_printf(p->to, "  judged as %s\n", backend);
	else
		buf_puts(p->to, "  judged on the wire\n");
}

/* The row's last column: what B has more (red where that is worse) or less. */
static void difference(struct page *p, double a, double b, bool more_is_worse, const char *text)
{
	const char *colour = !more_is_worse || a == b ? "" : b > a ? p->style->red : p->style->green;
	if (isnan(a) || isnan(b))
		buf_puts(p->to, "           -\n");
	else
		buf_printf(p->to, "  %s%10s%s\n", colour, text, *colour ? p->style->reset : "");
}

static void count_row(struct page *p, const char *what, enum tokens_basis basis_a, int64_t a, enum tokens_basis basis_b,
		      int64_t b, bool more_is_worse)
{
	char x[UNITS_CHARS], y[UNITS_CHARS], number[UNITS_CHARS], text[UNITS_CHARS + 1];
	bool known = basis_a != TOKENS_NONE && basis_b != TOKENS_NONE && a >= 0 && b >= 0;

	snprintf(text, sizeof(text), "%s%s", a == b ? "" : b > a ? "+" : "-", units_count(llabs(b - a), number));
	buf_printf(p->to, "  %-36s%10s%10s", what, tokens_count(basis_a, a, x), tokens_count(basis_b, b, y));
	difference(p, known ? (double)a : NAN, known ? (double)b : NAN, more_is_worse, a == b ? "=" : text);
}

static void number_row(struct page *p, const char *what, uint64_t a, uint64_t b, bool more_is_worse)
{
	count_row(p, what, TOKENS_REPORTED, (int64_t)a, TOKENS_REPORTED, (int64_t)b, more_is_worse);
}

static void seconds_row(struct page *p, const char *what, double a, double b)
{
	char x[UNITS_CHARS], y[UNITS_CHARS], number[UNITS_CHARS], text[UNITS_CHARS + 1];
	snprintf(text, sizeof(text), "%s%s", b > a ? "+" : "-", units_seconds(fabs(b - a), number));
	buf_printf(p->to, "  %-36s%10s%10s", what, units_seconds(a, x), units_seconds(b, y));
	difference(p, a, b, true, text);
}

static void tokens(struct page *p)
{
	const struct diff_side *a = &p->d->side[0], *b = &p->d->side[1];
	const struct report_tokens *s = &a->report->all.tokens, *t = &b->report->all.tokens;

	buf_printf(p->to, "\n%s%-38s%s%s%10s%10s%12s%s\n", p->style->bold, "Tokens", p->style->reset, p->style->dim,
		   "A", "B", "difference", p->style->reset);
	number_row(p, "requests", a->report->all.requests, b->report->all.requests, false);
	if (a->report->all.failed || b->report->all.failed)
		number_row(p, "  failed", a->report->all.failed, b->report->all.failed, true);
	count_row(p, "prompt tokens sent", s->basis, s->sent, t->basis, t->sent, false);
	count_row(p, "  new", s->split_basis, s->new, t->split_basis, t->new, false);
	count_row(p, "  sent before", s->split_basis, s->repeated, t->split_basis, t->repeated, false);
	count_row(p, "  taken from the cache, as reported", s->cached_of ? TOKENS_REPORTED : TOKENS_NONE, s->cached,
		  t->cached_of ? TOKENS_REPORTED : TOKENS_NONE, t->cached, false);
	count_row(p, "  prefilled again", a->re_prefilled_basis, a->re_prefilled, b->re_prefilled_basis,
		  b->re_prefilled, true);
}

static void misses(struct page *p)
{
	const struct diff *d = p->d;

	title(p, "Cache misses");
	number_row(p, "unexpected", d->side[0].why->unexpected, d->side[1].why->unexpected, true);
	for (size_t i = 0; i < d->ncauses; i++) {
		char name[64];
		if (d->causes[i].cause->expected)
			continue;
		snprintf(name, sizeof(name), "  %s", d->causes[i].cause->name);
		number_row(p, name, d->causes[i].misses[0], d->causes[i].misses[1], true);
	}
	number_row(p, "expected", d->side[0].expected, d->side[1].expected, false);
}

/* Of all misses that a setting could avoid; NaN: not known of any. */
static double lost_seconds(const struct diff *d, int side)
{
	double sum = NAN;
	for (size_t i = 0; i < d->ncauses; i++) {
		double s = d->causes[i].seconds_lost[side];
		if (!d->causes[i].cause->expected && !isnan(s))
			sum = isnan(sum) ? s : sum + s;
	}
	return isnan(sum) && d->side[side].why->unexpected == 0 ? 0 : sum;
}

static void seconds(struct page *p)
{
	const struct report_seconds *a = &p->d->side[0].report->all.seconds, *b = &p->d->side[1].report->all.seconds;

	title(p, "Seconds");
	const struct cost_seconds *x = &p->d->side[0].cost->all, *y = &p->d->side[1].cost->all;
	seconds_row(p, "first request to last answer", a->wall, b->wall);
	seconds_row(p, "  prefill, again", x->re_prefill, y->re_prefill);
	seconds_row(p, "  prefill, new", x->prefill_new, y->prefill_new);
	seconds_row(p, "  decode", x->decode, y->decode);
	seconds_row(p, "lost to unexpected misses", lost_seconds(p->d, 0), lost_seconds(p->d, 1));
	seconds_row(p, "sum of waits for the first token", a->ttft, b->ttft);
}

static void change(struct page *p, const struct diff_change *c)
{
	static const char *const words[] = {
		[DIFF_ADDED] = "only in B", [DIFF_REMOVED] = "only in A", [DIFF_CHANGED] = "changed"};
	char x[UNITS_CHARS], y[UNITS_CHARS];

	buf_printf(p->to, "  %-9s  %s ", words[c->change], c->item->kind == PART_TOOL ? "tool" : "system prompt");
	units_text(p->to, c->item->name, 48, false);
	if (c->a && c->b)
		buf_printf(p->to, ", %s -> %s", units_bytes(c->a->bytes, x), units_bytes(c->b->bytes, y));
	else
		buf_printf(p->to, ", %s", units_bytes(c->item->bytes, x));
	if (c->place.path) {
		buf_puts(p->to, ", first at ");
		units_text(p->to, c->place.path, 60, false);
	}
	buf_putc(p->to, '\n');
	if (c->place.old_text && c->place.new_text)
		buf_printf(p->to, "     %s- %s%s\n     %s+ %s%s\n", p->style->red, c->place.old_text, p->style->reset,
			   p->style->green, c->place.new_text, p->style->reset);
}

static void prefix_rows(struct page *p)
{
	const struct prefix *a = &p->d->side[0].prefix, *b = &p->d->side[1].prefix;
	enum tokens_basis known_a = a->known ? TOKENS_ESTIMATED : TOKENS_NONE;
	enum tokens_basis known_b = b->known ? TOKENS_ESTIMATED : TOKENS_NONE;

	number_row(p, "tools", a->tools, b->tools, false);
	number_row(p, "system blocks", a->n - a->tools, b->n - b->tools, false);
	count_row(p, "tokens of both", known_a, a->tokens, known_b, b->tokens, false);
	count_row(p, "  the same in every request", known_a, a->static_tokens, known_b, b->static_tokens, false);
}

static void static_prefix(struct page *p)
{
	const struct diff *d = p->d;
	char common[UNITS_CHARS];
	size_t shown = p->style->all ? d->nchanges : CHANGES_SHOWN;

	title(p, "Static prefix of the main conversation");
	prefix_rows(p);
	if (!d->comparable) {
		buf_puts(p->to,
			 "  The texts cannot be compared: a trace was made with --content none, or has no prompt.\n");
		return;
	}
	if (d->same) {
		buf_puts(p->to, "  Tools and system prompt are the same.\n");
	} else if (d->common_bytes == 0) {
		buf_puts(p->to, "  The first prompts of A and B differ from their first token on.\n");
	} else {
		buf_printf(p->to, "  The first prompts of A and B share their first %s tokens.\n",
			   tokens_count(TOKENS_ESTIMATED, d->common_tokens, common));
	}
	if (d->reordered)
		buf_puts(p->to, "  The tools that both have come in another order.\n");
	for (size_t i = 0; i < d->nchanges && i < shown; i++)
		change(p, &d->changes[i]);
	if (d->nchanges > shown)
		buf_printf(p->to, "  (%zu more: --all)\n", d->nchanges - shown);
}

static void systems(struct page *p)
{
	const struct diff *d = p->d;
	size_t shown = p->style->all ? d->nsystems : SYSTEMS_SHOWN;

	if (d->nsystems == 0)
		return;
	title(p, "System prompts (by normalised fingerprint, requests)");
	for (size_t i = 0; i < d->nsystems && i < shown; i++) {
		const struct diff_system *s = &d->systems[i];
		char hex[DIGEST_HEX_CHARS + 1], what[64], bytes[UNITS_CHARS];
		digest_hex(&s->fingerprint, hex);
		snprintf(what, sizeof(what), "%.12s  %10s", hex, units_bytes(s->bytes, bytes));
		number_row(p, what, s->requests[0], s->requests[1], false);
	}
	if (d->nsystems > shown)
		buf_printf(p->to, "  (%zu more: --all)\n", d->nsystems - shown);
}

void diff_text(const struct diff *d, const struct text_style *style, struct buf *to)
{
	struct page p = {d, style, to};

	side_line(&p, 'A', &d->side[0]);
	side_line(&p, 'B', &d->side[1]);
	tokens(&p);
	misses(&p);
	seconds(&p);
	static_prefix(&p);
	systems(&p);
}

void diff_text_verdict(const struct diff *d, unsigned worse, double tolerance, const struct text_style *s,
		       struct buf *to)
{
	buf_printf(to, "\n%sB is %s%s\n", s->bold, worse ? "worse than A:" : "not worse than A.", s->reset);
	if (worse & DIFF_MORE_MISSES)
		buf_printf(to, "  %llu unexpected misses, A had %llu\n", (unsigned long long)d->side[1].why->unexpected,
			   (unsigned long long)d->side[0].why->unexpected);
	if (worse & DIFF_MORE_PREFILL)
		buf_printf(to, "  a larger share of its prompt tokens was prefilled again, by more than %g %%\n",
			   tolerance);
	if (worse & DIFF_UNKNOWN)
		buf_puts(to, "  how much was prefilled again is not known\n");
	if (worse & DIFF_OTHER_PREFIX)
		buf_puts(to, "  the same client version sends another static prefix\n");
}
