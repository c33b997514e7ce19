/* SPDX-License-Identifier: MIT */
#include "prompt/build.h"

#include "base/array.h"

#define BILLING_PREFIX STR("x-anthropic-billing-header:")

int build_part(struct prompt_build *b, enum block_type block, uint32_t message, uint32_t index, size_t offset)
{
	struct prompt *p = b->out;
	if (p->nparts == PROMPT_PARTS_MAX)
		return json_fail(&b->scan, "too many parts", offset);
	struct prompt_part *grown = array_grow(p->parts, &p->capacity, p->nparts + 1, sizeof(*p->parts));
	if (!grown)
		return json_fail(&b->scan, "no memory", offset);
	p->parts = grown;
	p->parts[p->nparts++] = (struct prompt_part){
		.kind = PART_MESSAGE,
		.role = ROLE_OTHER,
		.block = block,
		.message = message,
		.index = index,
		.offset = offset,
		.bytes = b->scan.at - offset,
	};
	return 0;
}

int build_once(struct prompt_build *b, bool *seen)
{
	if (*seen)
		return json_fail(&b->scan, "a key that stands twice", b->scan.at);
	*seen = true;
	return 0;
}

static enum block_type block_of_type(struct str inner)
{
	static const struct {
		struct str type;
		enum block_type block;
	} types[] = {
		{{"text", 4}, BLOCK_TEXT},
		{{"input_text", 10}, BLOCK_TEXT},
		{{"output_text", 11}, BLOCK_TEXT},
		{{"thinking", 8}, BLOCK_THINKING},
		{{"redacted_thinking", 17}, BLOCK_THINKING},
		{{"image", 5}, BLOCK_IMAGE},
		{{"image_url", 9}, BLOCK_IMAGE},
		{{"input_image", 11}, BLOCK_IMAGE},
	};
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (json_string_eq(inner, types[i].type))
			return types[i].block;
	/* Tools that run on the server have types of their own: server_tool_use, web_search_tool_result. */
	if (str_ends(inner, STR("tool_use")))
		return BLOCK_TOOL_USE;
	if (str_ends(inner, STR("tool_result")))
		return BLOCK_TOOL_RESULT;
	return BLOCK_OTHER;
}

/* The header is one line; a longer text that begins alike holds more than it. */
static bool is_billing(struct str inner)
{
	if (!json_string_starts(inner, BILLING_PREFIX))
		return false;
	const char *line_end = memmem(inner.p, inner.n, "\\n", 2);
	return !line_end || line_end + 2 == inner.p + inner.n;
}

int build_block(struct json_scan *s, enum block_type *block, struct str *text)
{
	struct json_level object;
	struct str key, type = STR_NONE;
	struct json_value v;

	*block = BLOCK_OTHER;
	*text = STR_NONE;
	if (json_peek(s) != JSON_OBJECT)
		return json_skip(s);
	if (json_enter(s, JSON_OBJECT, &object) < 0)
		return -1;
	while (json_next(s, &object, &key)) {
		if (json_read(s, &v) < 0)
			return -1;
		if (json_string_eq(key, STR("type")))
			type = json_string_inner(v);
		else if (json_string_eq(key, STR("text")))
			*text = json_string_inner(v);
	}
	if (s->error)
		return -1;
	*block = block_of_type(type);
	if (*block != BLOCK_TEXT)
		*text = STR_NONE;
	else if (is_billing(*text))
		*block = BLOCK_BILLING;
	return 0;
}

int build_content(struct prompt_build *b, uint32_t message, uint32_t *index)
{
	struct json_scan *s = &b->scan;
	struct json_level array;
	struct json_value v;
	enum json_type type = json_peek(s);

	if (type != JSON_ARRAY) {
		size_t offset = s->at;
		if (json_read(s, &v) < 0)
			return -1;
		if (type == JSON_NULL)
			return 0;
		struct str text = json_string_inner(v);
		enum block_type block = !text.p ? BLOCK_OTHER : is_billing(text) ? BLOCK_BILLING : BLOCK_TEXT;
		return build_part(b, block, message, (*index)++, offset);
	}
	if (json_enter(s, JSON_ARRAY, &array) < 0)
		return -1;
	while (json_next(s, &array, NULL)) {
		enum block_type block;
		struct str text;
		size_t offset = s->at;
		if (build_block(s, &block, &text) < 0 || build_part(b, block, message, (*index)++, offset) < 0)
			return -1;
	}
	return s->error ? -1 : 0;
}

void build_finish_message(struct prompt_build *b, size_t first, enum part_kind kind, enum part_role role)
{
	for (size_t i = first; i < b->out->nparts; i++) {
		struct prompt_part *part = &b->out->parts[i];
		part->kind = kind;
		part->role = role;
		if (part->block == BLOCK_BILLING && role != ROLE_SYSTEM)
			part->block = BLOCK_TEXT;
	}
}

static int read_metadata(struct prompt_build *b)
{
	struct json_scan *s = &b->scan;
	struct json_level object;
	struct json_value v;
	struct str key;

	if (json_peek(s) != JSON_OBJECT)
		return json_skip(s);
	if (json_enter(s, JSON_OBJECT, &object) < 0)
		return -1;
	while (json_next(s, &object, &key)) {
		if (json_read(s, &v) < 0)
			return -1;
		if (json_string_eq(key, STR("user_id")))
			b->request->user_id = json_string_inner(v);
	}
	return s->error ? -1 : 0;
}

int build_parameter(struct prompt_build *b, struct str key)
{
	struct prompt_request *r = b->request;
	struct json_value v;

	if (json_string_eq(key, STR("metadata")))
		return read_metadata(b);
	if (json_read(&b->scan, &v) < 0)
		return -1;
	if (json_string_eq(key, STR("model"))) {
		r->model = json_string_inner(v);
	} else if (json_string_eq(key, STR("max_tokens")) || json_string_eq(key, STR("max_completion_tokens"))) {
		int64_t n;
		if (json_int(v, &n) == 0 && n >= 0)
			r->max_tokens = n;
	} else if (json_string_eq(key, STR("stream"))) {
		r->stream = v.type == JSON_TRUE;
	}
	return 0;
}

enum part_role build_role(struct str inner)
{
	static const struct {
		struct str name;
		enum part_role role;
	} roles[] = {
		{{"user", 4}, ROLE_USER}, {{"assistant", 9}, ROLE_ASSISTANT}, {{"system", 6}, ROLE_SYSTEM},
		{{"tool", 4}, ROLE_TOOL}, {{"developer", 9}, ROLE_SYSTEM},    {{"function", 8}, ROLE_TOOL},
	};
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (json_string_eq(inner, roles[i].name))
			return roles[i].role;
	return ROLE_OTHER;
}
