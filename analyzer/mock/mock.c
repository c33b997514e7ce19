/* SPDX-License-Identifier: MIT */
#include "mock/mock.h"

#include "base/clock.h"
#include "http/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_MAX 1000

static const struct http_server_limits limits = {
	.head_bytes = (size_t)64 << 10,
	.body_bytes = (size_t)256 << 20,
	.connections = CONNECTIONS_MAX,
};

const struct wire *mock_wire_of(enum mock_api api)
{
	return api == MOCK_OPENAI_CHAT ? &wire_openai : &wire_anthropic;
}

static const struct mock_profile *profile_of(const struct mock_call *c)
{
	return c->mock->options.profile;
}

void mock_respond_error(struct mock_call *c, int status, const char *headers, const char *message)
{
	struct buf body;

	buf_init(&body, (size_t)1 << 20);
	wire_refusal(profile_of(c), mock_wire_of(c->api), &body, status, error_type_of_status(status), message);
	http_call_respond(c->call, status, mock_profile_error_type(profile_of(c)), headers, buf_str(&body));
	buf_release(&body);
}

void mock_fill_in(const struct mock_call *c, struct buf *out, const char *text, const struct mock_field *more)
{
	const struct mock *m = c->mock;
	char slots[24], context[24], busy[8], now[24], path[256], method[16];
	struct buf rest;

	snprintf(slots, sizeof(slots), "%zu", m->options.settings.parallel);
	snprintf(context, sizeof(context), "%zu", m->options.settings.context);
	snprintf(busy, sizeof(busy), "%s", m->engine.busy ? "true" : "false");
	snprintf(now, sizeof(now), "%llu", (unsigned long long)(clock_realtime_ns() / NS_PER_S));
	snprintf(path, sizeof(path), "%.*s", STR_FMT(c->call->path));
	snprintf(method, sizeof(method), "%.*s", STR_FMT(c->call->method));
	buf_init(&rest, BUF_UNLIMITED);
	mock_template(&rest, text, more ? more : (const struct mock_field[]){{0}});
	mock_template(out,
		      rest.failed ? ""
		      : rest.p    ? rest.p
				  : "",
		      (struct mock_field[]){{"model", m->options.model, false},
					    {"version", m->options.version, false},
					    {"slots", slots, true},
					    {"context", context, true},
					    {"busy", busy, true},
					    {"now", now, true},
					    {"path", path, false},
					    {"method", method, false},
					    {0}});
	buf_release(&rest);
}

void mock_respond_text(struct mock_call *c, int status, const char *type, const char *text,
		       const struct mock_field *more)
{
	struct buf body;

	buf_init(&body, BUF_UNLIMITED);
	mock_fill_in(c, &body, text, more);
	http_call_respond(c->call, status, type ? type : profile_of(c)->json_type, "", buf_str(&body));
	buf_release(&body);
}

/* ---- routes */

static void do_unknown(struct mock_call *c)
{
	const struct mock_profile *p = profile_of(c);

	if (p->unknown)
		mock_respond_text(c, p->unknown_status, p->unknown_type, p->unknown, NULL);
	else
		mock_respond_error(c, p->unknown_status, "", "there is nothing at this path");
}

static bool is_path(const char *pattern, struct str path)
{
	size_t n = strlen(pattern);
	if (n > 0 && pattern[n - 1] == '*')
		return str_starts(path, (struct str){pattern, n - 1});
	return str_eq(path, str_from(pattern));
}

/* The route of a method and path, NULL: none. *wrong_method: one of another method. */
static const struct mock_route *route_of(const struct mock_profile *p, struct str method, struct str path,
					 const struct mock_route **wrong_method)
{
	*wrong_method = NULL;
	if (str_eq(method, STR("HEAD")))
		method = STR("GET");
	for (const struct mock_route *r = p->routes; r->path; r++) {
		if (!is_path(r->path, path))
			continue;
		if (str_eq(method, str_from(r->method)))
			return r;
		*wrong_method = r;
	}
	return NULL;
}

static void run_route(struct mock_call *c)
{
	const struct mock_profile *p = profile_of(c);
	const struct mock_route *wrong_method, *route = route_of(p, c->call->method, c->call->path, &wrong_method);

	if (route && (c->mock->options.settings.state & route->needs) != route->needs) {
		if (route->refusal)
			mock_respond_text(c, route->refusal_status, NULL, route->refusal, NULL);
		else
			do_unknown(c);
		return;
	}
	if (route) {
		c->api = route->api;
		c->route = route;
		if (route->run)
			route->run(c);
		else
			mock_respond_text(c, 200, route->type, route->text, NULL);
		return;
	}
	if (!wrong_method || p->unknown) {
		do_unknown(c);
		return;
	}
	char allow[32];
	snprintf(allow, sizeof(allow), "Allow: %s\r\n", wrong_method->method);
	mock_respond_error(c, 405, allow, "this path wants another method");
}

/* ---- what the HTTP server calls */

static void take_decoded(void *context, struct str bytes)
{
	buf_append_str(context, bytes);
}

/* Returns 0, or -1 having answered. */
static int decode_body(struct mock_call *c)
{
	struct str coding = http_call_header(c->call, STR("content-encoding"));
	const char *error = NULL;

	c->body = c->call->body.p ? c->call->body : STR("");
	if (coding.n > 0) {
		c->body = STR_NONE;
		struct content *content = content_new(coding, limits.body_bytes, take_decoded, &c->decoded, &error);
		if (!content) {
			mock_respond_error(c, 415, "", error);
			return -1;
		}
		content_feed(content, c->call->body);
		error = content_finish(content);
		content_free(content);
		if (error || c->decoded.failed) {
			mock_respond_error(c, 400, "", error ? error : "the mock is out of memory");
			return -1;
		}
		c->body = c->decoded.p ? buf_str(&c->decoded) : STR("");
	}
	c->sha256 = digest_of(c->body);
	return 0;
}

static void on_request(struct http_call *call)
{
	struct mock *m = http_call_server(call)->context;
	struct mock_call *c = calloc(1, sizeof(*c));

	m->requests++;
	call->user = c;
	if (!c) {
		http_call_respond(call, 500, "text/plain", "", STR("out of memory\n"));
		return;
	}
	c->mock = m;
	c->call = call;
	c->n = m->requests;
	buf_init(&c->decoded, limits.body_bytes);
	if (decode_body(c) == 0)
		run_route(c);
}

static void on_done(struct http_call *call, bool aborted)
{
	struct mock *m = http_call_server(call)->context;
	struct mock_call *c = call->user;

	if (aborted)
		m->aborted++;
	else if (call->status >= 400)
		m->refused++;
	else if (c && c->generation.in_use)
		m->answered++;
	if (c)
		m->output_tokens += c->generation.reply.output_tokens;
	if (m->log && !m->log_errno && mock_log(m->log, call, c, aborted) < 0) {
		m->log_errno = errno;
		loop_stop(m->loop);
	}
	if (!c)
		return;
	generation_release(&c->generation);
	mock_breakpoints_release(&c->breakpoints);
	if (c->read)
		mock_request_release(&c->request);
	buf_release(&c->decoded);
	free(c);
	call->user = NULL;
}

/* A server that does not read what it will not answer says so before the body comes. */
static int on_head(struct http_call *call)
{
	const struct mock *m = http_call_server(call)->context;
	const struct mock_route *wrong_method;

	if (!m->options.profile->unread_resets || !str_eq(call->method, STR("POST")))
		return 0;
	return route_of(m->options.profile, call->method, call->path, &wrong_method)
		       ? 0
		       : m->options.profile->unknown_status;
}

static void on_explain(const struct http_server *s, int status, const char *why, struct buf *body)
{
	const struct mock *m = s->context;
	const struct mock_profile *p = m->options.profile;

	if (p->unread_resets && status == p->unknown_status)
		buf_puts(body, p->unknown);
	else
		wire_refusal(p, &wire_anthropic, body, status, error_type_of_status(status), why);
}

static const struct http_server_handlers handlers = {
	.head = on_head,
	.request = on_request,
	.done = on_done,
	.explain = on_explain,
};

int mock_open(struct mock *m, struct loop *l, const struct mock_options *options, struct script *script, FILE *log)
{
	const struct mock_profile *p = options->profile;

	*m = (struct mock){.options = *options, .loop = l, .script = script, .log = log};
	if (p->fingerprint) {
		struct buf text;
		buf_init(&text, 1024);
		mock_template(&text, p->fingerprint, (struct mock_field[]){{"version", options->version, false}, {0}});
		m->fingerprint = buf_steal(&text);
	}
	if (engine_init(&m->engine, l, options->prefill_rate, options->settings.parallel, &options->settings.cache) <
		    0 ||
	    (p->fingerprint && !m->fingerprint)) {
		errno = ENOMEM;
		return -1;
	}
	if (http_server_open(&m->server, l, options->port, &handlers, limits, m) < 0)
		return -1;
	m->server.habits = (struct http_server_habits){.headers = p->headers,
						       .errors_close = p->errors_close,
						       .http10 = p->http10,
						       .unread_resets = p->unread_resets};
	return 0;
}

void mock_release(struct mock *m)
{
	http_server_release(&m->server);
	engine_release(&m->engine);
	free(m->fingerprint);
}
