/* SPDX-License-Identifier: MIT */
#include "replay/replay.h"

#include "engines/reset.h"
#include "replay/spans.h"

#include <stdio.h>

/*
 * How a backend's cold arm is made, and what its chat template puts in front of the first byte that a nonce can change:
 * two small requests with the session's first tool and two nonces have nothing else in common.
 */

#define ANSWER_MAX ((size_t)1 << 20)
#define HEAD_LIMIT_S 600.0
/* Where nothing is known of blocks: as large as the most common ones. */
#define BLOCK_USUAL 16

/* Its first request; SIZE_MAX: it has none. */
static size_t first_request(const struct replay *r, const struct target *t)
{
	for (size_t i = 0; i < r->plan->n; i++)
		if (replay_target(r, i) == t)
			return i;
	return SIZE_MAX;
}

/*
 * Has any of its requests tools, or a system turn behind the first message that is none? Only then it matters where a
 * template puts them.
 */
static void look_for(const struct replay *r, const struct target *target, bool *tools, bool *system_turns)
{
	const struct trace *last_trace = NULL;
	size_t last = 0;

	*tools = *system_turns = false;
	for (size_t i = 0; i < r->plan->n && !(*tools && *system_turns); i++) {
		const struct report_exchange *e = &r->report->exchanges[r->plan->requests[i].exchange];
		struct trace *t = &r->report->traces[e->trace];
		const struct trace_prompt_part *prompt;
		size_t n, number = (size_t)(e->x - t->exchanges);
		char error[128];
		if (replay_target(r, i) != target)
			continue;
		if (trace_prompt(t, number, &prompt, &n, error, sizeof(error)) < 0)
			continue;
		/* What it begins with like the last one has been looked at. */
		size_t kept = t == last_trace ? trace_prompt_kept(t, number, last) : 0;
		last_trace = t;
		last = number;
		for (size_t k = kept; k < n; k++) {
			const struct trace_part *part = &t->parts[prompt[k].part];
			*tools = *tools || part->kind == PART_TOOL;
			*system_turns = *system_turns || (part->kind == PART_MESSAGE && part->role == ROLE_SYSTEM);
		}
	}
}

static bool any_anthropic(const struct replay *r)
{
	for (size_t i = 0; i < r->plan->n; i++)
		if (r->plan->requests[i].synthetic ||
		    r->report->exchanges[r->plan->requests[i].exchange].x->api == KVS_API_ANTHROPIC_MESSAGES)
			return true;
	return false;
}

/* The first tool with a description of its own, in the shape of the API. */
static void put_tool(struct str body, bool openai, const char *nonce, struct buf *out)
{
	struct json_value tools, tool, function;
	struct span_walk w;

	if (!span_member(body, STR("tools"), &tools))
		return;
	w = span_walk(tools.raw);
	if (!span_next(&w, &tool))
		return;
	struct str name = span_text(tool.raw, STR("name"));
	if (openai && span_member(tool.raw, STR("function"), &function))
		name = span_text(function.raw, STR("name"));
	buf_printf(out,
		   openai ? ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"%.*s\",\"description\":\"%s\","
			    "\"parameters\":{\"type\":\"object\",\"properties\":{}}}}]"
			  : ",\"tools\":[{\"name\":\"%.*s\",\"description\":\"%s\","
			    "\"input_schema\":{\"type\":\"object\",\"properties\":{}}}]",
		   STR_FMT(name), nonce);
}

static void put_system(struct str body, const char *nonce, struct buf *out)
{
	struct json_value system, block;

	if (!span_member(body, STR("system"), &system))
		return;
	buf_puts(out, ",\"system\":[");
	for (struct span_walk w = span_walk(system.raw); span_next(&w, &block);) {
		struct str text = span_text(block.raw, STR("text"));
		if (text.p && json_string_starts(text, STR("x-anthropic-billing-header:"))) {
			buf_append_str(out, block.raw);
			buf_putc(out, ',');
		}
	}
	buf_printf(out, "{\"type\":\"text\",\"text\":\"%sBe brief.\"}]", nonce);
}

/* body: the session's first request, rewritten for this target. */
static void head_body(struct str body, bool openai, uint64_t number, struct buf *out)
{
	struct json_value model;
	char nonce[NONCE_CHARS];

	nonce_format(number, nonce);
	buf_puts(out, "{\"model\":");
	buf_append_str(out, span_member(body, STR("model"), &model) ? model.raw : STR("\"default_model\""));
	buf_puts(out, ",\"max_tokens\":1,\"stream\":true");
	if (openai)
		buf_puts(out, ",\"stream_options\":{\"include_usage\":true}");
	else
		put_system(body, nonce, out);
	put_tool(body, openai, nonce, out);
	buf_puts(out, ",\"messages\":[");
	if (openai)
		buf_printf(out, "{\"role\":\"system\",\"content\":\"%sBe brief.\"},", nonce);
	buf_puts(out, "{\"role\":\"user\",\"content\":\"hello\"}]}");
}

static int measure_header(struct replay *r, struct client *c, struct target *t, char *error, size_t error_bytes)
{
	static const struct arm plain = {.kind = ARM_ASIS};
	struct client_answer a;
	struct buf first, body;
	enum kvs_llm_api api;
	uint32_t changes;
	int status = -1;

	buf_init(&first, BUF_UNLIMITED);
	buf_init(&body, BUF_UNLIMITED);
	client_answer_init(&a, ANSWER_MAX);
	size_t request_of_it = first_request(r, t);
	/* Both targets may be one server: no nonce twice. */
	uint64_t seed = r->options.seed % 999983, step = UINT64_C(7919) * 100003, from = t == &r->side ? 3 : 1;
	if (request_of_it == SIZE_MAX) {
		status = 0;
		goto out;
	}
	if (replay_body(r, &plain, request_of_it, 0, &first, &api, &changes, error, error_bytes) < 0)
		goto out;
	status = 0;
	for (unsigned i = 0; i < 2; i++) {
		buf_reset(&body);
		head_body(buf_str(&first), api == KVS_API_OPENAI_CHAT, seed + step * (from + i), &body);
		struct client_request request = {.api = api,
						 .path = api == KVS_API_OPENAI_CHAT ? "/v1/chat/completions"
										    : "/v1/messages",
						 .body = buf_str(&body),
						 .limit_s = HEAD_LIMIT_S};
		/* One that fails says nothing; so will the session's own requests, where it is told. */
		if (client_fetch(c, &t->base, &request, &a) != CLIENT_DONE)
			goto out;
	}
	int64_t prompt, cached;
	engine_prompt_tokens(&t->facts, &a.x, &prompt, &cached);
	t->header_tokens = cached;
out:
	client_answer_release(&a);
	buf_release(&first);
	buf_release(&body);
	return status;
}

/* What the session has of tools and system turns, and a name does not tell, is tried. */
static void probe_layout(struct replay *r, struct client *c, struct target *t)
{
	struct engine_facts *f = &t->facts;
	/* Anthropic's order is documented, and its cache takes no prompt that does not ask for it. */
	bool named = f->backend.chat_template != TEMPLATE_UNKNOWN || f->profile->engine == ENGINE_ANTHROPIC;
	bool tools, system_turns;

	look_for(r, t, &tools, &system_turns);
	if (system_turns)
		engine_probe_system_turns(c, &t->base, f);
	if (tools && !named)
		engine_probe_head(c, &t->base, f);
	t->layout_known = named || ((!tools || f->head_order != HEAD_UNKNOWN) &&
				    (!system_turns || f->system_turns != FATE_UNKNOWN));
}

int replay_prepare_target(struct replay *r, struct client *c, struct target *t, char *error, size_t error_bytes)
{
	const struct engine_profile *p = t->facts.profile;
	struct render_rules rules;
	char why[256];

	backend_rules(&t->facts.backend, &rules);
	t->slack_tokens = t->facts.block_tokens > 0 ? t->facts.block_tokens : rules.block_tokens;
	if (t->slack_tokens < BLOCK_USUAL)
		t->slack_tokens = BLOCK_USUAL;
	probe_layout(r, c, t);
	t->openai = t->facts.anthropic == KNOWN_NO && any_anthropic(r);
	t->cold_by = t->facts.salt_works == KNOWN_YES ? COLD_SALT : COLD_NONCE;
	if (p->reset_each && engine_reset(c, &t->base, &t->facts, why, sizeof(why)) == 0)
		t->cold_by |= COLD_RESET;
	if (r->options.unload) {
		if (!p->reset_unloads) {
			snprintf(error, error_bytes, "%s: --unload is for LM Studio and Ollama", t->base.root);
			return -1;
		}
		if (engine_reset(c, &t->base, &t->facts, why, sizeof(why)) < 0) {
			snprintf(error, error_bytes, "%s: the model cannot be unloaded: %s", t->base.root, why);
			return -1;
		}
		t->cold_by |= COLD_UNLOAD;
		engine_warm_up(c, &t->base, &t->facts);
	}
	if (p->cache_is_asked_for)
		t->cold_by |= COLD_UNMARKED;
	t->header_tokens = -1;
	if (t->cold_by & COLD_SALT) {
		t->header_tokens = 0;
		return 0;
	}
	return t->facts.cached_reported == KNOWN_YES ? measure_header(r, c, t, error, error_bytes) : 0;
}
