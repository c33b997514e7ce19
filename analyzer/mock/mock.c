/* SPDX-License-Identifier: MIT */
#include "mock/mock.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "http/content.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json"
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

static void respond_error(struct mock_call *c, int status, const char *headers, const char *message)
{
	struct buf body;

	buf_init(&body, (size_t)1 << 20);
	wire_of(c->api)->refusal(&body, error_type_of_status(status), message);
	http_call_respond(c->call, status, JSON_TYPE, headers, buf_str(&body));
	buf_release(&body);
}

/* ---- what the routes do: each answers the call now, or starts what will */

static void do_health(struct mock_call *c)
{
	http_call_respond(c->call, 200, JSON_TYPE, "", STR("{\"status\":\"ok\"}"));
}

static void do_metrics(struct mock_call *c)
{
	struct buf body;

	buf_init(&body, (size_t)64 << 10);
	mock_metrics(c->mock, &body);
	http_call_respond(c->call, 200, "text/plain; version=0.0.4", "", buf_str(&body));
	buf_release(&body);
}

static void do_models(struct mock_call *c)
{
	struct json_out j;
	struct buf body;

	/* One list for clients of either API. */
	buf_init(&body, (size_t)64 << 10);
	json_out_init(&j, &body, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "object", "list");
	json_out_array(&j, "data");
	json_out_object(&j, NULL);
	json_out_cstr(&j, "id", c->mock->options.model);
	json_out_cstr(&j, "object", "model");
	json_out_cstr(&j, "type", "model");
	json_out_cstr(&j, "display_name", c->mock->options.model);
	json_out_cstr(&j, "owned_by", "kvscope");
	json_out_int(&j, "created", 0);
	json_out_cstr(&j, "created_at", "1970-01-01T00:00:00Z");
	json_out_end(&j);
	json_out_end(&j);
	json_out_bool(&j, "has_more", false);
	json_out_end(&j);
	http_call_respond(c->call, 200, JSON_TYPE, "", buf_str(&body));
	buf_release(&body);
}

static void do_reset_cache(struct mock_call *c)
{
	char body[64];
	struct mock_cache *cache = &c->mock->engine.cache;

	snprintf(body, sizeof(body), "{\"dropped_tokens\":%zu}", mock_cache_reset(cache) * cache->block_tokens);
	http_call_respond(c->call, 200, JSON_TYPE, "", str_from(body));
}

static int read_request(struct mock_call *c, struct str body)
{
	char why[160];

	if (mock_request_read(&c->request, c->api, &c->mock->options.rendering, body, why, sizeof(why)) < 0) {
		respond_error(c, 400, "", why);
		return -1;
	}
	if (!c->request.model)
		c->request.model = c->mock->options.model;
	c->read = true;
	return 0;
}

static void do_count_tokens(struct mock_call *c)
{
	char answer[64];

	if (read_request(c, c->body) < 0)
		return;
	snprintf(answer, sizeof(answer), "{\"input_tokens\":%zu}", c->request.prompt.n);
	http_call_respond(c->call, 200, JSON_TYPE, "", str_from(answer));
}

/* Models do not share caches. */
static uint64_t seed_of(const char *model)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (; *model; model++)
		h = (h ^ (unsigned char)*model) * UINT64_C(0x100000001b3);
	return h;
}

static void do_generate(struct mock_call *c)
{
	struct mock *m = c->mock;
	struct generation *g = &c->generation;
	char hex[DIGEST_HEX_CHARS + 1];

	if (read_request(c, c->body) < 0)
		return;
	g->engine = &m->engine;
	g->wire = wire_of(c->api);
	g->answer = script_match(m->script, &c->request, c->matched, sizeof(c->matched));
	g->prompt = &c->request.prompt;
	g->seed = seed_of(c->request.model);
	g->decode_rate = m->options.decode_rate;
	g->max_tokens = c->request.max_tokens;
	g->stream = c->request.stream;
	g->reply.call = c->call;
	g->reply.model = c->request.model;
	g->reply.include_usage = c->request.include_usage;
	g->reply.report_cached = !m->options.no_report;
	g->reply.created_s = clock_realtime_ns() / NS_PER_S;
	/* Ids that differ within a conversation, also after a restart, and are the same when it is played again. */
	digest_hex(&c->sha256, hex);
	snprintf(g->reply.id, sizeof(g->reply.id), "%.20s", hex);
	if (generation_start(g) < 0)
		respond_error(c, 500, "", "the mock is out of memory");
}

static const struct route {
	const char *method, *path;
	enum mock_api api;
	void (*run)(struct mock_call *c);
} routes[] = {
	{"POST", "/v1/messages", MOCK_ANTHROPIC_MESSAGES, do_generate},
	{"POST", "/v1/messages/count_tokens", MOCK_ANTHROPIC_COUNT_TOKENS, do_count_tokens},
	{"POST", "/v1/chat/completions", MOCK_OPENAI_CHAT, do_generate},
	{"POST", "/chat/completions", MOCK_OPENAI_CHAT, do_generate},
	{"GET", "/v1/models", MOCK_API_NONE, do_models},
	{"GET", "/health", MOCK_API_NONE, do_health},
	{"GET", "/metrics", MOCK_API_NONE, do_metrics},
	{"POST", "/reset_prefix_cache", MOCK_API_NONE, do_reset_cache},
};

static void run_route(struct mock_call *c)
{
	const struct route *wrong_method = NULL;
	struct str method = c->call->method;

	if (str_eq(method, STR("HEAD")))
		method = STR("GET");
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct route *route = &routes[i];
		if (!str_eq(c->call->path, str_from(route->path)))
			continue;
		if (str_eq(method, str_from(route->method))) {
			c->api = route->api;
			route->run(c);
			return;
		}
		wrong_method = route;
	}
	if (!wrong_method) {
		respond_error(c, 404, "", "there is nothing at this path");
		return;
	}
	char allow[32];
	snprintf(allow, sizeof(allow), "Allow: %s\r\n", wrong_method->method);
	respond_error(c, 405, allow, "this path wants another method");
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
			respond_error(c, 415, "", error);
			return -1;
		}
		content_feed(content, c->call->body);
		error = content_finish(content);
		content_free(content);
		if (error || c->decoded.failed) {
			respond_error(c, 400, "", error ? error : "the mock is out of memory");
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
	if (c->read)
		mock_request_release(&c->request);
	buf_release(&c->decoded);
	free(c);
	call->user = NULL;
}

static void on_explain(int status, const char *why, struct buf *body)
{
	wire_anthropic.refusal(body, error_type_of_status(status), why);
}

static const struct http_server_handlers handlers = {
	.request = on_request,
	.done = on_done,
	.explain = on_explain,
};

int mock_open(struct mock *m, struct loop *l, const struct mock_options *options, struct script *script, FILE *log)
{
	*m = (struct mock){.options = *options, .loop = l, .script = script, .log = log};
	engine_init(&m->engine, l, options->prefill_rate, options->parallel, options->block_tokens,
		    options->cache_tokens);
	return http_server_open(&m->server, l, options->port, &handlers, limits, m);
}

void mock_release(struct mock *m)
{
	http_server_release(&m->server);
	engine_release(&m->engine);
}
