/* SPDX-License-Identifier: MIT */
#include "html/parts.h"

#include "base/clock.h"
#include "kvscope/version.h"
#include "report/report_blind.h"
#include "why/candidates.h"

#include <math.h>

#define SOURCES_SHOWN 6
/* With requests of which it is not known, a saving below this share of the time says nothing. */
#define SAVED_MIN 0.005
#define FACTOR_MIN 1.05

static const char *client_of(const struct report *r, size_t *n)
{
	const char *client = NULL;
	for (size_t i = 0; i < r->nexchanges && !client; i++) {
		const struct exchange_request *q = &r->exchanges[i].x->request;
		client = exchange_header_value(q->headers, q->nheaders, "user-agent");
	}
	*n = client ? strcspn(client, " ") : 0;
	return client;
}

/* The backend that the misses were judged by. */
static void judged_by(struct page *p)
{
	struct buf names;

	buf_init(&names, 4096);
	why_names(p->why, &names);
	buf_putc(&names, '\0');
	if (p->why->all)
		html_text(&p->h, "judged by what backends do to a prompt: whichever it was, it comes to the same");
	else if (p->why->recognised)
		html_printf(&p->h, "judged by what %s does to a prompt", names.p);
	else if (p->why->backend.engine != ENGINE_UNKNOWN)
		html_printf(&p->h,
			    "judged by what %s %s to a prompt, which explains best what was cached (--engine names "
			    "another)",
			    names.p, p->why->nsame > 1 ? "do" : "does");
	else
		html_text(&p->h, "judged by what the client put on the wire (--engine names the backend)");
	buf_release(&names);
}

static void sources(struct page *p)
{
	const struct report *r = p->report;
	size_t n;
	const char *client = client_of(r, &n);

	for (size_t i = 0; i < r->ntraces && i < SOURCES_SHOWN; i++) {
		char when[24] = "";
		if (r->traces[i].realtime_ns)
			clock_iso8601(r->traces[i].realtime_ns, when, sizeof(when));
		html_open(&p->h, "p", "class", "sub mono", HTML_END);
		html_printf(&p->h, "%s  %s", r->traces[i].path, when);
		html_close(&p->h);
	}
	if (r->ntraces > SOURCES_SHOWN) {
		html_open(&p->h, "p", "class", "sub", HTML_END);
		html_printf(&p->h, "and %zu more traces", r->ntraces - SOURCES_SHOWN);
		html_close(&p->h);
	}
	html_open(&p->h, "p", "class", "sub", HTML_END);
	if (client)
		html_printf(&p->h, "%.*s · ", (int)(n < 60 ? n : 60), client);
	if (r->all.model)
		html_printf(&p->h, "%s%s · ", r->all.model, r->all.models ? " and others" : "");
	judged_by(p);
	html_close(&p->h);
}

static void tile(struct page *p, const char *what, const char *number, const char *more)
{
	html_open(&p->h, "li", HTML_END);
	html_element(&p->h, "span", NULL, what);
	html_element(&p->h, "b", NULL, number);
	html_element(&p->h, "span", NULL, more);
	html_close(&p->h);
}

/* A count, rounded, with its value beside it for programs. */
static void tile_count(struct page *p, const char *what, enum tokens_basis basis, int64_t count, const char *more)
{
	char number[UNITS_CHARS], value[32];

	snprintf(value, sizeof(value), "%lld", (long long)count);
	html_open(&p->h, "li", HTML_END);
	html_element(&p->h, "span", NULL, what);
	html_open(&p->h, "b", HTML_END);
	if (basis != TOKENS_NONE && count != TOKENS_UNKNOWN) {
		html_open(&p->h, "data", "value", value, HTML_END);
		html_text(&p->h, tokens_count(basis, count, number));
		html_close(&p->h);
	} else {
		html_text(&p->h, tokens_count(basis, count, number));
	}
	html_close(&p->h);
	html_element(&p->h, "span", NULL, more);
	html_close(&p->h);
}

/* Prefilled tokens: as in the headline; where that has none, what why lets estimate of each request. */
static struct cost_tokens prefilled(const struct page *p)
{
	struct cost_tokens sum = p->cost->tokens;

	if (sum.basis != TOKENS_NONE)
		return sum;
	sum = (struct cost_tokens){.basis = TOKENS_NONE};
	for (size_t i = 0; i < p->report->nexchanges; i++) {
		struct cost_use use = cost_use_of(p->report, p->cost, p->why, i);
		sum.unknown += use.basis == TOKENS_NONE && !p->report->exchanges[i].counts_only;
		if (use.basis == TOKENS_NONE)
			continue;
		sum.again += use.again;
		sum.prefilled += use.again + use.new;
		sum.basis = tokens_basis_join(sum.basis, use.basis);
	}
	return sum;
}

static void tiles(struct page *p)
{
	const struct report_tokens *t = &p->report->all.tokens;
	const struct cost_seconds *s = &p->cost->all;
	const struct cost_speedup *fast = &p->cost->speedup;
	const struct cost_tokens sum = prefilled(p);
	char number[UNITS_CHARS], more[96], of[UNITS_CHARS];

	html_open(&p->h, "ul", "class", "tiles", HTML_END);
	snprintf(more, sizeof(more), "tokens in %llu requests", (unsigned long long)p->report->all.requests);
	tile_count(p, "Prompts", t->basis, t->sent, more);
	if (sum.basis != TOKENS_NONE && t->sent > 0)
		snprintf(more, sizeof(more), "tokens, %.0f %% of all", 100.0 * (double)sum.again / (double)t->sent);
	else
		snprintf(more, sizeof(more), "not known");
	if (sum.unknown > 0)
		snprintf(more, sizeof(more), "tokens; %llu requests not known", (unsigned long long)sum.unknown);
	tile_count(p, "Prefilled again", sum.basis, sum.again, more);
	tile_count(p, "New", sum.basis, sum.prefilled - sum.again, "tokens that nobody could reuse");
	snprintf(number, sizeof(number), "%llu", (unsigned long long)p->why->unexpected);
	snprintf(more, sizeof(more), "and %llu expected", (unsigned long long)(p->why->nmisses - p->why->unexpected));
	tile(p, "Unexpected misses", number, more);
	double prefill = s->re_prefill + s->prefill_new + s->prefill_unsplit;
	snprintf(more, sizeof(more), "of %s in which something ran", units_seconds(s->wall - s->idle, of));
	tile(p, "Prefill", units_seconds(isnan(s->wall) || prefill <= 0 ? NAN : prefill, number), more);
	snprintf(more, sizeof(more), "not known");
	bool known = !isnan(fast->factor) && (fast->unknown == 0 || fast->saved > SAVED_MIN * fast->seconds);
	const char *least = fast->unknown ? "at least " : "";
	if (known && fast->factor < FACTOR_MIN)
		snprintf(more, sizeof(more), "%s%.1f %% of the time, estimated", least,
			 100 * fast->saved / fast->seconds);
	else if (known)
		snprintf(more, sizeof(more), "%s%.1fx as fast, estimated", least, fast->factor);
	tile(p, "A cache that holds saves", units_seconds(known ? fast->saved : NAN, number), more);
	html_close(&p->h);
}

void page_head(struct page *p)
{
	struct buf text;

	html_open(&p->h, "header", HTML_END);
	html_element(&p->h, "h1", NULL, "kvscope report");
	buf_init(&text, 8192);
	cost_headline(p->report, p->cost, &text);
	html_element(&p->h, "p", "lead", text.p);
	buf_release(&text);
	sources(p);
	if (p->report->nexchanges > 0)
		tiles(p);
	html_close(&p->h);
}

/* ---- where the time went */

struct share {
	const char *class, *name;
	double seconds;
};

static void seconds_bar(struct page *p, const struct share *shares, size_t n, double all)
{
	char text[160], time[UNITS_CHARS];
	double x = 0;

	svg_open(&p->h, "seconds-bar", 34, "Where the time went",
		 "One bar, from left to right: prefill that was needed again, new prefill, decode, unknown, client. "
		 "The table "
		 "below has the numbers.");
	for (size_t i = 0; i < n; i++) {
		double width = 100 * shares[i].seconds / all;
		if (!(shares[i].seconds > 0))
			continue;
		snprintf(text, sizeof(text), "%s: %s, %.1f %%", shares[i].name, units_seconds(shares[i].seconds, time),
			 width);
		svg_rect(&p->h, shares[i].class, x, 2, width, 30, text);
		x += width;
	}
	svg_close(&p->h);
}

void page_seconds(struct page *p)
{
	const struct cost_seconds *s = &p->cost->all;
	const struct share shares[] = {
		{"again", "prefill, again", s->re_prefill},
		{"new", "prefill, new", s->prefill_new},
		{"unknown", "prefill, not known which", s->prefill_unsplit},
		{"decode", "decode", s->decode},
		{"unknown", "requests, not known what", s->unknown},
		{"client", "client and tools", s->client},
		{"idle", "idle, waiting for a person", s->idle},
	};
	static const struct part_key keys[] = {
		{"again", "prefill, again"},    {"new", "prefill, new"},  {"decode", "decode"},
		{"client", "client and tools"}, {"unknown", "not known"},
	};
	static const char *const columns[] = {"", "seconds", "share of what is not idle"};
	size_t n = sizeof(shares) / sizeof(*shares);
	double active = s->wall - s->idle;

	part_open(p, "seconds", "Where the time went");
	if (isnan(s->wall) || active <= 0) {
		part_note(p, "Not known: no request was timed.");
		html_close(&p->h);
		return;
	}
	part_note(
		p,
		"Each moment counts once, however many requests run in it. Time spent waiting for a person is left out "
		"of the bar.");
	part_legend(p, keys, sizeof(keys) / sizeof(*keys));
	html_open(&p->h, "figure", HTML_END);
	seconds_bar(p, shares, n - 1, active);
	html_close(&p->h);
	part_table_open(p, "Table of seconds", NULL, columns, 3);
	for (size_t i = 0; i < n; i++) {
		char share[16] = "-";
		part_row_open(p, NULL);
		part_cell(p, shares[i].name);
		part_cell_seconds(p, shares[i].seconds);
		if (i + 1 < n && shares[i].seconds >= 0)
			snprintf(share, sizeof(share), "%.1f %%", 100 * shares[i].seconds / active);
		html_element(&p->h, "td", "n", share);
		part_row_close(p);
	}
	part_row_open(p, NULL);
	part_cell(p, "of the prefill: for tools and system prompt");
	part_cell_seconds(p, s->system_prompt);
	html_element(&p->h, "td", "n", "");
	part_row_close(p);
	part_table_close(p);
	html_close(&p->h);
}

/* ---- what is missing */

void page_losses(struct page *p)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	report_blind(p->report, &text);
	if (text.n > 0) {
		part_open(p, "losses", "Not seen, or lost");
		for (char *line = text.p, *end; line && *line; line = end) {
			end = strchr(line, '\n');
			if (end)
				*end++ = '\0';
			html_element(&p->h, "p", NULL, line);
		}
		html_close(&p->h);
	}
	buf_release(&text);
}

static void foot(struct page *p)
{
	html_open(&p->h, "footer", HTML_END);
	html_text(
		&p->h,
		"Made by kvscope " KVSCOPE_VERSION ". Counts are as the backend reported them; those with ~ are "
		"estimated. - is not known. The texts in this page are excerpts of the session; what looks like a key "
		"is masked.");
	html_close(&p->h);
}

int page_html(const struct page_input *in, struct buf *to)
{
	struct page p = {.report = in->report, .cost = in->cost, .anatomy = in->anatomy, .why = in->why};

	page_begin(&p, to, "kvscope report");
	page_head(&p);
	if (in->report->nexchanges > 0) {
		page_seconds(&p);
		page_causes(&p);
		page_timeline(&p);
		page_tokens(&p);
		page_anatomy(&p);
		page_systems(&p);
	}
	page_losses(&p);
	foot(&p);
	return page_end(&p);
}
