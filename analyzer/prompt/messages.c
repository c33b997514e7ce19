/* SPDX-License-Identifier: MIT */
#include "prompt/build.h"

/* `system` of the Anthropic API. */
static int read_system(struct prompt_build *b)
{
	struct prompt *p = b->out;
	size_t first = p->nparts;
	uint32_t index = 0;
	int r = build_content(b, 0, &index);

	build_finish_message(b, first, PART_SYSTEM, ROLE_SYSTEM);
	/* Here each block is an element of the list that `message` counts. */
	for (size_t i = first; i < p->nparts; i++) {
		p->parts[i].message = p->parts[i].index;
		p->parts[i].index = 0;
	}
	b->system_whole = r == 0;
	return r;
}

/* One part for the value at the cursor; none for null. */
static int read_whole(struct prompt_build *b, enum block_type block, uint32_t message, uint32_t *index)
{
	bool none = json_peek(&b->scan) == JSON_NULL;
	size_t offset = b->scan.at;

	if (json_skip(&b->scan) < 0)
		return -1;
	return none ? 0 : build_part(b, block, message, (*index)++, offset);
}

static int read_each(struct prompt_build *b, enum block_type block, uint32_t message, uint32_t *index)
{
	struct json_level array;

	if (json_peek(&b->scan) != JSON_ARRAY)
		return read_whole(b, block, message, index);
	if (json_enter(&b->scan, JSON_ARRAY, &array) < 0)
		return -1;
	while (json_next(&b->scan, &array, NULL))
		if (read_whole(b, block, message, index) < 0)
			return -1;
	return b->scan.error ? -1 : 0;
}

/* What OpenAI's API and its relatives put beside `content` and a model gets to see. */
static int read_beside(struct prompt_build *b, struct str key, uint32_t message, uint32_t *index)
{
	if (json_string_eq(key, STR("tool_calls")))
		return read_each(b, BLOCK_TOOL_USE, message, index);
	if (json_string_eq(key, STR("function_call")))
		return read_whole(b, BLOCK_TOOL_USE, message, index);
	if (json_string_eq(key, STR("reasoning_content")) || json_string_eq(key, STR("reasoning")))
		return read_whole(b, BLOCK_THINKING, message, index);
	if (json_string_eq(key, STR("refusal")))
		return read_whole(b, BLOCK_OTHER, message, index);
	return json_skip(&b->scan);
}

static int read_members(struct prompt_build *b, uint32_t message, enum part_role *role)
{
	struct json_scan *s = &b->scan;
	struct json_level object;
	struct json_value v;
	struct str key;
	uint32_t index = 0;
	bool seen_content = false;

	if (json_enter(s, JSON_OBJECT, &object) < 0)
		return -1;
	while (json_next(s, &object, &key)) {
		int r;
		if (json_string_eq(key, STR("role"))) {
			r = json_read(s, &v);
			if (r == 0)
				*role = build_role(json_string_inner(v));
		} else if (json_string_eq(key, STR("content"))) {
			r = build_once(b, &seen_content) < 0 ? -1 : build_content(b, message, &index);
		} else {
			r = b->openai ? read_beside(b, key, message, &index) : json_skip(s);
		}
		if (r < 0)
			return -1;
	}
	return s->error ? -1 : 0;
}

static int read_message(struct prompt_build *b)
{
	struct prompt *p = b->out;
	enum part_kind kind = PART_MESSAGE;
	enum part_role role = ROLE_OTHER;
	size_t first = p->nparts;
	bool object = json_peek(&b->scan) == JSON_OBJECT, head = !b->system_whole;
	size_t offset = b->scan.at;
	uint32_t index = 0;
	int r = object ? build_known_message(b) : 0;

	if (r != 0)
		return r < 0 ? -1 : 0;
	r = object ? read_members(b, p->messages, &role) : read_whole(b, BLOCK_OTHER, p->messages, &index);

	if (b->openai && role == ROLE_TOOL) {
		/* The result of a call: with its call's id it is one thing, as a tool_result block is elsewhere. */
		p->nparts = first;
		if (r == 0)
			r = build_part(b, BLOCK_TOOL_RESULT, p->messages, 0, offset);
	}
	if (b->openai && !b->system_whole) {
		if (role == ROLE_SYSTEM)
			kind = PART_SYSTEM;
		else if (r == 0)
			b->system_whole = true;
	}
	build_finish_message(b, first, kind, role);
	if (r == 0)
		p->messages++;
	return r == 0 && object ? build_keep_message(b, offset, first, head) : r;
}

static int read_messages(struct prompt_build *b)
{
	struct json_level array;

	if (json_enter(&b->scan, JSON_ARRAY, &array) < 0)
		return -1;
	while (json_next(&b->scan, &array, NULL))
		if (read_message(b) < 0)
			return -1;
	if (b->scan.error)
		return -1;
	if (b->openai)
		b->system_whole = true;
	return 0;
}

/* `functions` is what OpenAI's API called its tools before it had `tools`; both at once are read on as one list. */
static int read_tools(struct prompt_build *b)
{
	struct json_level array;

	if (json_peek(&b->scan) == JSON_NULL)
		return json_skip(&b->scan);
	b->tools_whole = false;
	if (json_enter(&b->scan, JSON_ARRAY, &array) < 0)
		return -1;
	while (json_next(&b->scan, &array, NULL)) {
		size_t first = b->out->nparts, offset = b->scan.at;
		int known = json_peek(&b->scan) == JSON_OBJECT ? build_known_tool(b) : 0;
		if (known < 0)
			return -1;
		if (known > 0)
			continue;
		if (json_skip(&b->scan) < 0 || build_part(b, BLOCK_TOOL, b->out->tools, 0, offset) < 0)
			return -1;
		build_finish_message(b, first, PART_TOOL, ROLE_NONE);
		b->out->tools++;
	}
	if (b->scan.error)
		return -1;
	b->tools_whole = true;
	return 0;
}

int prompt_read(struct prompt_build *b)
{
	struct json_level object;
	struct str key;
	bool seen_messages = false, seen_system = false, seen_tools = false, seen_functions = false;

	if (json_enter(&b->scan, JSON_OBJECT, &object) < 0)
		return -1;
	while (json_next(&b->scan, &object, &key)) {
		int r;
		if (json_string_eq(key, STR("messages")))
			r = build_once(b, &seen_messages) < 0 ? -1 : read_messages(b);
		else if (json_string_eq(key, STR("system")) && !b->openai)
			r = build_once(b, &seen_system) < 0 ? -1 : read_system(b);
		else if (json_string_eq(key, STR("tools")))
			r = build_once(b, &seen_tools) < 0 ? -1 : read_tools(b);
		else if (json_string_eq(key, STR("functions")) && b->openai)
			r = build_once(b, &seen_functions) < 0 ? -1 : read_tools(b);
		else
			r = build_parameter(b, key);
		if (r < 0)
			return -1;
	}
	if (json_finish(&b->scan) < 0)
		return -1;
	return seen_messages ? 0 : json_fail(&b->scan, "no messages", b->scan.text.n);
}
