/* SPDX-License-Identifier: MIT */
/* Anthropic's Messages API. */
#include "base/json_out.h"
#include "mock/wire.h"

#include <string.h>

/* One of these for every thinking block: clients send it back and no one else looks at it. */
#define SIGNATURE "bW9jaw=="

static void event_begin(struct reply *r, struct json_out *j, const char *type)
{
	buf_printf(&r->out, "event: %s\ndata: ", type);
	json_out_init(j, &r->out, false);
	json_out_object(j, NULL);
	json_out_cstr(j, "type", type);
}

static void event_end(struct reply *r, struct json_out *j)
{
	json_out_end(j);
	buf_puts(&r->out, "\n\n");
	reply_send(r);
}

/* What each engine tells where is in its profile. */
static void usage_fields(struct reply *r, struct json_out *j, const struct mock_usage *u)
{
	size_t cached = r->report_cached ? r->cached_tokens : 0;
	bool told = r->report_cached && (u->cached == CACHED_TOLD || (u->cached == CACHED_ABOVE_0 && cached > 0));

	size_t written = r->report_cached ? r->written_tokens[TTL_5M] + r->written_tokens[TTL_1H] : 0;

	if (u->input == INPUT_WHOLE)
		json_out_uint(j, "input_tokens", r->prompt_tokens);
	else if (u->input == INPUT_NEW)
		json_out_uint(j, "input_tokens", r->prompt_tokens - cached - written);
	if (u->creation != CREATION_ABSENT && r->report_cached)
		json_out_uint(j, "cache_creation_input_tokens", written);
	if (told)
		json_out_uint(j, "cache_read_input_tokens", cached);
	if (u->creation != CREATION_BY_TTL || !r->report_cached)
		return;
	json_out_object(j, "cache_creation");
	json_out_uint(j, "ephemeral_5m_input_tokens", r->written_tokens[TTL_5M]);
	json_out_uint(j, "ephemeral_1h_input_tokens", r->written_tokens[TTL_1H]);
	json_out_end(j);
}

static void usage(struct reply *r, struct json_out *j, const struct mock_usage *u)
{
	json_out_object(j, "usage");
	usage_fields(r, j, u);
	if (u->output)
		json_out_uint(j, "output_tokens", r->output_tokens);
	json_out_end(j);
}

/* Of an answer in one piece: all that a stream would tell. */
static void usage_whole(struct reply *r, struct json_out *j)
{
	const struct mock_usage *start = &r->profile->at_start, *end = &r->profile->at_end;
	struct mock_usage all = end->input != INPUT_ABSENT ? *end : *start;

	if (start->creation > all.creation)
		all.creation = start->creation;
	json_out_object(j, "usage");
	usage_fields(r, j, &all);
	json_out_uint(j, "output_tokens", r->output_tokens);
	json_out_end(j);
}

static void message_head(struct reply *r, struct json_out *j)
{
	char id[32];
	snprintf(id, sizeof(id), "%s%s", r->profile->whole_id ? "chatcmpl-" : "msg_", r->id);
	json_out_cstr(j, "id", id);
	json_out_cstr(j, "type", "message");
	json_out_cstr(j, "role", "assistant");
	json_out_cstr(j, "model", r->model);
}

static const char *stop_reason(enum stop stop)
{
	switch (stop) {
	case STOP_TOOL:
		return "tool_use";
	case STOP_MAX_TOKENS:
		return "max_tokens";
	case STOP_END:
		break;
	}
	return "end_turn";
}

static void start(struct reply *r)
{
	struct json_out j;

	event_begin(r, &j, "message_start");
	json_out_object(&j, "message");
	message_head(r, &j);
	json_out_array(&j, "content");
	json_out_end(&j);
	if (r->profile->stop_nulls != STOP_NO_NULLS) {
		json_out_null(&j, "stop_reason");
		json_out_null(&j, "stop_sequence");
	}
	usage(r, &j, &r->profile->at_start);
	json_out_end(&j);
	event_end(r, &j);

	if (!r->profile->ping)
		return;
	event_begin(r, &j, "ping");
	event_end(r, &j);
}

static void tool_fields(struct reply *r, struct json_out *j, size_t block)
{
	char id[48];
	snprintf(id, sizeof(id), "toolu_%s%zu", r->id, block);
	json_out_cstr(j, "type", "tool_use");
	json_out_cstr(j, "id", id);
	json_out_cstr(j, "name", r->answer->blocks[block].name);
}

static void block_start(struct reply *r, size_t block)
{
	struct json_out j;

	event_begin(r, &j, "content_block_start");
	json_out_uint(&j, "index", block);
	json_out_object(&j, "content_block");
	switch (r->answer->blocks[block].kind) {
	case ANSWER_TEXT:
		json_out_cstr(&j, "type", "text");
		json_out_cstr(&j, "text", "");
		break;
	case ANSWER_THINKING:
		json_out_cstr(&j, "type", "thinking");
		json_out_cstr(&j, "thinking", "");
		json_out_cstr(&j, "signature", "");
		break;
	case ANSWER_TOOL:
		tool_fields(r, &j, block);
		if (!r->profile->no_tool_input) {
			json_out_object(&j, "input");
			json_out_end(&j);
		}
		break;
	}
	json_out_end(&j);
	event_end(r, &j);
}

static void delta(struct reply *r, size_t block, const char *type, const char *field, struct str text)
{
	struct json_out j;

	event_begin(r, &j, "content_block_delta");
	json_out_uint(&j, "index", block);
	json_out_object(&j, "delta");
	json_out_cstr(&j, "type", type);
	json_out_str(&j, field, text);
	json_out_end(&j);
	event_end(r, &j);
}

static void piece(struct reply *r, size_t block, struct str text)
{
	switch (r->answer->blocks[block].kind) {
	case ANSWER_TEXT:
		delta(r, block, "text_delta", "text", text);
		break;
	case ANSWER_THINKING:
		delta(r, block, "thinking_delta", "thinking", text);
		break;
	case ANSWER_TOOL:
		delta(r, block, "input_json_delta", "partial_json", text);
		break;
	}
}

static void block_end(struct reply *r, size_t block)
{
	struct json_out j;

	if (r->answer->blocks[block].kind == ANSWER_THINKING)
		delta(r, block, "signature_delta", "signature", STR(SIGNATURE));
	event_begin(r, &j, "content_block_stop");
	json_out_uint(&j, "index", block);
	event_end(r, &j);
}

static void finish(struct reply *r, enum stop stop)
{
	struct json_out j;

	event_begin(r, &j, "message_delta");
	json_out_object(&j, "delta");
	json_out_cstr(&j, "stop_reason", stop_reason(stop));
	if (r->profile->stop_nulls != STOP_NO_NULLS)
		json_out_null(&j, "stop_sequence");
	json_out_end(&j);
	usage(r, &j, &r->profile->at_end);
	event_end(r, &j);

	event_begin(r, &j, "message_stop");
	event_end(r, &j);
}

static void error_fields(struct json_out *j, const char *type, const char *message)
{
	json_out_object(j, "error");
	json_out_cstr(j, "type", type);
	json_out_cstr(j, "message", message);
	json_out_end(j);
}

static void error(struct reply *r, const char *type, const char *message)
{
	struct json_out j;

	event_begin(r, &j, "error");
	error_fields(&j, type, message);
	event_end(r, &j);
}

static void refusal(struct buf *out, const char *type, const char *message)
{
	struct json_out j;

	json_out_init(&j, out, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "type", "error");
	error_fields(&j, type, message);
	json_out_end(&j);
}

static void whole_block(struct reply *r, struct json_out *j, size_t block, struct str text)
{
	const struct answer_block *b = &r->answer->blocks[block];

	json_out_object(j, NULL);
	switch (b->kind) {
	case ANSWER_TEXT:
		json_out_cstr(j, "type", "text");
		json_out_str(j, "text", text);
		break;
	case ANSWER_THINKING:
		json_out_cstr(j, "type", "thinking");
		json_out_str(j, "thinking", text);
		json_out_cstr(j, "signature", SIGNATURE);
		break;
	case ANSWER_TOOL:
		tool_fields(r, j, block);
		/* An input that max_tokens has cut is no JSON. */
		json_out_raw(j, "input", text.n == strlen(b->text) ? text : STR("{}"));
		break;
	}
	json_out_end(j);
}

static void whole(struct reply *r, size_t nblocks, size_t last_bytes, enum stop stop)
{
	struct json_out j;

	json_out_init(&j, &r->out, false);
	json_out_object(&j, NULL);
	message_head(r, &j);
	json_out_array(&j, "content");
	for (size_t i = 0; i < nblocks; i++) {
		struct str text = str_from(r->answer->blocks[i].text);
		if (i + 1 == nblocks)
			text.n = last_bytes;
		whole_block(r, &j, i, text);
	}
	json_out_end(&j);
	json_out_cstr(&j, "stop_reason", stop_reason(stop));
	if (r->profile->stop_nulls == STOP_NULLS)
		json_out_null(&j, "stop_sequence");
	usage_whole(r, &j);
	json_out_end(&j);
}

const struct wire wire_anthropic = {
	.start = start,
	.block_start = block_start,
	.piece = piece,
	.block_end = block_end,
	.finish = finish,
	.error = error,
	.whole = whole,
	.refusal = refusal,
};
