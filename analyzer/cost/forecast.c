/* SPDX-License-Identifier: MIT */
#include "cost/forecast.h"

#include "report/units.h"

#include <math.h>
#include <string.h>

/* A warning is for waits that one would like to know of; without a model of the time, for prompts of this size. */
#define WARN_SECONDS 5.0
#define WARN_TOKENS 8000
/* Of the prompt: so much prefilled again is no block or generation prompt. */
#define AGAIN_SHARE 0.25
#define RATE_TOKENS_MIN 256

static const struct report_exchange *find(const struct report *r, uint64_t id, size_t *at)
{
	/* A follower asks for one of the last. */
	for (size_t i = r->nexchanges; i-- > 0;) {
		if (r->exchanges[i].trace == 0 && r->exchanges[i].x->id == id) {
			*at = i;
			return &r->exchanges[i];
		}
	}
	return NULL;
}

static double bytes_of(const struct report_exchange *e)
{
	return (double)(e->bytes.tools + e->bytes.system + e->bytes.history + e->bytes.new);
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static uint32_t backend_of(const struct cost *c, const struct trace_request *q)
{
	for (uint32_t i = 0; i < c->nbackends; i++)
		if (same(c->backends[i].peer, q->peer) && same(c->backends[i].model, q->model))
			return i;
	return COST_NO_BACKEND;
}

/* By the model; where there is too little for one, at the rate of the last long prefill. */
static double seconds_for(const struct cost *c, uint32_t backend, double n, double p)
{
	if (backend == COST_NO_BACKEND)
		return NAN;
	double seconds = cost_model_seconds(&c->backends[backend].model_fit, n, p);
	for (size_t i = c->nexchanges; isnan(seconds) && i-- > 0;) {
		const struct cost_exchange *x = &c->exchanges[i];
		if (x->backend == backend && x->prefilled >= RATE_TOKENS_MIN && x->prefill > 0)
			return x->prefill / (double)x->prefilled * n;
	}
	return seconds;
}

/* Tokens per byte: of the request before, else of all whose size was reported. */
static double density(const struct report *r, const struct report_exchange *after)
{
	double tokens = 0, bytes = 0;
	if (after && after->basis == TOKENS_REPORTED && bytes_of(after) > 0)
		return (double)after->prompt / bytes_of(after);
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		if (e->counts_only || e->basis != TOKENS_REPORTED || !(bytes_of(e) > 0))
			continue;
		tokens += (double)e->prompt;
		bytes += bytes_of(e);
	}
	return bytes > 0 ? tokens / bytes : 1 / TOKENS_PROSE_BYTES;
}

void forecast_make(const struct report *r, const struct cost *c, const struct trace_request *q, struct forecast *out)
{
	size_t at = 0;
	const struct report_exchange *after = q->exchange ? find(r, q->exchange, &at) : NULL;
	double per_byte = density(r, after), prompt = (double)q->prompt_bytes * per_byte;
	double reused = (double)q->same_bytes * per_byte;

	*out = (struct forecast){.request = q, .after = after, .prompt = TOKENS_UNKNOWN, .seconds = NAN};
	out->reused = out->prefill = TOKENS_UNKNOWN;
	if (q->prompt_bytes == 0)
		return;
	if (after && q->whole) {
		const struct cost_exchange *before = &c->exchanges[at];
		reused = fmin(after->basis == TOKENS_REPORTED ? (double)after->prompt : reused, prompt);
		out->as_before = before->again > 0 && (double)before->again > AGAIN_SHARE * (double)after->prompt;
		if (out->as_before)
			reused = fmin((double)before->reused, reused);
	}
	if (!after)
		reused = 0;
	out->prompt = llround(prompt);
	out->reused = llround(fmin(reused, prompt));
	out->prefill = out->prompt - out->reused;
	out->seconds = seconds_for(c, backend_of(c, q), (double)out->prefill, (double)out->reused);
}

bool forecast_warns(const struct forecast *f)
{
	return f->prefill != TOKENS_UNKNOWN &&
	       (isnan(f->seconds) ? f->prefill >= WARN_TOKENS : f->seconds >= WARN_SECONDS);
}

void forecast_text(const struct forecast *f, uint32_t name, struct buf *to)
{
	char prompt[UNITS_CHARS], place[UNITS_CHARS], seconds[UNITS_CHARS], lineage[8] = "";
	const struct trace_request *q = f->request;

	if (f->after)
		report_lineage_name(name, lineage);
	buf_printf(to, "#%-4llu %-2s ~%s tokens", (unsigned long long)q->id, lineage, units_count(f->prompt, prompt));
	if (!f->after)
		buf_puts(to, ", a new conversation");
	else if (f->as_before)
		buf_printf(to, ", continues #%llu, of which only %s were reused", (unsigned long long)f->after->x->id,
			   units_count(f->reused, place));
	else if (q->whole)
		buf_printf(to, ", continues #%llu", (unsigned long long)f->after->x->id);
	else
		buf_printf(to, ", diverges at token ~%s", units_count(f->reused, place));
	if (f->after && !q->whole && q->path) {
		buf_puts(to, " with ");
		units_text(to, q->path, 40, false);
	}
	if (isnan(f->seconds))
		buf_puts(to, "; how long it takes is not known yet\n");
	else
		buf_printf(to, ", expect %s\n", units_seconds(f->seconds, seconds));
}
