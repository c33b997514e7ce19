/* SPDX-License-Identifier: MIT */
/* The report in one to three sentences. */
#include "report/report.h"

#include "report/units.h"

#include <math.h>

void report_headline_sizes(const struct report *r, struct buf *to)
{
	const struct report_tokens *t = &r->all.tokens;
	uint64_t prompts = r->all.requests - r->count_requests;
	char n[UNITS_CHARS];

	units_plural(to, prompts, "request");
	if (t->basis == TOKENS_NONE) {
		buf_puts(to, " sent prompts of unknown size");
		return;
	}
	buf_printf(to, " sent %s prompt tokens (%s)", units_count(t->sent, n), tokens_basis_name(t->basis));
	if (t->unknown > 0) {
		buf_puts(to, ", not counting ");
		units_plural(to, t->unknown, "prompt");
		buf_puts(to, " of unknown size");
	}
}

static void sizes(const struct report *r, struct buf *to)
{
	const struct report_tokens *t = &r->all.tokens;
	char n[UNITS_CHARS];

	report_headline_sizes(r, to);
	if (t->basis == TOKENS_NONE || t->split_basis == TOKENS_NONE)
		buf_putc(to, '.');
	else if (t->repeated == 0)
		buf_puts(to, "; none of them had been sent before in the same conversation.");
	else
		buf_printf(to, "; %s of them had been sent before in the same conversation.",
			   units_count(t->repeated, n));
}

static void times(const struct report *r, struct buf *to)
{
	const struct report_seconds *s = &r->all.seconds;
	char part[UNITS_CHARS], whole[UNITS_CHARS];

	if (isnan(s->requests))
		return;
	if (isnan(s->ttft)) {
		buf_printf(to, " They took %s; how long they waited for the first token is not known.",
			   units_seconds(s->requests, whole));
		return;
	}
	buf_printf(to, " Of %s in requests, %s were waiting for the first token.", units_seconds(s->requests, whole),
		   units_seconds(s->ttft, part));
}

void report_headline_failed(const struct report *r, struct buf *to)
{
	if (r->all.failed == 0)
		return;
	buf_putc(to, ' ');
	units_plural(to, r->all.failed, "request");
	buf_puts(to, " failed.");
}

void report_headline(const struct report *r, struct buf *to)
{
	if (r->all.requests == r->count_requests) {
		if (r->count_requests == 0)
			buf_puts(to, "No request to a language model was seen.");
		else
			buf_puts(to, "Only requests that count tokens were seen, none that a model answers.");
		return;
	}
	sizes(r, to);
	times(r, to);
	report_headline_failed(r, to);
}
