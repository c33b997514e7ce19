/* SPDX-License-Identifier: MIT */
#include "why/why.h"

#include "base/array.h"
#include "base/clock.h"
#include "trace/prompt_diff.h"
#include "why/compare.h"
#include "why/seen.h"
#include "why/server.h"
#include "why/signs.h"

#include <math.h>
#include <stdlib.h>

/* Texts longer than this are no countdown and no billing block. */
#define SHORT_PART_BYTES 600
/* The generation prompt at a prompt's end, and what differs by rounding, are no loss. */
#define SLACK_TOKENS 32

struct judge {
	struct report *report;
	struct render_rules rules;
	struct why *out;
	struct view *last; /* per lineage: its newest prompt, rendered */
	uint32_t *last_of; /* which exchange that is */
	struct view other; /* of a parent that is not the newest */
	struct seen *seen;
	size_t misses_capacity;
	bool no_memory;
};

static struct trace *trace_of(struct judge *j, uint32_t exchange)
{
	return &j->report->traces[j->report->exchanges[exchange].trace];
}

static int part_text(void *context, uint32_t part, struct buf *out)
{
	char error[256];
	return trace_part_text(context, part, out, error, sizeof(error));
}

static uint32_t classify(struct trace *t, const struct render_piece *piece)
{
	const struct trace_part *part = &t->parts[piece->part];
	uint32_t class = 0;
	if (part->block == BLOCK_BILLING)
		class |= PIECE_BILLING;
	if (part->kind == PART_TOOL)
		class |= PIECE_TOOL;
	if (piece->moved)
		class |= PIECE_MOVED;
	if (part->block == BLOCK_THINKING)
		class |= PIECE_THINKING;
	if (part->role == ROLE_SYSTEM && part->kind == PART_MESSAGE && part->bytes < SHORT_PART_BYTES) {
		struct buf text;
		buf_init(&text, (size_t)4 * SHORT_PART_BYTES);
		if (signs_part_text(t, piece->part, &text) == 0 && signs_is_countdown(buf_str(&text)))
			class |= PIECE_COUNTDOWN;
		buf_release(&text);
	}
	return class;
}

static int render_view(struct judge *j, uint32_t exchange, struct view *v)
{
	const struct trace_prompt_part *prompt;
	struct trace *t = trace_of(j, exchange);
	char error[256];
	size_t n;

	v->trace = t;
	if (trace_prompt(t, (size_t)(j->report->exchanges[exchange].x - t->exchanges), &prompt, &n, error,
			 sizeof(error)) < 0)
		return -1;
	if (render_prompt(&j->rules, t->parts, prompt, n, part_text, t, &v->rendered) < 0)
		goto no_memory;
	uint32_t *grown = array_grow(v->classes, &v->classes_capacity, v->rendered.n + 1, sizeof(*grown));
	if (!grown)
		goto no_memory;
	v->classes = grown;
	for (size_t i = 0; i < v->rendered.n; i++)
		v->classes[i] = classify(t, &v->rendered.pieces[i]);
	return 0;
no_memory:
	j->no_memory = true;
	return -1;
}

static void view_release(struct view *v)
{
	rendered_release(&v->rendered);
	free(v->classes);
}

static int64_t share(int64_t tokens, uint64_t bytes, uint64_t of)
{
	if (tokens == TOKENS_UNKNOWN || of == 0)
		return TOKENS_UNKNOWN;
	return (int64_t)((double)tokens * (double)bytes / (double)of);
}

/* "claude-cli/2.1.330 (external, sdk-cli)" */
static struct client_version client_of(const struct exchange *x)
{
	struct client_version v = {{0, 0, 0}};
	struct str agent = str_from(exchange_header_value(x->request.headers, x->request.nheaders, "User-Agent"));
	if (str_starts(agent, STR("claude-cli/")))
		client_version_parse((struct str){agent.p + 11, agent.n - 11}, &v);
	return v;
}

static struct why_miss *add_miss(struct judge *j, uint32_t exchange, const struct breaker *cause)
{
	struct why *w = j->out;
	struct why_miss *grown = array_grow(w->misses, &j->misses_capacity, w->nmisses + 1, sizeof(*grown));
	if (!grown) {
		j->no_memory = true;
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
			       .client = client_of(e->x),
			       .byte_offset = -1,
			       .token_offset = r->matched_tokens,
			       .matched_tokens = r->matched_tokens,
			       .prompt_tokens = r->prompt_tokens,
			       .lost_tokens = TOKENS_UNKNOWN,
			       .seconds_lost = NAN};
	return m;
}

static void add_behind(struct why_miss *m, const struct breaker *cause)
{
	if (cause == m->cause)
		return;
	for (size_t i = 0; i < WHY_BEHIND_MAX; i++) {
		if (m->behind[i] == cause)
			return;
		if (!m->behind[i]) {
			m->behind[i] = cause;
			return;
		}
	}
}

/* Explains what was found, makes as if it had not been, and looks again. */
static void find_causes(struct judge *j, uint32_t exchange, const struct view *old, const struct view *new,
			struct comparison c)
{
	const struct comparison first = c;
	const struct breaker *cause = signs_cause(old, new, &c);
	const struct breaker *hoist = breaker_find("system_turn_hoisted");
	struct why_miss *m = add_miss(j, exchange, cause);
	char error[256];

	if (!m)
		return;
	m->broken = true;
	if (cause == hoist && signs_moved_countdown(old, new))
		add_behind(m, breaker_find("total_tokens_reminder"));
	for (unsigned i = 0; i < COMPARE_EXCUSED_MAX && !cause->expected; i++) {
		compare(old, new, &c);
		if (!c.differs || c.new_piece == new->rendered.n)
			break;
		add_behind(m, signs_cause(old, new, &c));
	}

	if (first.new_piece == new->rendered.n)
		return;
	const struct render_piece *a = &old->rendered.pieces[first.old_piece];
	const struct render_piece *b = &new->rendered.pieces[first.new_piece];
	const struct report_exchange *e = &j->report->exchanges[exchange];
	const struct trace_prompt_part at = {b->part, b->message, b->index};
	struct prompt_place place = {0};
	if (prompt_place_find(old->trace, a->part, new->trace, (size_t)(e->x - new->trace->exchanges), &at, &place,
			      error, sizeof(error)) == 0) {
		m->byte_offset = place.body_byte;
		m->path = place.path;
		m->old_text = place.old_text;
		m->new_text = place.new_text;
		place = (struct prompt_place){0};
	}
	prompt_place_release(&place);
	if (!m->path) {
		struct buf path;
		buf_init(&path, 256);
		prompt_part_path(new->trace, e->x, &at, &path);
		m->path = buf_steal(&path);
		buf_release(&path);
	}
}

/* The tokens of a prompt that its successor should have found in the cache. */
static int64_t reusable(const struct judge *j, const struct why_request *r, int64_t parent_tokens)
{
	int64_t block = (int64_t)j->rules.block_tokens;
	int64_t tokens = parent_tokens - SLACK_TOKENS;
	if (r->prompt_tokens != TOKENS_UNKNOWN && r->prompt_tokens - 1 < tokens)
		tokens = r->prompt_tokens - 1;
	return tokens < 0 ? 0 : tokens / block * block;
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
	int64_t block = (int64_t)j->rules.block_tokens;
	bool broken = c.differs;
	/* What is lost behind the first difference, were it not there. */
	int64_t lost = parent->prompt == TOKENS_UNKNOWN || r->matched_tokens == TOKENS_UNKNOWN
			       ? TOKENS_UNKNOWN
			       : parent->prompt - r->matched_tokens;
	if (broken && lost != TOKENS_UNKNOWN && lost <= block + SLACK_TOKENS && c.old_piece + 1 >= old->rendered.n)
		broken = false; /* the last assistant turn came back in other words: generated output is a bonus */

	if (strcmp(old_model, new_model) != 0) {
		struct why_miss *m = add_miss(j, exchange, breaker_find("model_switch"));
		if (m)
			m->lost_tokens = parent->prompt;
		return;
	}
	if (broken) {
		size_t before = j->out->nmisses;
		find_causes(j, exchange, old, new, c);
		if (j->out->nmisses > before)
			j->out->misses[before].lost_tokens = lost;
		return;
	}
	if (e->cached == TOKENS_UNKNOWN || parent->prompt == TOKENS_UNKNOWN)
		return;
	int64_t due = reusable(j, r, parent->prompt);
	if (e->cached + block + SLACK_TOKENS >= due)
		return;
	struct why_miss *m = add_miss(j, exchange, server_cause(report, exchange, &j->out->backend));
	if (m)
		m->lost_tokens = due - e->cached;
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
	struct view now = {0};
	if (render_view(j, exchange, &now) < 0 || now.rendered.n == 0) {
		j->out->unreadable += !j->no_memory;
		view_release(&now);
		return;
	}
	uint64_t any = 0;
	if (seen_add(j->seen, e->x->model, e->x->peer, &now.rendered, &any) < 0)
		j->no_memory = true;
	r->matched_any_tokens = share(r->prompt_tokens, any, now.rendered.bytes);

	if (e->parent == LINEAGE_NONE) {
		const struct lineage *l = &j->report->lineages.lineages[lineage];
		r->matched_tokens = 0;
		add_miss(j, exchange, breaker_find(l->first == exchange ? "first_request" : "clear"));
	} else if (j->last_of[lineage] == e->parent) {
		judge_pair(j, exchange, &j->last[lineage], &now);
	} else if (render_view(j, e->parent, &j->other) == 0) {
		judge_pair(j, exchange, &j->other, &now);
	} else {
		j->out->unreadable++;
	}
	view_release(&j->last[lineage]);
	j->last[lineage] = now;
	j->last_of[lineage] = exchange;
}

int why_build(struct report *report, const struct backend *backend, bool recognised, struct why *out, char *error,
	      size_t error_bytes)
{
	struct judge j = {.report = report, .out = out};
	size_t lineages = report->lineages.n;

	*out = (struct why){.backend = *backend, .recognised = recognised};
	backend_rules(backend, &j.rules);
	out->requests = calloc(report->nexchanges + 1, sizeof(*out->requests));
	j.last = calloc(lineages + 1, sizeof(*j.last));
	j.last_of = calloc(lineages + 1, sizeof(*j.last_of));
	j.seen = seen_new();
	j.no_memory = !out->requests || !j.last || !j.last_of || !j.seen;
	for (size_t i = 0; !j.no_memory && i < lineages; i++)
		j.last_of[i] = LINEAGE_NONE;
	for (uint32_t i = 0; !j.no_memory && i < report->nexchanges; i++)
		judge_request(&j, i);

	for (size_t i = 0; j.last && i < lineages; i++)
		view_release(&j.last[i]);
	view_release(&j.other);
	free(j.last);
	free(j.last_of);
	seen_free(j.seen);
	if (j.no_memory) {
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
	*w = (struct why){0};
}

struct backend why_recognise(const struct report *report)
{
	struct backend found = {0};
	for (size_t i = 0; i < report->nexchanges; i++) {
		const struct exchange *x = report->exchanges[i].x;
		enum engine engine =
			x->response.engine ? engine_from_name(str_from(x->response.engine)) : ENGINE_UNKNOWN;
		if (engine == ENGINE_UNKNOWN)
			continue;
		if (found.engine != ENGINE_UNKNOWN && found.engine != engine)
			return (struct backend){0};
		found.engine = engine;
		if (x->model)
			found.chat_template = template_of_model(str_from(x->model));
	}
	return found;
}

static int worse(const void *a, const void *b)
{
	const struct why_cause *x = a, *y = b;
	double sx = isnan(x->seconds_lost) ? 0 : x->seconds_lost, sy = isnan(y->seconds_lost) ? 0 : y->seconds_lost;
	if (x->cause->expected != y->cause->expected)
		return x->cause->expected ? 1 : -1;
	if (sx != sy)
		return sx > sy ? -1 : 1;
	return x->lost_tokens != y->lost_tokens ? (x->lost_tokens > y->lost_tokens ? -1 : 1)
						: (x->misses < y->misses) - (x->misses > y->misses);
}

size_t why_causes(const struct why *w, struct why_cause *out, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < w->nmisses; i++) {
		const struct why_miss *m = &w->misses[i];
		size_t k = 0;
		while (k < n && out[k].cause != m->cause)
			k++;
		if (k == max)
			continue;
		if (k == n)
			out[n++] = (struct why_cause){
				.cause = m->cause, .lost_tokens = TOKENS_UNKNOWN, .seconds_lost = NAN, .worst = i};
		struct why_cause *c = &out[k];
		c->misses++;
		if (m->lost_tokens != TOKENS_UNKNOWN) {
			if (m->lost_tokens > w->misses[c->worst].lost_tokens)
				c->worst = i;
			c->lost_tokens = (c->lost_tokens == TOKENS_UNKNOWN ? 0 : c->lost_tokens) + m->lost_tokens;
		}
		if (!isnan(m->seconds_lost))
			c->seconds_lost = (isnan(c->seconds_lost) ? 0 : c->seconds_lost) + m->seconds_lost;
	}
	qsort(out, n, sizeof(*out), worse);
	return n;
}
