/* SPDX-License-Identifier: MIT */
#include "replay/rewrite.h"

#include "replay/convert.h"
#include "replay/rewrite_pass.h"

#include <stdio.h>

const char *change_name(unsigned bit)
{
	static const char *const names[CHANGES] = {
		"model",
		"max_tokens",
		"stream",
		"billing stripped",
		"billing pinned",
		"system turns to user",
		"system turns merged",
		"total_tokens dropped",
		"tools sorted",
		"thinking kept",
		"cache_control stripped",
		"nonce",
		"salt",
		"converted to Chat Completions",
		"thinking dropped",
		"unknown blocks dropped",
		"synthetic text",
		"stop_sequences to stop",
		"tool_choice converted",
		"tool_choice dropped",
		"top_k dropped",
		"metadata dropped",
		"thinking setting dropped",
		"service_tier dropped",
		"output_config dropped",
		"context_management dropped",
		"other parameters dropped",
		"server tools dropped",
		"tool options dropped",
		"block options dropped",
		"tool errors unmarked",
	};
	return bit < CHANGES ? names[bit] : "?";
}

void nonce_format(uint64_t number, char out[NONCE_CHARS])
{
	for (int i = NONCE_DIGITS - 1; i >= 0; i--) {
		out[2 * i] = (char)('0' + number % 10);
		out[2 * i + 1] = ' ';
		number /= 10;
	}
	out[NONCE_CHARS - 1] = '\0';
}

/* ---- nonce */

/* The first byte inside the quotes of a string, NULL for other values. */
static const char *inside(struct str value)
{
	return value.n > 1 && value.p[0] == '"' ? value.p + 1 : NULL;
}

/* Where the first system text that is no billing line begins, in an Anthropic body. */
static const char *system_start(struct str system)
{
	struct json_value v, text;

	if (inside(system))
		return inside(system);
	for (struct span_walk w = span_walk(system); span_next(&w, &v);)
		if (!pass_is_billing(v.raw) && span_member(v.raw, STR("text"), &text) && inside(text.raw))
			return inside(text.raw);
	return NULL;
}

/* The first text of the first message with this role. */
static const char *message_start(struct str messages, struct str role)
{
	struct json_value v, content;

	for (struct span_walk w = span_walk(messages); span_next(&w, &v);) {
		if (!span_is(v.raw, STR("role"), role) || !span_member(v.raw, STR("content"), &content))
			continue;
		const char *at = system_start(content.raw);
		if (at)
			return at;
	}
	return NULL;
}

static const char *tool_start(struct str tools)
{
	struct span_walk w = span_walk(tools);
	struct json_value tool, function, text;

	if (!span_next(&w, &tool))
		return NULL;
	if (span_member(tool.raw, STR("description"), &text))
		return inside(text.raw);
	if (span_member(tool.raw, STR("function"), &function) && span_member(function.raw, STR("description"), &text))
		return inside(text.raw);
	return NULL;
}

static void pass_nonce(struct pass *p)
{
	struct str nonce = str_from(p->rules->nonce);

	if (!nonce.p)
		return;
	const char *system = p->openai ? message_start(pass_member(p, STR("messages")), STR("system"))
				       : system_start(pass_member(p, STR("system")));
	const char *tool = tool_start(pass_member(p, STR("tools")));
	if (!system && !tool)
		system = message_start(pass_member(p, STR("messages")), STR("user"));
	if (system)
		edits_insert(&p->edits, system, nonce);
	if (tool)
		edits_insert(&p->edits, tool, nonce);
	if (system || tool)
		*p->changes |= CHANGE_NONCE;
}

/* ---- parameters */

static void set_quoted(struct pass *p, const char *key, const char *text)
{
	struct buf json;
	buf_init(&json, 4096);
	buf_putc(&json, '"');
	for (const char *c = text; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_putc(&json, '\\');
		buf_putc(&json, *c);
	}
	buf_putc(&json, '"');
	edits_set(&p->edits, key, buf_str(&json));
	p->edits.failed = p->edits.failed || json.failed;
	buf_release(&json);
}

static void pass_parameters(struct pass *p)
{
	const struct rewrite_rules *r = p->rules;
	struct json_value v;

	if (r->model && !(span_member(p->body, STR("model"), &v) && v.type == JSON_STRING &&
			  json_string_eq(json_string_inner(v), str_from(r->model)))) {
		set_quoted(p, "model", r->model);
		*p->changes |= CHANGE_MODEL;
	}
	const char *limit = p->openai && span_member(p->body, STR("max_completion_tokens"), &v)
				    ? "max_completion_tokens"
				    : "max_tokens";
	int64_t captured;
	if (r->max_tokens >= 0 &&
	    !(span_member(p->body, str_from(limit), &v) && json_int(v, &captured) == 0 && captured == r->max_tokens)) {
		char number[24];
		snprintf(number, sizeof(number), "%lld", (long long)r->max_tokens);
		edits_set(&p->edits, limit, str_from(number));
		*p->changes |= CHANGE_MAX_TOKENS;
	}
	if (!(span_member(p->body, STR("stream"), &v) && v.type == JSON_TRUE)) {
		edits_set(&p->edits, "stream", STR("true"));
		*p->changes |= CHANGE_STREAM;
	}
	if (p->openai && !(span_member(p->body, STR("stream_options"), &v) &&
			   span_member(v.raw, STR("include_usage"), &v) && v.type == JSON_TRUE)) {
		edits_set(&p->edits, "stream_options", STR("{\"include_usage\":true}"));
		*p->changes |= CHANGE_STREAM;
	}
	if (r->salt_member && r->salt) {
		set_quoted(p, r->salt_member, r->salt);
		*p->changes |= CHANGE_SALT;
	}
	if (r->keep_thinking) {
		edits_set(&p->edits, "chat_template_kwargs",
			  STR("{\"preserve_thinking\":true,\"clear_thinking\":false}"));
		*p->changes |= CHANGE_KEEP_THINKING;
	}
}

/* ---- all of them, one after the other: each reads what the one before has written */

static void pass_convert(struct pass *p)
{
	(void)p;
}

int rewrite_body(enum kvs_llm_api api, struct str body, const struct rewrite_rules *rules, struct buf *out,
		 uint32_t *changes, const char **error)
{
	static void (*const passes[])(struct pass *) = {pass_messages, pass_billing,    pass_tools, pass_cache_control,
							pass_convert,  pass_parameters, pass_nonce};
	struct buf one, two;
	bool openai = api == KVS_API_OPENAI_CHAT;
	int status = 0;

	struct json_scan scan;
	json_scan_init(&scan, body);
	*error = "not a request that can be read";
	if (json_peek(&scan) != JSON_OBJECT || json_skip(&scan) < 0 || json_finish(&scan) < 0)
		return -1;
	buf_init(&one, BUF_UNLIMITED);
	buf_init(&two, BUF_UNLIMITED);
	buf_append_str(&one, body);
	for (size_t i = 0; i < sizeof(passes) / sizeof(*passes) && status == 0; i++) {
		struct pass p = {.body = buf_str(&one), .openai = openai, .rules = rules, .changes = changes};
		buf_reset(&two);
		if (passes[i] == pass_convert) {
			if (!rules->to_openai || openai)
				continue;
			status = convert_body(p.body, &two, changes);
			openai = true;
		} else {
			edits_init(&p.edits, p.body);
			passes[i](&p);
			status = edits_apply(&p.edits, &two);
			edits_release(&p.edits);
		}
		struct buf swap = one;
		one = two;
		two = swap;
	}
	if (status == 0)
		status = buf_append_str(out, buf_str(&one));
	if (one.failed || two.failed)
		*error = "no memory";
	buf_release(&one);
	buf_release(&two);
	return status;
}
