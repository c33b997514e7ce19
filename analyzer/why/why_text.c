/* SPDX-License-Identifier: MIT */
#include "why/why_text.h"

#include "base/json_out.h"
#include "report/units.h"
#include "why/settings.h"

#include <math.h>

#define CAUSES_SHOWN 3
#define CAUSES_MAX 64

static const char *const side_words[] = {
	[SIDE_CLIENT] = "the client's doing",
	[SIDE_SERVER] = "the server's doing",
	[SIDE_NEITHER] = "neither side's doing",
};

static const char *const side_names[] = {
	[SIDE_CLIENT] = "client",
	[SIDE_SERVER] = "server",
	[SIDE_NEITHER] = "neither",
};

/* What an earlier prompt of whatever conversation had in common, where that is more than the parent's part. */
static void matched_elsewhere(const struct why *w, const struct why_miss *m, struct buf *to)
{
	int64_t any = w->requests[m->exchange].matched_any_tokens;
	char tokens[UNITS_CHARS];

	if (!m->counted && m->matched_tokens != TOKENS_UNKNOWN && any > m->matched_tokens)
		buf_printf(to, " (%s with another conversation's)", units_count(any, tokens));
}

static void place(const struct report *report, const struct why *w, const struct why_miss *m, struct buf *to)
{
	char name[32], tokens[UNITS_CHARS], of[UNITS_CHARS];
	report_exchange_name(report, &report->exchanges[m->exchange], name);
	buf_printf(to, "request %s: matched %s of %s tokens%s", name, units_count(m->matched_tokens, tokens),
		   units_count(m->prompt_tokens, of), m->counted ? " (counted)" : "");
	matched_elsewhere(w, m, to);
	if (m->broken && m->path)
		buf_printf(to, ", diverges at token %s with %s", units_count(m->token_offset, tokens), m->path);
	else if (!m->broken)
		buf_puts(to, ", the prompt is unbroken");
	if (m->cache_tokens > 0)
		buf_printf(to, "; the cache seems to hold about %s", units_count(m->cache_tokens, tokens));
}

static void excerpts(const struct why_miss *m, const struct text_style *s, struct buf *to)
{
	if (!m->old_text || !m->new_text)
		return;
	buf_printf(to, "     %s- %s%s\n     %s+ %s%s\n", s->red, m->old_text, s->reset, s->green, m->new_text,
		   s->reset);
}

static void fixes(const struct why *w, const struct why_miss *m, struct buf *to)
{
	static const char *const of_what[] = {
		[FIX_OPTION] = "client", [FIX_SERVER] = "backend", [FIX_REQUEST] = "request"};
	struct why_fix list[WHY_FIXES_MAX];
	size_t n = why_fixes(w, m, list);

	buf_printf(to, "   fix: %s\n", m->cause->fix);
	for (size_t i = 0; i < n; i++) {
		if (list[i].kind == FIX_ENV)
			continue;
		if (list[i].engine != ENGINE_UNKNOWN)
			buf_printf(to, "        %s: %s\n", engine_name(list[i].engine), list[i].what);
		else
			buf_printf(to, "        %s: %s\n", of_what[list[i].kind], list[i].what);
	}
}

/* briefly: what it is and how to mend it stands above already. */
static void cause_text(const struct report *report, const struct why *w, const struct why_cause *c, size_t rank,
		       bool briefly, const struct text_style *s, struct buf *to)
{
	const struct why_miss *m = &w->misses[c->worst];
	const struct breaker *b = c->cause;
	char number[UNITS_CHARS];

	buf_printf(to, "\n%zu. %s%s%s (%s): %llu of %zu %s", rank, s->bold, b->name, s->reset, side_words[b->side],
		   (unsigned long long)c->misses, w->nmisses, w->nmisses == 1 ? "miss" : "misses");
	if (c->lost_tokens != TOKENS_UNKNOWN)
		buf_printf(to, ", %s%s tokens to prefill again", w->uneven ? "up to " : "",
			   units_count(c->lost_tokens, number));
	if (!isnan(c->seconds_lost))
		buf_printf(to, ", %s", units_seconds(c->seconds_lost, number));
	if (briefly) {
		buf_puts(to, ", as above\n");
		return;
	}
	buf_printf(to, "\n   %s.\n   ", b->title);
	place(report, w, m, to);
	buf_putc(to, '\n');
	excerpts(m, s, to);
	for (size_t i = 0; i < WHY_BEHIND_MAX && m->behind[i]; i++)
		buf_printf(to, "   behind it: %s%s%s: %s\n", s->bold, m->behind[i]->name, s->reset,
			   m->behind[i]->title);
	fixes(w, m, to);
	if (!s->all)
		return;
	for (size_t i = 0; i < w->nmisses; i++) {
		if (w->misses[i].cause != b || i == c->worst)
			continue;
		buf_puts(to, "   also ");
		place(report, w, &w->misses[i], to);
		buf_putc(to, '\n');
	}
}

/* The settings of the causes shown, and of what is behind them, each once, to be pasted. */
static void environment(const struct why *w, const struct why_cause *causes, size_t n, const struct text_style *s,
			struct buf *to)
{
	const char *given[WHY_SETTINGS_MAX];
	size_t ngiven = why_settings(w, causes, n, given, WHY_SETTINGS_MAX);

	if (ngiven == 0)
		return;
	buf_printf(to, "\n%sTo try it%s, in the environment of the client:\n", s->bold, s->reset);
	for (size_t i = 0; i < ngiven; i++)
		buf_printf(to, "  export %s\n", given[i]);
}

/* Who is meant, and the sums. */
static void verdict_head(const struct report *report, const struct why *w, const struct text_style *s, struct buf *to)
{
	buf_puts(to, s->bold);
	if (w->all) {
		buf_puts(to, "Whatever the backend");
	} else {
		buf_puts(to, w->same ? "If it was " : "Backend ");
		why_names(w, to);
	}
	buf_printf(to, "%s: ", s->reset);
	units_plural(to, report->nexchanges, "request");
	if (w->unexpected == 0)
		buf_printf(to, ", no unexpected cache miss");
	else
		buf_printf(to, ", %llu unexpected cache %s", (unsigned long long)w->unexpected,
			   w->unexpected == 1 ? "miss" : "misses");
	if (w->nmisses > w->unexpected)
		buf_printf(to, ", %llu expected", (unsigned long long)(w->nmisses - w->unexpected));
	buf_putc(to, '\n');
}

static bool told(const struct breaker *cause, const struct why *before, size_t n)
{
	struct why_cause causes[CAUSES_MAX];
	for (size_t i = 0; i < n; i++) {
		size_t k = why_causes(&before[i], causes, CAUSES_MAX);
		for (size_t c = 0; c < k && (c < CAUSES_SHOWN || !cause->expected); c++)
			if (causes[c].cause == cause)
				return true;
	}
	return false;
}

/* `before`: the verdicts above this one. */
static void verdict_text(const struct report *report, const struct why *w, const struct why *before, size_t nbefore,
			 const struct text_style *s, struct buf *to)
{
	struct why_cause causes[CAUSES_MAX];
	size_t n = why_causes(w, causes, CAUSES_MAX), unexpected = 0;

	while (unexpected < n && !causes[unexpected].cause->expected)
		unexpected++;
	verdict_head(report, w, s, to);
	size_t shown = s->all ? n : unexpected < CAUSES_SHOWN ? unexpected : CAUSES_SHOWN;
	for (size_t i = 0; i < shown; i++)
		cause_text(report, w, &causes[i], i + 1, !s->all && told(causes[i].cause, before, nbefore), s, to);
	if (shown < unexpected)
		buf_printf(to, "\n%zu more causes: --all\n", unexpected - shown);
	environment(w, causes, shown < unexpected ? shown : unexpected, s, to);
	if (w->refused) {
		buf_putc(to, '\n');
		units_plural(to, w->refused, "prompt");
		buf_puts(to, " such a backend would refuse: system turns inside messages[] that its template does not "
			     "take.\n");
	}
	if (w->unreadable)
		buf_printf(to, "\n%llu prompts could not be compared (not kept, or cut).\n",
			   (unsigned long long)w->unreadable);
}

/* Who it cannot have been. */
static void ruled_out(const struct why_verdicts *v, size_t open, struct buf *to)
{
	for (size_t i = open; i < v->n; i++) {
		buf_puts(to, "\nNot ");
		why_names(&v->list[i], to);
		buf_puts(to, ": ");
		units_plural(to, v->list[i].contradicted, "request");
		buf_puts(to, " reused more than such a backend could have.\n");
	}
	if (v->nrefusing == 0)
		return;
	buf_puts(to, "\nNot ");
	why_backends_names(v->refusing, v->nrefusing, to);
	buf_puts(to, ": such a backend would have refused ");
	units_plural(to, v->refused, "prompt");
	buf_puts(to, " that have system turns inside messages[].\n");
}

/* A trace that was cut, or that is being written, has requests whose answers are not in it. */
static void nothing_to_compare(const struct report *report, struct buf *to)
{
	uint64_t unanswered = 0;
	for (size_t i = 0; i < report->ntraces; i++)
		unanswered += report->traces[i].nrequests;
	buf_printf(to, "Nothing to compare: the %s no finished request",
		   report->ntraces > 1 ? "traces have" : "trace has");
	if (unanswered) {
		buf_puts(to, " (");
		units_plural(to, unanswered, "request");
		buf_puts(to, " without an answer)");
	}
	buf_puts(to, ".\n");
}

void why_text(const struct report *report, const struct why_verdicts *v, const struct text_style *s, struct buf *to)
{
	size_t open = why_verdicts_open(v);
	if (report->nexchanges == 0)
		nothing_to_compare(report, to);
	for (size_t i = 0; i < open; i++) {
		if (i > 0)
			buf_putc(to, '\n');
		verdict_text(report, &v->list[i], v->list, i, s, to);
	}
	ruled_out(v, open, to);
}

static void miss_json(const struct report *report, const struct why *w, const struct why_miss *m, struct json_out *j)
{
	const struct backend *b = &w->backend;
	char backend[64];
	const struct report_exchange *e = &report->exchanges[m->exchange];
	char lineage[8];

	backend_name(b, backend, sizeof(backend));
	json_out_object(j, NULL);
	json_out_cstr(j, "backend", backend);
	json_out_uint(j, "exchange", e->x->id);
	if (report->ntraces > 1)
		json_out_cstr(j, "trace", report->traces[e->trace].path);
	report_lineage_name(m->lineage, lineage);
	json_out_cstr(j, "lineage", lineage);
	if (m->parent == LINEAGE_NONE)
		json_out_null(j, "parent");
	else
		json_out_uint(j, "parent", report->exchanges[m->parent].x->id);
	json_out_bool(j, "expected", m->cause->expected);
	json_out_cstr(j, "side", side_names[m->cause->side]);
	json_out_cstr(j, "cause", m->cause->name);
	json_out_cstr(j, "reason", m->cause->reason);
	json_out_array(j, "behind");
	for (size_t i = 0; i < WHY_BEHIND_MAX && m->behind[i]; i++)
		json_out_cstr(j, NULL, m->behind[i]->name);
	json_out_end(j);
	json_out_bool(j, "broken", m->broken);
	json_out_cstr(j, "path", m->path);
	json_out_int_or_null(j, "byte_offset", m->byte_offset);
	json_out_int_or_null(j, "token_offset", m->token_offset);
	json_out_int_or_null(j, "matched_tokens", m->matched_tokens);
	json_out_int_or_null(j, "matched_any_tokens", w->requests[m->exchange].matched_any_tokens);
	json_out_int_or_null(j, "prompt_tokens", m->prompt_tokens);
	json_out_int_or_null(j, "lost_tokens", m->lost_tokens);
	json_out_int_or_null(j, "cache_tokens", m->cache_tokens);
	json_out_cstr(j, "tokens_basis", m->counted ? "counted" : tokens_basis_name(e->basis));
	json_out_cstr(j, "old", m->old_text);
	json_out_cstr(j, "new", m->new_text);
	json_out_object(j, "fix");
	json_out_cstr(j, "text", m->cause->fix);
	json_out_cstr(j, "env", breaker_fix_for(m->cause, FIX_ENV, m->client, b));
	json_out_cstr(j, "option", breaker_fix_for(m->cause, FIX_OPTION, m->client, b));
	json_out_cstr(j, "server", breaker_fix_for(m->cause, FIX_SERVER, m->client, b));
	json_out_cstr(j, "request", breaker_fix_for(m->cause, FIX_REQUEST, m->client, b));
	json_out_end(j);
	json_out_double(j, "seconds_lost", m->seconds_lost, 3);
	json_out_end(j);
}

static void backends_json(const char *key, const struct backend *list, size_t n, struct json_out *j)
{
	char name[64];

	json_out_array(j, key);
	for (size_t i = 0; i < n; i++) {
		backend_name(&list[i], name, sizeof(name));
		json_out_cstr(j, NULL, name);
	}
	json_out_end(j);
}

static void verdict_json(const struct report *report, const struct why *w, bool out, struct json_out *j)
{
	struct why_cause causes[CAUSES_MAX];
	size_t n = why_causes(w, causes, CAUSES_MAX);
	char backend[64];

	backend_name(&w->backend, backend, sizeof(backend));
	json_out_object(j, NULL);
	json_out_cstr(j, "backend", backend);
	backends_json("candidates", w->same ? w->same : &w->backend, w->same ? w->nsame : 1, j);
	json_out_bool(j, "recognised", w->recognised);
	json_out_bool(j, "ruled_out", out);
	json_out_uint(j, "contradicted", w->contradicted);
	json_out_uint(j, "requests", report->nexchanges);
	json_out_uint(j, "unexpected", w->unexpected);
	json_out_uint(j, "unreadable", w->unreadable);
	json_out_uint(j, "refused", w->refused);
	json_out_array(j, "causes");
	for (size_t i = 0; i < n; i++) {
		json_out_object(j, NULL);
		json_out_cstr(j, "cause", causes[i].cause->name);
		json_out_bool(j, "expected", causes[i].cause->expected);
		json_out_uint(j, "misses", causes[i].misses);
		json_out_int_or_null(j, "lost_tokens", causes[i].lost_tokens);
		json_out_double(j, "seconds_lost", causes[i].seconds_lost, 3);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_end(j);
}

void why_json(const struct report *report, const struct why_verdicts *v, struct buf *to)
{
	size_t open = why_verdicts_open(v);
	struct json_out j;

	json_out_init(&j, to, true);
	json_out_object(&j, NULL);
	json_out_array(&j, "verdicts");
	for (size_t i = 0; i < v->n; i++)
		verdict_json(report, &v->list[i], i >= open, &j);
	json_out_end(&j);
	backends_json("refusing", v->refusing, v->nrefusing, &j);
	json_out_array(&j, "misses");
	for (size_t i = 0; i < v->n; i++)
		for (size_t k = 0; k < v->list[i].nmisses; k++)
			miss_json(report, &v->list[i], &v->list[i].misses[k], &j);
	json_out_end(&j);
	json_out_end(&j);
	buf_putc(to, '\n');
}
