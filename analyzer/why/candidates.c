/* SPDX-License-Identifier: MIT */
#include "why/candidates.h"

#include "why/candidate_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A cached count may differ from what was matched by a block and a generation prompt; a matched one by this share. */
#define SLACK_TOKENS 64
#define SLACK_SHARE 16

/* What is judged once, and the backends that it is judged for. */
struct group {
	struct candidate_key key;
	struct backend members[ENGINES * TEMPLATES];
	bool refuses[ENGINES * TEMPLATES];
	size_t n;
};

struct work {
	struct report *report;
	struct candidate_features has;
	struct group *groups;
	size_t n;
};

static void add_candidate(struct work *w, const struct backend *b)
{
	struct candidate_key key = candidate_key_of(&w->has, b);
	struct render_rules rules;
	size_t i = 0;

	backend_rules(b, &rules);
	while (i < w->n && !candidate_keys_equal(&w->groups[i].key, &key))
		i++;
	if (i == w->n)
		w->groups[w->n++] = (struct group){.key = key, .n = 0};
	struct group *g = &w->groups[i];
	g->refuses[g->n] = w->has.turns && rules.system_turns == TURNS_REFUSED;
	g->members[g->n++] = *b;
}

/* The template that the models' names agree on; TEMPLATE_UNKNOWN: they do not. */
static enum chat_template template_of_models(const struct report *r)
{
	enum chat_template found = TEMPLATE_UNKNOWN;
	for (size_t i = 0; i < r->nexchanges; i++) {
		const char *model = r->exchanges[i].x->model;
		enum chat_template t = model ? template_of_model(str_from(model)) : TEMPLATE_UNKNOWN;
		if (t == TEMPLATE_UNKNOWN || (found != TEMPLATE_UNKNOWN && t != found))
			return TEMPLATE_UNKNOWN;
		found = t;
	}
	return found;
}

static size_t add_candidates(struct work *w)
{
	enum chat_template only = template_of_models(w->report);
	size_t n = 0;
	for (int e = ENGINE_UNKNOWN + 1; e < ENGINES; e++) {
		for (int t = TEMPLATE_UNKNOWN + 1; t < TEMPLATES; t++) {
			/* Anthropic's is its own. */
			bool in = e == ENGINE_ANTHROPIC ? t == TEMPLATE_PLAIN
							: only == TEMPLATE_UNKNOWN || t == (int)only;
			const struct backend b = {.engine = (enum engine)e, .chat_template = (enum chat_template)t};
			if (in) {
				add_candidate(w, &b);
				n++;
			}
		}
	}
	return n;
}

/* ---- what came out of it */

static int64_t lost_tokens(const struct why *w)
{
	int64_t lost = 0;
	for (size_t i = 0; i < w->nmisses; i++)
		if (!w->misses[i].cause->expected && w->misses[i].lost_tokens != TOKENS_UNKNOWN)
			lost += w->misses[i].lost_tokens;
	return lost;
}

/* The same requests miss, for the same causes; and what was reported as cached speaks against both or neither. */
static bool verdicts_equal(const struct why *a, const struct why *b)
{
	if (a->nmisses != b->nmisses || a->unreadable != b->unreadable || !a->contradicted != !b->contradicted)
		return false;
	for (size_t i = 0; i < a->nmisses; i++) {
		const struct why_miss *m = &a->misses[i], *k = &b->misses[i];
		if (m->exchange != k->exchange || m->cause != k->cause || m->broken != k->broken ||
		    memcmp(m->behind, k->behind, sizeof(m->behind)) != 0)
			return false;
	}
	return true;
}

static bool claims_too_little(const struct why *w, const struct why_miss *m, int64_t cached)
{
	return m->broken && !m->cause->expected && m->matched_tokens != TOKENS_UNKNOWN && cached != TOKENS_UNKNOWN &&
	       cached > m->matched_tokens + SLACK_TOKENS + w->requests[m->exchange].prompt_tokens / SLACK_SHARE;
}

static void contradict(const struct report *r, struct why *w)
{
	for (size_t i = 0; i < w->nmisses; i++)
		w->contradicted += claims_too_little(w, &w->misses[i], r->exchanges[w->misses[i].exchange].cached);
}

/* Misses that the rules do not explain, or not wholly. */
static uint64_t unexplained(const struct report *report, const struct why *w)
{
	const struct breaker *unknown = breaker_find("unknown");
	uint64_t n = 0;
	for (size_t i = 0; i < w->nmisses; i++) {
		const struct why_miss *m = &w->misses[i];
		bool so = !m->broken && !m->cause->expected && report->exchanges[m->exchange].cached != TOKENS_UNKNOWN;
		for (size_t k = 0; k < WHY_BEHIND_MAX; k++)
			so = so || m->behind[k] == unknown;
		n += so;
	}
	return n;
}

static bool believed_before(const struct report *r, const struct why *a, const struct why *b)
{
	uint64_t x = unexplained(r, a), y = unexplained(r, b);
	if (a->contradicted != b->contradicted)
		return a->contradicted < b->contradicted;
	return x != y ? x < y : lost_tokens(a) > lost_tokens(b);
}

/* Takes *add into *to; both are verdicts on the same. */
static int merge(struct why *to, struct why *add)
{
	size_t n = to->nsame + add->nsame;
	struct backend *both = malloc((n + 1) * sizeof(*both));
	uint64_t contradicted = to->contradicted < add->contradicted ? to->contradicted : add->contradicted;
	bool uneven = to->uneven || add->uneven || lost_tokens(to) != lost_tokens(add);

	if (!both)
		return -1;
	memcpy(both, to->same, to->nsame * sizeof(*both));
	memcpy(both + to->nsame, add->same, add->nsame * sizeof(*both));
	if (lost_tokens(add) > lost_tokens(to)) {
		struct why worse = *add;
		*add = *to;
		*to = worse;
	}
	free(to->same);
	to->same = both;
	to->nsame = n;
	to->uneven = uneven;
	to->contradicted = contradicted;
	why_release(add);
	return 0;
}

static int judge(struct work *w, const struct group *g, struct why *out, char *error, size_t error_bytes)
{
	if (why_build_by(w->report, &g->members[0], &g->key.rules, false, out, error, error_bytes) < 0)
		return -1;
	out->same = malloc((g->n + 1) * sizeof(*out->same));
	if (!out->same) {
		snprintf(error, error_bytes, "out of memory");
		return -1;
	}
	memcpy(out->same, g->members, g->n * sizeof(*out->same));
	out->nsame = g->n;
	contradict(w->report, out);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct backend *x = a, *y = b;
	return x->engine != y->engine ? (int)x->engine - (int)y->engine : (int)x->chat_template - (int)y->chat_template;
}

static void sort(const struct report *r, struct why_verdicts *v)
{
	for (size_t i = 0; i < v->n; i++)
		qsort(v->list[i].same, v->list[i].nsame, sizeof(*v->list[i].same), by_name);
	for (size_t i = 1; i < v->n; i++) {
		struct why now = v->list[i];
		size_t k = i;
		for (; k > 0 && believed_before(r, &now, &v->list[k - 1]); k--)
			v->list[k] = v->list[k - 1];
		v->list[k] = now;
	}
}

/* Those that would have refused prompts that were answered leave their groups, unless nobody is left then. */
static void take_refusing_out(struct work *w, struct why_verdicts *out)
{
	size_t stay = 0;
	for (size_t i = 0; i < w->n; i++)
		for (size_t k = 0; k < w->groups[i].n; k++)
			stay += !w->groups[i].refuses[k];
	if (stay == 0)
		return;
	for (size_t i = 0; i < w->n; i++) {
		struct group *g = &w->groups[i];
		size_t n = 0;
		for (size_t k = 0; k < g->n; k++) {
			if (g->refuses[k])
				out->refusing[out->nrefusing++] = g->members[k];
			else
				g->members[n++] = g->members[k];
		}
		g->n = n;
	}
}

/* Prompts with system turns that were answered. */
static uint64_t answered_turns(struct report *r)
{
	const struct trace *last_trace = NULL;
	size_t last = 0;
	bool found = false; /* in the last one */
	uint64_t n = 0;
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		struct trace *t = &r->traces[e->trace];
		const struct trace_prompt_part *parts;
		size_t nparts, number = (size_t)(e->x - t->exchanges);
		char error[256];
		if (e->counts_only || e->x->response.status < 200 || e->x->response.status >= 300 ||
		    trace_prompt(t, number, &parts, &nparts, error, sizeof(error)) < 0)
			continue;
		/* What both begin with need not be looked at again where it has none. */
		size_t k = t == last_trace && !found ? trace_prompt_kept(t, number, last) : 0;
		last_trace = t;
		last = number;
		found = false;
		for (; k < nparts && !found; k++) {
			const struct trace_part *p = &t->parts[parts[k].part];
			found = p->kind == PART_MESSAGE && p->role == ROLE_SYSTEM;
		}
		n += found;
	}
	return n;
}

int why_verdicts_build(struct report *report, struct why_verdicts *out, char *error, size_t error_bytes)
{
	struct work w = {.report = report};
	int result = 0;

	*out = (struct why_verdicts){.n = 0};
	candidate_features_of(report, &w.has);
	w.groups = calloc(ENGINES * TEMPLATES, sizeof(*w.groups));
	out->list = calloc(ENGINES * TEMPLATES, sizeof(*out->list));
	out->refusing = calloc(ENGINES * TEMPLATES, sizeof(*out->refusing));
	if (!w.groups || !out->list || !out->refusing)
		goto no_memory;
	out->ncandidates = add_candidates(&w);
	if (w.has.turns && (out->refused = answered_turns(report)) > 0)
		take_refusing_out(&w, out);
	for (size_t i = 0; result == 0 && i < w.n; i++) {
		struct why *now = &out->list[out->n];
		size_t k = 0;
		if (w.groups[i].n == 0)
			continue;
		out->n++;
		result = judge(&w, &w.groups[i], now, error, error_bytes);
		while (result == 0 && k < out->n - 1 && !verdicts_equal(&out->list[k], now))
			k++;
		if (result < 0 || k == out->n - 1)
			continue;
		if (merge(&out->list[k], now) < 0)
			goto no_memory;
		out->n--;
	}
	if (result == 0) {
		sort(report, out);
		out->list[0].all = out->list[0].nsame == out->ncandidates;
	}
	free(w.groups);
	return result;
no_memory:
	free(w.groups);
	snprintf(error, error_bytes, "out of memory");
	return -1;
}

int why_verdicts_one(struct report *report, const struct backend *backend, const struct render_rules *rules,
		     struct why_verdicts *out, char *error, size_t error_bytes)
{
	struct render_rules tables;

	*out = (struct why_verdicts){.list = calloc(1, sizeof(*out->list)), .ncandidates = 1};
	if (!out->list) {
		snprintf(error, error_bytes, "out of memory");
		return -1;
	}
	out->n = 1;
	backend_rules(backend, &tables);
	return why_build_by(report, backend, rules ? rules : &tables, true, &out->list[0], error, error_bytes);
}

void why_verdicts_release(struct why_verdicts *v)
{
	for (size_t i = 0; i < v->n; i++)
		why_release(&v->list[i]);
	free(v->list);
	free(v->refusing);
	*v = (struct why_verdicts){.n = 0};
}

size_t why_verdicts_open(const struct why_verdicts *v)
{
	uint64_t least = UINT64_MAX;
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++)
		least = v->list[i].contradicted < least ? v->list[i].contradicted : least;
	while (n < v->n && v->list[n].contradicted == least)
		n++;
	return n;
}
