/* SPDX-License-Identifier: MIT */
#include "verdict/verdict.h"

#include "report/units.h"
#include "why/candidates.h"

#include <stdio.h>

#define TEXT_MAX ((size_t)16 << 10)
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
	const char *settings[WHY_SETTINGS_MAX];
	size_t n = why_settings(w, c, 1, settings, WHY_SETTINGS_MAX);

	buf_puts(to, " Fix: ");
	for (size_t i = 0; i < n; i++)
		buf_printf(to, "%s%s", i ? " " : "", settings[i]);
	if (n > 0) {
		buf_puts(to, " (kvscope run --fix)");
		buf_putc(to, '.');
		return;
	}
	struct why_fix fixes[WHY_FIXES_MAX];
	size_t nfixes = why_fixes(w, m, fixes), server = 0;
	while (server < nfixes && fixes[server].kind != FIX_SERVER)
		server++;
	/* Of several backends each has its own: kvscope why lists them. */
	buf_puts(to, server < nfixes && !w->same ? fixes[server].what : c->cause->fix);
	buf_putc(to, '.');
}

static void worst_cause(const struct why *w, struct verdict *v)
{
	struct why_cause causes[WHY_SETTINGS_MAX];
	size_t n = why_causes(w, causes, WHY_SETTINGS_MAX), unexpected = 0;

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
	if (known && !w->recognised && !w->all) {
		buf_puts(&v->cause, ", if the backend is ");
		why_names(w, &v->cause);
	}
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
	bool recognised = out->backend.engine != ENGINE_UNKNOWN;
	struct why_verdicts v;
	int result;

	if (recognised)
		result = why_verdicts_one(report, &out->backend, NULL, &v, error, error_bytes);
	else
		result = why_verdicts_build(report, &v, error, error_bytes);
	if (result == 0) {
		cost_of_misses(&out->costs, &v.list[0]);
		worst_cause(&v.list[0], out);
		if (out->cause.failed)
			result = out_of_memory(error, error_bytes);
	}
	why_verdicts_release(&v);
	return result;
}
