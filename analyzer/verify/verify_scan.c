/* SPDX-License-Identifier: MIT */
#include "verify/verify_scan.h"

#include "base/array.h"
#include "http/sse.h"
#include "base/json_span.h"
#include "trace/base64.h"
#include "trace/json_path.h"
#include "trace/secrets.h"

#include <stdlib.h>
#include <string.h>

#define STRING_MAX ((size_t)1 << 30)
#define EVENT_MAX ((size_t)16 << 20)
#define PLACE_MAX 1024

static struct verify_finding *known(struct verify *v, const struct digest *id)
{
	for (size_t i = 0; i < v->nfindings; i++)
		if (memcmp(&v->findings[i].id, id, sizeof(*id)) == 0)
			return &v->findings[i];
	return NULL;
}

static char *describe(const struct verify_place *place)
{
	struct buf text;
	buf_init(&text, PLACE_MAX);
	buf_puts(&text, place->what);
	if (place->json.p) {
		struct buf path;
		buf_init(&path, PLACE_MAX / 2);
		json_path_at(place->json, place->offset, &path);
		buf_printf(&text, " %.*s", (int)path.n, path.n ? path.p : "");
		buf_release(&path);
	}
	char *words = buf_steal(&text);
	buf_release(&text);
	return words;
}

static void note(struct verify *v, const struct verify_place *place, struct str text, const struct secret *secret,
		 bool again)
{
	struct digest id = digest_of((struct str){text.p + secret->at, secret->n});
	struct verify_finding *f = known(v, &id);
	if (f) {
		f->times += again;
		return;
	}
	v->findings_in_all++;
	if (v->nfindings >= VERIFY_TOLD_MAX)
		return;
	f = array_grow(v->findings, &v->findings_capacity, v->nfindings + 1, sizeof(*f));
	if (!f)
		return;
	v->findings = f;
	struct buf masked;
	buf_init(&masked, 256);
	secret_masked(text, secret, &masked);
	v->findings[v->nfindings++] = (struct verify_finding){
		.looks_like = secret->rule,
		.id = id,
		.times = 1,
		.line = place->line,
		.place = describe(place),
		.byte = secret->at,
		.masked = buf_steal(&masked),
	};
	buf_release(&masked);
}

void verify_scan_text(struct verify *v, const struct verify_place *place, struct str text, bool again)
{
	struct secret secret;
	for (size_t at = 0; secret_next(text, at, &secret); at = secret.at + secret.n)
		note(v, place, text, &secret, again);
}

static void scan_string(struct verify *v, const struct verify_place *place, struct str inner, bool base64)
{
	struct buf decoded, bytes;
	struct str text = inner;
	buf_init(&decoded, STRING_MAX);
	buf_init(&bytes, STRING_MAX);
	/* A bad escape: searched as it stands. */
	if (memchr(inner.p, '\\', inner.n) && json_string_decode(inner, &decoded) == 0)
		text = buf_str(&decoded);
	if (base64 && base64_decode(text, &bytes) == 0)
		text = buf_str(&bytes);
	if (text.n)
		verify_scan_text(v, place, text, true);
	buf_release(&decoded);
	buf_release(&bytes);
}

/*
 * Calls on_string for every string value (key: the member's, absent in an array) and for every key (key absent), with
 * where it begins. False: it stopped where the text is no JSON.
 */
typedef void string_fn(void *context, struct str key, struct str inner, size_t offset, unsigned depth);

static bool each_string(struct str text, string_fn *on_string, void *context)
{
	struct json_level levels[JSON_SCAN_DEPTH_MAX];
	struct json_scan s;
	struct json_value v;
	struct str key = STR_NONE;

	json_scan_init(&s, text);
	do {
		enum json_type type = json_peek(&s);
		size_t offset = s.at;
		if (type == JSON_OBJECT || type == JSON_ARRAY) {
			struct json_level level;
			if (json_enter(&s, type, &level) < 0)
				return false;
			levels[s.depth - 1] = level;
		} else if (json_read(&s, &v) < 0) {
			return false;
		} else if (type == JSON_STRING) {
			on_string(context, key, json_string_inner(v), offset, s.depth);
		}
		key = STR_NONE;
		while (s.depth > 0 && !json_next(&s, &levels[s.depth - 1], &key) && !s.error)
			key = STR_NONE;
		if (key.p && key.n)
			on_string(context, STR_NONE, key, s.at, s.depth);
	} while (s.depth > 0 && !s.error);
	return !s.error;
}

struct line_scan {
	struct verify *v;
	struct verify_place place;
	bool top_text;
};

static void on_line_string(void *context, struct str key, struct str inner, size_t offset, unsigned depth)
{
	struct line_scan *scan = context;
	bool base64 = key.p && json_string_eq(key, STR("base64"));
	if (depth == 1 && !scan->top_text && (base64 || (key.p && json_string_eq(key, STR("text")))))
		return;
	scan->place.offset = offset;
	scan_string(scan->v, &scan->place, inner, base64);
}

void verify_scan_line(struct verify *v, const struct verify_place *place, struct str line, bool top_text)
{
	struct line_scan scan = {.v = v, .place = *place, .top_text = top_text};
	scan.place.json = line;
	if (!each_string(line, on_line_string, &scan))
		verify_scan_text(v, place, line, true);
}

static void on_event_string(void *context, struct str key, struct str inner, size_t offset, unsigned depth)
{
	/* What the dialects call a piece of an answer. */
	static const char *const pieces[] = {"text",    "thinking",          "partial_json",
					     "content", "reasoning_content", "arguments"};
	(void)offset;
	(void)depth;
	for (size_t i = 0; key.p && i < sizeof(pieces) / sizeof(*pieces); i++)
		if (json_string_eq(key, str_from(pieces[i])) && json_string_decode(inner, context) < 0)
			return;
}

static void on_event(void *context, struct str name, struct str data, uint64_t time_ns)
{
	(void)name;
	(void)time_ns;
	each_string(data, on_event_string, context);
}

void verify_scan_stream(struct verify *v, const struct verify_place *place, struct str body)
{
	struct sse events;
	struct buf said;
	buf_init(&said, STRING_MAX);
	sse_init(&events, EVENT_MAX, on_event, &said);
	sse_feed(&events, body, 0);
	sse_release(&events);
	if (said.n)
		verify_scan_text(v, place, buf_str(&said), false);
	buf_release(&said);
}
