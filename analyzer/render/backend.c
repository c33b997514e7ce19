/* SPDX-License-Identifier: MIT */
#include "render/backend.h"

#include <stdio.h>
#include <strings.h>

/*
 * What an engine does by itself, from a version on. Entries of one engine stand newest first: the first whose `since`
 * is not newer than the version asked for holds.
 */
struct engine_rules {
	enum engine engine;
	unsigned since[3];
	enum billing_rule billing;
	enum system_turns system_turns;   /* where the template can render them in place, see below */
	bool hoists_for_strict_templates; /* merges to the head instead, where the template refuses them */
	bool text_before_tool_results;
	unsigned block_tokens;
};

static const struct engine_rules engine_table[] = {
	/* cch= masked since b8906; system turns go to the template as they are. */
	{ENGINE_LLAMACPP, {8906, 0, 0}, BILLING_MASKED, TURNS_IN_PLACE, false, true, 1},
	{ENGINE_LLAMACPP, {0, 0, 0}, BILLING_KEPT, TURNS_IN_PLACE, false, true, 1},
	/* Tries the template in use, as 0.32.0 was seen to do: merged to the head only where that refuses them. */
	{ENGINE_VLLM, {0, 32, 0}, BILLING_REMOVED, TURNS_IN_PLACE, true, false, 16},
	/* Block removed after 0.17.1; merged to the head unless --chat-template names a template that takes them. */
	{ENGINE_VLLM, {0, 17, 2}, BILLING_REMOVED, TURNS_HOISTED, true, false, 16},
	{ENGINE_VLLM, {0, 0, 0}, BILLING_KEPT, TURNS_HOISTED, true, false, 16},
	/* Probes the tokenizer's own template. */
	{ENGINE_SGLANG, {0, 0, 0}, BILLING_KEPT, TURNS_IN_PLACE, true, false, 1},
	/* No Anthropic route: what stands in front of it converts, the template decides. */
	{ENGINE_MLX_LM, {0, 0, 0}, BILLING_KEPT, TURNS_IN_PLACE, false, false, 1},
	{ENGINE_LMSTUDIO, {0, 4, 15}, BILLING_KEPT, TURNS_IN_PLACE, false, false, 1},
	{ENGINE_LMSTUDIO, {0, 0, 1}, BILLING_KEPT, TURNS_REFUSED, false, false, 1},
	{ENGINE_OLLAMA, {0, 0, 0}, BILLING_KEPT, TURNS_HOISTED, false, false, 1},
	{ENGINE_ANTHROPIC, {0, 0, 0}, BILLING_REMOVED, TURNS_IN_PLACE, false, false, 1},
};

struct template_rules {
	enum chat_template chat_template;
	const char *name;
	const char *model; /* what model names with this template contain, lower case; NULL: none */
	enum tools_place tools;
	enum thinking_rule thinking;
	bool refuses_system_turns; /* "System message must be at the beginning" */
};

static const struct template_rules template_table[] = {
	{TEMPLATE_PLAIN, "plain", NULL, TOOLS_BEFORE_SYSTEM, THINKING_KEPT, false},
	{TEMPLATE_QWEN3, "qwen3", "qwen", TOOLS_AFTER_SYSTEM, THINKING_DROPPED_OLD, true},
	{TEMPLATE_LLAMA3, "llama3", "llama", TOOLS_AFTER_SYSTEM, THINKING_DROPPED, false},
	{TEMPLATE_GEMMA, "gemma", "gemma", TOOLS_AFTER_SYSTEM, THINKING_DROPPED_OLD, false},
	{TEMPLATE_MISTRAL, "mistral", "mistral", TOOLS_BEFORE_LAST_USER, THINKING_DROPPED, false},
	{TEMPLATE_GPT_OSS, "gpt-oss", "gpt-oss", TOOLS_AFTER_SYSTEM, THINKING_DROPPED_OLD, false},
	{TEMPLATE_GLM, "glm", "glm", TOOLS_BEFORE_SYSTEM, THINKING_DROPPED_OLD, false},
};

static const char *const engine_names[ENGINES] = {
	[ENGINE_UNKNOWN] = "unknown", [ENGINE_LLAMACPP] = "llama.cpp",  [ENGINE_VLLM] = "vllm",
	[ENGINE_SGLANG] = "sglang",   [ENGINE_MLX_LM] = "mlx-lm",       [ENGINE_LMSTUDIO] = "lmstudio",
	[ENGINE_OLLAMA] = "ollama",   [ENGINE_ANTHROPIC] = "anthropic",
};

#define COUNT(table) (sizeof(table) / sizeof(*(table)))

static bool not_newer(const unsigned a[3], const unsigned b[3])
{
	for (int i = 0; i < 3; i++)
		if (a[i] != b[i])
			return a[i] < b[i];
	return true;
}

static bool has_version(const struct backend *b)
{
	return b->version[0] || b->version[1] || b->version[2];
}

void backend_rules(const struct backend *b, struct render_rules *out)
{
	const struct template_rules *shape = &template_table[0];
	const struct engine_rules *engine = NULL;

	for (size_t i = 0; i < COUNT(template_table); i++)
		if (template_table[i].chat_template == b->chat_template)
			shape = &template_table[i];
	for (size_t i = 0; i < COUNT(engine_table) && !engine; i++)
		if (engine_table[i].engine == b->engine &&
		    (!has_version(b) || not_newer(engine_table[i].since, b->version)))
			engine = &engine_table[i];

	*out = (struct render_rules){
		.tools = shape->tools,
		.thinking = shape->thinking,
		.system_turns = shape->refuses_system_turns ? TURNS_REFUSED : TURNS_IN_PLACE,
		.block_tokens = 1,
	};
	if (!engine)
		return;
	out->billing = engine->billing;
	out->block_tokens = engine->block_tokens;
	out->text_before_tool_results = engine->text_before_tool_results;
	if (engine->system_turns != TURNS_IN_PLACE)
		out->system_turns = engine->system_turns;
	else if (shape->refuses_system_turns && engine->hoists_for_strict_templates)
		out->system_turns = TURNS_HOISTED;
}

bool engine_truncates(enum engine engine)
{
	return engine == ENGINE_OLLAMA || engine == ENGINE_LMSTUDIO;
}

const char *engine_name(enum engine engine)
{
	return engine_names[engine];
}

enum engine engine_from_name(struct str name)
{
	for (int i = 1; i < ENGINES; i++)
		if (str_eq_nocase(name, str_from(engine_names[i])))
			return (enum engine)i;
	return ENGINE_UNKNOWN;
}

const char *template_name(enum chat_template chat_template)
{
	for (size_t i = 0; i < COUNT(template_table); i++)
		if (template_table[i].chat_template == chat_template)
			return template_table[i].name;
	return "unknown";
}

enum chat_template template_of_model(struct str model)
{
	for (size_t i = 0; i < COUNT(template_table); i++) {
		const char *word = template_table[i].model;
		size_t n = word ? strlen(word) : 0;
		for (size_t at = 0; word && at + n <= model.n; at++)
			if (strncasecmp(model.p + at, word, n) == 0)
				return template_table[i].chat_template;
	}
	return TEMPLATE_UNKNOWN;
}

/* "0.28", "0.17.1", "b8906" */
static int parse_version(struct str s, unsigned out[3])
{
	unsigned v[3] = {0, 0, 0};
	size_t i = s.n > 0 && (s.p[0] == 'b' || s.p[0] == 'v'), part = 0, digits = 0;

	for (; i < s.n; i++) {
		if (s.p[i] == '.' && digits > 0 && part < 2) {
			part++;
			digits = 0;
		} else if (s.p[i] >= '0' && s.p[i] <= '9' && digits++ < 8) {
			v[part] = v[part] * 10 + (unsigned)(s.p[i] - '0');
		} else {
			return -1;
		}
	}
	if (digits == 0)
		return -1;
	memcpy(out, v, sizeof(v));
	return 0;
}

int backend_parse(struct str name, struct backend *out, const char **error)
{
	struct backend b = {.chat_template = TEMPLATE_UNKNOWN};
	const char *plus = memchr(name.p, '+', name.n);
	if (plus) {
		struct str word = {plus + 1, name.n - (size_t)(plus + 1 - name.p)};
		name.n = (size_t)(plus - name.p);
		for (size_t i = 0; i < COUNT(template_table); i++)
			if (str_eq_nocase(word, str_from(template_table[i].name)))
				b.chat_template = template_table[i].chat_template;
		if (b.chat_template == TEMPLATE_UNKNOWN) {
			*error = "no such template (qwen3, llama3, gemma, mistral, gpt-oss, glm, plain)";
			return -1;
		}
	}
	const char *at = memchr(name.p, '@', name.n);
	if (at) {
		if (parse_version((struct str){at + 1, name.n - (size_t)(at + 1 - name.p)}, b.version) < 0) {
			*error = "not a version (0.28, b8906)";
			return -1;
		}
		name.n = (size_t)(at - name.p);
	}
	b.engine = engine_from_name(name);
	if (b.engine == ENGINE_UNKNOWN) {
		*error = "no such engine (llama.cpp, vllm, sglang, mlx-lm, lmstudio, ollama, anthropic)";
		return -1;
	}
	*out = b;
	return 0;
}

void backend_name(const struct backend *b, char *out, size_t out_bytes)
{
	char version[40] = "";
	if (b->engine == ENGINE_LLAMACPP && has_version(b))
		snprintf(version, sizeof(version), "@b%u", b->version[0]);
	else if (has_version(b) && b->version[2])
		snprintf(version, sizeof(version), "@%u.%u.%u", b->version[0], b->version[1], b->version[2]);
	else if (has_version(b))
		snprintf(version, sizeof(version), "@%u.%u", b->version[0], b->version[1]);
	snprintf(out, out_bytes, "%s%s%s%s", engine_name(b->engine), version,
		 b->chat_template == TEMPLATE_UNKNOWN ? "" : "+",
		 b->chat_template == TEMPLATE_UNKNOWN ? "" : template_name(b->chat_template));
}
