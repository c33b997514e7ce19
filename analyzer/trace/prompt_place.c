/* SPDX-License-Identifier: MIT */
#include "trace/prompt_place.h"

#include "trace/excerpt.h"
#include "trace/hide.h"
#include "trace/json_path.h"

#include <stdlib.h>

#define BODY_MAX ((size_t)1 << 30)
#define EXCERPT_CHARACTERS 40

static size_t common_bytes(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n, i = 0;
	while (i < n && a.p[i] == b.p[i])
		i++;
	return i;
}

/* With hashes only: the first step that differs. */
static int place_by_chain(struct trace *old_trace, uint32_t old_part, struct trace *new_trace, uint32_t new_part,
			  struct prompt_place *p, char *error, size_t error_bytes)
{
	struct buf a, b;

	buf_init(&a, BODY_MAX);
	buf_init(&b, BODY_MAX);
	int status = trace_part_chain(old_trace, old_part, &a, error, error_bytes) < 0 ||
				     trace_part_chain(new_trace, new_part, &b, error, error_bytes) < 0
			     ? -1
			     : 0;
	if (status == 0) {
		p->known = true;
		p->byte = common_bytes(buf_str(&a), buf_str(&b)) / ((size_t)2 * HIDE_STEP_HASH_BYTES) * HIDE_STEP_BYTES;
	}
	buf_release(&a);
	buf_release(&b);
	return status;
}

/*
 * Where the byte of a part stands, as a path in the body. A part of Anthropic's API is a member of a list, or the
 * string in its place; others are read from the body itself.
 */
static void path_of(struct trace *t, size_t exchange, const struct trace_prompt_part *at, struct str text, size_t byte,
		    int64_t offset, struct buf *path)
{
	enum kvs_llm_api api = t->exchanges[exchange].api;
	char error[256];

	if (api == KVS_API_ANTHROPIC_MESSAGES || api == KVS_API_ANTHROPIC_COUNT_TOKENS) {
		enum part_kind kind = t->parts[at->part].kind;
		bool alone = kind != PART_TOOL && text.n > 0 && text.p[0] == '"';
		if (kind == PART_MESSAGE)
			buf_printf(path, "messages[%u].content", at->message);
		else
			buf_puts(path, kind == PART_TOOL ? "tools" : "system");
		if (alone)
			return;
		buf_printf(path, "[%u]", kind == PART_MESSAGE ? at->index : at->message);
		json_path_at(text, byte, path);
		return;
	}
	struct buf body;
	buf_init(&body, BODY_MAX);
	if (trace_request_body(t, exchange, &body, error, sizeof(error)) >= 0)
		json_path_at(buf_str(&body), (size_t)offset + byte, path);
	buf_release(&body);
}

static char *text_of(struct str text, size_t at)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	excerpt(text, at, EXCERPT_CHARACTERS, &out);
	char *result = buf_steal(&out);
	buf_release(&out);
	return result;
}

static int place_by_text(struct trace *old_trace, uint32_t old_part, struct trace *new_trace, size_t new_exchange,
			 const struct trace_prompt_part *new, struct prompt_place *p, char *error, size_t error_bytes)
{
	struct buf a, b, path;
	int status = -1;

	buf_init(&a, BODY_MAX);
	buf_init(&b, BODY_MAX);
	buf_init(&path, 1 << 20);
	if (trace_part_text(old_trace, old_part, &a, error, error_bytes) < 0 ||
	    trace_part_text(new_trace, new->part, &b, error, error_bytes) < 0)
		goto out;
	size_t at = common_bytes(buf_str(&a), buf_str(&b));
	int64_t offset = trace_part_offset(new_trace, new_exchange, new);
	if (offset >= 0) {
		path_of(new_trace, new_exchange, new, buf_str(&b), at, offset, &path);
		p->body_byte = offset + (int64_t)at;
	}
	while (p->tail < a.n - at && p->tail < b.n - at && a.p[a.n - 1 - p->tail] == b.p[b.n - 1 - p->tail])
		p->tail++;
	p->known = true;
	p->byte = at;
	p->old_text = text_of(buf_str(&a), at);
	p->new_text = text_of(buf_str(&b), at);
	p->path = path.n ? buf_steal(&path) : NULL;
	status = p->old_text && p->new_text ? 0 : -1;
	if (status < 0)
		snprintf(error, error_bytes, "out of memory");
out:
	buf_release(&a);
	buf_release(&b);
	buf_release(&path);
	return status;
}

int prompt_place_find(struct trace *old_trace, uint32_t old_part, struct trace *new_trace, size_t new_exchange,
		      const struct trace_prompt_part *new_part, struct prompt_place *out, char *error,
		      size_t error_bytes)
{
	out->body_byte = -1;
	if (!old_trace->parts[old_part].exact || !new_trace->parts[new_part->part].exact)
		return place_by_chain(old_trace, old_part, new_trace, new_part->part, out, error, error_bytes);
	return place_by_text(old_trace, old_part, new_trace, new_exchange, new_part, out, error, error_bytes);
}

void prompt_place_release(struct prompt_place *p)
{
	free(p->path);
	free(p->old_text);
	free(p->new_text);
	*p = (struct prompt_place){0};
}
