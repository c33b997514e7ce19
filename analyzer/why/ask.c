/* SPDX-License-Identifier: MIT */
#include "why/ask.h"

#include "base/array.h"
#include "base/json_span.h"
#include "replay/rewrite.h"

#include <stdlib.h>

#define BODY_MAX ((size_t)1 << 30)
#define ANSWER_MAX ((size_t)256 << 20)
/* Who has answered none of so many is not asked any more. */
#define ASK_IN_VAIN 3
/* What two prompts may differ by at their ends and still be said to be laid out alike. */
#define ALIKE_TOKENS 48

struct token_list {
	uint32_t exchange; /* LINEAGE_NONE: empty */
	int64_t *tokens;
	size_t n, capacity;
};

struct asking {
	struct client *client;
	const struct base_url *base;
	const struct engine_facts *facts;
	struct report *report;
	struct render_rules rules; /* that the misses were judged by */
	struct ask_counts *counts;
	struct token_list lists[2]; /* those asked for last */
	unsigned next;
};

static void note(struct asking *a, const char *path, const char *what)
{
	if (!a->counts->error[0])
		snprintf(a->counts->error, sizeof(a->counts->error), "%s: %s", path, what ? what : "no answer");
}

/* Posts a body; the answer's body is in *answer, which the caller releases. */
static bool post(struct asking *a, const char *path, enum kvs_llm_api api, struct str body,
		 struct client_answer *answer)
{
	const struct client_request request = {.api = api, .path = path, .body = body, .limit_s = 120};
	client_answer_init(answer, ANSWER_MAX);
	if (client_fetch(a->client, a->base, &request, answer) == CLIENT_DONE)
		return true;
	note(a, path, answer->x.response.error);
	return false;
}

/* The value of a member of an object, as it stands; absent if there is none. */
static struct str member(struct str json, const char *name)
{
	struct json_value v;
	return json_span_member(json, str_from(name), &v) ? v.raw : STR_NONE;
}

/* "[1, 2, 3]" */
static bool read_tokens(struct str json, struct token_list *out)
{
	out->n = 0;
	for (size_t i = 0; i < json.n; i++) {
		if (json.p[i] < '0' || json.p[i] > '9')
			continue;
		int64_t token = 0;
		for (; i < json.n && json.p[i] >= '0' && json.p[i] <= '9'; i++)
			token = token * 10 + (json.p[i] - '0');
		int64_t *grown = array_grow(out->tokens, &out->capacity, out->n + 1, sizeof(*grown));
		if (!grown)
			return false;
		out->tokens = grown;
		out->tokens[out->n++] = token;
	}
	return out->n > 0;
}

/* The request as the backend's chat template gets it. */
static bool chat_body(struct asking *a, uint32_t exchange, struct buf *out)
{
	const struct report_exchange *e = &a->report->exchanges[exchange];
	struct trace *t = &a->report->traces[e->trace];
	struct rewrite_rules how = {.model = a->facts->model,
				    .max_tokens = -1,
				    .billing = a->rules.billing == BILLING_REMOVED  ? BILLING_STRIP
					       : a->rules.billing == BILLING_MASKED ? BILLING_PIN
										    : BILLING_AS_SENT,
				    .inline_system = a->rules.system_turns == TURNS_HOISTED   ? INLINE_MERGE
						     : a->rules.system_turns == TURNS_REROLED ? INLINE_USER
											      : INLINE_KEEP,
				    .to_openai = true};
	const char *what = NULL;
	char error[256];
	uint32_t changes = 0;
	struct buf body;

	buf_init(&body, BODY_MAX);
	bool ok = trace_request_body(t, (size_t)(e->x - t->exchanges), &body, error, sizeof(error)) == 0;
	if (!ok)
		note(a, "the trace", error);
	else if (rewrite_body(e->x->api, buf_str(&body), &how, out, &changes, &what) < 0) {
		note(a, "a request", what);
		ok = false;
	}
	buf_release(&body);
	return ok;
}

static bool tokens_of_template(struct asking *a, struct str chat, struct token_list *out)
{
	struct client_answer answer;
	struct buf body;
	bool ok = false;

	buf_init(&body, BODY_MAX);
	if (post(a, "/apply-template", KVS_API_NONE, chat, &answer)) {
		struct str prompt = member(buf_str(&answer.x.response.body), "prompt");
		if (prompt.n) {
			buf_printf(&body, "{\"add_special\":true,\"parse_special\":true,\"content\":");
			buf_append_str(&body, prompt);
			buf_putc(&body, '}');
		}
	}
	client_answer_release(&answer);
	if (body.n && !body.failed) {
		if (post(a, "/tokenize", KVS_API_NONE, buf_str(&body), &answer))
			ok = read_tokens(member(buf_str(&answer.x.response.body), "tokens"), out);
		client_answer_release(&answer);
	}
	buf_release(&body);
	return ok;
}

/* The tokens of a request's prompt; NULL where they cannot be had. Valid until the next but one call. */
static const struct token_list *tokens_of(struct asking *a, uint32_t exchange)
{
	for (int i = 0; i < 2; i++)
		if (a->lists[i].exchange == exchange)
			return &a->lists[i];
	struct token_list *list = &a->lists[a->next];
	struct client_answer answer;
	struct buf chat;
	bool ok = false;

	a->next = 1 - a->next;
	list->exchange = LINEAGE_NONE;
	buf_init(&chat, BODY_MAX);
	if (chat_body(a, exchange, &chat)) {
		if (a->facts->profile->counts == COUNTS_TEMPLATE) {
			ok = tokens_of_template(a, buf_str(&chat), list);
		} else {
			if (post(a, "/tokenize", KVS_API_NONE, buf_str(&chat), &answer))
				ok = read_tokens(member(buf_str(&answer.x.response.body), "tokens"), list);
			client_answer_release(&answer);
		}
	}
	buf_release(&chat);
	if (ok)
		list->exchange = exchange;
	return ok ? list : NULL;
}

static int64_t common_tokens(const struct token_list *a, const struct token_list *b)
{
	size_t n = 0;
	while (n < a->n && n < b->n && a->tokens[n] == b->tokens[n])
		n++;
	return (int64_t)n;
}

/* Where a count was scaled to another length. */
static int64_t scaled(int64_t tokens, int64_t from, int64_t to)
{
	return tokens == TOKENS_UNKNOWN || from <= 0 ? tokens : (int64_t)((double)tokens * (double)to / (double)from);
}

/* The length alone. */
static bool count(struct asking *a, struct why_miss *m)
{
	const struct report_exchange *e = &a->report->exchanges[m->exchange];
	struct trace *t = &a->report->traces[e->trace];
	struct client_answer answer;
	struct buf body, sent;
	const struct rewrite_rules how = {.model = a->facts->model, .max_tokens = -1};
	const char *what;
	char error[256];
	uint32_t changes;
	int64_t n = 0;

	if (e->x->api != KVS_API_ANTHROPIC_MESSAGES)
		return false;
	buf_init(&body, BODY_MAX);
	buf_init(&sent, BODY_MAX);
	if (trace_request_body(t, (size_t)(e->x - t->exchanges), &body, error, sizeof(error)) == 0 &&
	    rewrite_body(e->x->api, buf_str(&body), &how, &sent, &changes, &what) == 0) {
		if (post(a, "/v1/messages/count_tokens", KVS_API_ANTHROPIC_COUNT_TOKENS, buf_str(&sent), &answer)) {
			struct str number = member(buf_str(&answer.x.response.body), "input_tokens");
			for (size_t i = 0; i < number.n && number.p[i] >= '0' && number.p[i] <= '9'; i++)
				n = n * 10 + (number.p[i] - '0');
		}
		client_answer_release(&answer);
	}
	buf_release(&body);
	buf_release(&sent);
	if (n == 0)
		return false;
	m->matched_tokens = scaled(m->matched_tokens, m->prompt_tokens, n);
	m->lost_tokens = scaled(m->lost_tokens, m->prompt_tokens, n);
	m->token_offset = m->matched_tokens;
	m->prompt_tokens = n;
	return true;
}

/* Both prompts as tokens. Returns whether they are to be had; *alike: they do not part before the old one's end. */
static bool compare_tokens(struct asking *a, struct why_miss *m, bool *alike)
{
	const struct token_list *old = m->parent == LINEAGE_NONE ? NULL : tokens_of(a, m->parent);
	const struct token_list *new = tokens_of(a, m->exchange);

	*alike = false;
	if (!new || (m->parent != LINEAGE_NONE && !old))
		return false;
	int64_t length = (int64_t) new->n, matched = old ? common_tokens(old, new) : 0;
	m->lost_tokens = scaled(m->lost_tokens, m->prompt_tokens, length);
	m->prompt_tokens = length;
	if (!old || !m->broken)
		return true;
	*alike = matched + ALIKE_TOKENS >= (int64_t)old->n;
	m->matched_tokens = m->token_offset = matched;
	return true;
}

/* Takes misses out whose cause is NULL. */
static void take_out(struct why *w)
{
	size_t to = 0;
	for (size_t i = 0; i < w->nmisses; i++) {
		struct why_miss *m = &w->misses[i];
		if (!m->cause) {
			w->requests[m->exchange].misses = false;
			w->unexpected--;
			free(m->path);
			free(m->old_text);
			free(m->new_text);
			continue;
		}
		w->requests[m->exchange].miss = to;
		w->misses[to++] = *m;
	}
	w->nmisses = to;
}

struct order {
	int64_t lost;
	bool expected;
	size_t miss;
};

static int by_loss(const void *a, const void *b)
{
	const struct order *x = a, *y = b;
	if (x->expected != y->expected)
		return x->expected ? 1 : -1;
	return (x->lost < y->lost) - (x->lost > y->lost);
}

int ask_misses(struct client *client, const struct base_url *base, const struct engine_facts *facts,
	       struct report *report, struct why *why, struct ask_counts *out)
{
	struct asking a = {.client = client,
			   .base = base,
			   .facts = facts,
			   .report = report,
			   .counts = out,
			   .lists = {{.exchange = LINEAGE_NONE}, {.exchange = LINEAGE_NONE}}};
	enum count_kind counts = facts->profile->counts;
	bool templated = counts == COUNTS_TEMPLATE || counts == COUNTS_CHAT;
	struct order *order = malloc((why->nmisses + 1) * sizeof(*order));

	*out = (struct ask_counts){0};
	if (!order)
		return -1;
	a.rules = why->rules;
	for (size_t i = 0; i < why->nmisses; i++)
		order[i] = (struct order){why->misses[i].lost_tokens, why->misses[i].cause->expected, i};
	qsort(order, why->nmisses, sizeof(*order), by_loss);
	for (size_t i = 0; i < why->nmisses && i < ASK_MISSES_MAX && counts != COUNTS_NONE; i++) {
		struct why_miss *m = &why->misses[order[i].miss];
		bool alike = false;
		out->asked++;
		if (templated && compare_tokens(&a, m, &alike)) {
			m->counted = true;
			out->counted++;
		} else if (count(&a, m)) {
			m->counted = true;
			out->lengths++;
		} else if (out->asked >= ASK_IN_VAIN && out->counted + out->lengths == 0) {
			break;
		}
		if (alike && !m->cause->expected) {
			out->refuted++;
			m->cause = NULL;
		}
	}
	take_out(why);
	free(order);
	free(a.lists[0].tokens);
	free(a.lists[1].tokens);
	return 0;
}
