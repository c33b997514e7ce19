/* SPDX-License-Identifier: MIT */
#include "prompt/build.h"

#include <limits.h>
#include <string.h>

/*
 * What two parts must share to be the same to a model:
 *
 *     text        whether a string, or a block that says "text": the decoded text
 *     the rest    canonical JSON: no white space, strings with the shortest escapes, numbers as they stand; the members
 *                 of the part itself sorted (a template picks them by name), all others in their order; cache_control
 *                 left out; the content of a tool result, when it is one text, as that text
 *
 * Everything is hashed as it is found; only short pieces pass through a stage.
 */

#define MEMBERS_MAX 32

struct sink {
	struct digest_stream *digest;
	uint64_t bytes;
	size_t staged;
	bool bad_escape;
	char stage[4096];
};

static void flush(struct sink *to)
{
	digest_stream_update(to->digest, (struct str){to->stage, to->staged});
	to->staged = 0;
}

static void put(struct sink *to, const char *p, size_t n)
{
	to->bytes += n;
	if (n > sizeof(to->stage) - to->staged) {
		flush(to);
		if (n > sizeof(to->stage) / 2) {
			digest_stream_update(to->digest, (struct str){p, n});
			return;
		}
	}
	memcpy(to->stage + to->staged, p, n);
	to->staged += n;
}

static void put_byte(struct sink *to, char c)
{
	put(to, &c, 1);
}

static void put_code(struct sink *to, uint32_t code, bool as_json)
{
	static const char hex[] = "0123456789abcdef";
	static const char names[] = {
		['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	};
	char bytes[6] = {'\\', 'u', '0', '0'};

	if (as_json && code < sizeof(names) && names[code]) {
		bytes[1] = names[code];
		put(to, bytes, 2);
	} else if (as_json && code < 0x20) {
		bytes[4] = hex[code >> 4];
		bytes[5] = hex[code & 15];
		put(to, bytes, 6);
	} else {
		put(to, bytes, json_utf8_write(code, bytes));
	}
}

/* The string decoded; as_json: encoded again in the one canonical way. */
static void put_string(struct sink *to, struct str inner, bool as_json)
{
	while (inner.n > 0) {
		const char *escape = memchr(inner.p, '\\', inner.n);
		size_t plain = escape ? (size_t)(escape - inner.p) : inner.n, taken;
		uint32_t code;
		put(to, inner.p, plain);
		if (!escape)
			break;
		inner = (struct str){inner.p + plain, inner.n - plain};
		taken = json_escape_read(inner, &code);
		if (taken == 0) {
			to->bad_escape = true;
			break;
		}
		put_code(to, code, as_json);
		inner = (struct str){inner.p + taken, inner.n - taken};
	}
}

static void put_quoted(struct sink *to, struct str inner)
{
	put_byte(to, '"');
	put_string(to, inner, true);
	put_byte(to, '"');
}

/* Below these keys lies what a tool takes: any name there is the tool's own. */
static bool holds_data(struct str key)
{
	return json_string_eq(key, STR("input")) || json_string_eq(key, STR("input_schema")) ||
	       json_string_eq(key, STR("parameters"));
}

static bool is_cache_control(struct str key)
{
	return json_string_eq(key, STR("cache_control"));
}

/* A value as canonical JSON. whole: nothing is left out of it. */
static void put_value(struct sink *to, struct str raw, bool whole)
{
	struct json_level levels[JSON_SCAN_DEPTH_MAX];
	unsigned data_above = whole ? 0 : UINT_MAX; /* deeper levels are data */
	struct json_scan s;
	struct json_value v;
	struct str key;
	bool first = true; /* nothing written yet in this level */

	json_scan_init(&s, raw);
	do {
		enum json_type type = json_peek(&s);
		if (type == JSON_OBJECT || type == JSON_ARRAY) {
			struct json_level level;
			if (json_enter(&s, type, &level) < 0)
				return;
			levels[s.depth - 1] = level;
			put_byte(to, level.object ? '{' : '[');
			first = true;
		} else {
			if (json_read(&s, &v) < 0)
				return;
			if (type == JSON_STRING)
				put_quoted(to, json_string_inner(v));
			else
				put(to, v.raw.p, v.raw.n);
			first = false;
		}
		while (s.depth > 0) {
			struct json_level *level = &levels[s.depth - 1];
			if (s.depth <= data_above)
				data_above = UINT_MAX;
			if (!json_next(&s, level, &key)) {
				if (s.error)
					return;
				put_byte(to, level->object ? '}' : ']');
				first = false;
				continue;
			}
			if (level->object && data_above == UINT_MAX && is_cache_control(key)) {
				if (json_skip(&s) < 0)
					return;
				continue;
			}
			if (!first)
				put_byte(to, ',');
			if (level->object) {
				put_quoted(to, key);
				put_byte(to, ':');
				if (data_above == UINT_MAX && holds_data(key))
					data_above = s.depth;
			}
			break;
		}
	} while (s.depth > 0);
}

/* Content of a tool result: text blocks as strings, and a single one without its brackets. */
static void put_content(struct sink *to, struct json_value content)
{
	struct json_scan s;
	struct json_level array;
	struct str text, sole = STR_NONE;
	enum block_type block;
	size_t n = 0;

	if (content.type != JSON_ARRAY) {
		put_value(to, content.raw, false);
		return;
	}
	json_scan_init(&s, content.raw);
	json_enter(&s, JSON_ARRAY, &array);
	while (n < 2 && json_next(&s, &array, NULL) && build_block(&s, &block, &sole) == 0)
		n++;
	if (n == 1 && sole.p) {
		put_quoted(to, sole);
		return;
	}
	json_scan_init(&s, content.raw);
	json_enter(&s, JSON_ARRAY, &array);
	put_byte(to, '[');
	for (n = 0; json_next(&s, &array, NULL); n++) {
		size_t begin = s.at;
		if (build_block(&s, &block, &text) < 0)
			return;
		if (n > 0)
			put_byte(to, ',');
		if (text.p)
			put_quoted(to, text);
		else
			put_value(to, (struct str){content.raw.p + begin, s.at - begin}, false);
	}
	put_byte(to, ']');
}

struct member {
	struct str key;
	struct json_value value;
};

static int compare(struct str a, struct str b)
{
	int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
	return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* The members of an object in the order of their keys, without cache_control. -1: more than there is room for. */
static int sorted_members(struct str raw, struct member members[MEMBERS_MAX], size_t *count)
{
	struct json_scan s;
	struct json_level object;
	struct member m;
	size_t n = 0;

	json_scan_init(&s, raw);
	json_enter(&s, JSON_OBJECT, &object);
	while (json_next(&s, &object, &m.key) && json_read(&s, &m.value) == 0) {
		if (is_cache_control(m.key))
			continue;
		if (n == MEMBERS_MAX)
			return -1;
		size_t i = n++;
		for (; i > 0 && compare(m.key, members[i - 1].key) < 0; i--)
			members[i] = members[i - 1];
		members[i] = m;
	}
	*count = n;
	return 0;
}

static void put_object(struct sink *to, struct str raw, enum block_type block)
{
	struct member members[MEMBERS_MAX];
	size_t n;

	if (sorted_members(raw, members, &n) < 0) {
		put_value(to, raw, false);
		return;
	}
	put_byte(to, '{');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			put_byte(to, ',');
		put_quoted(to, members[i].key);
		put_byte(to, ':');
		if (block == BLOCK_TOOL_RESULT && json_string_eq(members[i].key, STR("content")))
			put_content(to, members[i].value);
		else
			put_value(to, members[i].value.raw, holds_data(members[i].key));
	}
	put_byte(to, '}');
}

int prompt_normalise(struct str body, struct prompt_part *part)
{
	struct str raw = {body.p + part->offset, part->bytes}, text = STR_NONE;
	struct sink to = {.digest = digest_stream_new()};
	const char *words[] = {part_kind_name(part->kind), part_role_name(part->role), block_type_name(part->block)};
	enum json_type type;
	enum block_type block;
	struct json_scan s;

	json_scan_init(&s, raw);
	type = json_peek(&s);
	if (type == JSON_STRING)
		text = (struct str){raw.p + 1, raw.n - 2};
	else if (part->kind != PART_TOOL)
		build_block(&s, &block, &text);

	/* Equal bytes in another role or of another kind are another part. */
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		put(&to, words[i], strlen(words[i]) + 1);
	put_byte(&to, text.p ? 't' : 'j');
	to.bytes = 0;
	if (text.p)
		put_string(&to, text, false);
	else if (type == JSON_OBJECT)
		put_object(&to, raw, part->block);
	else
		put_value(&to, raw, false);

	if (to.bad_escape) {
		digest_stream_free(to.digest);
		return -1;
	}
	flush(&to);
	part->normalised = digest_stream_final(to.digest);
	part->normalised_bytes = to.bytes;
	return 0;
}
