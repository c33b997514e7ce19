/* SPDX-License-Identifier: MIT */
/* Texts of parts and bodies, put together from deltas. */
#include "trace/item_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Texts of parts held for the next body; past this all are dropped. */
#define TEXTS_BYTES_MAX ((size_t)64 << 20)

static int fail(const struct trace *t, const char *what, char *error, size_t error_bytes)
{
	snprintf(error, error_bytes, "%s: %s", t->path, what);
	return -1;
}

/* Parses the line at the place again. NULL with error set. The caller deletes it. */
static cJSON *load_line(const struct trace *t, uint64_t offset, uint64_t bytes, char *error, size_t error_bytes)
{
	char *text = malloc(bytes + 1);
	size_t have = 0;

	while (text && have < bytes) {
		ssize_t n = pread(t->index->fd, text + have, bytes - have, (off_t)(offset + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	cJSON *line = text && have == bytes ? cJSON_ParseWithLength(text, bytes) : NULL;
	free(text);
	if (!line)
		snprintf(error, error_bytes, "%s: the line at byte %llu cannot be read again", t->path,
			 (unsigned long long)offset);
	return line;
}

/* ---- texts */

static void forget_texts(struct trace_index *in, size_t nparts)
{
	for (size_t i = 0; i < nparts; i++) {
		free(in->parts[i].text);
		in->parts[i].text = NULL;
	}
	in->text_bytes = 0;
}

void index_release_rebuilt(struct trace_index *in, size_t nparts)
{
	forget_texts(in, nparts);
	for (size_t i = 0; i < INDEX_LISTS; i++)
		item_list_release(&in->lists[i]);
}

/* The text of a part that has one of its own, appended. */
static int load_text(struct trace *t, uint32_t part, struct buf *out, char *error, size_t error_bytes)
{
	const struct trace_part *p = &t->parts[part];
	size_t before = out->n;
	cJSON *line = load_line(t, p->file_offset, t->index->parts[part].line_bytes, error, error_bytes);
	if (!line)
		return -1;
	const cJSON *like = field(line, "like");
	uint64_t other, head, tail;
	int status = -1;

	if (!like) {
		if (line_read_text(line, out) && out->n - before == p->bytes)
			status = 0;
	} else if (value_uint(field(like, "part"), UINT32_MAX, &other) && other < part &&
		   !t->index->parts[other].like && value_uint(field(like, "head"), t->parts[other].bytes, &head) &&
		   value_uint(field(like, "tail"), t->parts[other].bytes - head, &tail)) {
		struct buf model;
		buf_init(&model, out->max);
		if (trace_part_text(t, (uint32_t)other, &model, error, error_bytes) == 0 &&
		    buf_append(out, model.p, head) == 0 && line_read_text(line, out) &&
		    buf_append(out, model.p + model.n - tail, tail) == 0 && out->n - before == p->bytes)
			status = 0;
		buf_release(&model);
	}
	if (status < 0) {
		out->n = before;
		snprintf(error, error_bytes, "%s: part %u (byte %llu) has no text of the right length", t->path,
			 (unsigned)part, (unsigned long long)p->file_offset);
	}
	cJSON_Delete(line);
	return status;
}

int trace_part_text(struct trace *t, uint32_t part, struct buf *out, char *error, size_t error_bytes)
{
	struct trace_index *in = t->index;
	const struct trace_part *p = &t->parts[part];
	size_t before = out->n;

	if (!p->exact)
		return fail(t, "texts are not kept in this trace (--content none)", error, error_bytes);
	if (in->parts[part].text) {
		if (buf_append(out, in->parts[part].text, p->bytes) == 0)
			return 0;
		return fail(t, "a body that is too long", error, error_bytes);
	}
	if (load_text(t, part, out, error, error_bytes) < 0)
		return -1;
	if (p->bytes > TEXTS_BYTES_MAX / 4)
		return 0;
	if (in->text_bytes + p->bytes > TEXTS_BYTES_MAX)
		forget_texts(in, t->nparts);
	char *text = malloc(p->bytes + 1);
	if (text) {
		memcpy(text, out->p + before, p->bytes);
		in->parts[part].text = text;
		in->text_bytes += p->bytes;
	}
	return 0;
}

int trace_part_chain(struct trace *t, uint32_t part, struct buf *out, char *error, size_t error_bytes)
{
	cJSON *line = load_line(t, t->parts[part].file_offset, t->index->parts[part].line_bytes, error, error_bytes);
	if (!line)
		return -1;
	const cJSON *chain = field(line, "chain");
	int status = cJSON_IsString(chain) ? buf_puts(out, chain->valuestring) : -1;
	cJSON_Delete(line);
	return status == 0 ? 0 : fail(t, "a part without chain", error, error_bytes);
}

/* ---- bodies */

static int append_literal(struct trace *t, const struct item *item, struct buf *out, char *error, size_t error_bytes)
{
	const struct indexed_exchange *at = &t->index->exchanges[item->exchange];
	const struct segment *s = &at->segments[item->segment];
	size_t before = out->n;

	if (s->text)
		return buf_append(out, s->text, s->bytes) == 0 ? 0
							       : fail(t, "a body that is too long", error, error_bytes);
	cJSON *line = load_line(t, at->file_offset, at->line_bytes, error, error_bytes);
	if (!line)
		return -1;
	const cJSON *segments = field(field(field(line, "request"), "body"), "segments");
	const cJSON *v = cJSON_GetArrayItem(segments, (int)item->segment);
	bool ok = cJSON_IsString(v) ? buf_puts(out, v->valuestring) == 0 : line_read_text(v, out);
	cJSON_Delete(line);
	if (ok && out->n - before == s->bytes)
		return 0;
	return fail(t, "a literal of a body that cannot be read again", error, error_bytes);
}

/* Says of the bytes appended since `before` whether they are the body. */
static int verify(const struct trace *t, const struct exchange *x, const char *which, bool exact, uint64_t bytes,
		  const struct digest *sha256, struct buf *out, size_t before, char *error, size_t error_bytes)
{
	if (!exact) {
		snprintf(error, error_bytes, "%s: the %s of exchange %llu is not whole", t->path, which,
			 (unsigned long long)x->id);
		return 1;
	}
	struct str body = {out->p + before, out->n - before};
	struct digest found = digest_of(body.n ? body : STR(""));
	if (body.n == bytes && memcmp(&found, sha256, sizeof(found)) == 0)
		return 0;
	out->n = before;
	snprintf(error, error_bytes, "%s: the %s of exchange %llu does not have the SHA-256 that it should have",
		 t->path, which, (unsigned long long)x->id);
	return -1;
}

static int not_kept(const struct trace *t, const struct exchange *x, const char *which, char *error, size_t error_bytes)
{
	snprintf(error, error_bytes, "%s: the %s of exchange %llu was not kept%s", t->path, which,
		 (unsigned long long)x->id, t->content == CONTENT_NONE ? " (--content none)" : "");
	return -1;
}

int trace_request_body(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes)
{
	const struct exchange *x = &t->exchanges[exchange];
	size_t before = out->n;

	if (!t->index->exchanges[exchange].has_request || t->content == CONTENT_NONE)
		return not_kept(t, x, "request", error, error_bytes);
	const struct item_list *list = index_items(t, (uint32_t)exchange);
	if (!list)
		return fail(t, "out of memory", error, error_bytes);
	for (size_t i = 0; i < list->n; i++) {
		const struct item *item = &list->items[i];
		int r = item->part == BODY_LITERAL ? append_literal(t, item, out, error, error_bytes)
						   : trace_part_text(t, item->part, out, error, error_bytes);
		if (r < 0 || out->n - before > x->request.body_bytes) {
			out->n = before;
			return r < 0 ? r : fail(t, "a body longer than it says", error, error_bytes);
		}
	}
	return verify(t, x, "request", x->request.body_exact, x->request.body_bytes, &x->request.body_sha256, out,
		      before, error, error_bytes);
}

int trace_request_outline(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes)
{
	size_t before = out->n;

	if (!t->index->exchanges[exchange].has_request || t->content == CONTENT_NONE)
		return not_kept(t, &t->exchanges[exchange], "request", error, error_bytes);
	const struct item_list *list = index_items(t, (uint32_t)exchange);
	if (!list)
		return fail(t, "out of memory", error, error_bytes);
	for (size_t i = 0; i < list->n; i++) {
		const struct item *item = &list->items[i];
		int r = item->part == BODY_LITERAL ? append_literal(t, item, out, error, error_bytes)
						   : buf_puts(out, "null");
		if (r < 0) {
			out->n = before;
			return -1;
		}
	}
	return 0;
}

int trace_response_body(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes)
{
	const struct exchange *x = &t->exchanges[exchange];
	const struct indexed_exchange *at = &t->index->exchanges[exchange];
	size_t before = out->n;

	if (!at->has_response || t->content == CONTENT_NONE)
		return not_kept(t, x, "response", error, error_bytes);
	cJSON *line = load_line(t, at->file_offset, at->line_bytes, error, error_bytes);
	if (!line)
		return -1;
	bool ok = line_read_text(field(field(line, "response"), "body"), out);
	cJSON_Delete(line);
	if (!ok) {
		out->n = before;
		return fail(t, "a response that cannot be read again", error, error_bytes);
	}
	return verify(t, x, "response", x->response.body_exact, x->response.body_bytes, &x->response.body_sha256, out,
		      before, error, error_bytes);
}

int trace_exchange_json(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes)
{
	const struct indexed_exchange *at = &t->index->exchanges[exchange];
	cJSON *line = load_line(t, at->file_offset, at->line_bytes, error, error_bytes);
	if (!line)
		return -1;
	static const char *const sides[] = {"request", "response"};
	for (size_t i = 0; i < 2; i++) {
		cJSON *side = cJSON_GetObjectItemCaseSensitive(line, sides[i]);
		if (cJSON_GetObjectItemCaseSensitive(side, "body"))
			cJSON_ReplaceItemInObjectCaseSensitive(side, "body", cJSON_CreateNull());
	}
	char *text = cJSON_PrintUnformatted(line);
	cJSON_Delete(line);
	int status = text ? buf_puts(out, text) : -1;
	cJSON_free(text);
	return status == 0 ? 0 : fail(t, "out of memory", error, error_bytes);
}
