/* SPDX-License-Identifier: MIT */
#include "trace/writer.h"

#include "api/api.h"
#include "base/array.h"
#include "trace/bases.h"
#include "trace/likes.h"
#include "trace/line_request.h"
#include "trace/lines.h"
#include "trace/rest.h"
#include "trace/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A part that the table has no memory for is written again when it comes again. */
#define HASH_NONFATAL_OOM 1
/* A key begins with a digest: any four bytes of that are a hash. */
#define HASH_FUNCTION(key, bytes, hash) memcpy(&(hash), (key), sizeof(hash))
#include <uthash.h>

/* What makes two parts the same one. */
struct part_key {
	struct digest raw;
	uint8_t kind, role, block, unused;
};

struct known_part {
	struct part_key key;
	uint32_t id;
	UT_hash_handle hh;
};

struct trace_writer {
	struct line_sink sink;
	char *path;
	struct hide hide;
	struct known_part *parts;
	uint32_t nparts;
	struct part_key *keys; /* by id */
	size_t keys_capacity;
	uint64_t last_exchange;
	uint32_t *last_ids; /* of the exchange before, which the next one most likely repeats */
	size_t nlast, last_capacity;
	uint64_t nexchanges;
	struct bases bases;
	struct likes likes;

	/* Scratch, kept for the next exchange. */
	struct body_items items;
	struct body_ops ops;
	uint32_t *ids;
	size_t ids_capacity;
	uint32_t *seen; /* per part; all 0 between uses */
	size_t seen_capacity;
};

static void writer_free(struct trace_writer *w)
{
	struct known_part *p, *next;

	line_sink_release(&w->sink);
	HASH_ITER(hh, w->parts, p, next)
	{
		HASH_DEL(w->parts, p);
		free(p);
	}
	bases_release(&w->bases);
	likes_release(&w->likes);
	hide_release(&w->hide);
	body_items_release(&w->items);
	free(w->ops.ops);
	free(w->ids);
	free(w->keys);
	free(w->last_ids);
	free(w->seen);
	free(w->path);
	free(w);
}

int trace_writer_open(const char *path, bool overwrite, const struct trace_header *header, struct trace_writer **out,
		      char *error, size_t error_bytes)
{
	struct trace_writer *w = calloc(1, sizeof(*w));
	if (!w || !(w->path = strdup(path))) {
		free(w);
		snprintf(error, error_bytes, "%s: out of memory", path);
		return -1;
	}
	w->sink.fd = -1;
	body_items_init(&w->items);
	if (hide_init(&w->hide, header->content == CONTENT_NONE) < 0) {
		snprintf(error, error_bytes, "%s: no random key: %s", path, strerror(errno));
		goto failed;
	}
	if (line_sink_open(&w->sink, path, overwrite) < 0) {
		snprintf(error, error_bytes, "%s: cannot create the trace: %s", path, strerror(errno));
		goto failed;
	}
	line_header(line_sink_begin(&w->sink), header);
	if (line_sink_commit(&w->sink, 1, true) < 0) {
		snprintf(error, error_bytes, "%s: cannot write the trace's header: out of memory", path);
		goto failed;
	}
	line_sink_flush(&w->sink);
	*out = w;
	return 0;
failed:
	writer_free(w);
	return -1;
}

static struct part_key key_of(const struct prompt_part *part)
{
	return (struct part_key){part->raw, (uint8_t)part->kind, (uint8_t)part->role, (uint8_t)part->block, 0};
}

static int know_part(struct trace_writer *w, const struct part_key *key, uint32_t id)
{
	struct part_key *grown = array_grow(w->keys, &w->keys_capacity, (size_t)id + 1, sizeof(*grown));
	if (!grown)
		return -1;
	w->keys = grown;
	w->keys[id] = *key;
	struct known_part *p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	p->key = *key;
	p->id = id;
	HASH_ADD(hh, w->parts, key, sizeof(p->key), p);
	if (!p->hh.tbl) {
		free(p);
		return -1;
	}
	return 0;
}

static bool same_key(const struct part_key *a, const struct part_key *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/*
 * The id of a part that the exchange before had at *at, or soon behind it: walked side by side, which the table's
 * random places in memory are several times slower than. False if it must be looked up.
 */
static bool find_beside(const struct trace_writer *w, const struct part_key *key, size_t *at, uint32_t *id)
{
	enum { LOOK_AHEAD = 8 };
	for (size_t i = *at; i < w->nlast && i <= *at + LOOK_AHEAD; i++) {
		if (!same_key(&w->keys[w->last_ids[i]], key))
			continue;
		*id = w->last_ids[i];
		*at = i + 1;
		return true;
	}
	return false;
}

static void remember_ids(struct trace_writer *w, uint64_t exchange, size_t nparts)
{
	uint32_t *ids = w->last_ids;
	size_t capacity = w->last_capacity;
	w->last_ids = w->ids;
	w->last_capacity = w->ids_capacity;
	w->nlast = nparts;
	w->last_exchange = exchange;
	w->ids = ids;
	w->ids_capacity = capacity;
}

/* So many parts at the beginning are those of the exchange before. */
static size_t parts_of_last(const struct trace_writer *w, const struct exchange *x, size_t nparts)
{
	if (x->same_parts == 0 || x->same_as != w->last_exchange || x->same_parts > nparts || x->same_parts > w->nlast)
		return 0;
	return x->same_parts;
}

/* Writes the parts that the trace does not have yet, and fills w->ids. Returns the number of lines, -1 without memory.
 */
static int64_t write_parts(struct trace_writer *w, struct buf *to, const struct exchange *x, size_t nparts)
{
	int64_t lines = 0;
	size_t beside = 0, known_parts = parts_of_last(w, x, nparts);

	uint32_t *grown = array_grow(w->ids, &w->ids_capacity, nparts, sizeof(*grown));
	if (!grown)
		return -1;
	w->ids = grown;
	if (known_parts) {
		memcpy(w->ids, w->last_ids, known_parts * sizeof(*w->ids));
		beside = known_parts;
	}
	for (size_t i = known_parts; i < nparts; i++) {
		const struct prompt_part *part = &x->prompt.parts[i];
		const struct part_key key = key_of(part);
		struct known_part *known;

		if (find_beside(w, &key, &beside, &w->ids[i]))
			continue;
		HASH_FIND(hh, w->parts, &key, sizeof(key), known);
		if (known) {
			w->ids[i] = known->id;
			continue;
		}
		struct str text = {x->request.body.p + part->offset, part->bytes};
		struct line_like like;
		bool has_like = !w->hide.on && likes_find(&w->likes, &part->normalised, text, &like);

		w->ids[i] = w->nparts++;
		line_part(to, w->ids[i], part, text, has_like ? &like : NULL, &w->hide);
		lines++;
		if (know_part(w, &key, w->ids[i]) < 0)
			return -1;
		if (!has_like && !w->hide.on)
			likes_keep(&w->likes, &part->normalised, w->ids[i], text);
	}
	return lines;
}

/* The lines that held parts from `id` on were given up: as if they had never been seen. */
static void forget_parts(struct trace_writer *w, uint32_t id)
{
	struct known_part *next;

	for (struct known_part *p = w->parts; p; p = next) {
		next = p->hh.next;
		if (p->id < id)
			continue;
		HASH_DEL(w->parts, p);
		free(p);
	}
	w->nparts = id;
	w->nlast = 0;
	likes_release(&w->likes);
}

static int make_delta(struct trace_writer *w, const struct base *base)
{
	size_t before = w->seen_capacity;
	uint32_t *grown = array_grow(w->seen, &w->seen_capacity, w->nparts, sizeof(*grown));
	if (!grown)
		return -1;
	w->seen = grown;
	memset(w->seen + before, 0, (w->seen_capacity - before) * sizeof(*w->seen));
	return body_delta(base ? &base->items : NULL, &w->items, w->seen, w->nparts, &w->ops);
}

static void put_word(struct buf *to, const char *word)
{
	buf_puts(to, word ? word : "");
	buf_putc(to, '\n');
}

void trace_writer_exchange(struct trace_writer *w, struct exchange *x)
{
	struct str body = buf_str(&x->request.body);
	bool has_body = (body.n > 0 || x->request.body_bytes == 0) && body.n < UINT32_MAX;
	size_t nparts = has_body ? body_usable_parts(&x->prompt, body.n) : 0;
	uint32_t parts_before = w->nparts;
	struct line_body line = {0};
	struct base *base = NULL;
	struct buf key, server;

	buf_init(&key, 1 << 20);
	buf_init(&server, 1 << 20);
	struct buf *to = line_sink_begin(&w->sink);
	int64_t lines = write_parts(w, to, x, nparts);
	bool failed = lines < 0;

	if (has_body && !failed) {
		const char *words[] = {x->session, x->agent, x->model, x->request.path};
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
			put_word(&key, words[i]);
		put_word(&server, x->peer);
		buf_printf(&server, "%d", (int)x->api);
		const struct body_items *like = parts_of_last(w, x, nparts) ? bases_of(&w->bases, x->same_as) : NULL;
		failed = body_items_build(&w->items, &x->prompt, nparts, w->ids, body, like, x->same_parts) < 0 ||
			 !buf_reserve(&key, 0);
	}
	if (has_body && !failed) {
		base = bases_find(&w->bases, key.p, buf_str(&server).p, &w->items);
		failed = make_delta(w, base) < 0;
		line = (struct line_body){&w->items, &w->ops, base && w->ops.copied ? base->exchange : 0};
	}
	if (failed)
		to->failed = true;
	else
		line_exchange(to, x, &line, &w->hide);

	if (line_sink_commit(&w->sink, (uint64_t)(failed ? 1 : lines + 1), false) < 0) {
		forget_parts(w, parts_before);
	} else {
		w->nexchanges++;
		remember_ids(w, x->id, nparts);
		if (has_body)
			bases_remember(&w->bases, base, w->ops.copied, key.p, buf_str(&server).p, x->id, &w->items);
	}
	buf_release(&key);
	buf_release(&server);
}

void trace_writer_request(struct trace_writer *w, const struct exchange *x, const struct continues *c)
{
	line_request(line_sink_begin(&w->sink), x, c);
	line_sink_commit(&w->sink, 1, false);
}

void trace_writer_process(struct trace_writer *w, const struct pipeline_process *p)
{
	line_process(line_sink_begin(&w->sink), p);
	line_sink_commit(&w->sink, 1, false);
}

void trace_writer_opaque(struct trace_writer *w, const struct opaque_connection *c)
{
	line_opaque(line_sink_begin(&w->sink), c);
	line_sink_commit(&w->sink, 1, false);
}

void trace_writer_flush(struct trace_writer *w)
{
	line_sink_flush(&w->sink);
}

/* Processes are counted beside the losses, but are none. */
static bool anything_lost(const struct ring_loss *ring, const struct pipeline_loss *pipeline, uint64_t lines)
{
	static const struct pipeline_loss none;
	uint64_t lost = lines + ring->dropped_bytes + ring->voided + ring->foreign_pidns + ring->passthrough;

	for (int i = 0; i < KVS_DROP_REASONS; i++)
		lost += ring->dropped[i];
	return lost > 0 || memcmp(pipeline, &none, sizeof(none)) != 0;
}

int trace_writer_close(struct trace_writer *w, const struct ring_loss *ring, const struct pipeline_loss *pipeline,
		       const struct trace_footer *footer, char *error, size_t error_bytes)
{
	struct buf *to = line_sink_begin(&w->sink);
	bool lost = anything_lost(ring, pipeline, w->sink.lost_lines);
	if (lost)
		line_loss(to, ring, pipeline, w->sink.lost_lines);
	line_footer(to, footer, w->nexchanges, w->nparts);
	line_sink_commit(&w->sink, lost ? 2 : 1, true);

	int status = 0;
	if (line_sink_finish(&w->sink) > 0) {
		rest_save(w->path, buf_str(&w->sink.waiting), strerror(w->sink.trouble), error, error_bytes);
		status = -1;
	}
	if (w->sink.lost_lines) {
		size_t n = status < 0 ? strnlen(error, error_bytes) : 0;
		snprintf(error + n, error_bytes - n, "%s%llu lines were given up while the trace could not be written",
			 n ? "; " : "", (unsigned long long)w->sink.lost_lines);
		status = -1;
	}
	writer_free(w);
	return status;
}
