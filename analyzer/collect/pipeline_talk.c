/* SPDX-License-Identifier: MIT */
#include "collect/pipeline_talk.h"

#include "api/api.h"
#include "base/array.h"
#include "collect/pipeline.h"
#include "http/headers.h"

#include <stdarg.h>
#include <stdlib.h>

#define ERROR_MAX 512
#define QUERY_MAX 4096

/* The first error is the one that explains the others. */
static void set_error(char **error, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void set_error(char **error, const char *format, ...)
{
	struct buf text;
	va_list args;
	if (*error)
		return;
	buf_init(&text, ERROR_MAX);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	*error = buf_steal(&text);
}

static char *dup_str(struct str s)
{
	return s.p ? strndup(s.p, s.n) : NULL;
}

/* ---- heads */

static int copy_headers(const struct http1_head *head, struct exchange_header **out, size_t *n)
{
	struct exchange_header *to = calloc(head->nheaders ? head->nheaders : 1, sizeof(*to));
	if (!to)
		return -1;
	*out = to;
	for (size_t i = 0; i < head->nheaders; i++) {
		const struct http1_header *from = &head->headers[i];
		to[i].name = dup_str(from->name);
		if (!to[i].name)
			return -1;
		*n = i + 1;
		if (header_value_kept(from->name))
			to[i].value = dup_str(from->value);
	}
	return 0;
}

static char *copy_header(const struct http1_head *head, struct str name)
{
	struct str value = http1_header_of(head, name);
	return value.n ? dup_str(value) : NULL;
}

static char *copy_query(struct str query)
{
	struct buf names;
	if (!query.p)
		return NULL;
	buf_init(&names, QUERY_MAX);
	query_names(query, &names);
	return buf_steal(&names);
}

/* ---- bodies */

static void keep_bytes(struct talk_body *b, struct str bytes)
{
	size_t room = b->to->max - b->to->n;
	*b->bytes += bytes.n;
	if (b->broken || bytes.n == 0)
		return;
	if (bytes.n > room) {
		bytes.n = room;
		*b->exact = false;
		b->broken = true;
		set_error(b->error, "the body is longer than %zu MiB and was cut there", PIPELINE_BODY_MAX >> 20);
	}
	if (buf_append_str(b->to, bytes) < 0) {
		*b->exact = false;
		b->broken = true;
		set_error(b->error, "no memory for the body");
	}
}

static void request_decoded(void *context, struct str bytes)
{
	struct talk *t = context;
	keep_bytes(&t->request_body, bytes);
}

static void response_decoded(void *context, struct str bytes)
{
	struct talk *t = context;
	keep_bytes(&t->response_body, bytes);
	if (t->x.response.streamed)
		sse_feed(&t->sse, bytes, t->now_ns);
}

static void on_event(void *context, struct str name, struct str data, uint64_t time_ns)
{
	struct talk *t = context;
	api_response_event(&t->x, name, data, time_ns);
}

static void begin_body(struct talk *t, struct talk_body *b, const char *coding, content_bytes_fn *decoded)
{
	const char *error = NULL;
	if (!coding || !*coding)
		return;
	b->content = content_new(str_from(coding), PIPELINE_BODY_MAX, decoded, t, &error);
	if (!b->content) {
		*b->exact = false;
		set_error(b->error, "%s: %.64s", error, coding);
	}
}

static void missing_bytes(struct talk_body *b, uint64_t n, bool inside)
{
	*b->exact = false;
	set_error(b->error, "%llu bytes are missing at byte %llu of the body", (unsigned long long)n,
		  (unsigned long long)*b->bytes);
	b->broken = true;
	/* What comes behind the hole cannot be decoded; without a coding it still counts. */
	if (inside && !b->content)
		*b->bytes += n;
}

static void end_body(struct talk_body *b)
{
	const char *error = b->content && !b->broken ? content_finish(b->content) : NULL;
	if (error) {
		*b->exact = false;
		set_error(b->error, "%s", error);
	}
	content_free(b->content);
	b->content = NULL;
}

/* ---- the request */

static bool is_wanted(const struct http1_head *head, enum kvs_llm_api api)
{
	return api != KVS_API_NONE && head->has_body && str_eq(head->method, STR("POST"));
}

/* So much is going to come: no need to grow by steps. What is only said to come must not cost much. */
static void reserve_body(struct buf *body, struct str length)
{
	enum { SAID_MAX = 4 << 20 };
	size_t n = 0;
	for (size_t i = 0; i < length.n && length.p[i] >= '0' && length.p[i] <= '9' && n < SAID_MAX; i++)
		n = 10 * n + (size_t)(length.p[i] - '0');
	if (n > 0 && n <= SAID_MAX)
		buf_reserve(body, n);
}

static void take_spare(struct exchange *x, struct lineage_spare *spare)
{
	x->prompt = spare->prompt;
	x->request.body = spare->body;
	buf_reset(&x->request.body);
	prompt_init(&spare->prompt);
	buf_init(&spare->body, PIPELINE_BODY_MAX);
	prompt_clear(&x->prompt);
}

static int begin_exchange(struct talk *t, const struct http1_head *head, struct str path, struct str query)
{
	struct exchange *x = &t->x;
	x->request.method = dup_str(head->method);
	x->request.path = dup_str(path);
	x->request.query = copy_query(query);
	if (!x->request.method || !x->request.path || copy_headers(head, &x->request.headers, &x->request.nheaders) < 0)
		return -1;
	x->request.content_encoding = copy_header(head, STR("content-encoding"));
	reserve_body(&x->request.body, http1_header_of(head, STR("content-length")));
	x->session = copy_header(head, STR("x-claude-code-session-id"));
	x->agent = copy_header(head, STR("x-claude-code-agent-id"));
	begin_body(t, &t->request_body, x->request.content_encoding, request_decoded);
	return 0;
}

struct talk *talk_new(const struct http1_head *head, const char *capture_mode, struct lineage_spare *spare)
{
	struct talk *t = calloc(1, sizeof(*t));
	struct str path, query;
	if (!t)
		return NULL;
	struct exchange *x = &t->x;
	exchange_init(x, PIPELINE_BODY_MAX, PIPELINE_BODY_MAX);
	x->capture_mode = capture_mode;
	sse_init(&t->sse, PIPELINE_EVENT_MAX, on_event, t);
	t->request_body = (struct talk_body){.to = &x->request.body,
					     .bytes = &x->request.body_bytes,
					     .exact = &x->request.body_exact,
					     .error = &x->request.error};
	t->response_body = (struct talk_body){.to = &x->response.body,
					      .bytes = &x->response.body_bytes,
					      .exact = &x->response.body_exact,
					      .error = &x->response.error};

	target_split(head->target, &path, &query);
	t->head = str_eq(head->method, STR("HEAD"));
	t->connect = str_eq(head->method, STR("CONNECT"));
	x->api = api_of_path(path);
	t->wanted = is_wanted(head, x->api);
	if (t->wanted)
		take_spare(x, spare);
	if (t->wanted && begin_exchange(t, head, path, query) < 0) {
		talk_free(t);
		return NULL;
	}
	return t;
}

void talk_free(struct talk *t)
{
	if (!t)
		return;
	content_free(t->request_body.content);
	content_free(t->response_body.content);
	sse_release(&t->sse);
	digest_marks_release(&t->marks);
	exchange_release(&t->x);
	free(t);
}

void talk_request_bytes(struct talk *t, struct str bytes)
{
	if (!t->wanted)
		return;
	if (!t->request_body.content)
		keep_bytes(&t->request_body, bytes);
	else if (!t->request_body.broken)
		content_feed(t->request_body.content, bytes);
}

void talk_request_missing(struct talk *t, uint64_t n, bool inside)
{
	if (t->wanted)
		missing_bytes(&t->request_body, n, inside);
}

/*
 * Clients without the header of their own name the session inside metadata.user_id: "…_session_ID", or JSON in a string
 * with a "session_id". The rest of it identifies a person and is not kept.
 */
static char *session_of_user(struct str user_id)
{
	static const char *const marks[] = {"_session_", "session_id\\\":\\\"", "session_id\\\": \\\""};
	for (size_t i = 0; user_id.n && i < sizeof(marks) / sizeof(*marks); i++) {
		size_t n = strlen(marks[i]);
		const char *at = memmem(user_id.p, user_id.n, marks[i], n);
		if (!at)
			continue;
		struct str id = {at + n, user_id.n - (size_t)(at - user_id.p) - n};
		size_t end = 0;
		while (end < id.n && end < 64 && id.p[end] != '"' && id.p[end] != '\\')
			end++;
		id.n = end;
		return id.n ? dup_str(id) : NULL;
	}
	return NULL;
}

/* What was the same in the last request of the conversation is compared, not hashed or read again. */
static void read_body(struct talk *t, struct lineages *lineages)
{
	struct exchange *x = &t->x;
	struct prompt_request said;
	struct str body = buf_str(&x->request.body);
	const char *error = NULL;
	size_t offset = 0;
	const struct lineage *last = api_has_dialect(x->api) ? lineages_find(lineages, x) : NULL;
	size_t same = lineage_same(last, body);

	if (x->request.body_exact)
		x->request.body_sha256 = lineage_digest(last, same, body, &t->marks);
	if (!api_has_dialect(x->api))
		return;
	struct prompt_previous previous = {0};
	if (last)
		previous = (struct prompt_previous){&last->prompt, buf_str(&last->body), same};
	int r = prompt_parse(x->api, body, last ? &previous : NULL, &x->prompt, &said, &error, &offset);
	if (r < 0)
		set_error(&x->request.error, "the body is not a request that can be read: %s at byte %zu", error,
			  offset);
	x->model = dup_str(said.model);
	x->max_tokens = said.max_tokens;
	x->wants_stream = said.stream;
	t->prompt_read = r == 0;
	if (r == 0 && last) {
		x->same_as = last->exchange;
		x->same_parts = prompt_same_parts(&x->prompt, &last->prompt, same);
	}
	if (!x->session)
		x->session = session_of_user(said.user_id);
}

void talk_keep(struct talk *t, struct lineages *lineages)
{
	if (t->prompt_read)
		lineages_keep(lineages, &t->x, &t->marks);
}

void talk_request_end(struct talk *t, uint64_t wire_bytes, const char *cut, struct lineages *lineages)
{
	t->request_done = true;
	if (!t->wanted)
		return;
	t->x.request.wire_bytes = wire_bytes;
	if (cut) {
		t->x.request.body_exact = false;
		set_error(&t->x.request.error, "%s", cut);
	}
	end_body(&t->request_body);
	read_body(t, lineages);
}

/* ---- the response */

void talk_response_begin(struct talk *t, uint64_t time_ns)
{
	t->response_begun = true;
	t->x.times.first_byte = time_ns;
}

void talk_response_arrival(struct talk *t, uint64_t wire_bytes)
{
	struct exchange_response *r = &t->x.response;
	uint64_t time_ns = t->now_ns;
	if (!t->wanted)
		return;
	r->wire_bytes += wire_bytes;
	t->x.times.end = time_ns;
	/* A long receive is several records of the same time. */
	if (r->narrivals && r->arrivals[r->narrivals - 1].time_ns == time_ns && !r->arrivals_cut) {
		r->arrivals[r->narrivals - 1].bytes += wire_bytes;
		return;
	}
	struct arrival *grown = NULL;
	if (r->narrivals < PIPELINE_ARRIVALS_MAX)
		grown = array_grow(r->arrivals, &t->arrivals_capacity, r->narrivals + 1, sizeof(*grown));
	if (!grown) {
		r->arrivals_cut = true;
		return;
	}
	r->arrivals = grown;
	grown[r->narrivals++] = (struct arrival){.time_ns = time_ns, .bytes = wire_bytes};
}

void talk_response_head(struct talk *t, const struct http1_head *head)
{
	struct exchange_response *r = &t->x.response;
	if (!t->wanted)
		return;
	r->status = head->status;
	t->x.times.headers = t->now_ns;
	if (head->status / 100 == 1 && head->status != 101)
		return;
	if (copy_headers(head, &r->headers, &r->nheaders) < 0)
		set_error(&r->error, "no memory for the response's headers");
	struct str type = media_type(http1_header_of(head, STR("content-type")));
	r->content_type = type.n ? dup_str(type) : NULL;
	r->content_encoding = copy_header(head, STR("content-encoding"));
	r->streamed = str_eq_nocase(type, STR("text/event-stream"));
	begin_body(t, &t->response_body, r->content_encoding, response_decoded);
	api_engine_from_headers(&t->x);
}

void talk_response_bytes(struct talk *t, struct str bytes)
{
	if (!t->wanted)
		return;
	if (!t->response_body.content)
		response_decoded(t, bytes);
	else if (!t->response_body.broken)
		content_feed(t->response_body.content, bytes);
}

void talk_response_missing(struct talk *t, uint64_t n, bool inside)
{
	if (!t->wanted)
		return;
	missing_bytes(&t->response_body, n, inside);
	sse_gap(&t->sse);
}

void talk_response_interim(struct talk *t)
{
	struct exchange_response *r = &t->x.response;
	t->response_begun = false;
	r->status = 0;
	r->wire_bytes = 0;
	r->narrivals = 0;
	r->arrivals_cut = false;
	t->x.times.first_byte = t->x.times.headers = t->x.times.end = 0;
}

void talk_response_end(struct talk *t, const char *cut)
{
	struct exchange *x = &t->x;
	struct exchange_response *r = &x->response;
	t->response_done = true;
	if (!t->wanted)
		return;
	if (cut) {
		r->body_exact = false;
		set_error(&r->error, "%s", cut);
	}
	end_body(&t->response_body);
	if (r->body_exact)
		r->body_sha256 = digest_of(buf_str(&r->body));
	if (t->sse.incomplete && r->body_exact)
		set_error(&r->error, "%llu events of the stream are longer than %zu MiB and were not read",
			  (unsigned long long)t->sse.incomplete, PIPELINE_EVENT_MAX >> 20);
	/* Half a document says nothing, and its own error would be no news. */
	if (r->status && !r->streamed && r->body_exact)
		api_response_body(x, buf_str(&r->body), x->times.end);
	x->times.grade = exchange_grade(x);
}
