/* SPDX-License-Identifier: MIT */
#include "anatomy/anatomy.h"

#include "anatomy/reminders.h"
#include "base/array.h"

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

static int meet(struct work *w, struct trace *t, uint32_t part, struct known *k)
{
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

/* ---- one prompt */

struct prompt_view {
	const struct report_exchange *e;
	const struct cost_exchange *c;
	const struct cost_model *model;
	double scale;  /* tokens per estimated token */
	double reused; /* P; of the parts behind it the prefill took `per_stretch` seconds each */
	double per_stretch;
	bool timed;
};

static void add(struct anatomy_sum *to, double share, double tokens, double bytes, double seconds)
{
	to->tokens += share * tokens;
	to->bytes += share * bytes;
	to->seconds += share * seconds;
}

static void add_part(struct work *w, const struct prompt_view *v, const struct trace_part *p, const struct known *k,
		     double at)
{
	struct anatomy_sum *parts = w->out->parts;
	double tokens = k->tokens * v->scale, bytes = (double)p->normalised_bytes, end = at + tokens;
	double seconds = 0;

	if (v->timed && end > v->reused)
		seconds = cost_model_stretch(v->model, fmax(at, v->reused), end) * v->per_stretch;
	if (p->kind == PART_TOOL) {
		add(&parts[ANATOMY_TOOLS], 1, tokens, bytes, seconds);
		if (k->tool != NO_TOOL) {
			add(&w->out->tools[k->tool].sum, 1, tokens, bytes, seconds);
			w->out->tools[k->tool].requests++;
		}
		return;
	}
	if (p->kind == PART_SYSTEM) {
		add(&parts[ANATOMY_SYSTEM], 1, tokens, bytes, seconds);
		return;
	}
	double other = 1 - k->memory - k->reminders, before = (double)v->e->repeated - at;
	double history = tokens > 0 ? fmin(fmax(before / tokens, 0), 1) : 0;
	add(&parts[ANATOMY_MEMORY], k->memory, tokens, bytes, seconds);
	add(&parts[ANATOMY_REMINDERS], k->reminders, tokens, bytes, seconds);
	add(&parts[ANATOMY_HISTORY], other * history, tokens, bytes, seconds);
	add(&parts[ANATOMY_NEW], other * (1 - history), tokens, bytes, seconds);
}

static void add_prompt(struct work *w, struct trace *t, const struct trace_prompt_part *prompt, size_t n,
		       struct prompt_view *v)
{
	double of_kind[PART_KINDS] = {0}, at[PART_KINDS], whole = 0;

	for (size_t i = 0; i < n; i++)
		of_kind[t->parts[prompt[i].part].kind] += w->known[prompt[i].part].tokens;
	for (int k = 0; k < PART_KINDS; k++)
		whole += of_kind[k];
	if (!(whole > 0))
		return;
	v->scale = (double)v->e->prompt / whole;
	/* In the order in which most templates lay them out. */
	at[PART_TOOL] = 0;
	at[PART_SYSTEM] = of_kind[PART_TOOL] * v->scale;
	at[PART_MESSAGE] = at[PART_SYSTEM] + of_kind[PART_SYSTEM] * v->scale;
	v->timed = !isnan(v->c->prefill) && v->c->prefilled != TOKENS_UNKNOWN;
	if (v->timed) {
		v->reused = (double)(v->e->prompt - v->c->prefilled);
		double stretch = cost_model_stretch(v->model, v->reused, (double)v->e->prompt);
		v->per_stretch = stretch > 0 ? v->c->prefill / stretch : 0;
		w->out->timed++;
	}
	w->out->requests++;
	for (size_t i = 0; i < n; i++) {
		const struct trace_part *p = &t->parts[prompt[i].part];
		const struct known *k = &w->known[prompt[i].part];
		add_part(w, v, p, k, at[p->kind]);
		at[p->kind] += k->tokens * v->scale;
	}
}

static int add_exchange(struct work *w, struct trace *t, size_t exchange)
{
	static const struct cost_model none;
	uint32_t i = w->of_exchange[exchange];
	struct prompt_view v = {.e = &w->report->exchanges[i], .c = &w->cost->exchanges[i], .model = &none};
	const struct trace_prompt_part *prompt;
	char error[256];
	size_t n;

	if (v.e->counts_only || v.e->split_basis == TOKENS_NONE)
		return 0;
	if (v.c->backend != COST_NO_BACKEND)
		v.model = &w->cost->backends[v.c->backend].model_fit;
	if (trace_prompt(t, exchange, &prompt, &n, error, sizeof(error)) < 0)
		return 0; /* the report has counted it */
	for (size_t k = 0; k < n; k++)
		if (!w->known[prompt[k].part].met && meet(w, t, prompt[k].part, &w->known[prompt[k].part]) < 0)
			return -1;
	add_prompt(w, t, prompt, n, &v);
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
	for (uint32_t i = 0; i < w->report->nexchanges; i++)
		if (w->report->exchanges[i].trace == trace)
			of[w->report->exchanges[i].x - t->exchanges] = i;
	/* In the file's order, in which prompts cost what changed. */
	for (size_t i = 0; i < t->nexchanges; i++)
		if (add_exchange(w, t, i) < 0)
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
