/* SPDX-License-Identifier: MIT */
#include "mock/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Texts that the script searches. The prompt itself is bounded by the size of the body. */
#define SEARCHED_BYTES_MAX ((size_t)256 << 20)

static const char *string_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static void tokens_cstr(struct mock_request *r, const char *s)
{
	if (s)
		mock_tokens_text(&r->prompt, str_from(s));
}

/* Any JSON value, as its compact text: the model sees keys and values, not how the client spaced them. */
static void tokens_json(struct mock_request *r, const cJSON *value)
{
	if (!value)
		return;
	char *text = cJSON_PrintUnformatted(value);
	if (!text)
		r->prompt.failed = true;
	tokens_cstr(r, text);
	cJSON_free(text);
}

/* Remembers text that the script may search. */
static void note(struct buf *to, const char *text)
{
	if (!to || !text)
		return;
	buf_puts(to, text);
	buf_putc(to, '\n');
}

static void tool_call(struct mock_request *r, const char *name, const cJSON *input)
{
	mock_tokens_mark(&r->prompt, MARK_TOOL_CALL);
	tokens_cstr(r, name);
	mock_tokens_mark(&r->prompt, MARK_BLOCK);
	if (cJSON_IsString(input))
		tokens_cstr(r, input->valuestring);
	else
		tokens_json(r, input);
}

/* The blocks of a tool result hold no further tool results: `nested` ends the descent. */
static void block(struct mock_request *r, const cJSON *b, struct buf *searched, bool nested)
{
	const char *type = string_of(b, "type");
	const char *text = string_of(b, "text");

	if (text && (!type || strcmp(type, "text") == 0)) {
		mock_tokens_mark(&r->prompt, MARK_BLOCK);
		tokens_cstr(r, text);
		note(searched, text);
	} else if (type && strcmp(type, "thinking") == 0) {
		mock_tokens_mark(&r->prompt, MARK_THINKING);
		tokens_cstr(r, string_of(b, "thinking"));
	} else if (type && strcmp(type, "tool_use") == 0) {
		tool_call(r, string_of(b, "name"), cJSON_GetObjectItemCaseSensitive(b, "input"));
	} else if (type && strcmp(type, "tool_result") == 0 && !nested) {
		const cJSON *result = cJSON_GetObjectItemCaseSensitive(b, "content");
		mock_tokens_mark(&r->prompt, MARK_TOOL_RESULT);
		if (cJSON_IsString(result))
			tokens_cstr(r, result->valuestring);
		for (const cJSON *part = result ? result->child : NULL; part; part = part->next)
			block(r, part, NULL, true);
	} else {
		mock_tokens_mark(&r->prompt, MARK_OTHER);
		tokens_json(r, b);
	}
}

/* A string, or an array of blocks; a string is the same as one block of text. */
static void content(struct mock_request *r, const cJSON *value, struct buf *searched)
{
	if (cJSON_IsString(value)) {
		mock_tokens_mark(&r->prompt, MARK_BLOCK);
		tokens_cstr(r, value->valuestring);
		note(searched, value->valuestring);
		return;
	}
	const cJSON *b;
	cJSON_ArrayForEach(b, value)
	{
		block(r, b, searched, false);
	}
}

static void message(struct mock_request *r, const cJSON *m)
{
	const char *role = string_of(m, "role");
	enum mock_mark mark = MARK_OTHER;
	struct buf *searched = NULL;

	if (!role) {
		tokens_json(r, m);
		return;
	}
	if (strcmp(role, "user") == 0) {
		mark = MARK_USER;
		searched = &r->last_user;
		buf_reset(searched);
	} else if (strcmp(role, "assistant") == 0) {
		mark = MARK_ASSISTANT;
		r->turn++;
	} else if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0) {
		mark = MARK_SYSTEM;
		searched = &r->system;
	} else if (strcmp(role, "tool") == 0) {
		mark = MARK_TOOL_RESULT;
	}
	mock_tokens_mark(&r->prompt, mark);
	content(r, cJSON_GetObjectItemCaseSensitive(m, "content"), searched);

	const cJSON *call;
	cJSON_ArrayForEach(call, cJSON_GetObjectItemCaseSensitive(m, "tool_calls"))
	{
		const cJSON *function = cJSON_GetObjectItemCaseSensitive(call, "function");
		tool_call(r, string_of(function, "name"), cJSON_GetObjectItemCaseSensitive(function, "arguments"));
	}
	mock_tokens_mark(&r->prompt, MARK_END);
}

/* What a tool's definition is in: itself with Anthropic, its "function" with OpenAI. */
static const cJSON *definition(const cJSON *tool)
{
	const cJSON *function = cJSON_GetObjectItemCaseSensitive(tool, "function");
	return cJSON_IsObject(function) ? function : tool;
}

static void tools(struct mock_request *r)
{
	const cJSON *tool;
	cJSON_ArrayForEach(tool, cJSON_GetObjectItemCaseSensitive(r->json, "tools"))
	{
		const cJSON *d = definition(tool);
		const cJSON *schema = cJSON_GetObjectItemCaseSensitive(d, "input_schema");
		mock_tokens_mark(&r->prompt, MARK_TOOL);
		tokens_cstr(r, string_of(d, "name"));
		mock_tokens_mark(&r->prompt, MARK_BLOCK);
		tokens_cstr(r, string_of(d, "description"));
		mock_tokens_mark(&r->prompt, MARK_BLOCK);
		tokens_json(r, schema ? schema : cJSON_GetObjectItemCaseSensitive(d, "parameters"));
	}
}

bool mock_request_offers_tool(const struct mock_request *r, const char *name)
{
	const cJSON *tool;
	cJSON_ArrayForEach(tool, cJSON_GetObjectItemCaseSensitive(r->json, "tools"))
	{
		const char *offered = string_of(definition(tool), "name");
		if (!name || (offered && strcmp(offered, name) == 0))
			return true;
	}
	return false;
}

static void render(struct mock_request *r)
{
	const cJSON *system = cJSON_GetObjectItemCaseSensitive(r->json, "system"), *m;

	tools(r);
	if (system) {
		mock_tokens_mark(&r->prompt, MARK_SYSTEM);
		content(r, system, &r->system);
		mock_tokens_mark(&r->prompt, MARK_END);
	}
	cJSON_ArrayForEach(m, cJSON_GetObjectItemCaseSensitive(r->json, "messages"))
	{
		message(r, m);
	}
	mock_tokens_mark(&r->prompt, MARK_ASSISTANT); /* where the answer begins */
}

/* NULL, or what is wrong with the fields that decide about the answer. */
static const char *read_fields(struct mock_request *r)
{
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(r->json, "messages");
	const cJSON *model = cJSON_GetObjectItemCaseSensitive(r->json, "model");
	const cJSON *max = cJSON_GetObjectItemCaseSensitive(r->json, "max_tokens");

	if (!cJSON_IsObject(r->json))
		return "the body must be a JSON object";
	if (!cJSON_IsArray(messages) || cJSON_GetArraySize(messages) == 0)
		return "messages: a list with at least one message is required";
	if (model && !cJSON_IsString(model))
		return "model: must be a string";
	if (!max)
		max = cJSON_GetObjectItemCaseSensitive(r->json, "max_completion_tokens");
	if (max && !cJSON_IsNull(max)) {
		if (!cJSON_IsNumber(max) || max->valuedouble < 1 || max->valuedouble > 1e9)
			return "max_tokens: must be a positive integer";
		r->max_tokens = (int64_t)max->valuedouble;
	}
	r->model = model ? model->valuestring : NULL;
	r->stream = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r->json, "stream"));
	const cJSON *options = cJSON_GetObjectItemCaseSensitive(r->json, "stream_options");
	r->include_usage = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "include_usage"));
	return NULL;
}

int mock_request_read(struct mock_request *r, enum mock_api api, struct str body, char *why, size_t why_bytes)
{
	const char *end = NULL;

	*r = (struct mock_request){.api = api, .max_tokens = -1};
	buf_init(&r->system, SEARCHED_BYTES_MAX);
	buf_init(&r->last_user, SEARCHED_BYTES_MAX);
	r->json = cJSON_ParseWithLengthOpts(body.p ? body.p : "", body.n, &end, false);
	size_t at = end && body.p ? (size_t)(end - body.p) : 0;
	while (r->json && at < body.n && strchr(" \t\r\n", body.p[at]))
		at++;
	if (!r->json || at < body.n) {
		snprintf(why, why_bytes, "the body is not JSON: byte %zu", at);
		goto bad;
	}
	const char *wrong = read_fields(r);
	if (!wrong) {
		render(r);
		if (r->prompt.failed || r->system.failed || r->last_user.failed)
			wrong = "the mock is out of memory";
	}
	if (wrong) {
		snprintf(why, why_bytes, "%s", wrong);
		goto bad;
	}
	return 0;
bad:
	mock_request_release(r);
	return -1;
}

void mock_request_release(struct mock_request *r)
{
	mock_tokens_release(&r->prompt);
	buf_release(&r->system);
	buf_release(&r->last_user);
	cJSON_Delete(r->json);
	*r = (struct mock_request){0};
}
