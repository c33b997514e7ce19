/* SPDX-License-Identifier: MIT */
#include "mock/render.h"

#include "base/array.h"
#include "mock/request.h"

#include <stdlib.h>
#include <string.h>

#define BILLING_PREFIX "x-anthropic-billing-header:"
#define BILLING_NONCE "cch="

enum role { ROLE_NONE, ROLE_USER, ROLE_ASSISTANT, ROLE_SYSTEM, ROLE_TOOL, ROLE_OTHER };

/* How the blocks of one turn are read. */
struct turn {
	struct mock_request *r;
	const struct mock_rendering *how;
	struct buf *searched; /* where its text goes for the script; NULL: nowhere */
	bool system;          /* a billing line is one here */
	bool thinking;        /* is shown */
	enum mock_section section;
	size_t message; /* its number on the wire */
};

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

/* ---- blocks */

/* Remembers where a block of the prompt ends. */
static void block_ends(struct mock_request *r, enum mock_section section, size_t message, size_t number,
		       const cJSON *json)
{
	struct mock_block *blocks = array_grow(r->blocks, &r->blocks_capacity, r->nblocks + 1, sizeof(*blocks));
	if (!blocks) {
		r->prompt.failed = true;
		return;
	}
	r->blocks = blocks;
	r->blocks[r->nblocks++] = (struct mock_block){section, message, number, json, r->prompt.n};
}

/* A line with the value of its nonce overwritten. */
static void tokens_masked(struct mock_request *r, struct str line)
{
	struct buf copy;

	buf_init(&copy, BUF_UNLIMITED);
	buf_append_str(&copy, line);
	char *nonce = copy.failed ? NULL : strstr(copy.p, BILLING_NONCE);
	if (nonce)
		for (char *c = nonce + strlen(BILLING_NONCE); *c && !strchr("; \n", *c); c++)
			*c = 'f';
	r->prompt.failed = r->prompt.failed || copy.failed;
	mock_tokens_text(&r->prompt, buf_str(&copy));
	buf_release(&copy);
}

static void text_block(const struct turn *t, const char *text)
{
	struct str rest = str_from(text);

	note(t->searched, text);
	if (!t->system || t->how->billing == BILLING_KEEP || !str_starts(rest, STR(BILLING_PREFIX))) {
		mock_tokens_mark(&t->r->prompt, MARK_BLOCK);
		tokens_cstr(t->r, text);
		return;
	}
	const char *newline = strchr(text, '\n');
	struct str line = {text, newline ? (size_t)(newline + 1 - text) : rest.n};
	rest.p += line.n;
	rest.n -= line.n;
	if (t->how->billing == BILLING_REMOVE && rest.n == 0)
		return; /* the block was nothing else */
	mock_tokens_mark(&t->r->prompt, MARK_BLOCK);
	if (t->how->billing == BILLING_MASK)
		tokens_masked(t->r, line);
	mock_tokens_text(&t->r->prompt, rest);
}

static void thinking_block(const struct turn *t, const char *text)
{
	if (!t->thinking)
		return;
	mock_tokens_mark(&t->r->prompt, MARK_THINKING);
	tokens_cstr(t->r, text);
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

/* A block of an unknown kind as its JSON; what it asks of a cache is no part of it. */
static void other_block(struct mock_request *r, const cJSON *b)
{
	mock_tokens_mark(&r->prompt, MARK_OTHER);
	if (!cJSON_HasObjectItem(b, "cache_control")) {
		tokens_json(r, b);
		return;
	}
	cJSON *copy = cJSON_Duplicate(b, true);
	r->prompt.failed = r->prompt.failed || !copy;
	cJSON_DeleteItemFromObjectCaseSensitive(copy, "cache_control");
	tokens_json(r, copy);
	cJSON_Delete(copy);
}

static bool is_type(const cJSON *block, const char *type)
{
	const char *is = string_of(block, "type");
	return is && strcmp(is, type) == 0;
}

/* The blocks of a tool result hold no further tool results: `nested` ends the descent. */
static void block(const struct turn *t, const cJSON *b, bool nested)
{
	struct mock_request *r = t->r;
	const char *text = string_of(b, "text");

	if (text && (!string_of(b, "type") || is_type(b, "text"))) {
		text_block(t, text);
	} else if (is_type(b, "thinking")) {
		thinking_block(t, string_of(b, "thinking"));
	} else if (is_type(b, "redacted_thinking")) {
		thinking_block(t, string_of(b, "data"));
	} else if (is_type(b, "tool_use")) {
		tool_call(r, string_of(b, "name"), cJSON_GetObjectItemCaseSensitive(b, "input"));
	} else if (is_type(b, "tool_result") && !nested) {
		const cJSON *result = cJSON_GetObjectItemCaseSensitive(b, "content");
		const struct turn inner = {.r = r, .how = t->how, .thinking = true};
		mock_tokens_mark(&r->prompt, MARK_TOOL_RESULT);
		if (cJSON_IsString(result))
			tokens_cstr(r, result->valuestring);
		for (const cJSON *part = result ? result->child : NULL; part; part = part->next)
			block(&inner, part, true);
	} else {
		other_block(r, b);
	}
}

/* A string, or an array of blocks; a string is the same as one block of text. */
static void content(const struct turn *t, const cJSON *value)
{
	if (cJSON_IsString(value)) {
		text_block(t, value->valuestring);
		block_ends(t->r, t->section, t->message, 0, value);
		return;
	}
	const cJSON *b;
	size_t number = 0;
	cJSON_ArrayForEach(b, value)
	{
		block(t, b, false);
		block_ends(t->r, t->section, t->message, number++, b);
	}
}

/* ---- messages */

static enum role role_of(const cJSON *m)
{
	static const struct {
		const char *name;
		enum role role;
	} roles[] = {
		{"user", ROLE_USER},        {"assistant", ROLE_ASSISTANT}, {"system", ROLE_SYSTEM},
		{"developer", ROLE_SYSTEM}, {"tool", ROLE_TOOL},
	};
	const char *name = string_of(m, "role");

	if (!name)
		return ROLE_NONE;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return ROLE_OTHER;
}

static enum mock_mark mark_of(enum role role)
{
	switch (role) {
	case ROLE_USER:
		return MARK_USER;
	case ROLE_ASSISTANT:
		return MARK_ASSISTANT;
	case ROLE_SYSTEM:
		return MARK_SYSTEM;
	case ROLE_TOOL:
		return MARK_TOOL_RESULT;
	case ROLE_NONE:
	case ROLE_OTHER:
		break;
	}
	return MARK_OTHER;
}

/* As the template sees it, to which a system turn may have been handed as a user's. */
static bool says_more_than_tool_results(const cJSON *m, const struct mock_rendering *how)
{
	enum role role = role_of(m);
	if (role == ROLE_SYSTEM)
		return how->system_turns == SYSTEM_TURNS_USER;
	if (role != ROLE_USER)
		return false;
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(m, "content"), *b;
	if (!cJSON_IsArray(value) || !value->child)
		return true;
	cJSON_ArrayForEach(b, value)
	{
		if (!is_type(b, "tool_result"))
			return true;
	}
	return false;
}

/* number: of the message that it is; SIZE_MAX: it is the system prompt. */
static void system_content(struct mock_request *r, const struct mock_rendering *how, const cJSON *value, size_t number)
{
	const struct turn t = {
		.r = r,
		.how = how,
		.searched = &r->system,
		.system = true,
		.thinking = true,
		.section = number == SIZE_MAX ? SECTION_SYSTEM : SECTION_MESSAGES,
		.message = number == SIZE_MAX ? 0 : number,
	};
	content(&t, value);
}

static void message(struct mock_request *r, const struct mock_rendering *how, const cJSON *m, size_t number,
		    bool thinking)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(m, "content"), *call;
	struct turn t = {.r = r, .how = how, .thinking = thinking, .section = SECTION_MESSAGES, .message = number};
	enum role role = role_of(m);

	if (role == ROLE_NONE) {
		tokens_json(r, m);
		return;
	}
	if (role == ROLE_USER) {
		t.searched = &r->last_user;
		buf_reset(t.searched);
	} else if (role == ROLE_ASSISTANT) {
		r->turn++;
	}
	bool as_user = role == ROLE_SYSTEM && how->system_turns == SYSTEM_TURNS_USER;
	mock_tokens_mark(&r->prompt, as_user ? MARK_USER : mark_of(role));
	if (role == ROLE_SYSTEM) {
		system_content(r, how, value, number);
	} else {
		const char *reasoning = string_of(m, "reasoning_content");
		if (reasoning)
			thinking_block(&t, reasoning);
		content(&t, value);
	}
	cJSON_ArrayForEach(call, cJSON_GetObjectItemCaseSensitive(m, "tool_calls"))
	{
		const cJSON *function = cJSON_GetObjectItemCaseSensitive(call, "function");
		tool_call(r, string_of(function, "name"), cJSON_GetObjectItemCaseSensitive(function, "arguments"));
	}
	mock_tokens_mark(&r->prompt, MARK_END);
}

/* ---- the prompt */

static void tools(struct mock_request *r)
{
	const cJSON *tool;
	size_t number = 0;
	cJSON_ArrayForEach(tool, cJSON_GetObjectItemCaseSensitive(r->json, "tools"))
	{
		const cJSON *d = mock_tool_definition(tool);
		const cJSON *schema = cJSON_GetObjectItemCaseSensitive(d, "input_schema");
		mock_tokens_mark(&r->prompt, MARK_TOOL);
		tokens_cstr(r, string_of(d, "name"));
		mock_tokens_mark(&r->prompt, MARK_BLOCK);
		tokens_cstr(r, string_of(d, "description"));
		mock_tokens_mark(&r->prompt, MARK_BLOCK);
		tokens_json(r, schema ? schema : cJSON_GetObjectItemCaseSensitive(d, "parameters"));
		block_ends(r, SECTION_TOOLS, 0, number++, tool);
	}
}

/* The system prompt, from `system`, else from the first message, and what is hoisted to it from `rest` on. */
static void leading_system(struct mock_request *r, const struct mock_rendering *how, const cJSON *first,
			   const cJSON *rest)
{
	bool begun = first;

	if (begun) {
		mock_tokens_mark(&r->prompt, MARK_SYSTEM);
		system_content(r, how, first, SIZE_MAX);
	}
	for (const cJSON *m = rest; m && how->system_turns == SYSTEM_TURNS_HOIST; m = m->next) {
		if (role_of(m) != ROLE_SYSTEM)
			continue;
		if (!begun)
			mock_tokens_mark(&r->prompt, MARK_SYSTEM);
		begun = true;
		system_content(r, how, cJSON_GetObjectItemCaseSensitive(m, "content"), SIZE_MAX);
	}
	if (begun)
		mock_tokens_mark(&r->prompt, MARK_END);
}

const char *mock_render(struct mock_request *r, const struct mock_rendering *how)
{
	const cJSON *messages = cJSON_GetObjectItemCaseSensitive(r->json, "messages");
	const cJSON *rest = messages->child, *last_user = NULL;
	const cJSON *system = cJSON_GetObjectItemCaseSensitive(r->json, "system");

	if (cJSON_IsNull(system))
		system = NULL;
	const cJSON *first = system;
	if (!system && role_of(rest) == ROLE_SYSTEM) {
		first = cJSON_GetObjectItemCaseSensitive(rest, "content");
		rest = rest->next;
	}
	for (const cJSON *m = rest; m; m = m->next) {
		if (how->system_turns == SYSTEM_TURNS_REFUSE && role_of(m) == ROLE_SYSTEM)
			return "System message must be at the beginning";
		if (says_more_than_tool_results(m, how))
			last_user = m;
	}

	if (!how->system_first)
		tools(r);
	leading_system(r, how, first, rest);
	if (how->system_first)
		tools(r);
	/* With DROP_OLD thinking is shown from the last user message on; without one, all of it. */
	bool thinking = how->thinking == THINKING_KEEP || (how->thinking == THINKING_DROP_OLD && !last_user);
	size_t number = rest == messages->child ? 0 : 1, left_out = 0;
	for (const cJSON *m = rest; m; m = m->next, number++) {
		thinking = thinking || (how->thinking == THINKING_DROP_OLD && m == last_user);
		if (left_out < r->left_out && role_of(m) != ROLE_SYSTEM && m->next)
			left_out++;
		else if (role_of(m) != ROLE_SYSTEM || how->system_turns != SYSTEM_TURNS_HOIST)
			message(r, how, m, number, thinking);
	}
	for (const cJSON *m = rest; m; m = m->next)
		r->last_is_user = role_of(m) == ROLE_USER;
	mock_tokens_mark(&r->prompt, MARK_ASSISTANT); /* where the answer begins */
	return NULL;
}
