/* SPDX-License-Identifier: MIT */
#include "why/candidate_rules.h"

#include "why/server.h"

#include <string.h>

/* Different heads of prompts that are compared one with the other. */
#define HEADS_MAX 64
/* The coarsest granularity of reuse of all engines. */
#define COARSEST_BLOCK 16

struct head {
	struct digest tools, system;
	uint32_t lineage;
	uint64_t ntools, tools_bytes;
};

static bool same(const struct digest *a, const struct digest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Can it make a difference in which order tools and system prompt stand? */
static bool heads_matter(const struct head *a, const struct head *b)
{
	bool tools = same(&a->tools, &b->tools), system = same(&a->system, &b->system);
	if (tools && system)
		return false;
	if (a->lineage == b->lineage || tools || system)
		return true;
	/* The same definitions in another order are of one size. */
	return a->ntools == b->ntools && a->tools_bytes == b->tools_bytes;
}

static bool heads_vary(const struct report *r)
{
	struct head heads[HEADS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct prompt *p = &r->exchanges[i].x->prompt;
		struct head h = {.lineage = r->exchanges[i].lineage,
				 .ntools = p->tools,
				 .tools_bytes = p->kind_bytes[PART_TOOL]};
		bool known = false;
		if (p->has_tools)
			h.tools = p->tools_fingerprint;
		if (p->has_system)
			h.system = p->system_fingerprint;
		for (size_t k = 0; k < n; k++) {
			if (heads_matter(&heads[k], &h))
				return true;
			known = known || heads[k].lineage == h.lineage;
		}
		if (known)
			continue;
		if (n == HEADS_MAX)
			return true;
		heads[n++] = h;
	}
	return false;
}

static uint64_t prompt_bytes(const struct prompt *p)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < PART_KINDS; i++)
		bytes += p->kind_bytes[i];
	return bytes;
}

void candidate_features_of(const struct report *r, struct candidate_features *f)
{
	*f = (struct candidate_features){.billing = r->billing_variants > 1, .cached = r->all.tokens.cached_of > 0};
	for (size_t i = 0; i < r->ntraces; i++) {
		for (size_t k = 0; k < r->traces[i].nparts; k++) {
			const struct trace_part *p = &r->traces[i].parts[k];
			f->tools = f->tools || p->kind == PART_TOOL;
			f->turns = f->turns || (p->kind == PART_MESSAGE && p->role == ROLE_SYSTEM);
			f->thinking = f->thinking || p->block == BLOCK_THINKING;
			f->results = f->results || p->block == BLOCK_TOOL_RESULT;
			f->text = f->text ||
				  (p->kind == PART_MESSAGE && p->role == ROLE_USER && p->block != BLOCK_TOOL_RESULT);
		}
	}
	f->heads = heads_vary(r);
	for (size_t i = 0; i < r->nexchanges; i++) {
		const struct report_exchange *e = &r->exchanges[i];
		const struct report_exchange *parent = e->parent == LINEAGE_NONE ? NULL : &r->exchanges[e->parent];
		if (!parent || e->basis != TOKENS_REPORTED || parent->basis != TOKENS_REPORTED)
			continue;
		uint64_t before = prompt_bytes(&parent->x->prompt), now = prompt_bytes(&e->x->prompt);
		f->cut_off = f->cut_off || server_cut_off(parent->prompt, e->prompt, now > before ? now - before : 0);
	}
}

struct candidate_key candidate_key_of(const struct candidate_features *has, const struct backend *b)
{
	struct candidate_key k = {.anthropic = has->cached && b->engine == ENGINE_ANTHROPIC,
				  .effort_in_prompt = has->cached && b->chat_template == TEMPLATE_GPT_OSS,
				  .truncates = has->cut_off && engine_truncates(b->engine)};
	struct render_rules *r = &k.rules;

	backend_rules(b, r);
	r->block_tokens = COARSEST_BLOCK;
	if (!has->billing)
		r->billing = BILLING_KEPT;
	if (!has->thinking)
		r->thinking = THINKING_KEPT;
	if (!has->text || !has->results)
		r->text_before_tool_results = false;
	if (!has->turns)
		r->system_turns = TURNS_IN_PLACE;
	/* Counted where it matters: such a prompt is laid out as if in place. */
	if (r->system_turns == TURNS_REFUSED)
		r->system_turns = TURNS_IN_PLACE;
	if (!has->tools || (r->tools == TOOLS_AFTER_SYSTEM && !has->heads && r->system_turns != TURNS_HOISTED))
		r->tools = TOOLS_BEFORE_SYSTEM;
	return k;
}

bool candidate_keys_equal(const struct candidate_key *a, const struct candidate_key *b)
{
	const struct render_rules *r = &a->rules, *s = &b->rules;
	return r->tools == s->tools && r->system_turns == s->system_turns && r->billing == s->billing &&
	       r->thinking == s->thinking && r->block_tokens == s->block_tokens &&
	       r->text_before_tool_results == s->text_before_tool_results && a->anthropic == b->anthropic &&
	       a->effort_in_prompt == b->effort_in_prompt && a->truncates == b->truncates;
}
