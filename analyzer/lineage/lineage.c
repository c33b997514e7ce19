/* SPDX-License-Identifier: MIT */
#include "lineage/lineage.h"

#include "base/array.h"
#include "lineage/finder.h"
#include "lineage/roles.h"

#include <stdlib.h>

/* A prompt with so many times fewer or more tools repeats a conversation, and does not go on with it (a summary). */
#define OTHER_TOOLS_FACTOR 8
/* How far back in a prompt a known word of the assistant is looked for. */
#define WITNESS_PARTS_MAX 512
/* How many of them are heard. */
#define WITNESSES_MAX 8

static void key_add(struct buf *key, const char *s)
{
	/* With the terminator, so that no two lists of strings look alike; NULL differs from "". */
	buf_putc(key, s ? '=' : '-');
	buf_append(key, s ? s : "", s ? strlen(s) + 1 : 1);
}

static int scope_of(struct finder *f, const struct lineage_request *r, uint32_t *number)
{
	buf_reset(&f->key);
	/* No model reads what count_tokens counts, so nothing of it is sent again later. */
	buf_putc(&f->key, !r->has_prompt ? 'x' : r->api == KVS_API_ANTHROPIC_COUNT_TOKENS ? 'c' : 'p');
	if (!r->has_prompt)
		buf_printf(&f->key, "%d", (int)r->api);
	if (r->session) {
		key_add(&f->key, r->session);
		key_add(&f->key, r->agent);
	} else {
		key_add(&f->key, NULL);
		key_add(&f->key, r->model);
		key_add(&f->key, r->server);
	}
	if (f->key.failed || names_number(&f->scope_names, buf_str(&f->key), number) < 0)
		return -1;
	if (*number < f->nscopes)
		return 0;
	struct scope *grown = array_grow(f->scopes, &f->scopes_capacity, (size_t)*number + 1, sizeof(*grown));
	if (!grown)
		return -1;
	f->scopes = grown;
	f->scopes[*number] = (struct scope){.session = r->session, .agent = r->agent, .main = LINEAGE_NONE};
	f->nscopes = (size_t)*number + 1;
	return 0;
}

static int session_of(struct finder *f, uint32_t request, uint32_t *number)
{
	const struct lineage_request *r = &f->requests[request];
	buf_reset(&f->key);
	key_add(&f->key, r->session);
	if (!r->session)
		buf_printf(&f->key, "%u", r->run);
	if (f->key.failed || names_number(&f->session_names, buf_str(&f->key), number) < 0)
		return -1;
	if (*number < f->out->nsessions)
		return 0;
	struct lineage_session *grown =
		array_grow(f->out->sessions, &f->sessions_capacity, (size_t)*number + 1, sizeof(*grown));
	if (!grown)
		return -1;
	f->out->sessions = grown;
	f->out->sessions[*number] = (struct lineage_session){.id = r->session, .first = request};
	f->out->nsessions = (size_t)*number + 1;
	return 0;
}

static int begin_lineage(struct finder *f, uint32_t request, uint32_t *lineage)
{
	struct lineage_set *out = f->out;
	uint32_t session;
	if (session_of(f, request, &session) < 0)
		return -1;
	struct lineage *grown = array_grow(out->lineages, &f->lineages_capacity, out->n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	out->lineages = grown;
	struct state *states = array_grow(f->states, &f->states_capacity, out->n + 1, sizeof(*states));
	if (!states)
		return -1;
	f->states = states;
	*lineage = (uint32_t)out->n;
	f->states[out->n] = (struct state){.single = true, .longest = LINEAGE_NONE, .successor = LINEAGE_NONE};
	out->lineages[out->n++] =
		(struct lineage){.session = session, .first = request, .agent = f->requests[request].agent};
	return 0;
}

/* Rule 1: the lineage of the longest earlier prefix in this scope, if it is more than a common beginning. */
static uint32_t by_prefix(const struct finder *f, uint32_t scope, uint32_t prompt)
{
	uint32_t node = prompt;
	while (node != TREE_ROOT && pair_map_get(&f->owner, scope, node) == PAIR_NONE)
		node = node_of(f, node)->parent;
	if (!prompt_tree_is_message(f->tree, node))
		return LINEAGE_NONE;
	if (node_of(f, node)->assistants > 0)
		return pair_map_get(&f->owner, scope, node);
	for (; prompt_tree_is_message(f->tree, node); node = node_of(f, node)->parent) {
		uint32_t request = pair_map_get(&f->ends, scope, node);
		if (request != PAIR_NONE)
			return f->requests[request].lineage;
	}
	return LINEAGE_NONE;
}

static uint32_t witness_scope(const struct finder *f, uint32_t scope, uint32_t prompt)
{
	return scope * 2 + (node_of(f, prompt)->count[PART_TOOL] > 0);
}

static bool other_tools(const struct finder *f, uint32_t lineage, uint32_t prompt)
{
	uint32_t a = f->states[lineage].tools, b = node_of(f, prompt)->count[PART_TOOL];
	return a > b * OTHER_TOOLS_FACTOR || b > a * OTHER_TOOLS_FACTOR;
}

/*
 * Rule 2: the lineage whose assistant, or last user part, this prompt repeats. Short words ("Done.") are said in many
 * conversations: of the newest few known ones the lineage counts that said most of their bytes, the newest if equal.
 */
static uint32_t by_witness(const struct finder *f, uint32_t scope, uint32_t prompt)
{
	uint32_t assistants = node_of(f, prompt)->assistants, above = assistants;
	uint32_t key = witness_scope(f, scope, prompt);
	uint32_t symbol, lineages[WITNESSES_MAX], best = 0;
	uint64_t bytes[WITNESSES_MAX] = {0};
	size_t n = 0, seen = 0;
	struct tree_walk walk = prompt_tree_walk(f->tree, prompt);
	for (int i = 0; i < WITNESS_PARTS_MAX && seen < WITNESSES_MAX && message_above(f, &walk, &symbol); i++) {
		const struct tree_symbol *part = prompt_tree_symbol_of(f->tree, symbol);
		uint32_t lineage = pair_map_get(&f->witness, key, symbol);
		/* A user part says little unless the assistant has answered it here. */
		bool said = part->role == ROLE_ASSISTANT || above < assistants;
		above -= part->role == ROLE_ASSISTANT;
		if (lineage == PAIR_NONE || !said)
			continue;
		size_t k = 0;
		while (k < n && lineages[k] != lineage)
			k++;
		if (k == n)
			lineages[n++] = lineage;
		bytes[k] += part->bytes;
		seen++;
	}
	for (uint32_t k = 1; k < n; k++)
		if (bytes[k] > bytes[best])
			best = k;
	return n == 0 || other_tools(f, lineages[best], prompt) ? LINEAGE_NONE : lineages[best];
}

static int backend_of(struct finder *f, const struct lineage_request *r, uint32_t *number)
{
	buf_reset(&f->key);
	key_add(&f->key, r->model);
	key_add(&f->key, r->server);
	return f->key.failed ? -1 : names_number(&f->backend_names, buf_str(&f->key), number);
}

/* Rule 4: the lineage of another session that had the longest prefix with an answer in it. */
static uint32_t by_resumption(const struct finder *f, uint32_t backend, const struct lineage_request *r)
{
	if (r->agent || r->api == KVS_API_ANTHROPIC_COUNT_TOKENS)
		return LINEAGE_NONE;
	for (uint32_t node = r->prompt; node_of(f, node)->assistants > 0; node = node_of(f, node)->parent) {
		uint32_t lineage = pair_map_get(&f->anywhere, backend, node);
		if (lineage != PAIR_NONE)
			return lineage;
	}
	return LINEAGE_NONE;
}

/* Rule 3: a conversation that started afresh, or one more question of the same kind. */
static uint32_t by_head(const struct finder *f, uint32_t scope, uint32_t prompt)
{
	const struct tree_node *n = node_of(f, prompt);
	const struct scope *s = &f->scopes[scope];
	uint32_t lineage = pair_map_get(&f->heads, scope, n->head);
	if (lineage == PAIR_NONE)
		return LINEAGE_NONE;
	if (s->agent || (s->session && lineage == s->main))
		return lineage;
	bool one_shot = n->count[PART_TOOL] == 0 && n->assistants == 0 && f->states[lineage].single;
	return one_shot && n->head != TREE_ROOT ? lineage : LINEAGE_NONE;
}

/* Notes the prompt's last part that a user or a tool sent, by which its continuation can be known. */
static int note_last_user_part(struct finder *f, uint32_t key, uint32_t prompt, uint32_t lineage)
{
	struct tree_walk walk = prompt_tree_walk(f->tree, prompt);
	for (uint32_t symbol; message_above(f, &walk, &symbol);) {
		enum part_role role = prompt_tree_symbol_of(f->tree, symbol)->role;
		if (role == ROLE_USER || role == ROLE_TOOL)
			return pair_map_put(&f->witness, key, symbol, lineage);
		if (role == ROLE_ASSISTANT)
			break;
	}
	return 0;
}

/* Notes that the lineage said a part, if the assistant did. */
static int note_answer(struct finder *f, uint32_t key, uint32_t symbol, uint32_t lineage)
{
	if (prompt_tree_symbol_of(f->tree, symbol)->role != ROLE_ASSISTANT)
		return 0;
	uint32_t before = pair_map_get(&f->witness, key, symbol);
	if (before == lineage)
		return 0;
	if (before != PAIR_NONE) {
		f->taken++;
		f->states[lineage].taken++;
	}
	return pair_map_put(&f->witness, key, symbol, lineage);
}

/* The labels around a place that the lineage is still the witness of; NULL: none. */
static struct noted *noted_at(struct finder *f, uint32_t key, uint32_t label, uint32_t lineage)
{
	struct state *s = &f->states[lineage];
	for (size_t i = 0; i < s->nnoted; i++) {
		struct noted *n = &s->noted[i];
		if (n->key == key && n->from <= label && label <= n->to && n->taken == f->taken - s->taken)
			return n;
	}
	return NULL;
}

static int remember_noted(struct finder *f, uint32_t key, uint32_t from, uint32_t to, uint32_t lineage)
{
	struct state *s = &f->states[lineage];
	if (!s->noted && !(s->noted = calloc(NOTED_MAX, sizeof(*s->noted))))
		return -1;
	if (s->nnoted == NOTED_MAX)
		memmove(s->noted, s->noted + 1, --s->nnoted * sizeof(*s->noted));
	s->noted[s->nnoted++] = (struct noted){key, from, to, f->taken - s->taken};
	return 0;
}

/* Notes what the assistant said in the parts that a node holds. Labels that stand in one node after another are few. */
static int note_answers(struct finder *f, uint32_t key, uint32_t node, uint32_t lineage)
{
	uint32_t from, to;
	if (node_of(f, node)->assistants == node_of(f, node_of(f, node)->parent)->assistants)
		return 0;
	if (note_answer(f, key, node_of(f, node)->first, lineage) < 0)
		return -1;
	if (!prompt_tree_labels(f->tree, node, &from, &to))
		return 0;
	struct noted *known = noted_at(f, key, from, lineage);
	for (uint32_t i = known ? known->to : from; i < to; i++)
		if (note_answer(f, key, prompt_tree_label(f->tree, i), lineage) < 0)
			return -1;
	if (!known)
		return remember_noted(f, key, from, to, lineage);
	known->to = to > known->to ? to : known->to;
	return 0;
}

/* Enters the prompt into the tables and finds how much of it the lineage had sent before. */
static int record(struct finder *f, uint32_t scope, uint32_t backend, uint32_t request)
{
	struct lineage_request *r = &f->requests[request];
	uint32_t lineage = r->lineage, node = r->prompt;
	uint32_t key = witness_scope(f, scope, r->prompt);

	for (; node != TREE_ROOT && pair_map_get(&f->sent, lineage, node) == PAIR_NONE;
	     node = node_of(f, node)->parent) {
		if (pair_map_put(&f->sent, lineage, node, 0) < 0)
			return -1;
		if (pair_map_get(&f->owner, scope, node) == PAIR_NONE &&
		    pair_map_put(&f->owner, scope, node, lineage) < 0)
			return -1;
		if (!r->agent && node_of(f, node)->assistants > 0 &&
		    pair_map_get(&f->anywhere, backend, node) == PAIR_NONE &&
		    pair_map_put(&f->anywhere, backend, node, lineage) < 0)
			return -1;
		if (note_answers(f, key, node, lineage) < 0)
			return -1;
	}
	r->shared = node;
	uint32_t end = pair_map_get(&f->ends, scope, node);
	if (end != PAIR_NONE && node != TREE_ROOT && f->requests[end].lineage == lineage)
		r->repeats = end;
	const struct tree_node *n = node_of(f, r->prompt);
	if (pair_map_put(&f->ends, scope, r->prompt, request) < 0 ||
	    pair_map_put(&f->heads, scope, n->head, lineage) < 0 || note_last_user_part(f, key, r->prompt, lineage) < 0)
		return -1;
	f->states[lineage].tools = n->count[PART_TOOL];
	if (n->assistants > 0)
		f->states[lineage].single = false;
	return 0;
}

static int place(struct finder *f, uint32_t request)
{
	struct lineage_request *r = &f->requests[request];
	uint32_t scope, backend, lineage = LINEAGE_NONE;
	bool restart = false;

	r->shared = TREE_ROOT;
	r->repeats = r->parent = LINEAGE_NONE;
	if (scope_of(f, r, &scope) < 0 || backend_of(f, r, &backend) < 0)
		return -1;
	struct scope *s = &f->scopes[scope];
	if (!r->has_prompt) {
		lineage = s->main;
	} else {
		lineage = by_prefix(f, scope, r->prompt);
		if (lineage == LINEAGE_NONE)
			lineage = by_witness(f, scope, r->prompt);
		if (lineage == LINEAGE_NONE) {
			lineage = by_head(f, scope, r->prompt);
			restart = lineage != LINEAGE_NONE && !f->states[lineage].single;
		}
		if (lineage == LINEAGE_NONE)
			lineage = by_resumption(f, backend, r);
	}
	if (lineage == LINEAGE_NONE && begin_lineage(f, request, &lineage) < 0)
		return -1;
	r->lineage = lineage;
	f->out->lineages[lineage].requests++;
	f->out->lineages[lineage].restarts += restart;

	uint32_t tools = r->has_prompt ? node_of(f, r->prompt)->count[PART_TOOL] : 0;
	if (s->main == LINEAGE_NONE || tools > s->main_tools) {
		s->main = lineage;
		s->main_tools = tools;
	}
	if (!r->has_prompt)
		return 0;
	if (record(f, scope, backend, request) < 0)
		return -1;
	return parent_choose(f, request, restart);
}

int lineage_find(const struct prompt_tree *tree, struct lineage_request *requests, size_t n, struct lineage_set *out)
{
	struct finder f = {.tree = tree, .requests = requests, .out = out};
	int result = 0;

	*out = (struct lineage_set){0};
	buf_init(&f.key, 1 << 20);
	if (n >= LINEAGE_NONE)
		result = -1;
	for (size_t i = 0; i < n && result == 0; i++)
		result = place(&f, (uint32_t)i);
	if (result == 0)
		result = roles_find(tree, requests, n, out);

	for (size_t i = 0; i < out->n; i++) {
		free(f.states[i].unfilled);
		free(f.states[i].noted);
	}
	free(f.states);
	free(f.scopes);
	names_release(&f.scope_names);
	names_release(&f.session_names);
	names_release(&f.backend_names);
	buf_release(&f.key);
	pair_map_release(&f.anywhere);
	pair_map_release(&f.owner);
	pair_map_release(&f.sent);
	pair_map_release(&f.ends);
	pair_map_release(&f.heads);
	pair_map_release(&f.witness);
	return result;
}

void lineage_set_release(struct lineage_set *set)
{
	free(set->lineages);
	free(set->sessions);
	*set = (struct lineage_set){0};
}
