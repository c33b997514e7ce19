/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include "api/dialect.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *name;
	const struct dialect *dialect;
} apis[KVS_API_COUNT] = {
	[KVS_API_ANTHROPIC_COUNT_TOKENS] = {"anthropic.count_tokens", &dialect_anthropic},
	[KVS_API_ANTHROPIC_MESSAGES] = {"anthropic.messages", &dialect_anthropic},
	[KVS_API_OPENAI_CHAT] = {"openai.chat", &dialect_openai},
	[KVS_API_OPENAI_COMPLETIONS] = {"openai.completions", NULL},
	[KVS_API_OPENAI_RESPONSES] = {"openai.responses", NULL},
	[KVS_API_OPENAI_EMBEDDINGS] = {"openai.embeddings", NULL},
	[KVS_API_OLLAMA_CHAT] = {"ollama.chat", NULL},
	[KVS_API_OLLAMA_GENERATE] = {"ollama.generate", NULL},
	[KVS_API_LLAMACPP_COMPLETION] = {"llamacpp.completion", NULL},
	[KVS_API_LMSTUDIO_CHAT] = {"lmstudio.chat", NULL},
};

enum kvs_llm_api api_of_path(struct str path)
{
	static const struct {
		enum kvs_llm_api api;
		struct str ending;
	} paths[] = {
#define PATH(api, path) {KVS_API_##api, {path, sizeof(path) - 1}},
		KVS_LLM_PATHS(PATH)
#undef PATH
	};
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (str_ends(path, paths[i].ending))
			return paths[i].api;
	return KVS_API_NONE;
}

const char *api_name(enum kvs_llm_api api)
{
	return apis[api].name;
}

enum kvs_llm_api api_from_name(struct str name)
{
	for (int api = KVS_API_NONE + 1; api < KVS_API_COUNT; api++)
		if (str_eq(name, str_from(apis[api].name)))
			return (enum kvs_llm_api)api;
	return KVS_API_NONE;
}

bool api_has_dialect(enum kvs_llm_api api)
{
	return apis[api].dialect != NULL;
}

static bool is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r' && s.p[i] != '\n')
			return false;
	return true;
}

/* NULL: not a JSON object, or more than one. */
static cJSON *parse_object(struct str text)
{
	const char *end = text.p;
	cJSON *json = cJSON_ParseWithLengthOpts(text.p, text.n, &end, false);
	struct str rest = {end, text.n - (size_t)(end - text.p)};

	if (cJSON_IsObject(json) && is_blank(rest))
		return json;
	cJSON_Delete(json);
	return NULL;
}

void api_response_event(struct exchange *x, struct str name, struct str data, uint64_t time_ns)
{
	const struct dialect *dialect = apis[x->api].dialect;

	x->response.events++;
	/* OpenAI's streams end with it. */
	if (!dialect || str_eq(data, STR("[DONE]")))
		return;
	cJSON *json = parse_object(data);
	if (json)
		dialect->event(x, name, json, time_ns);
	else
		set_error(x, "an event of the stream is not a JSON object", NULL);
	cJSON_Delete(json);
}

/* What LM Studio says, with status 200, to a path that it does not know. */
static bool is_lmstudio_refusal(const cJSON *json)
{
	const char *error = json_text(json, "error");
	return error && str_starts(str_from(error), STR("Unexpected endpoint or method"));
}

void api_response_body(struct exchange *x, struct str body, uint64_t time_ns)
{
	const struct dialect *dialect = apis[x->api].dialect;
	struct buf what;

	(void)time_ns; /* a response in one piece has no first token that could be timed */
	if (!dialect)
		return;
	buf_init(&what, 64);
	if (x->response.status >= 400)
		buf_printf(&what, "status %d", x->response.status);
	else
		buf_puts(&what, "response");

	cJSON *json = parse_object(body);
	if (json) {
		dialect->body(x, json);
		if (is_lmstudio_refusal(json))
			take_engine(x, "lmstudio");
		if (x->response.status >= 400)
			set_error(x, buf_str(&what).p, NULL);
	} else if (body.n > 0 || x->response.status != 204) {
		set_error(x, buf_str(&what).p, body.n > 0 ? "the body is not a JSON object" : "the body is empty");
	}
	cJSON_Delete(json);
	buf_release(&what);
}

void api_engine_from_headers(struct exchange *x)
{
	const struct exchange_response *r = &x->response;
	const char *server = exchange_header_value(r->headers, r->nheaders, "server");

	if (server && strcasecmp(server, "llama.cpp") == 0)
		take_engine(x, "llama.cpp");
	/* Names are kept even of headers whose values are not. */
	for (size_t i = 0; i < r->nheaders; i++)
		if (strncasecmp(r->headers[i].name, "anthropic-ratelimit-", 20) == 0 ||
		    strcasecmp(r->headers[i].name, "anthropic-organization-id") == 0)
			take_engine(x, "anthropic");
	const char *id = exchange_header_value(r->headers, r->nheaders, "request-id");
	if (id && str_starts(str_from(id), STR("req_")) && server && strcasecmp(server, "cloudflare") == 0)
		take_engine(x, "anthropic");
}
