/* SPDX-License-Identifier: MIT */
#include "anatomy/anatomy.h"

#include "anatomy/reminders.h"
#include "anatomy/sums.h"
#include "base/array.h"
#include "report/prompts.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_TOOL UINT32_MAX

/* What is known of a part of a trace, once it has been met. */
struct known {
	bool met;
	double tokens;            /* unscaled */
	double memory, reminders; /* shares of it */
	uint32_t tool;
};

struct work {
	struct report *report;
	const struct cost *cost;
	struct anatomy *out;
	struct names tool_names;
	size_t tools_capacity;
	struct known *known; /* per part of the trace at hand */
	size_t known_capacity;
	uint32_t *of_exchange; /* index in report.exchanges, per exchange of the trace at hand */
	size_t of_exchange_capacity;
	struct trace *trace; /* the one at hand */
	struct carried {
		struct sums_prompt sums;
		size_t exchange; /* whose prompt that is, if it has parts */
	} carried[PROMPTS_PATHS];
};

/* ---- parts */

static int number_tool(struct work *w, const char *name, uint32_t *number)
{
	struct anatomy *a = w->out;
	if (names_number(&w->tool_names, str_from(name), number) < 0)
		return -1;
	if (*number < a->ntools)
		return 0;
	struct anatomy_tool *grown = array_grow(a->tools, &w->tools_capacity, a->ntools + 1, sizeof(*grown));
	if (!grown)
		return -1;
	a->tools = grown;
	grown[a->ntools] = (struct anatomy_tool){.name = strdup(name)};
	return grown[a->ntools++].name ? 0 : -1;
}

/* {"name": ...}, or OpenAI's {"function": {"name": ...}}. */
static int meet_tool(struct work *w, struct str json, struct known *k)
{
	cJSON *tool = cJSON_ParseWithLength(json.p, json.n);
	const cJSON *function = cJSON_GetObjectItemCaseSensitive(tool, "function");
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(function ? function : tool, "name");
	int result = number_tool(w, cJSON_IsString(name) ? name->valuestring : "(no name)", &k->tool);
	cJSON_Delete(tool);
	return result;
}

static bool has_reminders(const struct trace_part *p)
{
	return p->kind == PART_MESSAGE && p->role != ROLE_ASSISTANT &&
	       (p->block == BLOCK_TEXT || p->block == BLOCK_TOOL_RESULT);
}

static int meet(struct work *w, uint32_t part, struct known *k)
{
	struct trace *t = w->trace;
	const struct trace_part *p = &t->parts[part];
	struct buf text;
	char error[256];
	int result = 0;

	*k = (struct known){.met = true, .tool = NO_TOOL};
	if (p->block != BLOCK_BILLING)
		k->tokens = tokens_of_part(p->kind, p->block, p->normalised_bytes);
	if ((p->kind != PART_TOOL && !has_reminders(p)) || p->bytes == 0)
		return 0;
	buf_init(&text, BUF_UNLIMITED);
	if (trace_part_text(t, part, &text, error, sizeof(error)) < 0) {
		w->out->texts = w->out->texts && p->exact;
	} else if (p->kind == PART_TOOL) {
		result = meet_tool(w, buf_str(&text), k);
	} else {
		struct reminders r;
		reminders_measure(buf_str(&text), &r);
		k->memory = (double)r.memory / (double)text.n;
		k->reminders = (double)r.reminders / (double)text.n;
	}
	buf_release(&text);
	return result;
}

/* What a part adds to its prompt; meets it where it is met for the first time. */
static int weigh(void *context, uint32_t part, struct sums_part *out)
{
	struct work *w = context;
	const struct trace_part *p = &w->trace->parts[part];
	struct known *k = &w->known[part];

	if (!k->met && meet(w, part, k) < 0)
		return -1;
	*out = (struct sums_part){.kind = p->kind,
				  .tokens = k->tokens,
				  .bytes = (double)p->normalised_bytes,
				  .share = {k->memory, k->reminders, 1 - k->memory - k->reminders}};
	return 0;
}

/* ---- one prompt */

struct prompt_view {
	const struct report_exchange *e;
	const struct cost_exchange *c;
	const struct cost_model *model;
	const struct sums_prompt *sums;
	double scale;    /* tokens per estimated token */
	double messages; /* where they begin: behind tools and system, as most templates lay them out */
	double reused;   /* P; of the parts behind it the prefill took `per_stretch` seconds each */
	double per_stretch;
	bool timed;
};

static void add(struct anatomy_sum *to, double share, double tokens, double bytes, double seconds)
{
	to->tokens += share * tokens;
	to->bytes += share * bytes;
	to->seconds += share * seconds;
}

/* Of prefilling what is between two places. */
static double seconds_between(const struct prompt_view *v, double at, double end)
{
	return v->timed && end > v->reused ? cost_model_stretch(v->model, fmax(at, v->reused), end) * v->per_stretch
					   : 0;
}

/* Each tool on its own. */
static void add_tools(struct work *w, const struct prompt_view *v)
{
	const struct sums_prompt *sums = v->sums;
	double at = 0;

	for (size_t i = sums_next(sums, PART_TOOL, 0); i < sums->n; i = sums_next(sums, PART_TOOL, i + 1)) {
		const struct known *k = &w->known[sums->parts[i]];
		double bytes = (double)w->trace->parts[sums->parts[i]].normalised_bytes;
		double tokens = k->tokens * v->scale, seconds = seconds_between(v, at, at + tokens);
		add(&w->out->parts[ANATOMY_TOOLS], 1, tokens, bytes, seconds);
		if (k->tool != NO_TOOL) {
			add(&w->out->tools[k->tool].sum, 1, tokens, bytes, seconds);
			w->out->tools[k->tool].requests++;
		}
		at += tokens;
	}
}

/* Where the shares of messages go that had been sent before, and of those that had not. */
static const enum anatomy_part homes[2][SHARES] = {
	{[SHARE_MEMORY] = ANATOMY_MEMORY, [SHARE_REMINDERS] = ANATOMY_REMINDERS, [SHARE_OTHER] = ANATOMY_NEW},
	{[SHARE_MEMORY] = ANATOMY_MEMORY, [SHARE_REMINDERS] = ANATOMY_REMINDERS, [SHARE_OTHER] = ANATOMY_HISTORY},
};

/* A message where what was reused, or what had been sent before, ends. */
static void add_message(struct work *w, const struct prompt_view *v, size_t i)
{
	struct anatomy_sum *parts = w->out->parts;
	struct sums before;
	struct sums_part part;

	if (weigh(w, v->sums->parts[i], &part) < 0 || part.kind != PART_MESSAGE)
		return;
	sums_of(v->sums, i, &before);
	double at = v->messages + before.tokens[PART_MESSAGE] * v->scale, tokens = part.tokens * v->scale;
	double seconds = seconds_between(v, at, at + tokens);
	double history = tokens > 0 ? fmin(fmax(((double)v->e->repeated - at) / tokens, 0), 1) : 0;
	for (int s = 0; s < SHARES; s++) {
		double here = s == SHARE_OTHER ? history : 1;
		add(&parts[homes[1][s]], part.share[s] * here, tokens, part.bytes, seconds);
		if (here < 1)
			add(&parts[homes[0][s]], part.share[s] * (1 - here), tokens, part.bytes, seconds);
	}
}

/* Messages [from, to) that are all reused or all prefilled, and all sent before or all new. */
static void add_messages(struct work *w, const struct prompt_view *v, size_t from, size_t to, bool prefilled,
			 bool sent_before)
{
	struct anatomy_sum *parts = w->out->parts;
	struct sums a, b;

	if (from >= to)
		return;
	sums_of(v->sums, from, &a);
	sums_of(v->sums, to, &b);
	for (int s = 0; s < SHARES; s++) {
		double length = (b.share_tokens[s] - a.share_tokens[s]) * v->scale, seconds = 0;
		double squares = (b.share_squares[s] - a.share_squares[s]) * v->scale * v->scale;
		if (prefilled && v->timed)
			seconds = cost_model_stretches(v->model, length, squares + 2 * v->messages * length) *
				  v->per_stretch;
		add(&parts[homes[sent_before][s]], 1, length, b.share_bytes[s] - a.share_bytes[s], seconds);
		add(&parts[homes[0][s]], 1, 0, b.empty_bytes[s] - a.empty_bytes[s], 0);
	}
}

/* The first part of which something is behind a place. */
static size_t behind(const struct prompt_view *v, double place)
{
	return v->scale > 0 ? sums_exceed(v->sums, (place - v->messages) / v->scale) : 0;
}

static void add_prompt(struct work *w, struct prompt_view *v)
{
	struct anatomy_sum *parts = w->out->parts;
	struct sums all;
	double whole = 0;
	size_t n = v->sums->n;

	sums_of(v->sums, n, &all);
	for (int k = 0; k < PART_KINDS; k++)
		whole += all.tokens[k];
	if (!(whole > 0))
		return;
	v->scale = (double)v->e->prompt / whole;
	double system = all.tokens[PART_TOOL] * v->scale;
	v->messages = system + all.tokens[PART_SYSTEM] * v->scale;
	v->timed = !isnan(v->c->prefill) && v->c->prefilled != TOKENS_UNKNOWN;
	if (v->timed) {
		v->reused = (double)(v->e->prompt - v->c->prefilled);
		double stretch = cost_model_stretch(v->model, v->reused, (double)v->e->prompt);
		v->per_stretch = stretch > 0 ? v->c->prefill / stretch : 0;
		w->out->timed++;
	}
	w->out->requests++;
	add_tools(w, v);
	add(&parts[ANATOMY_SYSTEM], 1, v->messages - system, all.bytes[PART_SYSTEM],
	    seconds_between(v, system, v->messages));

	size_t prefilled = v->timed ? behind(v, v->reused) : n, new = behind(v, (double)v->e->repeated);
	size_t first = prefilled < new ? prefilled : new, last = prefilled < new ? new : prefilled;
	add_messages(w, v, 0, first, false, true);
	if (first < n)
		add_message(w, v, first);
	add_messages(w, v, first + 1, last, first == prefilled, first != new);
	if (first < last && last < n)
		add_message(w, v, last);
	add_messages(w, v, last + 1, n, true, false);
}

static int add_exchange(struct work *w, size_t exchange)
{
	static const struct cost_model none;
	struct trace *t = w->trace;
	uint32_t i = w->of_exchange[exchange];
	struct carried *c = &w->carried[prompts_path_number(&t->exchanges[exchange])];
	struct prompt_view v = {
		.e = &w->report->exchanges[i], .c = &w->cost->exchanges[i], .model = &none, .sums = &c->sums};
	const struct trace_prompt_part *prompt;
	char error[256];
	size_t n;

	if (v.e->counts_only || v.e->split_basis == TOKENS_NONE)
		return 0;
	if (v.c->backend != COST_NO_BACKEND)
		v.model = &w->cost->backends[v.c->backend].model_fit;
	if (trace_prompt(t, exchange, &prompt, &n, error, sizeof(error)) < 0)
		return 0; /* the report has counted it */
	size_t kept = c->sums.n ? trace_prompt_kept(t, exchange, c->exchange) : 0;
	if (sums_follow(&c->sums, prompt, n, kept < n ? kept : n) < 0)
		return -1;
	c->exchange = exchange;
	add_prompt(w, &v);
	return 0;
}

/* ---- all */

static int add_trace(struct work *w, uint32_t trace)
{
	struct trace *t = &w->report->traces[trace];
	struct known *known = array_grow(w->known, &w->known_capacity, t->nparts + 1, sizeof(*known));
	uint32_t *of = array_grow(w->of_exchange, &w->of_exchange_capacity, t->nexchanges + 1, sizeof(*of));

	if (known)
		w->known = known;
	if (of)
		w->of_exchange = of;
	if (!known || !of)
		return -1;
	memset(known, 0, t->nparts * sizeof(*known));
	w->trace = t;
	for (size_t i = 0; i < PROMPTS_PATHS; i++) {
		w->carried[i].sums.n = 0;
		w->carried[i].sums.weigh = weigh;
		w->carried[i].sums.context = w;
	}
	for (uint32_t i = 0; i < w->report->nexchanges; i++)
		if (w->report->exchanges[i].trace == trace)
			of[w->report->exchanges[i].x - t->exchanges] = i;
	/* In the file's order, in which prompts cost what changed. */
	for (size_t i = 0; i < t->nexchanges; i++)
		if (add_exchange(w, i) < 0)
			return -1;
	return 0;
}

static int by_tokens(const void *a, const void *b)
{
	const struct anatomy_tool *x = a, *y = b;
	if (x->sum.tokens != y->sum.tokens)
		return x->sum.tokens > y->sum.tokens ? -1 : 1;
	return strcmp(x->name, y->name);
}

int anatomy_build(struct report *report, const struct cost *cost, struct anatomy *out, char *error, size_t error_bytes)
{
	struct work w = {.report = report, .cost = cost, .out = out};
	int result = 0;

	*out = (struct anatomy){.texts = true};
	for (uint32_t i = 0; i < report->ntraces && result == 0; i++)
		result = add_trace(&w, i);
	if (result < 0)
		snprintf(error, error_bytes, "out of memory");
	else if (out->ntools > 0)
		qsort(out->tools, out->ntools, sizeof(*out->tools), by_tokens);
	names_release(&w.tool_names);
	for (size_t i = 0; i < PROMPTS_PATHS; i++)
		sums_release(&w.carried[i].sums);
	free(w.known);
	free(w.of_exchange);
	return result;
}

void anatomy_release(struct anatomy *a)
{
	for (size_t i = 0; i < a->ntools; i++)
		free(a->tools[i].name);
	free(a->tools);
	*a = (struct anatomy){.ntools = 0};
}

const char *anatomy_part_name(enum anatomy_part part)
{
	static const char *const names[] = {"tools", "system", "memory", "reminders", "history", "new"};
	return names[part];
}
