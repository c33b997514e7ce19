/* SPDX-License-Identifier: MIT */
/* OpenAI's Chat Completions API, with the reasoning_content of local engines for thinking. */
#include "base/json_out.h"
#include "mock/wire.h"

static void head(struct reply *r, struct json_out *j, const char *object)
{
	char id[40];
	snprintf(id, sizeof(id), "chatcmpl-%s", r->id);
	json_out_init(j, &r->out, false);
	json_out_object(j, NULL);
	json_out_cstr(j, "id", id);
	json_out_cstr(j, "object", object);
	json_out_uint(j, "created", r->created_s);
	json_out_cstr(j, "model", r->model);
	if (r->fingerprint)
		json_out_cstr(j, "system_fingerprint", r->fingerprint);
}

static void rate(struct json_out *j, const char *kind, size_t tokens, uint64_t ns)
{
	double ms = (double)ns / 1e6, n = (double)tokens;
	const struct {
		const char *name;
		double value;
		int decimals;
	} fields[] = {
		{"n", n, 0},
		{"ms", ms, 3},
		{"per_token_ms", ms / n, 6},
		{"per_second", n * 1e3 / ms, 6},
	};
	char key[48];

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		snprintf(key, sizeof(key), "%s_%s", kind, fields[i].name);
		json_out_double(j, key, fields[i].value, fields[i].decimals);
	}
}

/* As llama.cpp has it in every answer of this API. */
static void timings(struct reply *r, struct json_out *j)
{
	if (!r->profile->timings)
		return;
	json_out_object(j, "timings");
	json_out_uint(j, "cache_n", r->cached_tokens);
	rate(j, "prompt", r->prompt_tokens - r->cached_tokens, r->first_token_ns - r->prefill_start_ns);
	rate(j, "predicted", r->output_tokens, r->last_token_ns - r->first_token_ns);
	json_out_end(j);
}

static void usage(struct reply *r, struct json_out *j)
{
	json_out_object(j, "usage");
	json_out_uint(j, "prompt_tokens", r->prompt_tokens);
	json_out_uint(j, "completion_tokens", r->output_tokens);
	json_out_uint(j, "total_tokens", r->prompt_tokens + r->output_tokens);
	if (r->report_cached) {
		json_out_object(j, "prompt_tokens_details");
		json_out_uint(j, "cached_tokens", r->cached_tokens);
		json_out_end(j);
	}
	json_out_end(j);
}

/* Opens a chunk as far as the fields of its delta. */
static void chunk_begin(struct reply *r, struct json_out *j)
{
	buf_puts(&r->out, "data: ");
	head(r, j, "chat.completion.chunk");
	json_out_array(j, "choices");
	json_out_object(j, NULL);
	json_out_int(j, "index", 0);
	json_out_object(j, "delta");
}

static void chunk_end(struct reply *r, struct json_out *j, const char *finish_reason)
{
	json_out_end(j);
	json_out_cstr(j, "finish_reason", finish_reason);
	json_out_end(j);
	json_out_end(j);
	json_out_end(j);
	buf_puts(&r->out, "\n\n");
	reply_send(r);
}

static const char *finish_reason(enum stop stop)
{
	switch (stop) {
	case STOP_TOOL:
		return "tool_calls";
	case STOP_MAX_TOKENS:
		return "length";
	case STOP_END:
		break;
	}
	return "stop";
}

static void start(struct reply *r)
{
	struct json_out j;

	chunk_begin(r, &j);
	json_out_cstr(&j, "role", "assistant");
	json_out_cstr(&j, "content", "");
	chunk_end(r, &j, NULL);
}

static void tool_head(struct reply *r, struct json_out *j, size_t block)
{
	char id[48];
	snprintf(id, sizeof(id), "call_%s%zu", r->id, block);
	json_out_cstr(j, "id", id);
	json_out_cstr(j, "type", "function");
	json_out_object(j, "function");
	json_out_cstr(j, "name", r->answer->blocks[block].name);
}

static void block_start(struct reply *r, size_t block)
{
	struct json_out j;

	if (r->answer->blocks[block].kind != ANSWER_TOOL)
		return;
	chunk_begin(r, &j);
	json_out_array(&j, "tool_calls");
	json_out_object(&j, NULL);
	json_out_uint(&j, "index", reply_tools_before(r, block));
	tool_head(r, &j, block);
	json_out_cstr(&j, "arguments", "");
	json_out_end(&j);
	json_out_end(&j);
	json_out_end(&j);
	chunk_end(r, &j, NULL);
}

static void piece(struct reply *r, size_t block, struct str text)
{
	struct json_out j;

	chunk_begin(r, &j);
	switch (r->answer->blocks[block].kind) {
	case ANSWER_TEXT:
		json_out_str(&j, "content", text);
		break;
	case ANSWER_THINKING:
		json_out_str(&j, "reasoning_content", text);
		break;
	case ANSWER_TOOL:
		json_out_array(&j, "tool_calls");
		json_out_object(&j, NULL);
		json_out_uint(&j, "index", reply_tools_before(r, block));
		json_out_object(&j, "function");
		json_out_str(&j, "arguments", text);
		json_out_end(&j);
		json_out_end(&j);
		json_out_end(&j);
		break;
	}
	chunk_end(r, &j, NULL);
}

static void block_end(struct reply *r, size_t block)
{
	(void)r;
	(void)block; /* the API has no word for it */
}

static void finish(struct reply *r, enum stop stop)
{
	struct json_out j;

	const char *object = r->profile->openai_usage_object;

	chunk_begin(r, &j);
	json_out_end(&j);
	json_out_cstr(&j, "finish_reason", finish_reason(stop));
	json_out_end(&j);
	json_out_end(&j);
	if (!r->include_usage)
		timings(r, &j);
	json_out_end(&j);
	buf_puts(&r->out, "\n\n");
	reply_send(r);
	if (r->include_usage) {
		buf_puts(&r->out, "data: ");
		head(r, &j, object ? object : "chat.completion.chunk");
		json_out_array(&j, "choices");
		json_out_end(&j);
		usage(r, &j);
		timings(r, &j);
		json_out_end(&j);
		buf_puts(&r->out, "\n\n");
		reply_send(r);
	}
	buf_puts(&r->out, "data: [DONE]\n\n");
	reply_send(r);
}

static void refusal(struct buf *out, const char *type, const char *message)
{
	struct json_out j;

	json_out_init(&j, out, false);
	json_out_object(&j, NULL);
	json_out_object(&j, "error");
	json_out_cstr(&j, "message", message);
	json_out_cstr(&j, "type", type);
	json_out_null(&j, "param");
	json_out_null(&j, "code");
	json_out_end(&j);
	json_out_end(&j);
}

static void error(struct reply *r, const char *type, const char *message)
{
	buf_puts(&r->out, "data: ");
	refusal(&r->out, type, message);
	buf_puts(&r->out, "\n\n");
	reply_send(r);
}

static struct str said(const struct reply *r, size_t block, size_t nblocks, size_t last_bytes)
{
	struct str text = str_from(r->answer->blocks[block].text);
	if (block + 1 == nblocks)
		text.n = last_bytes;
	return text;
}

/* Joins the blocks of one kind into one field, which is all the room the API has for them. */
static void joined(struct reply *r, struct json_out *j, enum answer_kind kind, const char *field, size_t nblocks,
		   size_t last_bytes)
{
	struct buf text;
	bool any = false;

	buf_init(&text, BUF_UNLIMITED);
	for (size_t i = 0; i < nblocks; i++) {
		if (r->answer->blocks[i].kind != kind)
			continue;
		any = true;
		buf_append_str(&text, said(r, i, nblocks, last_bytes));
	}
	if (any)
		json_out_str(j, field, buf_str(&text));
	else if (kind == ANSWER_TEXT)
		json_out_null(j, field);
	buf_release(&text);
}

static void whole(struct reply *r, size_t nblocks, size_t last_bytes, enum stop stop)
{
	struct json_out j;

	head(r, &j, "chat.completion");
	json_out_array(&j, "choices");
	json_out_object(&j, NULL);
	json_out_int(&j, "index", 0);
	json_out_object(&j, "message");
	json_out_cstr(&j, "role", "assistant");
	joined(r, &j, ANSWER_TEXT, "content", nblocks, last_bytes);
	joined(r, &j, ANSWER_THINKING, "reasoning_content", nblocks, last_bytes);
	if (reply_tools_before(r, nblocks) > 0) {
		json_out_array(&j, "tool_calls");
		for (size_t i = 0; i < nblocks; i++) {
			if (r->answer->blocks[i].kind != ANSWER_TOOL)
				continue;
			json_out_object(&j, NULL);
			tool_head(r, &j, i);
			json_out_str(&j, "arguments", said(r, i, nblocks, last_bytes));
			json_out_end(&j);
			json_out_end(&j);
		}
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_cstr(&j, "finish_reason", finish_reason(stop));
	json_out_end(&j);
	json_out_end(&j);
	usage(r, &j);
	timings(r, &j);
	json_out_end(&j);
}

const struct wire wire_openai = {
	.start = start,
	.block_start = block_start,
	.piece = piece,
	.block_end = block_end,
	.finish = finish,
	.error = error,
	.whole = whole,
	.refusal = refusal,
};
