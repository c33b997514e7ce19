/* SPDX-License-Identifier: MIT */
#include "verify/verify.h"

#include "base/array.h"
#include "trace/fields.h"
#include "trace/sink.h"
#include "trace/words.h"
#include "verify/verify_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES ((size_t)256 << 10)
#define BODY_MAX ((size_t)1 << 30)

/* Without the file's name, with which the reader begins its messages. */
static const char *without_path(const struct trace *t, const char *message)
{
	size_t n = strlen(t->path);
	return strncmp(message, t->path, n) == 0 && strncmp(message + n, ": ", 2) == 0 ? message + n + 2 : message;
}

__attribute__((format(printf, 3, 4))) static void problem(struct verify *v, uint64_t line, const char *format, ...)
{
	v->problems_in_all++;
	if (v->nproblems >= VERIFY_TOLD_MAX)
		return;
	struct verify_problem *grown = array_grow(v->problems, &v->problems_capacity, v->nproblems + 1, sizeof(*grown));
	if (!grown)
		return;
	v->problems = grown;
	struct buf words;
	va_list args;
	buf_init(&words, 4096);
	va_start(args, format);
	buf_vprintf(&words, format, args);
	va_end(args);
	v->problems[v->nproblems++] = (struct verify_problem){line, buf_steal(&words)};
	buf_release(&words);
}

static void check_part(struct verify *v, struct trace *t, uint64_t line, const cJSON *json)
{
	struct fields f = {0};
	uint64_t id = field_uint(&f, json, "id", UINT32_MAX, UINT64_MAX);
	struct digest told;
	char what[96], error[512];
	struct buf text;

	v->parts++;
	if (id >= t->nparts)
		return; /* the reader has stopped before it, and says so */
	const struct trace_part *part = &t->parts[id];
	if (!part->exact)
		return;
	buf_init(&text, BODY_MAX);
	snprintf(what, sizeof(what), "part %" PRIu64 " (%s%s%s)", id,
		 part->role == ROLE_NONE ? "" : part_role_name(part->role), part->role == ROLE_NONE ? "" : " ",
		 block_type_name(part->block));
	if (trace_part_text(t, (uint32_t)id, &text, error, sizeof(error)) < 0) {
		problem(v, line, "%s", without_path(t, error));
	} else {
		struct digest found = digest_of(text.n ? buf_str(&text) : STR(""));
		if (!field_digest(&f, json, "sha256", &told))
			problem(v, line, "part %" PRIu64 " has no SHA-256", id);
		else if (memcmp(&told, &found, sizeof(told)) != 0)
			problem(v, line, "part %" PRIu64 " does not have the SHA-256 that it should have", id);
		else
			v->parts_proved++;
		struct verify_place place = {.line = line, .what = what};
		verify_scan_text(v, &place, buf_str(&text), true);
	}
	buf_release(&text);
}

typedef int body_fn(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes);

static void check_body(struct verify *v, struct trace *t, size_t at, uint64_t line, const cJSON *side, body_fn *body,
		       struct buf *out)
{
	char error[1024];
	if (!field(side, "body")) {
		v->bodies_not_kept++;
		return;
	}
	if (t->content == CONTENT_NONE) {
		v->bodies_not_kept++;
		return;
	}
	int r = body(t, at, out, error, sizeof(error));
	if (r < 0)
		problem(v, line, "%s", without_path(t, error));
	else if (r > 0)
		v->bodies_incomplete++;
	else
		v->bodies_proved++;
}

static void check_exchange(struct verify *v, struct trace *t, uint64_t line, const cJSON *json)
{
	struct fields f = {0};
	uint64_t id = field_uint(&f, json, "id", UINT64_MAX, 0);
	size_t at = trace_find_exchange(t, id);
	struct buf body;
	char what[64];

	v->exchanges++;
	if (at == SIZE_MAX)
		return;
	buf_init(&body, BODY_MAX);
	check_body(v, t, at, line, field(json, "request"), trace_request_body, &body);
	buf_reset(&body);
	check_body(v, t, at, line, field(json, "response"), trace_response_body, &body);
	if (t->exchanges[at].response.streamed && body.n) {
		snprintf(what, sizeof(what), "exchange %" PRIu64 " (what the stream says)", id);
		struct verify_place place = {.line = line, .what = what};
		verify_scan_stream(v, &place, buf_str(&body));
	}
	buf_release(&body);
}

static void check_footer(struct verify *v, uint64_t line, const cJSON *json)
{
	struct fields f = {0};
	uint64_t exchanges = field_uint(&f, json, "exchanges", UINT64_MAX, UINT64_MAX);
	uint64_t parts = field_uint(&f, json, "parts", UINT64_MAX, UINT64_MAX);
	v->ended = true;
	if (exchanges != v->exchanges)
		problem(v, line, "the footer counts %" PRIu64 " exchanges, the file has %" PRIu64, exchanges,
			v->exchanges);
	if (parts != v->parts)
		problem(v, line, "the footer counts %" PRIu64 " parts, the file has %" PRIu64, parts, v->parts);
}

static void check_line(struct verify *v, struct trace *t, struct str text)
{
	char what[64];
	uint64_t line = ++v->lines;
	cJSON *json = cJSON_ParseWithLength(text.p, text.n);
	const cJSON *type = field(json, "type");
	const char *name = cJSON_IsString(type) ? type->valuestring : "line";
	struct fields f = {0};
	bool part = strcmp(name, "part") == 0, exchange = strcmp(name, "exchange") == 0;

	if (v->ended) {
		problem(v, line, "a line behind the footer");
		v->ended = false;
	}
	if (exchange)
		snprintf(what, sizeof(what), "exchange %" PRIu64, field_uint(&f, json, "id", UINT64_MAX, 0));
	else
		snprintf(what, sizeof(what), "%.40s", name);
	struct verify_place place = {.line = line, .what = what};
	/* Texts of parts are searched when they are put together; beyond where the reader stopped none is. */
	bool whole = part && field_uint(&f, json, "id", UINT32_MAX, UINT64_MAX) < t->nparts;
	verify_scan_line(v, &place, text, !whole);
	if (part)
		check_part(v, t, line, json);
	else if (exchange)
		check_exchange(v, t, line, json);
	else if (strcmp(name, "footer") == 0)
		check_footer(v, line, json);
	cJSON_Delete(json);
}

/* All whole lines of the file. 0 or -1 with errno. */
static int read_lines(struct verify *v, struct trace *t)
{
	struct buf tail;
	int status = 0;
	buf_init(&tail, TRACE_LINE_MAX + READ_BYTES);
	for (;;) {
		size_t scanned = tail.n;
		char *to = buf_reserve(&tail, READ_BYTES);
		if (!to) {
			v->cut = true; /* a line beyond the limit: as far as this goes */
			break;
		}
		ssize_t n = trace_read_bytes(t, v->bytes, to, READ_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			status = n < 0 ? -1 : 0;
			v->cut = tail.n > 0;
			break;
		}
		tail.n += (size_t)n;
		v->bytes += (uint64_t)n;
		size_t done = 0;
		char *feed;
		while ((feed = memchr(tail.p + scanned, '\n', tail.n - scanned))) {
			size_t end = (size_t)(feed - tail.p);
			check_line(v, t, (struct str){tail.p + done, end - done});
			done = scanned = end + 1;
		}
		buf_consume(&tail, done);
	}
	if (v->cut && tail.n) {
		struct verify_place place = {.line = v->lines + 1, .what = "the cut line"};
		verify_scan_text(v, &place, buf_str(&tail), true);
	}
	buf_release(&tail);
	return status;
}

int verify_trace(struct trace *t, struct verify *out, char *error, size_t error_bytes)
{
	*out = (struct verify){0};
	if (read_lines(out, t) < 0) {
		snprintf(error, error_bytes, "%s: %s", t->path, strerror(errno));
		return -1;
	}
	/* A file that was cut is good up to there; a whole line that cannot be read was changed. */
	if (t->lines < out->lines)
		problem(out, t->lines + 1, "%s",
			t->warning ? without_path(t, t->warning) : "a line that cannot be read");
	if (out->cut)
		out->ended = false;
	return 0;
}

void verify_release(struct verify *v)
{
	for (size_t i = 0; i < v->nproblems; i++)
		free(v->problems[i].what);
	for (size_t i = 0; i < v->nfindings; i++) {
		free(v->findings[i].place);
		free(v->findings[i].masked);
	}
	free(v->problems);
	free(v->findings);
	*v = (struct verify){0};
}
