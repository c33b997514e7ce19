/* SPDX-License-Identifier: MIT */
/* An exchange line, read. */
#include "api/api.h"
#include "trace/base64.h"
#include "trace/index.h"
#include "trace/words.h"

#include <stdlib.h>
#include <string.h>

#define EXACT_MAX (UINT64_C(1) << 53)

bool line_read_text(const cJSON *object, struct buf *out)
{
	const cJSON *text = field(object, "text"), *base64 = field(object, "base64");
	if (cJSON_IsString(text))
		return buf_puts(out, text->valuestring) == 0;
	return cJSON_IsString(base64) && base64_decode(str_from(base64->valuestring), out) == 0;
}

static void read_headers(struct fields *f, const cJSON *o, struct exchange_header **out, size_t *n)
{
	const cJSON *list = field_array(f, o, "headers"), *pair;
	int count = cJSON_GetArraySize(list);
	if (count == 0)
		return;
	*out = calloc((size_t)count, sizeof(**out));
	if (!*out) {
		f->no_memory = true;
		return;
	}
	cJSON_ArrayForEach(pair, list)
	{
		const cJSON *name = cJSON_GetArrayItem(pair, 0), *value = cJSON_GetArrayItem(pair, 1);
		if (!cJSON_IsArray(pair) || !cJSON_IsString(name) || !(cJSON_IsString(value) || cJSON_IsNull(value))) {
			f->wrong = "headers";
			return;
		}
		struct exchange_header *h = &(*out)[(*n)++];
		h->name = strdup(name->valuestring);
		h->value = cJSON_IsString(value) ? strdup(value->valuestring) : NULL;
		if (!h->name || (cJSON_IsString(value) && !h->value))
			f->no_memory = true;
	}
}

static void read_times(struct fields *f, const cJSON *line, struct exchange_times *t)
{
	const cJSON *o = field_object(f, line, "times_ns");
	struct str grade = field_str(f, line, "grade");

	t->request_start = field_uint(f, o, "request_start", UINT64_MAX, 0);
	t->request_end = field_uint(f, o, "request_end", UINT64_MAX, 0);
	t->first_byte = field_uint(f, o, "first_byte", UINT64_MAX, 0);
	t->headers = field_uint(f, o, "headers", UINT64_MAX, 0);
	t->message_start = field_uint(f, o, "message_start", UINT64_MAX, 0);
	t->first_content = field_uint(f, o, "first_content", UINT64_MAX, 0);
	t->end = field_uint(f, o, "end", UINT64_MAX, 0);
	int g = timing_grade_from_name(grade);
	/* A grade of a later version: nothing is known of it, so the least is assumed. */
	t->grade = g < 0 ? GRADE_DEGENERATE : (enum timing_grade)g;
}

static void read_prompt(struct fields *f, const cJSON *line, struct prompt *p)
{
	const cJSON *o = field_object(f, line, "prompt");

	p->messages = (uint32_t)field_uint(f, o, "messages", UINT32_MAX, 0);
	p->tools = (uint32_t)field_uint(f, o, "tools", UINT32_MAX, 0);
	p->kind_bytes[PART_TOOL] = field_uint(f, o, "tools_bytes", UINT64_MAX, 0);
	p->kind_bytes[PART_SYSTEM] = field_uint(f, o, "system_bytes", UINT64_MAX, 0);
	p->kind_bytes[PART_MESSAGE] = field_uint(f, o, "messages_bytes", UINT64_MAX, 0);
	p->has_system = field_digest(f, o, "system_fingerprint", &p->system_fingerprint);
	field_digest(f, o, "system_fingerprint_raw", &p->system_fingerprint_raw);
	p->has_tools = field_digest(f, o, "tools_fingerprint", &p->tools_fingerprint);
	field_digest(f, o, "tools_fingerprint_raw", &p->tools_fingerprint_raw);
}

static void read_usage(struct fields *f, const cJSON *response, const char *name, struct usage *u)
{
	const cJSON *o = field_object(f, response, name);
	int64_t most = INT64_MAX;

	u->input = field_int(f, o, "input_tokens", 0, most, EXCHANGE_ABSENT);
	u->output = field_int(f, o, "output_tokens", 0, most, EXCHANGE_ABSENT);
	u->cache_read = field_int(f, o, "cache_read_input_tokens", 0, most, EXCHANGE_ABSENT);
	u->cache_creation = field_int(f, o, "cache_creation_input_tokens", 0, most, EXCHANGE_ABSENT);
	u->reasoning = field_int(f, o, "reasoning_tokens", 0, most, EXCHANGE_ABSENT);
}

static void read_arrivals(struct fields *f, const cJSON *o, struct exchange_response *r, uint64_t start_ns)
{
	const cJSON *list = field_array(f, o, "arrivals"), *pair;
	int count = cJSON_GetArraySize(list);

	r->arrivals_cut = field_bool(f, o, "arrivals_cut", false);
	if (count == 0)
		return;
	r->arrivals = calloc((size_t)count, sizeof(*r->arrivals));
	if (!r->arrivals) {
		f->no_memory = true;
		return;
	}
	cJSON_ArrayForEach(pair, list)
	{
		const cJSON *time = cJSON_GetArrayItem(pair, 0);
		uint64_t bytes;
		if (!cJSON_IsArray(pair) || !cJSON_IsNumber(time) ||
		    !(time->valuedouble >= -(double)EXACT_MAX && time->valuedouble <= (double)EXACT_MAX) ||
		    !value_uint(cJSON_GetArrayItem(pair, 1), UINT64_MAX, &bytes)) {
			f->wrong = "arrivals";
			return;
		}
		r->arrivals[r->narrivals++] = (struct arrival){start_ns + (uint64_t)(int64_t)time->valuedouble, bytes};
	}
}

static void read_response(struct fields *f, const cJSON *o, struct exchange *x)
{
	struct exchange_response *r = &x->response;
	const cJSON *timings = field_object(f, o, "timings");
	int64_t most = INT64_MAX;

	r->status = (int)field_int(f, o, "status", 0, 999, 0);
	r->body_bytes = field_uint(f, o, "bytes", UINT64_MAX, 0);
	if (!field_digest(f, o, "sha256", &r->body_sha256))
		field_digest(f, o, "hmac", &r->body_sha256);
	r->body_exact = field_bool(f, o, "exact", false);
	r->wire_bytes = field_uint(f, o, "wire_bytes", UINT64_MAX, 0);
	r->content_type = field_string(f, o, "content_type");
	r->content_encoding = field_string(f, o, "content_encoding");
	read_headers(f, o, &r->headers, &r->nheaders);
	r->streamed = field_bool(f, o, "streamed", false);
	r->error = field_string(f, o, "error");
	r->id = field_string(f, o, "id");
	r->model = field_string(f, o, "model");
	r->engine = field_string(f, o, "engine");
	r->stop_reason = field_string(f, o, "stop_reason");
	read_usage(f, o, "usage", &r->usage);
	read_usage(f, o, "usage_start", &r->usage_start);
	read_usage(f, o, "usage_end", &r->usage_end);
	r->timings.prompt_ms = field_double(f, timings, "prompt_ms");
	r->timings.predicted_ms = field_double(f, timings, "predicted_ms");
	r->timings.prompt_tokens = field_int(f, timings, "prompt_tokens", 0, most, EXCHANGE_ABSENT);
	r->timings.cached_tokens = field_int(f, timings, "cached_tokens", 0, most, EXCHANGE_ABSENT);
	r->timings.predicted_tokens = field_int(f, timings, "predicted_tokens", 0, most, EXCHANGE_ABSENT);
	r->events = field_uint(f, o, "events", UINT64_MAX, 0);
	r->content_deltas = field_uint(f, o, "content_deltas", UINT64_MAX, 0);
	r->text_bytes = field_uint(f, o, "text_bytes", UINT64_MAX, 0);
	read_arrivals(f, o, r, x->times.request_start);
}

static bool read_part_reference(const struct trace *t, const cJSON *v, struct segment *s)
{
	uint64_t part, index;
	const cJSON *step = field(v, "step"), *at = field(v, "index");

	if (!value_uint(field(v, "part"), t->nparts - 1, &part) || t->nparts == 0 || !cJSON_IsNumber(step) ||
	    step->valuedouble != step->valueint || (at && !value_uint(at, UINT32_MAX - 1, &index)))
		return false;
	s->kind = SEGMENT_PART;
	s->part = (uint32_t)part;
	s->step = step->valueint;
	s->index = at ? (uint32_t)index : BODY_INDEX_USUAL;
	return true;
}

static bool read_literal(const cJSON *v, struct segment *s)
{
	uint64_t bytes;

	s->kind = SEGMENT_LITERAL;
	if (field(v, "bytes")) {
		if (!value_uint(field(v, "bytes"), UINT32_MAX - 1, &bytes))
			return false;
		s->bytes = (uint32_t)bytes;
		return true;
	}
	struct buf text;
	buf_init(&text, UINT32_MAX - 1);
	bool ok = cJSON_IsString(v) ? buf_puts(&text, v->valuestring) == 0 : line_read_text(v, &text);
	s->bytes = (uint32_t)text.n;
	if (ok && text.n <= INDEX_LITERAL_MAX)
		ok = (s->text = buf_steal(&text)) != NULL;
	buf_release(&text);
	return ok;
}

static bool read_segment(const struct trace *t, const cJSON *v, uint32_t base_items, struct segment *s, uint64_t *items)
{
	uint64_t a, b;

	*items += 1;
	if (cJSON_IsNumber(v)) {
		if (t->nparts == 0 || !value_uint(v, t->nparts - 1, &a))
			return false;
		*s = (struct segment){.kind = SEGMENT_PART, .part = (uint32_t)a, .index = BODY_INDEX_USUAL};
		s->step = body_usual_step(t->parts[a].kind);
		return true;
	}
	if (cJSON_IsArray(v)) {
		if (!value_uint(cJSON_GetArrayItem(v, 0), base_items, &a) ||
		    !value_uint(cJSON_GetArrayItem(v, 1), base_items - a, &b) || b == 0)
			return false;
		*s = (struct segment){.kind = SEGMENT_COPY, .start = (uint32_t)a, .count = (uint32_t)b};
		*items += b - 1;
		return true;
	}
	if (field(v, "part"))
		return read_part_reference(t, v, s);
	return read_literal(v, s);
}

static const char *read_body(const struct trace *t, const cJSON *body, struct indexed_exchange *at)
{
	const cJSON *list = field(body, "segments"), *base = field(body, "base"), *v;
	uint64_t id, items = 0;

	at->base = INDEX_NONE;
	if (!body)
		return NULL;
	if (!cJSON_IsArray(list))
		return "a body without segments";
	if (base) {
		size_t found = value_uint(base, UINT64_MAX, &id) ? trace_find_exchange(t, id) : SIZE_MAX;
		if (found == SIZE_MAX || !t->index->exchanges[found].has_request)
			return "a body whose base is not in the trace";
		at->base = (uint32_t)found;
	}
	uint32_t base_items = base ? t->index->exchanges[at->base].nitems : 0;
	at->segments = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*at->segments));
	if (!at->segments)
		return "out of memory";
	cJSON_ArrayForEach(v, list)
	{
		if (!read_segment(t, v, base_items, &at->segments[at->nsegments++], &items))
			return "a segment of the body that cannot be read";
		if (items > BODY_ITEMS_MAX)
			return "a body of too many segments";
	}
	at->nitems = (uint32_t)items;
	at->has_request = true;
	return NULL;
}

const char *line_read_exchange(const struct trace *t, const cJSON *line, struct exchange *x,
			       struct indexed_exchange *at)
{
	struct fields f = {0};
	const cJSON *request = field_object(&f, line, "request"), *response = field_object(&f, line, "response");
	struct str mode = field_str(&f, line, "capture_mode");
	struct str api = field_str(&f, line, "api");

	x->id = field_uint(&f, line, "id", EXACT_MAX, 0);
	if (x->id == 0 || !request || !response)
		return "an exchange without id, request or response";
	x->pid = (int32_t)field_int(&f, line, "pid", INT32_MIN, INT32_MAX, 0);
	x->connection = field_uint(&f, line, "connection", UINT64_MAX, 0);
	x->sequence = (uint32_t)field_uint(&f, line, "sequence", UINT32_MAX, 0);
	x->peer = field_string(&f, line, "peer");
	/* Static text: one of the ways of capture that there are, or the header's. */
	x->capture_mode = str_eq(mode, STR("preload"))       ? "preload"
			  : str_eq(mode, STR("preload-tls")) ? "preload-tls"
			  : str_eq(mode, STR("relay"))       ? "relay"
							     : t->capture_mode;
	x->api = api.p ? api_from_name(api) : KVS_API_NONE;
	x->request.method = field_string(&f, line, "method");
	x->request.path = field_string(&f, line, "path");
	x->request.query = field_string(&f, line, "query");
	x->session = field_string(&f, line, "session");
	x->agent = field_string(&f, line, "agent");
	x->model = field_string(&f, line, "model");
	x->max_tokens = field_int(&f, line, "max_tokens", 0, INT64_MAX, EXCHANGE_ABSENT);
	x->wants_stream = field_bool(&f, line, "wants_stream", false);
	read_times(&f, line, &x->times);
	read_prompt(&f, line, &x->prompt);

	x->request.body_bytes = field_uint(&f, request, "bytes", UINT64_MAX, 0);
	if (!field_digest(&f, request, "sha256", &x->request.body_sha256))
		field_digest(&f, request, "hmac", &x->request.body_sha256);
	x->request.body_exact = field_bool(&f, request, "exact", false);
	x->request.wire_bytes = field_uint(&f, request, "wire_bytes", UINT64_MAX, 0);
	x->request.content_encoding = field_string(&f, request, "content_encoding");
	read_headers(&f, request, &x->request.headers, &x->request.nheaders);
	x->request.error = field_string(&f, request, "error");
	const cJSON *body = field_object(&f, request, "body");
	read_response(&f, response, x);
	at->has_response = field_object(&f, response, "body") != NULL;
	if (f.no_memory)
		return "out of memory";
	return f.wrong ? f.wrong : read_body(t, body, at);
}
