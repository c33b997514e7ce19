/* SPDX-License-Identifier: MIT */
#include "api/dialect.h"

#include <string.h>

/*
 * Anthropic's Messages API, as Anthropic and the engines that imitate it speak it. Where the token counts stand
 * differs: Anthropic, llama.cpp and SGLang put the prompt's into message_start, vLLM its cached tokens into
 * message_delta alone, Ollama an estimate into message_start and the truth into message_delta. Hence: the last one that
 * was said.
 */

static struct usage usage_of(const cJSON *usage)
{
	return (struct usage){
		.input = json_count(usage, "input_tokens"),
		.output = json_count(usage, "output_tokens"),
		.cache_read = json_count(usage, "cache_read_input_tokens"),
		.cache_creation = json_count(usage, "cache_creation_input_tokens"),
		.reasoning = json_count(json_member(usage, "output_tokens_details"), "thinking_tokens"),
	};
}

static bool is(const char *text, const char *word)
{
	return text && strcmp(text, word) == 0;
}

static bool ends_with(const char *text, const char *ending)
{
	return text && str_ends(str_from(text), str_from(ending));
}

static void message_start(struct exchange *x, const cJSON *data, uint64_t time_ns)
{
	const cJSON *message = json_member(data, "message");
	struct usage said = usage_of(json_member(message, "usage"));

	if (x->times.message_start == 0)
		x->times.message_start = time_ns;
	set_first(&x->response.id, json_text(message, "id"));
	set_first(&x->response.model, json_text(message, "model"));
	set_last(&x->response.stop_reason, json_text(message, "stop_reason"));
	x->response.usage_start = said;
	take_usage(x, &said);
}

/* A call of a tool is output from its first event on; some engines send its whole input there. Text begins empty. */
static void block_start(struct exchange *x, const cJSON *data, uint64_t time_ns)
{
	const cJSON *block = json_member(data, "content_block");
	const char *type = json_text(block, "type");
	const char *text = json_text(block, is(type, "thinking") ? "thinking" : "text");

	if (text)
		take_content(x, strlen(text), time_ns);
	else if (ends_with(type, "tool_use"))
		take_content(x, 0, time_ns);
}

static void block_delta(struct exchange *x, const cJSON *data, uint64_t time_ns)
{
	static const char *const members[] = {"text", "thinking", "partial_json"};
	const cJSON *delta = json_member(data, "delta");

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const char *text = json_text(delta, members[i]);
		if (text) {
			take_content(x, strlen(text), time_ns);
			return;
		}
	}
}

static void message_delta(struct exchange *x, const cJSON *data)
{
	struct usage said = usage_of(json_member(data, "usage"));

	set_last(&x->response.stop_reason, json_text(json_member(data, "delta"), "stop_reason"));
	if (!usage_is_none(&said))
		x->response.usage_end = said;
	take_usage(x, &said);
}

/* The event's own name first: llama.cpp's error event has its error's type where others have the event's. */
static void event(struct exchange *x, struct str name, const cJSON *data, uint64_t time_ns)
{
	struct str kind = name.n > 0 ? name : str_from(json_text(data, "type"));

	if (str_eq(kind, STR("content_block_delta")))
		block_delta(x, data, time_ns);
	else if (str_eq(kind, STR("content_block_start")))
		block_start(x, data, time_ns);
	else if (str_eq(kind, STR("message_start")))
		message_start(x, data, time_ns);
	else if (str_eq(kind, STR("message_delta")))
		message_delta(x, data);
	else if (str_eq(kind, STR("error")))
		read_error(x, data, true);
	else if (!str_eq(kind, STR("ping")) && !str_eq(kind, STR("content_block_stop")) &&
		 !str_eq(kind, STR("message_stop")))
		read_error(x, data, false);
}

static uint64_t block_bytes(const cJSON *block)
{
	const char *text = json_text(block, "text");
	if (!text)
		text = json_text(block, "thinking");
	if (text)
		return strlen(text);
	const cJSON *input = json_member(block, "input");
	char *json = input ? cJSON_PrintUnformatted(input) : NULL;
	uint64_t n = json ? strlen(json) : 0;
	cJSON_free(json);
	return n;
}

static void body(struct exchange *x, const cJSON *data)
{
	if (read_error(x, data, is(json_text(data, "type"), "error")))
		return;

	/* count_tokens answers with nothing but a count. */
	struct usage said = usage_of(x->api == KVS_API_ANTHROPIC_COUNT_TOKENS ? data : json_member(data, "usage"));
	x->response.usage_end = said;
	take_usage(x, &said);
	set_first(&x->response.id, json_text(data, "id"));
	set_first(&x->response.model, json_text(data, "model"));
	set_last(&x->response.stop_reason, json_text(data, "stop_reason"));

	const cJSON *block;
	cJSON_ArrayForEach(block, json_member(data, "content")) x->response.text_bytes += block_bytes(block);
}

const struct dialect dialect_anthropic = {event, body};
