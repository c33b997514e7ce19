/* SPDX-License-Identifier: MIT */
#include "api/dialect.h"

#include <string.h>

/*
 * OpenAI's Chat Completions, and what servers add to it. Usage comes in a last chunk without choices (when the client
 * asks for it), in the last chunk with one, or in every chunk.
 */

static struct usage usage_of(const cJSON *usage)
{
	const cJSON *prompt = json_member(usage, "prompt_tokens_details");
	return (struct usage){
		.input = json_count(usage, "prompt_tokens"),
		.output = json_count(usage, "completion_tokens"),
		.cache_read = json_count(prompt, "cached_tokens"),
		.cache_creation = json_count(prompt, "created_cache_tokens"),
		.reasoning = json_count(json_member(usage, "completion_tokens_details"), "reasoning_tokens"),
	};
}

static double milliseconds(const cJSON *timings, const char *key, double otherwise)
{
	const cJSON *item = json_member(timings, key);
	return cJSON_IsNumber(item) && item->valuedouble >= 0 ? item->valuedouble : otherwise;
}

static int64_t last_count(const cJSON *timings, const char *key, int64_t otherwise)
{
	int64_t n = json_count(timings, key);
	return n >= 0 ? n : otherwise;
}

static void take_timings(struct exchange *x, const cJSON *timings)
{
	struct engine_timings *t = &x->response.timings;
	if (!cJSON_IsObject(timings))
		return;
	t->prompt_ms = milliseconds(timings, "prompt_ms", t->prompt_ms);
	t->predicted_ms = milliseconds(timings, "predicted_ms", t->predicted_ms);
	t->prompt_tokens = last_count(timings, "prompt_n", t->prompt_tokens);
	t->cached_tokens = last_count(timings, "cache_n", t->cached_tokens);
	t->predicted_tokens = last_count(timings, "predicted_n", t->predicted_tokens);
	if (json_member(timings, "prompt_ms") && json_member(timings, "prompt_n"))
		take_engine(x, "llama.cpp");
}

/* Passes "b" and digits, "-" and seven or more hex digits: "b10573-1a2b3c4d", llama.cpp's build. */
static bool is_llamacpp_build(const char *s)
{
	size_t digits = strspn(s + (*s == 'b'), "0123456789");
	if (*s != 'b' || digits == 0 || s[1 + digits] != '-')
		return false;
	const char *commit = s + digits + 2;
	size_t n = strspn(commit, "0123456789abcdef");
	return n >= 7 && commit[n] == '\0';
}

/* "0.32.0-0.30.1-macOS-15.1-arm64-…": the versions of mlx_lm and mlx, the platform. */
static bool is_mlx_fingerprint(const char *s)
{
	for (int i = 0; i < 2; i++) {
		size_t n = strspn(s, "0123456789.");
		if (n < 3 || !memchr(s, '.', n) || s[n] != '-')
			return false;
		s += n + 1;
	}
	return strncmp(s, "macOS-", 6) == 0 || strncmp(s, "Linux-", 6) == 0;
}

static void common(struct exchange *x, const cJSON *data)
{
	struct usage said = usage_of(json_member(data, "usage"));
	const char *fingerprint = json_text(data, "system_fingerprint");

	if (!usage_is_none(&said))
		x->response.usage_end = said;
	take_usage(x, &said);
	take_timings(x, json_member(data, "timings"));
	set_first(&x->response.id, json_text(data, "id"));
	set_first(&x->response.model, json_text(data, "model"));
	if (!fingerprint)
		return;
	if (strcmp(fingerprint, "fp_ollama") == 0)
		take_engine(x, "ollama");
	else if (is_llamacpp_build(fingerprint))
		take_engine(x, "llama.cpp");
	else if (is_mlx_fingerprint(fingerprint))
		take_engine(x, "mlx-lm");
}

/* Text, reasoning and calls in a message or in the delta of one. True if there is any; a call counts by its name. */
static bool content_of(const cJSON *message, size_t *bytes)
{
	static const char *const members[] = {"content", "reasoning_content", "reasoning", "refusal"};
	const cJSON *calls = json_member(message, "tool_calls"), *call;
	bool any = false;

	*bytes = 0;
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const char *text = json_text(message, members[i]);
		if (text) {
			*bytes += strlen(text);
			any = true;
		}
	}
	cJSON_ArrayForEach(call, calls)
	{
		const char *arguments = json_text(json_member(call, "function"), "arguments");
		*bytes += arguments ? strlen(arguments) : 0;
		any = true;
	}
	return any;
}

static void event(struct exchange *x, struct str name, const cJSON *data, uint64_t time_ns)
{
	const cJSON *choice;
	bool error_event = str_eq(name, STR("error"));

	if (read_error(x, data, error_event))
		return;
	/* llama.cpp tells on request how far its prefill is: nothing has been generated yet. */
	bool progress = json_member(data, "prompt_progress") != NULL;
	if (x->times.message_start == 0 && !progress) {
		x->times.message_start = time_ns;
		x->response.usage_start = usage_of(json_member(data, "usage"));
	}
	common(x, data);
	cJSON_ArrayForEach(choice, json_member(data, "choices"))
	{
		size_t bytes;
		if (content_of(json_member(choice, "delta"), &bytes))
			take_content(x, bytes, time_ns);
		set_last(&x->response.stop_reason, json_text(choice, "finish_reason"));
	}
}

static void body(struct exchange *x, const cJSON *data)
{
	const cJSON *choice;

	if (read_error(x, data, false))
		return;
	common(x, data);
	cJSON_ArrayForEach(choice, json_member(data, "choices"))
	{
		size_t bytes;
		if (content_of(json_member(choice, "message"), &bytes))
			x->response.text_bytes += bytes;
		set_last(&x->response.stop_reason, json_text(choice, "finish_reason"));
	}
}

const struct dialect dialect_openai = {event, body};
