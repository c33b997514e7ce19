/* SPDX-License-Identifier: MIT */
/*
 * Of the conversion to Chat Completions: the parameters, and the account of what gets lost. Each parameter of the
 * Messages API stands in the table; one that does not is told as "other parameters".
 */
#include "replay/convert.h"

#include "replay/rewrite.h"
#include "replay/spans.h"

static const struct parameter {
	const char *name;
	enum { ELSEWHERE, COPIED, TOOL_CHOICE, DROPPED } how;
	const char *to;
	uint32_t change;
} parameters[] = {
	{"model", ELSEWHERE, NULL, 0},
	{"system", ELSEWHERE, NULL, 0},
	{"messages", ELSEWHERE, NULL, 0},
	{"tools", ELSEWHERE, NULL, 0},
	{"stream", ELSEWHERE, NULL, 0},
	{"max_tokens", COPIED, "max_tokens", 0},
	{"temperature", COPIED, "temperature", 0},
	{"top_p", COPIED, "top_p", 0},
	{"stop_sequences", COPIED, "stop", CHANGE_STOP},
	{"chat_template_kwargs", COPIED, "chat_template_kwargs", 0},
	{"tool_choice", TOOL_CHOICE, NULL, 0},
	{"top_k", DROPPED, NULL, CHANGE_TOP_K},
	{"metadata", DROPPED, NULL, CHANGE_METADATA},
	{"thinking", DROPPED, NULL, CHANGE_THINKING_SETTING},
	{"service_tier", DROPPED, NULL, CHANGE_SERVICE_TIER},
	{"output_config", DROPPED, NULL, CHANGE_OUTPUT_CONFIG},
	{"output_format", DROPPED, NULL, CHANGE_OUTPUT_CONFIG},
	{"context_management", DROPPED, NULL, CHANGE_CONTEXT_MANAGEMENT},
	{"cache_control", DROPPED, NULL, CHANGE_CACHE_CONTROL},
};

/* ---- tool_choice */

bool convert_is_function(struct str tool)
{
	struct json_value schema;
	return span_member(tool, STR("input_schema"), &schema);
}

/* Is there a function to be called; with this name, if one is given? */
static bool any_function(struct str body, struct str name)
{
	struct json_value tools, tool;

	if (!span_member(body, STR("tools"), &tools))
		return false;
	for (struct span_walk w = span_walk(tools.raw); span_next(&w, &tool);)
		if (convert_is_function(tool.raw) && (!name.p || str_eq(span_text(tool.raw, STR("name")), name)))
			return true;
	return false;
}

/* A choice without anything to choose from is refused by servers. */
static void put_tool_choice(struct str body, struct str choice, struct buf *out, uint32_t *changes)
{
	static const char *const words[][2] = {{"auto", "auto"}, {"any", "required"}, {"none", "none"}};
	struct str name = span_is(choice, STR("type"), STR("tool")) ? span_text(choice, STR("name")) : STR_NONE;
	const char *word = NULL;
	struct json_value parallel;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (span_is(choice, STR("type"), str_from(words[i][0])))
			word = words[i][1];
	if ((!word && !name.p) || !any_function(body, name)) {
		*changes |= CHANGE_TOOL_CHOICE_DROPPED;
		return;
	}
	*changes |= CHANGE_TOOL_CHOICE;
	if (word)
		buf_printf(out, ",\"tool_choice\":\"%s\"", word);
	else
		buf_printf(out, ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"%.*s\"}}",
			   STR_FMT(name));
	if (!span_member(choice, STR("disable_parallel_tool_use"), &parallel))
		return;
	if (parallel.type == JSON_TRUE || parallel.type == JSON_FALSE)
		buf_printf(out, ",\"parallel_tool_calls\":%s", parallel.type == JSON_TRUE ? "false" : "true");
}

/* ---- parameters */

static const struct parameter *parameter_named(struct str key)
{
	for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
		if (json_string_eq(key, str_from(parameters[i].name)))
			return &parameters[i];
	return NULL;
}

void convert_parameters(struct str body, struct buf *out, uint32_t *changes)
{
	struct json_scan s;
	struct json_level level;
	struct json_value v;
	struct str key;

	json_scan_init(&s, body);
	if (json_enter(&s, JSON_OBJECT, &level) < 0)
		return;
	while (json_next(&s, &level, &key) && json_read(&s, &v) == 0) {
		const struct parameter *p = parameter_named(key);
		if (v.type == JSON_NULL)
			continue;
		*changes |= p ? p->change : CHANGE_PARAMETERS;
		if (p && p->how == COPIED) {
			buf_printf(out, ",\"%s\":", p->to);
			buf_append_str(out, v.raw);
		} else if (p && p->how == TOOL_CHOICE) {
			put_tool_choice(body, v.raw, out, changes);
		}
	}
}

/* ---- what gets lost */

/* Members of an object that are none of `kept`, which ends with NULL. */
static void note_members(struct str object, const char *const *kept, uint32_t change, uint32_t *changes)
{
	struct json_scan s;
	struct json_level level;
	struct json_value v;
	struct str key;

	json_scan_init(&s, object);
	if (!object.p || json_peek(&s) != JSON_OBJECT || json_enter(&s, JSON_OBJECT, &level) < 0)
		return;
	while (json_next(&s, &level, &key) && json_read(&s, &v) == 0) {
		bool known = v.type == JSON_NULL;
		for (size_t i = 0; kept[i] && !known; i++)
			known = json_string_eq(key, str_from(kept[i]));
		if (!known)
			*changes |= json_string_eq(key, STR("cache_control")) ? CHANGE_CACHE_CONTROL : change;
	}
}

void convert_note_tool(struct str tool, uint32_t *changes)
{
	static const char *const kept[] = {"name", "description", "input_schema", NULL};
	static const char *const function[] = {"name", "description", "input_schema", "type", NULL};

	/* {"type":"custom"} says nothing that a function would not. */
	note_members(tool, span_is(tool, STR("type"), STR("custom")) ? function : kept, CHANGE_TOOL_OPTIONS, changes);
}

struct str convert_image_source(struct str block)
{
	struct json_value source;

	if (!span_is(block, STR("type"), STR("image")) || !span_member(block, STR("source"), &source))
		return STR_NONE;
	bool sent = span_text(source.raw, STR("url")).p || span_text(source.raw, STR("data")).p;
	return sent ? source.raw : STR_NONE;
}

enum place { IN_SYSTEM, IN_USER, IN_ASSISTANT, IN_RESULT };

/* Which blocks have a place where, and what of them is sent. */
static const struct {
	const char *type;
	unsigned places;
	const char *kept[5];
} blocks[] = {
	{"text", 1 << IN_SYSTEM | 1 << IN_USER | 1 << IN_ASSISTANT | 1 << IN_RESULT, {"type", "text", NULL}},
	{"image", 1 << IN_USER | 1 << IN_RESULT, {"type", "source", NULL}},
	{"tool_use", 1 << IN_ASSISTANT, {"type", "id", "name", "input", NULL}},
	{"tool_result", 1 << IN_USER, {"type", "tool_use_id", "content", "is_error", NULL}},
};

static void note_list(struct str list, enum place place, uint32_t *changes);

static void note_block(struct str block, enum place place, uint32_t *changes)
{
	struct json_value v;

	if (span_is(block, STR("type"), STR("thinking")) || span_is(block, STR("type"), STR("redacted_thinking"))) {
		*changes |= CHANGE_THINKING_DROPPED;
		return;
	}
	for (size_t i = 0; i < sizeof(blocks) / sizeof(*blocks); i++) {
		if (!span_is(block, STR("type"), str_from(blocks[i].type)) || !(blocks[i].places & 1u << place))
			continue;
		if (strcmp(blocks[i].type, "image") == 0 && !convert_image_source(block).p)
			break;
		note_members(block, blocks[i].kept, CHANGE_BLOCK_OPTIONS, changes);
		if (strcmp(blocks[i].type, "tool_result") != 0)
			return;
		if (span_member(block, STR("is_error"), &v) && v.type == JSON_TRUE)
			*changes |= CHANGE_TOOL_ERRORS;
		if (span_member(block, STR("content"), &v))
			note_list(v.raw, IN_RESULT, changes);
		return;
	}
	*changes |= CHANGE_BLOCKS_DROPPED;
}

static void note_list(struct str list, enum place place, uint32_t *changes)
{
	struct json_value v;

	for (struct span_walk w = span_walk(list); span_next(&w, &v);)
		if (v.type != JSON_STRING)
			note_block(v.raw, place, changes);
}

void convert_note_message(struct str message, uint32_t *changes)
{
	static const char *const kept[] = {"role", "content", NULL};
	struct json_value content;

	note_members(message, kept, CHANGE_BLOCK_OPTIONS, changes);
	if (span_member(message, STR("content"), &content))
		note_list(content.raw,
			  span_is(message, STR("role"), STR("assistant")) ? IN_ASSISTANT
			  : span_is(message, STR("role"), STR("system"))  ? IN_SYSTEM
									  : IN_USER,
			  changes);
}

void convert_note_system(struct str system, uint32_t *changes)
{
	note_list(system, IN_SYSTEM, changes);
}
