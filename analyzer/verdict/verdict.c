/* SPDX-License-Identifier: MIT */
#include "verdict/verdict.h"

#include "report/units.h"

#include <stdio.h>

#define TEXT_MAX ((size_t)16 << 10)
/* A cached count may differ from what was matched by a block and a generation prompt. */
#define SLACK_TOKENS 64

/* Misses that the rules of this backend do not explain, or that were none. */
static uint64_t unexplained(const struct report *report, const struct why *w)
{
	uint64_t n = 0;
	for (size_t i = 0; i < w->nmisses; i++) {
		const struct why_miss *m = &w->misses[i];
		int64_t cached = report->exchanges[m->exchange].cached;
		if (m->cause->expected || cached == TOKENS_UNKNOWN)
			continue;
		n += !m->broken || (m->matched_tokens != TOKENS_UNKNOWN && cached > m->matched_tokens + SLACK_TOKENS);
	}
	return n;
}

static int64_t lost_tokens(const struct why *w)
{
	int64_t lost = 0;
	for (size_t i = 0; i < w->nmisses; i++)
		if (!w->misses[i].cause->expected && w->misses[i].lost_tokens != TOKENS_UNKNOWN)
			lost += w->misses[i].lost_tokens;
	return lost;
}

size_t verdict_choose(const struct report *report, const struct why *list, size_t n)
{
	size_t best = 0;
	for (size_t i = 1; i < n; i++) {
		uint64_t a = unexplained(report, &list[best]), b = unexplained(report, &list[i]);
		if (b < a || (a == b && lost_tokens(&list[i]) > lost_tokens(&list[best])))
			best = i;
	}
	return best;
}

static void amount(const struct why_cause *c, struct buf *to)
{
	char tokens[UNITS_CHARS], seconds[UNITS_CHARS];
	if (c->lost_tokens == TOKENS_UNKNOWN)
		return;
	buf_printf(to, " (%s tokens", units_count(c->lost_tokens, tokens));
	if (c->seconds_lost > 0)
		buf_printf(to, ", %s", units_seconds(c->seconds_lost, seconds));
	buf_putc(to, ')');
}

static void fix(const struct why *w, const struct why_cause *c, struct buf *to)
{
	const struct why_miss *m = &w->misses[c->worst];
	const char *server = breaker_fix_for(c->cause, FIX_SERVER, m->client, &w->backend);
	const char *settings[WHY_SETTINGS_MAX];
	size_t n = why_settings(w, c, 1, settings, WHY_SETTINGS_MAX);

	buf_puts(to, " Fix: ");
	for (size_t i = 0; i < n; i++)
		buf_printf(to, "%s%s", i ? " " : "", settings[i]);
	if (n > 0)
		buf_puts(to, " (kvscope run --fix)");
	else
		buf_puts(to, server ? server : c->cause->fix);
	buf_putc(to, '.');
}

static void worst_cause(const struct why *w, struct verdict *v)
{
	struct why_cause causes[WHY_SETTINGS_MAX];
	size_t n = why_causes(w, causes, WHY_SETTINGS_MAX), unexpected = 0;
	char backend[64];

	while (unexpected < n && !causes[unexpected].cause->expected)
		unexpected++;
	if (unexpected == 0)
		return;
	v->nsettings = why_settings(w, causes, unexpected, v->settings, WHY_SETTINGS_MAX);
	const struct why_cause *c = &causes[0];
	bool known = c->cause != breaker_find("unknown");
	if (w->unexpected == 1)
		buf_printf(&v->cause, "1 unexpected cache miss, %s: %s", c->cause->name, c->cause->title);
	else if (known)
		buf_printf(&v->cause, "%llu of %llu unexpected cache misses have one cause, %s: %s",
			   (unsigned long long)c->misses, (unsigned long long)w->unexpected, c->cause->name,
			   c->cause->title);
	else
		buf_printf(&v->cause, "%llu of %llu unexpected cache misses have no cause that the requests show",
			   (unsigned long long)c->misses, (unsigned long long)w->unexpected);
	amount(c, &v->cause);
	backend_name(&w->backend, backend, sizeof(backend));
	if (known && !w->recognised)
		buf_printf(&v->cause, ", if the backend is like %s", backend);
	buf_putc(&v->cause, '.');
	if (known)
		fix(w, c, &v->cause);
}

static int out_of_memory(char *error, size_t error_bytes)
{
	snprintf(error, error_bytes, "out of memory");
	return -1;
}

int verdict_cost(struct report *report, struct verdict *out, char *error, size_t error_bytes)
{
	*out = (struct verdict){.backend = why_recognise(report)};
	const struct cost_options how = {.engine = out->backend.engine};
	buf_init(&out->cost, TEXT_MAX);
	buf_init(&out->cause, TEXT_MAX);
	if (cost_build(report, &how, &out->costs, error, error_bytes) < 0)
		return -1;
	cost_short_headline(&out->costs, &out->cost);
	return out->cost.failed ? out_of_memory(error, error_bytes) : 0;
}

int verdict_cause(struct report *report, struct verdict *out, char *error, size_t error_bytes)
{
	struct why list[WHY_CANDIDATES];
	bool recognised = out->backend.engine != ENGINE_UNKNOWN;
	size_t judges = recognised ? 1 : WHY_CANDIDATES, n = 0;
	int result = 0;

	while (result == 0 && n < judges) {
		result = why_build(report, recognised ? &out->backend : &why_candidates[n], recognised, &list[n], error,
				   error_bytes);
		if (result == 0)
			cost_of_misses(&out->costs, &list[n]);
		n++;
	}
	if (result == 0) {
		worst_cause(&list[verdict_choose(report, list, n)], out);
		if (out->cause.failed)
			result = out_of_memory(error, error_bytes);
	}
	while (n > 0)
		why_release(&list[--n]);
	return result;
}

void verdict_release(struct verdict *v)
{
	buf_release(&v->cost);
	buf_release(&v->cause);
	cost_release(&v->costs);
	*v = (struct verdict){.nsettings = 0};
}
