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

const cJSON *mock_tool_definition(const cJSON *tool)
{
	const cJSON *function = cJSON_GetObjectItemCaseSensitive(tool, "function");
	return cJSON_IsObject(function) ? function : tool;
}

bool mock_request_offers_tool(const struct mock_request *r, const char *name)
{
	const cJSON *tool;
	cJSON_ArrayForEach(tool, cJSON_GetObjectItemCaseSensitive(r->json, "tools"))
	{
		const char *offered = string_of(mock_tool_definition(tool), "name");
		if (!name || (offered && strcmp(offered, name) == 0))
			return true;
	}
	return false;
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

int mock_request_read(struct mock_request *r, enum mock_api api, const struct mock_rendering *how, struct str body,
		      char *why, size_t why_bytes)
{
	return mock_request_read_text(r, api, how, body, NULL, why, why_bytes);
}

int mock_request_read_text(struct mock_request *r, enum mock_api api, const struct mock_rendering *how, struct str body,
			   struct buf *text, char *why, size_t why_bytes)
{
	const char *end = NULL;

	*r = (struct mock_request){.api = api, .max_tokens = -1, .prompt.text = text};
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
	if (!wrong)
		wrong = mock_render(r, how);
	if (!wrong && (r->prompt.failed || r->system.failed || r->last_user.failed))
		wrong = "the mock is out of memory";
	if (wrong) {
		snprintf(why, why_bytes, "%s", wrong);
		goto bad;
	}
	return 0;
bad:
	mock_request_release(r);
	return -1;
}

void mock_request_drop_old(struct mock_request *r, const struct mock_rendering *how, size_t max)
{
	bool shorter = true;

	while (shorter && r->prompt.n > max) {
		/* The texts that the script searches stay those of the whole request. */
		struct mock_request less = {.api = r->api, .json = r->json, .left_out = r->left_out + 1};
		buf_init(&less.system, SEARCHED_BYTES_MAX);
		buf_init(&less.last_user, SEARCHED_BYTES_MAX);
		(void)mock_render(&less, how); /* it was accepted before */
		shorter = !less.prompt.failed && less.prompt.n < r->prompt.n;
		if (shorter) {
			struct mock_tokens prompt = r->prompt;
			struct mock_block *blocks = r->blocks;
			r->prompt = less.prompt;
			r->blocks = less.blocks;
			r->nblocks = less.nblocks;
			r->blocks_capacity = less.blocks_capacity;
			r->left_out = less.left_out;
			less.prompt = prompt;
			less.blocks = blocks;
		}
		less.json = NULL;
		mock_request_release(&less);
	}
}

void mock_request_cut(struct mock_request *r, size_t context)
{
	if (context <= 1 || r->prompt.n < context)
		return;
	size_t keep = context - 1 < MOCK_KEEP_TOKENS ? context - 1 : MOCK_KEEP_TOKENS;
	size_t half = (context - keep) / 2;
	size_t left = context - (half > 0 ? half : 1);

	memmove(r->prompt.ids + keep, r->prompt.ids + r->prompt.n - (left - keep),
		(left - keep) * sizeof(*r->prompt.ids));
	r->prompt.n = left;
	r->nblocks = 0;
}

void mock_request_release(struct mock_request *r)
{
	mock_tokens_release(&r->prompt);
	free(r->blocks);
	buf_release(&r->system);
	buf_release(&r->last_user);
	cJSON_Delete(r->json);
	*r = (struct mock_request){0};
}
