/* SPDX-License-Identifier: MIT */
#include "api/api.h"
#include "base/json_out.h"
#include "trace/line_json.h"
#include "trace/lines.h"
#include "trace/secrets.h"
#include "trace/words.h"

#include <math.h>
#include <string.h>

/* "sha256" is what others can check and look up; "hmac" says that this is not. */
static void body_digest(struct json_out *j, const struct digest *d, bool exact, const struct hide *hide)
{
	const char *key = hide->on ? "hmac" : "sha256";
	if (exact)
		line_json_digest(j, key, d, hide);
	else
		json_out_null(j, key);
}

/* Some clients have more to say in a harmless header (User-Agent) than they should. */
static bool tells_a_key(const char *value)
{
	struct secret secret;
	return value && secret_next(str_from(value), 0, &secret);
}

static void headers(struct json_out *j, const struct exchange_header *list, size_t n)
{
	json_out_array(j, "headers");
	for (size_t i = 0; i < n; i++) {
		json_out_array(j, NULL);
		json_out_cstr(j, NULL, list[i].name);
		json_out_cstr(j, NULL, tells_a_key(list[i].value) ? NULL : list[i].value);
		json_out_end(j);
	}
	json_out_end(j);
}

static void literal(struct json_out *j, struct str text, const struct hide *hide)
{
	if (!hide->on && line_json_plain(text)) {
		json_out_str(j, NULL, text);
		return;
	}
	json_out_object(j, NULL);
	if (hide->on)
		json_out_uint(j, "bytes", text.n);
	else
		json_out_base64(j, "base64", text.p, text.n);
	json_out_end(j);
}

static void segment(struct json_out *j, const struct body_item *item, struct str body, const struct hide *hide)
{
	if (item->part == BODY_LITERAL) {
		literal(j, (struct str){body.p + item->offset, item->bytes}, hide);
	} else if (item->usual) {
		json_out_uint(j, NULL, item->part);
	} else {
		json_out_object(j, NULL);
		json_out_uint(j, "part", item->part);
		json_out_int(j, "step", item->step);
		if (item->index != BODY_INDEX_USUAL)
			json_out_uint(j, "index", item->index);
		json_out_end(j);
	}
}

static void request_body(struct json_out *j, struct str body, const struct line_body *b, const struct hide *hide)
{
	if (!b->items) {
		json_out_null(j, "body");
		return;
	}
	json_out_object(j, "body");
	if (b->base)
		json_out_uint(j, "base", b->base);
	else
		json_out_null(j, "base");
	json_out_array(j, "segments");
	for (size_t i = 0; i < b->ops->n; i++) {
		const struct body_op *op = &b->ops->ops[i];
		if (op->count == 0) {
			segment(j, &b->items->items[op->start], body, hide);
			continue;
		}
		json_out_array(j, NULL);
		json_out_uint(j, NULL, op->start);
		json_out_uint(j, NULL, op->count);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_end(j);
}

static void request(struct json_out *j, const struct exchange_request *r, const struct line_body *b,
		    const struct hide *hide)
{
	json_out_object(j, "request");
	json_out_uint(j, "bytes", r->body_bytes);
	body_digest(j, &r->body_sha256, r->body_exact, hide);
	json_out_bool(j, "exact", r->body_exact);
	json_out_uint(j, "wire_bytes", r->wire_bytes);
	json_out_cstr(j, "content_encoding", r->content_encoding);
	headers(j, r->headers, r->nheaders);
	json_out_cstr(j, "error", r->error);
	request_body(j, buf_str(&r->body), b, hide);
	json_out_end(j);
}

static void fingerprint(struct json_out *j, const char *key, bool has, const struct digest *d, const struct hide *hide)
{
	if (has)
		line_json_digest(j, key, d, hide);
	else
		json_out_null(j, key);
}

static void prompt(struct json_out *j, const struct prompt *p, const struct hide *hide)
{
	/* A body that was not understood has no numbers: unknown is not 0. */
	if (p->nparts == 0 && p->messages == 0 && p->tools == 0) {
		json_out_null(j, "prompt");
		return;
	}
	json_out_object(j, "prompt");
	json_out_uint(j, "messages", p->messages);
	json_out_uint(j, "tools", p->tools);
	json_out_uint(j, "tools_bytes", p->kind_bytes[PART_TOOL]);
	json_out_uint(j, "system_bytes", p->kind_bytes[PART_SYSTEM]);
	json_out_uint(j, "messages_bytes", p->kind_bytes[PART_MESSAGE]);
	fingerprint(j, "system_fingerprint", p->has_system, &p->system_fingerprint, hide);
	fingerprint(j, "system_fingerprint_raw", p->has_system, &p->system_fingerprint_raw, hide);
	fingerprint(j, "tools_fingerprint", p->has_tools, &p->tools_fingerprint, hide);
	fingerprint(j, "tools_fingerprint_raw", p->has_tools, &p->tools_fingerprint_raw, hide);
	json_out_end(j);
}

static void usage(struct json_out *j, const char *key, const struct usage *u)
{
	if (u->input < 0 && u->output < 0 && u->cache_read < 0 && u->cache_creation < 0 && u->reasoning < 0) {
		json_out_null(j, key);
		return;
	}
	json_out_object(j, key);
	json_out_int_or_null(j, "input_tokens", u->input);
	json_out_int_or_null(j, "output_tokens", u->output);
	json_out_int_or_null(j, "cache_read_input_tokens", u->cache_read);
	json_out_int_or_null(j, "cache_creation_input_tokens", u->cache_creation);
	json_out_int_or_null(j, "reasoning_tokens", u->reasoning);
	json_out_end(j);
}

static void timings(struct json_out *j, const struct engine_timings *t)
{
	if (isnan(t->prompt_ms) && isnan(t->predicted_ms) && t->prompt_tokens < 0 && t->cached_tokens < 0 &&
	    t->predicted_tokens < 0) {
		json_out_null(j, "timings");
		return;
	}
	json_out_object(j, "timings");
	json_out_double(j, "prompt_ms", t->prompt_ms, 6);
	json_out_double(j, "predicted_ms", t->predicted_ms, 6);
	json_out_int_or_null(j, "prompt_tokens", t->prompt_tokens);
	json_out_int_or_null(j, "cached_tokens", t->cached_tokens);
	json_out_int_or_null(j, "predicted_tokens", t->predicted_tokens);
	json_out_end(j);
}

static void arrivals(struct json_out *j, const struct exchange_response *r, uint64_t start_ns)
{
	json_out_array(j, "arrivals");
	for (size_t i = 0; i < r->narrivals; i++) {
		json_out_array(j, NULL);
		json_out_int(j, NULL, (int64_t)(r->arrivals[i].time_ns - start_ns));
		json_out_uint(j, NULL, r->arrivals[i].bytes);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_bool(j, "arrivals_cut", r->arrivals_cut);
}

/*
 * An error's words may be the server's, and quote what was sent. Without content only its kind is kept: the one word
 * before the colon.
 */
static void response_error(struct json_out *j, const char *error, const struct hide *hide)
{
	static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	size_t n = error ? strspn(error, word) : 0;

	if (!error || !hide->on)
		json_out_cstr(j, "error", error);
	else if (n > 0 && n <= 64 && error[n] == ':')
		json_out_str(j, "error", (struct str){error, n});
	else
		json_out_cstr(j, "error", "its words are not kept");
}

static void response(struct json_out *j, const struct exchange *x, const struct hide *hide)
{
	const struct exchange_response *r = &x->response;

	json_out_object(j, "response");
	json_out_int_or_null(j, "status", r->status > 0 ? r->status : -1);
	json_out_uint(j, "bytes", r->body_bytes);
	body_digest(j, &r->body_sha256, r->body_exact, hide);
	json_out_bool(j, "exact", r->body_exact);
	json_out_uint(j, "wire_bytes", r->wire_bytes);
	json_out_cstr(j, "content_type", r->content_type);
	json_out_cstr(j, "content_encoding", r->content_encoding);
	headers(j, r->headers, r->nheaders);
	json_out_bool(j, "streamed", r->streamed);
	response_error(j, r->error, hide);
	json_out_cstr(j, "id", r->id);
	json_out_cstr(j, "model", r->model);
	json_out_cstr(j, "engine", r->engine);
	json_out_cstr(j, "stop_reason", r->stop_reason);
	usage(j, "usage", &r->usage);
	usage(j, "usage_start", &r->usage_start);
	usage(j, "usage_end", &r->usage_end);
	timings(j, &r->timings);
	json_out_uint(j, "events", r->events);
	json_out_uint(j, "content_deltas", r->content_deltas);
	json_out_uint(j, "text_bytes", r->text_bytes);
	arrivals(j, r, x->times.request_start);
	if (hide->on || (r->body.n == 0 && r->body_bytes > 0)) {
		json_out_null(j, "body");
	} else {
		json_out_object(j, "body");
		line_json_text(j, buf_str(&r->body));
		json_out_end(j);
	}
	json_out_end(j);
}

void line_exchange(struct buf *to, const struct exchange *x, const struct line_body *body, const struct hide *hide)
{
	struct json_out j;

	json_out_init(&j, to, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "type", "exchange");
	json_out_uint(&j, "id", x->id);
	json_out_int(&j, "pid", x->pid);
	json_out_uint(&j, "connection", x->connection);
	json_out_uint(&j, "sequence", x->sequence);
	json_out_cstr(&j, "peer", x->peer);
	json_out_cstr(&j, "capture_mode", x->capture_mode);
	json_out_cstr(&j, "api", api_name(x->api));
	json_out_cstr(&j, "method", x->request.method);
	json_out_cstr(&j, "path", x->request.path);
	json_out_cstr(&j, "query", x->request.query);
	json_out_cstr(&j, "session", x->session);
	json_out_cstr(&j, "agent", x->agent);
	json_out_cstr(&j, "model", x->model);
	json_out_int_or_null(&j, "max_tokens", x->max_tokens);
	json_out_bool(&j, "wants_stream", x->wants_stream);
	line_json_times(&j, &x->times);
	json_out_cstr(&j, "grade", timing_grade_name(x->times.grade));
	prompt(&j, &x->prompt, hide);
	request(&j, &x->request, body, hide);
	response(&j, x, hide);
	json_out_end(&j);
	buf_putc(to, '\n');
}
