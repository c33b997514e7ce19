/* SPDX-License-Identifier: MIT */
#include "why/why.h"

#include "base/array.h"
#include "trace/prompt_diff.h"
#include "why/across.h"
#include "why/client.h"
#include "why/explain.h"
#include "why/seen.h"
#include "why/server.h"
#include "why/view.h"

#include <math.h>
#include <stdlib.h>

/* The generation prompt at a prompt's end, and what differs by rounding, are no loss. */
#define SLACK_TOKENS 32
/* Anthropic's API keeps no prompt that is shorter, of most models. */
#define CLOUD_MIN_TOKENS 1024
/* What undoing a cause must bring back at least to be worth a word. */
#define WORTH_TOKENS 64
/* What a report must fall short of to be a loss behind a broken prefix: estimates are not better than that. */
#define SHORTFALL 0.5

struct judge {
	struct report *report;
	struct why *out;
	struct views views;
	struct view *last;  /* per lineage: its newest prompt, rendered */
	struct view *spare; /* and the one before, which the next is made from */
	uint32_t *last_of;  /* which exchange that is */
	struct view other;  /* of a parent that is not the newest, or of another conversation */
	struct seen *seen;
	struct across *across;
	struct clients clients;
	struct server_memory memory;
	size_t misses_capacity;
};

static int64_t share(int64_t tokens, uint64_t bytes, uint64_t of)
{
	if (tokens == TOKENS_UNKNOWN || of == 0)
		return TOKENS_UNKNOWN;
	return (int64_t)((double)tokens * (double)bytes / (double)of);
}

static struct why_miss *add_miss(struct judge *j, uint32_t exchange, const struct breaker *cause)
{
	struct why *w = j->out;
	struct why_miss *grown = array_grow(w->misses, &j->misses_capacity, w->nmisses + 1, sizeof(*grown));
	if (!grown) {
		j->views.no_memory = true;
		return NULL;
	}
	w->misses = grown;
	const struct report_exchange *e = &j->report->exchanges[exchange];
	struct why_request *r = &w->requests[exchange];
	r->misses = true;
	r->miss = w->nmisses;
	w->unexpected += !cause->expected;
	struct why_miss *m = &grown[w->nmisses++];
	*m = (struct why_miss){.exchange = exchange,
			       .parent = e->parent,
			       .lineage = e->lineage,
			       .cause = cause,
			       .client = clients_of(&j->clients, exchange),
			       .byte_offset = -1,
			       .token_offset = r->matched_tokens,
			       .matched_tokens = r->matched_tokens,
			       .prompt_tokens = r->prompt_tokens,
			       .lost_tokens = TOKENS_UNKNOWN,
			       .cache_tokens = TOKENS_UNKNOWN,
			       .seconds_lost = NAN};
	return m;
}

/* Makes a miss of it; takes what `x` holds. */
static struct why_miss *add_broken(struct judge *j, uint32_t exchange, const struct view *new, struct explained *x)
{
	struct why_request *r = &j->out->requests[exchange];
	int64_t matched = share(r->prompt_tokens, x->prefix, new->rendered.bytes);

	r->matched_tokens = matched < r->prompt_tokens ? matched : r->prompt_tokens;
	struct why_miss *m = add_miss(j, exchange, x->cause);
	if (!m)
		return NULL;
	m->broken = true;
	memcpy(m->behind, x->behind, sizeof(m->behind));
	m->lost_tokens = share(r->prompt_tokens, x->regained, new->rendered.bytes);
	m->byte_offset = x->place.body_byte;
	m->path = x->place.path;
	m->old_text = x->place.old_text;
	m->new_text = x->place.new_text;
	x->place = (struct prompt_place){0};
	if (m->path || x->first.new_piece == new->rendered.n)
		return m;
	const struct render_piece *b = piece_of(new, x->first.new_piece);
	const struct trace_prompt_part at = {b->part, b->message, b->index};
	struct buf path;
	buf_init(&path, 256);
	prompt_part_path(new->trace, j->report->exchanges[exchange].x, &at, &path);
	m->path = buf_steal(&path);
	m->byte_offset = -1;
	buf_release(&path);
	return m;
}

/* ---- judging */

/* The tokens of a prompt that its successor should have found in the cache. */
static int64_t reusable(const struct judge *j, const struct why_request *r, int64_t parent_tokens)
{
	int64_t block = (int64_t)j->views.rules.block_tokens;
	int64_t tokens = parent_tokens - SLACK_TOKENS;
	if (r->prompt_tokens != TOKENS_UNKNOWN && r->prompt_tokens - 1 < tokens)
		tokens = r->prompt_tokens - 1;
	return tokens < 0 ? 0 : tokens / block * block;
}

/* Tokens this few are not worth a word. */
static int64_t negligible(const struct judge *j)
{
	return (int64_t)j->views.rules.block_tokens + SLACK_TOKENS;
}

static bool engine_says(const struct judge *j, const struct exchange *x)
{
	return x->response.engine && engine_from_name(str_from(x->response.engine)) == j->out->backend.engine;
}

/* The prompt that the backend counted has not grown as the request has. */
static bool truncated(const struct judge *j, const struct report_exchange *e, const struct report_exchange *parent,
		      const struct view *old, const struct view *new)
{
	return engine_truncates(j->out->backend.engine) && e->basis == TOKENS_REPORTED &&
	       parent->basis == TOKENS_REPORTED &&
	       new->rendered.bytes >= old->rendered.bytes &&server_cut_off(parent->prompt, e->prompt,
									   new->rendered.bytes - old->rendered.bytes);
}

static void judge_broken(struct judge *j, uint32_t exchange, const struct view *old, const struct view *new,
			 const struct comparison *c)
{
	struct report_exchange *e = &j->report->exchanges[exchange];
	struct why_request *r = &j->out->requests[exchange];
	struct explained x;

	explain(j->report, exchange, old, new, c, false, &x);
	int64_t regained = share(r->prompt_tokens, x.regained, new->rendered.bytes);
	bool worth =
		regained == TOKENS_UNKNOWN || regained > (negligible(j) > WORTH_TOKENS ? negligible(j) : WORTH_TOKENS);
	/* What stops where the conversation ends anyhow is not to blame for that. */
	for (size_t i = 0; !worth && i < WHY_BEHIND_MAX && x.behind[i]; i++)
		if (x.behind[i]->expected) {
			x.cause = x.behind[i];
			memset(x.behind, 0, sizeof(x.behind));
		}
	/* Where nothing comes again behind the place (a turn taken back, another question asked) nothing is lost. */
	if (x.cause->expected || worth) {
		struct why_miss *m = add_broken(j, exchange, new, &x);
		int64_t holds;
		if (m && e->cached != TOKENS_UNKNOWN && !m->cause->expected && m->matched_tokens > negligible(j) &&
		    (double)e->cached < SHORTFALL * (double)(m->matched_tokens - negligible(j)))
			explain_add_behind(m->behind, m->cause,
					   server_cause(j->report, exchange, &j->out->backend, &j->memory, &holds));
	}
	explained_release(&x);
}

static void judge_pair(struct judge *j, uint32_t exchange, const struct view *old, const struct view *new)
{
	struct report *report = j->report;
	struct report_exchange *e = &report->exchanges[exchange], *parent = &report->exchanges[e->parent];
	struct why_request *r = &j->out->requests[exchange];
	struct comparison c = {0};

	compare(old, new, &c);
	r->matched_tokens = c.differs ? share(r->prompt_tokens, c.common_bytes, new->rendered.bytes) : parent->prompt;
	if (r->matched_tokens > r->prompt_tokens)
		r->matched_tokens = r->prompt_tokens;
	const char *old_model = parent->x->model ? parent->x->model : "", *new_model = e->x->model ? e->x->model : "";
	int64_t due = parent->prompt == TOKENS_UNKNOWN ? TOKENS_UNKNOWN : reusable(j, r, parent->prompt);
	bool held = e->cached != TOKENS_UNKNOWN && due != TOKENS_UNKNOWN && e->cached + negligible(j) >= due;

	/* On a server with one model the name does not matter, and its report says so. */
	if (strcmp(old_model, new_model) != 0 && !held) {
		struct why_miss *m = add_miss(j, exchange, breaker_find("model_switch"));
		if (m)
			m->lost_tokens = parent->prompt;
		return;
	}
	/* What follows the place in the old prompt is all that can be lost by it. */
	int64_t behind = share(parent->prompt, old->rendered.bytes - c.old_common_bytes, old->rendered.bytes);
	if (c.differs && (behind == TOKENS_UNKNOWN || behind > negligible(j)) && c.new_piece < new->rendered.n) {
		if (!(held && engine_says(j, e->x)))
			judge_broken(j, exchange, old, new, &c);
		return;
	}
	if (!c.differs && truncated(j, e, parent, old, new)) {
		add_miss(j, exchange, breaker_find("prompt_truncated"));
		return;
	}
	if (e->cached == TOKENS_UNKNOWN || due == TOKENS_UNKNOWN || held)
		return;
	if (j->out->backend.engine == ENGINE_ANTHROPIC && parent->prompt < CLOUD_MIN_TOKENS)
		return;
	int64_t holds;
	struct why_miss *m =
		add_miss(j, exchange, server_cause(report, exchange, &j->out->backend, &j->memory, &holds));
	if (m) {
		m->lost_tokens = due - e->cached;
		m->cache_tokens = holds;
	}
}

/* A conversation that goes on with another model though no header says that it is the same one. */
static bool judge_other_model(struct judge *j, uint32_t exchange, const struct view *now)
{
	const struct report_exchange *e = &j->report->exchanges[exchange], *parent;
	struct why_request *r = &j->out->requests[exchange];
	uint32_t other = across_other_model(j->across, j->report, exchange, now);
	struct comparison c = {0};

	if (other == LINEAGE_NONE || view_render(&j->views, other, &j->other) < 0)
		return false;
	parent = &j->report->exchanges[other];
	/* On a server with one model it had the prompt. */
	if (e->cached != TOKENS_UNKNOWN && parent->prompt != TOKENS_UNKNOWN &&
	    e->cached + negligible(j) >= reusable(j, r, parent->prompt))
		return false;
	compare(&j->other, now, &c);
	r->matched_tokens = share(r->prompt_tokens, c.common_bytes, now->rendered.bytes);
	struct why_miss *m = add_miss(j, exchange, breaker_find("model_switch"));
	if (m) {
		m->parent = other;
		m->lost_tokens = parent->prompt;
	}
	return true;
}

/*
 * The first request of a conversation. That nothing of it was prefilled is as it must be, unless another conversation's
 * head is the same but for something that need not differ.
 */
static void judge_first(struct judge *j, uint32_t exchange, const struct view *now)
{
	const struct report_exchange *e = &j->report->exchanges[exchange];
	struct why_request *r = &j->out->requests[exchange];
	uint32_t candidates[ACROSS_MAX], parent = LINEAGE_NONE;
	struct explained best = {.cause = NULL};
	if (judge_other_model(j, exchange, now))
		return;
	size_t n = across_find(j->across, j->report, exchange, now, candidates);

	for (size_t i = 0; i < n; i++) {
		struct comparison c = {0};
		struct explained x;
		if (view_render(&j->views, candidates[i], &j->other) < 0)
			continue;
		compare(&j->other, now, &c);
		if (c.new_piece == now->rendered.n || !c.differs ||
		    piece_of(now, c.new_piece)->place == RENDER_MESSAGES)
			continue;
		explain(j->report, exchange, &j->other, now, &c, true, &x);
		if (x.cause && x.regained > best.regained) {
			explained_release(&best);
			best = x;
			parent = candidates[i];
		} else {
			explained_release(&x);
		}
	}
	int64_t regained = share(r->prompt_tokens, best.regained, now->rendered.bytes);
	int64_t prefix = share(r->prompt_tokens, best.prefix, now->rendered.bytes);
	bool had_it = e->cached != TOKENS_UNKNOWN && regained != TOKENS_UNKNOWN &&
		      e->cached + negligible(j) >= prefix + regained / 2;
	if (best.cause && regained > 4 * negligible(j) && !had_it) {
		struct why_miss *m = add_broken(j, exchange, now, &best);
		if (m)
			m->parent = parent;
	} else {
		r->matched_tokens = 0;
		add_miss(j, exchange, breaker_find("first_request"));
	}
	explained_release(&best);
}

static bool same_scope(const struct exchange *a, const struct exchange *b)
{
	const char *x[2] = {a->model ? a->model : "", b->model ? b->model : ""};
	const char *y[2] = {a->peer ? a->peer : "", b->peer ? b->peer : ""};
	return strcmp(x[0], x[1]) == 0 && strcmp(y[0], y[1]) == 0;
}

static void judge_request(struct judge *j, uint32_t exchange)
{
	struct report_exchange *e = &j->report->exchanges[exchange];
	struct why_request *r = &j->out->requests[exchange];
	uint32_t lineage = e->lineage;

	*r = (struct why_request){.exchange = exchange,
				  .prompt_tokens = e->prompt,
				  .matched_tokens = TOKENS_UNKNOWN,
				  .matched_any_tokens = TOKENS_UNKNOWN,
				  .wire_tokens = e->repeated,
				  .cached_tokens = e->cached,
				  .basis = e->basis};
	if (e->counts_only || e->x->response.status >= 400)
		return;
	struct view now = j->spare[lineage];
	j->spare[lineage] = (struct view){0};
	if (view_render(&j->views, exchange, &now) < 0 || now.rendered.n == 0) {
		j->out->unreadable += !j->views.no_memory;
		view_release(&now);
		return;
	}
	j->out->refused += now.rendered.refused;
	uint64_t any = 0;
	size_t known = 0;
	if (j->last_of[lineage] != LINEAGE_NONE && same_scope(j->report->exchanges[j->last_of[lineage]].x, e->x))
		known = rendered_common(&j->last[lineage].rendered, &now.rendered);
	if (seen_add(j->seen, e->x->model, e->x->peer, &now.rendered, known, &any) < 0)
		j->views.no_memory = true;
	r->matched_any_tokens = share(r->prompt_tokens, any, now.rendered.bytes);

	if (e->parent == LINEAGE_NONE)
		judge_first(j, exchange, &now);
	else if (j->last_of[lineage] == e->parent)
		judge_pair(j, exchange, &j->last[lineage], &now);
	else if (view_render(&j->views, e->parent, &j->other) == 0)
		judge_pair(j, exchange, &j->other, &now);
	else
		j->out->unreadable++;
	if (across_add(j->across, j->report, exchange, &now) < 0)
		j->views.no_memory = true;
	j->spare[lineage] = j->last[lineage];
	j->last[lineage] = now;
	j->last_of[lineage] = exchange;
}

int why_build(struct report *report, const struct backend *backend, bool recognised, struct why *out, char *error,
	      size_t error_bytes)
{
	struct render_rules rules;
	backend_rules(backend, &rules);
	return why_build_by(report, backend, &rules, recognised, out, error, error_bytes);
}

int why_build_by(struct report *report, const struct backend *backend, const struct render_rules *rules,
		 bool recognised, struct why *out, char *error, size_t error_bytes)
{
	struct judge j = {.report = report, .out = out};
	size_t lineages = report->lineages.n;

	*out = (struct why){.backend = *backend, .rules = *rules, .recognised = recognised};
	bool ready = views_init(&j.views, report, rules) == 0 && clients_init(&j.clients, report) == 0;
	ready = server_learn(report, &j.memory) == 0 && ready;
	out->requests = calloc(report->nexchanges + 1, sizeof(*out->requests));
	j.last = calloc(lineages + 1, sizeof(*j.last));
	j.spare = calloc(lineages + 1, sizeof(*j.spare));
	j.last_of = calloc(lineages + 1, sizeof(*j.last_of));
	j.seen = seen_new();
	j.across = across_new();
	ready = ready && out->requests && j.last && j.spare && j.last_of && j.seen && j.across;
	for (size_t i = 0; ready && i < lineages; i++)
		j.last_of[i] = LINEAGE_NONE;
	for (uint32_t i = 0; ready && i < report->nexchanges; i++) {
		judge_request(&j, i);
		ready = !j.views.no_memory;
	}

	for (size_t i = 0; j.last && i < lineages; i++)
		view_release(&j.last[i]);
	for (size_t i = 0; j.spare && i < lineages; i++)
		view_release(&j.spare[i]);
	view_release(&j.other);
	free(j.last);
	free(j.spare);
	free(j.last_of);
	seen_free(j.seen);
	across_free(j.across);
	clients_release(&j.clients);
	server_forget(&j.memory);
	views_release(&j.views);
	if (!ready) {
		snprintf(error, error_bytes, "out of memory");
		return -1;
	}
	return 0;
}

void why_release(struct why *w)
{
	for (size_t i = 0; i < w->nmisses; i++) {
		free(w->misses[i].path);
		free(w->misses[i].old_text);
		free(w->misses[i].new_text);
	}
	free(w->misses);
	free(w->requests);
	free(w->same);
	*w = (struct why){0};
}
