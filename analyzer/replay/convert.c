/* SPDX-License-Identifier: MIT */
#include "replay/convert.h"

#include "replay/rewrite.h"
#include "replay/spans.h"

/*
 * Anthropic Messages → OpenAI Chat Completions, on the wire form of the text: strings are copied with their escapes as
 * they stand, JSON inside JSON (the input of a tool call) is escaped byte by byte. What is written for a message
 * depends on that message alone, and messages come last but for the parameters: if one conversation's messages are
 * the beginning of another's, so are the bytes written for them.
 *
 *   system blocks         one system message, joined with LF
 *   system turns          system messages, in place
 *   user text, images     one user message behind the tool messages
 *   tool_result           messages of role tool, in front of the user's text
 *   assistant text        content; tool_use: tool_calls
 *   thinking              has no place here and is dropped
 *   tools                 functions; those without a schema (the API's own) are dropped
 *   parameters            see convert_rest.c
 */

struct conversion {
	struct buf *out;
	uint32_t *changes;
	bool any_message;
};

static void put(struct conversion *c, const char *text)
{
	buf_puts(c->out, text);
}

static void put_str(struct conversion *c, struct str s)
{
	buf_append_str(c->out, s);
}

/* A piece of JSON text inside a JSON string. */
static void put_escaped(struct conversion *c, struct str json)
{
	size_t from = 0;
	for (size_t i = 0; i < json.n; i++) {
		unsigned char byte = (unsigned char)json.p[i];
		if (byte != '"' && byte != '\\' && byte >= 0x20)
			continue;
		buf_append(c->out, json.p + from, i - from);
		if (byte >= 0x20)
			buf_printf(c->out, "\\%c", byte);
		else
			buf_printf(c->out, "\\u%04x", byte);
		from = i + 1;
	}
	buf_append(c->out, json.p + from, json.n - from);
}

static void begin_message(struct conversion *c, const char *role)
{
	put(c, c->any_message ? "," : "");
	c->any_message = true;
	buf_printf(c->out, "{\"role\":\"%s\"", role);
}

static bool is_type(struct str block, struct str type)
{
	return span_is(block, STR("type"), type);
}

/* The texts of a string or of a list of blocks, without quotes, one LF between blocks. True if there was one. */
static bool put_texts(struct conversion *c, struct str content, bool first)
{
	struct json_value v = {.type = JSON_STRING, .raw = content};
	bool any = false;

	if (content.n > 0 && content.p[0] == '"') {
		put(c, first ? "" : "\\n");
		put_str(c, json_string_inner(v));
		return true;
	}
	for (struct span_walk w = span_walk(content); span_next(&w, &v);) {
		struct str text = v.type == JSON_STRING ? json_string_inner(v) : span_text(v.raw, STR("text"));
		if (!text.p || (v.type == JSON_OBJECT && !is_type(v.raw, STR("text"))))
			continue;
		put(c, first && !any ? "" : "\\n");
		put_str(c, text);
		any = true;
	}
	return any;
}

/* ---- images */

static void put_image(struct conversion *c, struct str block)
{
	struct str source = convert_image_source(block);
	struct str url = span_text(source, STR("url")), data = span_text(source, STR("data"));
	put(c, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
	if (url.p) {
		put_str(c, url);
	} else {
		put(c, "data:");
		put_str(c, span_text(source, STR("media_type")));
		put(c, ";base64,");
		put_str(c, data);
	}
	put(c, "\"}}");
}

/* Those of a user's message, and of the tool results in it: Chat Completions takes them in user messages alone. */
static size_t images_of(struct conversion *c, struct str content, bool write, bool comma)
{
	struct json_value v, inner;
	size_t n = 0;

	for (struct span_walk w = span_walk(content); span_next(&w, &v);) {
		if (convert_image_source(v.raw).p) {
			if (write) {
				put(c, comma || n > 0 ? "," : "");
				put_image(c, v.raw);
			}
			n++;
		} else if (is_type(v.raw, STR("tool_result")) && span_member(v.raw, STR("content"), &inner)) {
			n += images_of(c, inner.raw, write, comma || n > 0);
		}
	}
	return n;
}

/* ---- messages */

static void put_tool_results(struct conversion *c, struct str content)
{
	struct json_value v, inner;

	for (struct span_walk w = span_walk(content); span_next(&w, &v);) {
		if (!is_type(v.raw, STR("tool_result")))
			continue;
		begin_message(c, "tool");
		put(c, ",\"tool_call_id\":\"");
		put_str(c, span_text(v.raw, STR("tool_use_id")));
		put(c, "\",\"content\":\"");
		if (span_member(v.raw, STR("content"), &inner))
			put_texts(c, inner.raw, true);
		put(c, "\"}");
	}
}

static bool has_text(struct str content)
{
	struct json_value v;

	if (content.n > 0 && content.p[0] == '"')
		return true;
	for (struct span_walk w = span_walk(content); span_next(&w, &v);)
		if (v.type == JSON_STRING || is_type(v.raw, STR("text")))
			return true;
	return false;
}

static void put_user(struct conversion *c, struct str content)
{
	bool text = has_text(content);

	put_tool_results(c, content);
	size_t images = images_of(c, content, false, false);
	if (!text && images == 0)
		return;
	begin_message(c, "user");
	if (images == 0) {
		put(c, ",\"content\":\"");
		put_texts(c, content, true);
		put(c, "\"}");
		return;
	}
	put(c, ",\"content\":[");
	if (text) {
		put(c, "{\"type\":\"text\",\"text\":\"");
		put_texts(c, content, true);
		put(c, "\"}");
	}
	images_of(c, content, true, text);
	put(c, "]}");
}

static void put_assistant(struct conversion *c, struct str content)
{
	struct json_value v, input;
	size_t calls = 0;

	begin_message(c, "assistant");
	put(c, ",\"content\":\"");
	put_texts(c, content, true);
	put(c, "\"");
	for (struct span_walk w = span_walk(content); span_next(&w, &v);) {
		if (!is_type(v.raw, STR("tool_use")))
			continue;
		put(c, calls++ == 0 ? ",\"tool_calls\":[" : ",");
		put(c, "{\"id\":\"");
		put_str(c, span_text(v.raw, STR("id")));
		put(c, "\",\"type\":\"function\",\"function\":{\"name\":\"");
		put_str(c, span_text(v.raw, STR("name")));
		put(c, "\",\"arguments\":\"");
		put_escaped(c, span_member(v.raw, STR("input"), &input) ? input.raw : STR("{}"));
		put(c, "\"}}");
	}
	put(c, calls ? "]}" : "}");
}

static void put_message(struct conversion *c, struct str message)
{
	struct json_value content;

	if (!span_member(message, STR("content"), &content))
		return;
	convert_note_message(message, c->changes);
	if (span_is(message, STR("role"), STR("assistant"))) {
		put_assistant(c, content.raw);
	} else if (span_is(message, STR("role"), STR("system"))) {
		begin_message(c, "system");
		put(c, ",\"content\":\"");
		put_texts(c, content.raw, true);
		put(c, "\"}");
	} else {
		put_user(c, content.raw);
	}
}

/* ---- tools, parameters */

static void put_tools(struct conversion *c, struct str tools)
{
	struct json_value v, schema, description;
	size_t n = 0;

	for (struct span_walk w = span_walk(tools); span_next(&w, &v);) {
		if (!span_member(v.raw, STR("input_schema"), &schema)) {
			*c->changes |= CHANGE_TOOLS_DROPPED;
			continue;
		}
		convert_note_tool(v.raw, c->changes);
		put(c, n++ == 0 ? "\"tools\":[" : ",");
		put(c, "{\"type\":\"function\",\"function\":{\"name\":\"");
		put_str(c, span_text(v.raw, STR("name")));
		put(c, "\",\"description\":");
		put_str(c, span_member(v.raw, STR("description"), &description) ? description.raw : STR("\"\""));
		put(c, ",\"parameters\":");
		put_str(c, schema.raw);
		put(c, "}}");
	}
	put(c, n ? "]," : "");
}

int convert_body(struct str body, struct buf *out, uint32_t *changes)
{
	struct conversion c = {.out = out, .changes = changes};
	struct json_value v;

	*changes |= CHANGE_TO_OPENAI;
	put(&c, "{\"model\":");
	put_str(&c, span_member(body, STR("model"), &v) ? v.raw : STR("\"default_model\""));
	put(&c, ",");
	if (span_member(body, STR("tools"), &v))
		put_tools(&c, v.raw);
	put(&c, "\"messages\":[");
	if (span_member(body, STR("system"), &v))
		convert_note_system(v.raw, changes);
	if (span_member(body, STR("system"), &v) && has_text(v.raw)) {
		begin_message(&c, "system");
		put(&c, ",\"content\":\"");
		put_texts(&c, v.raw, true);
		put(&c, "\"}");
	}
	if (!span_member(body, STR("messages"), &v))
		return -1;
	for (struct span_walk w = span_walk(v.raw); span_next(&w, &v);)
		put_message(&c, v.raw);
	put(&c, "]");
	convert_parameters(body, out, changes);
	put(&c, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
	return out->failed ? -1 : 0;
}
