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

static const struct wire *wire_of(enum mock_api api)
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
	wire_refusal(profile_of(c), wire_of(c->api), &body, status, error_type_of_status(status), message);
	http_call_respond(c->call, status, profile_of(c)->json_type, headers, buf_str(&body));
	buf_release(&body);
}

void mock_fill_in(const struct mock_call *c, struct buf *out, const char *text, const struct mock_field *more)
{
	const struct mock *m = c->mock;
	char slots[24], busy[8], now[24], path[256], method[16];
	struct buf rest;

	snprintf(slots, sizeof(slots), "%u", m->options.parallel);
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

/* ---- answers */

static int read_request(struct mock_call *c, struct str body)
{
	char why[160];

	if (mock_request_read(&c->request, c->api, &c->mock->options.rendering, body, why, sizeof(why)) < 0) {
		const char *invalid = profile_of(c)->invalid;
		if (invalid)
			mock_respond_text(c, 400, NULL, invalid,
					  (struct mock_field[]){{"message", why, false}, {"code", "400", true}, {0}});
		else if (c->api == MOCK_ANTHROPIC_MESSAGES && profile_of(c)->invalid_status)
			mock_respond_error(c, profile_of(c)->invalid_status, "", why);
		else
			mock_respond_error(c, 400, "", why);
		return -1;
	}
	if (!c->request.model)
		c->request.model = c->mock->options.model;
	c->read = true;
	return 0;
}

void mock_route_count(struct mock_call *c)
{
	char answer[64];

	if (read_request(c, c->body) < 0)
		return;
	snprintf(answer, sizeof(answer), "{\"input_tokens\":%zu}", c->request.prompt.n);
	http_call_respond(c->call, 200, profile_of(c)->json_type, "", str_from(answer));
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* Models do not share caches, nor do requests with different salts. */
static uint64_t seed_of(const struct mock_call *c)
{
	const struct mock_profile *p = profile_of(c);
	uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), c->request.model);

	if (c->api != MOCK_OPENAI_CHAT && !p->salt_on_messages)
		return h;
	for (size_t i = 0; p->salts[i]; i++) {
		const char *salt = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(c->request.json, p->salts[i]));
		h = salt ? hash_text(h ^ (i + 1), salt) : h;
	}
	return h;
}

static bool reuse_is_off(const struct mock_call *c)
{
	if (!(c->mock->options.state & MOCK_CACHES))
		return true;
	return profile_of(c)->cache_prompt && c->api == MOCK_OPENAI_CHAT &&
	       cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(c->request.json, "cache_prompt"));
}

/* Returns 0, or -1 having answered. */
static int read_breakpoints(struct mock_call *c)
{
	const struct mock_options *o = &c->mock->options;
	char why[320];

	if (o->cache.policy != POLICY_BREAKPOINTS || c->api != MOCK_ANTHROPIC_MESSAGES)
		return 0;
	size_t min = o->any_model ? o->cache.min : mock_profile_minimum(o->profile, c->request.model);
	const char *wrong =
		mock_breakpoints_read(&c->breakpoints, &c->request, c->generation.seed, min, why, sizeof(why));
	if (wrong) {
		mock_respond_error(c, 400, "", wrong);
		return -1;
	}
	c->generation.breakpoints = &c->breakpoints;
	return 0;
}

void mock_route_generate(struct mock_call *c)
{
	struct mock *m = c->mock;
	struct generation *g = &c->generation;
	char hex[DIGEST_HEX_CHARS + 1];

	if (read_request(c, c->body) < 0)
		return;
	g->seed = seed_of(c);
	if (read_breakpoints(c) < 0)
		return;
	g->engine = &m->engine;
	g->wire = wire_of(c->api);
	g->answer = script_match(m->script, &c->request, c->matched, sizeof(c->matched));
	g->prompt = &c->request.prompt;
	g->no_reuse = reuse_is_off(c);
	g->decode_rate = m->options.decode_rate;
	g->max_tokens = c->request.max_tokens;
	g->stream = c->request.stream;
	g->reply.call = c->call;
	g->reply.model = c->request.model;
	g->reply.include_usage = c->request.include_usage;
	g->reply.profile = profile_of(c);
	g->reply.fingerprint = m->fingerprint;
	g->reply.report_cached = m->options.state & MOCK_REPORTS;
	g->reply.created_s = clock_realtime_ns() / NS_PER_S;
	/* Ids that differ within a conversation, also after a restart, and are the same when it is played again. */
	digest_hex(&c->sha256, hex);
	snprintf(g->reply.id, sizeof(g->reply.id), "%.20s", hex);
	if (generation_start(g) < 0)
		mock_respond_error(c, 500, "", "the mock is out of memory");
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

	if (route && (c->mock->options.state & route->needs) != route->needs) {
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

/* Returns 0, or -1 without memory. */
static int open_engine(struct mock *m)
{
	const struct mock_options *o = &m->options;
	struct mock_limits cache = o->cache;

	if ((cache.policy == POLICY_LIST && !(o->state & MOCK_CACHES)) ||
	    (cache.policy == POLICY_SLOTS && !(o->state & MOCK_HOST_CACHE)))
		cache.kept = 0;
	return engine_init(&m->engine, m->loop, o->prefill_rate, o->parallel, &cache);
}

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
	if (open_engine(m) < 0 || (p->fingerprint && !m->fingerprint)) {
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
