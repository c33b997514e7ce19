/* SPDX-License-Identifier: MIT */
/* What a request asks of Anthropic's prompt cache: breakpoints, and what is refused. */
#include "mock/breakpoints.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ttl_names[TTLS] = {[TTL_5M] = "5m", [TTL_1H] = "1h"};

static const cJSON *member(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static bool is_type(const cJSON *block, const char *type)
{
	const char *is = cJSON_GetStringValue(member(block, "type"));
	return is && strcmp(is, type) == 0;
}

struct reader {
	const struct mock_request *r;
	struct mock_breakpoints *b;
	size_t marked; /* as the API counts them */
	char *why;
	size_t why_bytes;
};

/* ---- what is refused, in the API's words */

__attribute__((format(printf, 3, 4))) static int refuse(struct reader *in, const struct mock_block *at,
							const char *format, ...)
{
	char what[256], place[80] = "";
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (at && at->section == SECTION_MESSAGES)
		snprintf(place, sizeof(place), "messages.%zu.content.%zu.", at->message, at->content);
	else if (at)
		snprintf(place, sizeof(place), "%s.%zu.", at->section == SECTION_TOOLS ? "tools" : "system",
			 at->content);
	snprintf(in->why, in->why_bytes, "%s%s", place, what);
	return -1;
}

/* at NULL: the request's own. */
static int read_ttl(struct reader *in, const struct mock_block *at, const cJSON *control, enum mock_ttl *ttl)
{
	const cJSON *value = member(control, "ttl");

	*ttl = TTL_5M;
	if (!is_type(control, "ephemeral"))
		return refuse(in, at, "cache_control.type: Input should be 'ephemeral'");
	if (!value || cJSON_IsNull(value))
		return 0;
	for (*ttl = TTL_5M; *ttl < TTLS; (*ttl)++)
		if (cJSON_IsString(value) && strcmp(value->valuestring, ttl_names[*ttl]) == 0)
			return 0;
	return refuse(in, at, "cache_control.ttl: Input should be '5m' or '1h'");
}

static bool is_thinking(const struct mock_block *block)
{
	return is_type(block->json, "thinking") || is_type(block->json, "redacted_thinking");
}

static bool is_empty_text(const struct mock_block *block)
{
	const char *text =
		cJSON_GetStringValue(cJSON_IsString(block->json) ? block->json : member(block->json, "text"));
	return text && !*text;
}

static int mark(struct reader *in, size_t position, enum mock_ttl ttl)
{
	struct mock_breakpoints *b = in->b;

	in->marked++;
	if (b->nmarks < BREAKPOINTS_MAX) {
		b->marks[b->nmarks].position = position;
		b->marks[b->nmarks++].ttl = ttl;
	}
	return 0;
}

static int read_block(struct reader *in, size_t position)
{
	const struct mock_block *block = &in->r->blocks[position];
	const cJSON *control = member(block->json, "cache_control");
	enum mock_ttl ttl;

	if (!control || cJSON_IsNull(control))
		return 0;
	if (is_thinking(block))
		return refuse(in, block, "%s.cache_control: Extra inputs are not permitted",
			      cJSON_GetStringValue(member(block->json, "type")));
	if (is_empty_text(block))
		return refuse(in, block, "text: cache_control cannot be set for empty text blocks");
	if (read_ttl(in, block, control, &ttl) < 0)
		return -1;
	for (size_t i = 0; i < in->b->nmarks; i++)
		if (in->b->marks[i].ttl < ttl)
			return refuse(in, block,
				      "cache_control.ttl: a ttl='1h' cache_control block must not come after a "
				      "ttl='5m' cache_control block. Note that blocks are processed in the following "
				      "order: `tools`, `system`, `messages`.");
	return mark(in, position, ttl);
}

/* A cache_control of the request itself marks the last block that can be marked. */
static int read_automatic(struct reader *in)
{
	const cJSON *control = member(in->r->json, "cache_control");
	enum mock_ttl ttl;
	size_t n = in->r->nblocks;

	if (!control || cJSON_IsNull(control))
		return 0;
	if (read_ttl(in, NULL, control, &ttl) < 0)
		return -1;
	while (n > 0 && (is_thinking(&in->r->blocks[n - 1]) || is_empty_text(&in->r->blocks[n - 1])))
		n--;
	if (n == 0)
		return 0;
	struct mock_breakpoints *b = in->b;
	if (b->nmarks == 0 || b->marks[b->nmarks - 1].position != n - 1)
		return mark(in, n - 1, ttl);
	if (b->marks[b->nmarks - 1].ttl != ttl)
		return refuse(in, NULL,
			      "Top-level cache_control has ttl='%s' but the target block already has cache_control "
			      "with ttl='%s'",
			      ttl_names[ttl], ttl_names[b->marks[b->nmarks - 1].ttl]);
	return 0;
}

/* ---- the keys */

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; text && *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return mock_tokens_hash(h, NULL, 0);
}

/* A parameter; what stands for its default is the same as none. */
static uint64_t hash_parameter(uint64_t h, const cJSON *value, const char *default_text)
{
	char *text = value && !cJSON_IsNull(value) ? cJSON_PrintUnformatted(value) : NULL;
	uint64_t hash = hash_text(h, text && strcmp(text, default_text) != 0 ? text : "");
	cJSON_free(text);
	return hash;
}

static bool any_block(const struct mock_request *r, bool (*is)(const cJSON *block))
{
	for (size_t i = 0; i < r->nblocks; i++) {
		const cJSON *json = r->blocks[i].json, *inner;
		if (is(json))
			return true;
		cJSON_ArrayForEach(inner, member(json, "content"))
		{
			if (is(inner))
				return true;
		}
	}
	return false;
}

static bool is_image(const cJSON *block)
{
	return is_type(block, "image");
}

static bool is_cited(const cJSON *block)
{
	return cJSON_IsTrue(member(member(block, "citations"), "enabled"));
}

/* What is the same for a prefix that ends in this section. */
static uint64_t hash_section(uint64_t h, const struct mock_request *r, enum mock_section section)
{
	switch (section) {
	case SECTION_TOOLS:
		return h;
	case SECTION_SYSTEM:
		h = hash_parameter(h, member(r->json, "speed"), "\"standard\"");
		return hash_text(h, any_block(r, is_cited) ? "citations" : "");
	case SECTION_MESSAGES:
		h = hash_parameter(h, member(r->json, "tool_choice"), "{\"type\":\"auto\"}");
		h = hash_parameter(h, member(r->json, "thinking"), "{\"type\":\"disabled\"}");
		h = hash_parameter(h, member(member(r->json, "output_config"), "effort"), "\"high\"");
		return hash_text(h, any_block(r, is_image) ? "images" : "");
	}
	return h;
}

static int make_positions(struct mock_breakpoints *b, const struct mock_request *r, uint64_t seed)
{
	uint64_t h = seed;
	size_t from = 0;
	enum mock_section section = SECTION_TOOLS;

	b->positions = r->nblocks ? malloc(r->nblocks * sizeof(*b->positions)) : NULL;
	if (r->nblocks && !b->positions)
		return -1;
	for (size_t i = 0; i < r->nblocks; i++) {
		const struct mock_block *block = &r->blocks[i];
		while (section < block->section)
			h = hash_section(h, r, ++section);
		h = mock_tokens_hash(h, r->prompt.ids + from, block->end - from);
		from = block->end;
		b->positions[b->npositions++] = (struct mock_position){h, block->end};
	}
	return 0;
}

const char *mock_breakpoints_read(struct mock_breakpoints *b, const struct mock_request *r, uint64_t seed,
				  size_t min_tokens, char *why, size_t why_bytes)
{
	struct reader in = {.r = r, .b = b, .why = why, .why_bytes = why_bytes};

	*b = (struct mock_breakpoints){0};
	for (size_t i = 0; i < r->nblocks; i++)
		if (read_block(&in, i) < 0)
			return why;
	if (read_automatic(&in) < 0)
		return why;
	if (in.marked > BREAKPOINTS_MAX) {
		refuse(&in, NULL, "A maximum of %d blocks with cache_control may be provided. Found %zu.",
		       BREAKPOINTS_MAX, in.marked);
		return why;
	}
	if (make_positions(b, r, seed) < 0) {
		mock_breakpoints_release(b);
		return "the mock is out of memory";
	}
	size_t kept = 0;
	for (size_t i = 0; i < b->nmarks; i++)
		if (b->positions[b->marks[i].position].end >= min_tokens)
			b->marks[kept++] = b->marks[i];
	b->nmarks = kept;
	return NULL;
}

void mock_breakpoints_release(struct mock_breakpoints *b)
{
	free(b->positions);
	*b = (struct mock_breakpoints){0};
}
