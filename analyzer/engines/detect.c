/* SPDX-License-Identifier: MIT */
#include "engines/detect.h"

#include "base/json_member.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)4 << 20)
#define GET_LIMIT_S 10.0

struct detection {
	struct client *client;
	const struct base_url *base;
	struct engine_facts *facts;
	struct client_answer answer; /* the last one */
	cJSON *json;                 /* its body, NULL if it is no JSON object */
};

const char *known_name(enum known k)
{
	return k == KNOWN_YES ? "yes" : k == KNOWN_NO ? "no" : "unknown";
}

const char *system_turn_fate_name(enum system_turn_fate fate)
{
	static const char *const names[] = {"unknown", "in place", "hoisted", "refused"};
	return names[fate];
}

const char *head_order_name(enum head_order order)
{
	static const char *const names[] = {"unknown", "tools first", "system first"};
	return names[order];
}

void engine_facts_rules(const struct engine_facts *f, struct render_rules *out)
{
	backend_rules(&f->backend, out);
	if (f->block_tokens > 0)
		out->block_tokens = (unsigned)f->block_tokens;
	switch (f->system_turns) {
	case FATE_UNKNOWN:
		break;
	case FATE_IN_PLACE:
		out->system_turns = TURNS_IN_PLACE;
		break;
	case FATE_HOISTED:
		out->system_turns = TURNS_HOISTED;
		break;
	case FATE_REFUSED:
		out->system_turns = TURNS_REFUSED;
		break;
	}
	/* A head alone does not tell these two apart. */
	bool inside = out->tools == TOOLS_BEFORE_LAST_USER && f->head_order == HEAD_SYSTEM_FIRST;
	if (f->head_order != HEAD_UNKNOWN && !inside)
		out->tools = f->head_order == HEAD_TOOLS_FIRST ? TOOLS_BEFORE_SYSTEM : TOOLS_AFTER_SYSTEM;
}

void engine_facts_release(struct engine_facts *f)
{
	free(f->model);
	free(f->instance);
	f->model = f->instance = NULL;
}

/* ---- reading answers */

static const cJSON *json_item(const cJSON *object, const char *list, int index)
{
	const cJSON *array = json_member(object, list);
	return cJSON_IsArray(array) ? cJSON_GetArrayItem(array, index) : NULL;
}

static bool says(const char *text, const char *word)
{
	return text && strcasecmp(text, word) == 0;
}

static bool begins(const char *text, const char *word)
{
	return text && strncasecmp(text, word, strlen(word)) == 0;
}

static cJSON *body_of(const struct client_answer *a)
{
	const struct buf *body = &a->x.response.body;
	cJSON *json = body->n ? cJSON_ParseWithLength(body->p, body->n) : NULL;
	if (cJSON_IsObject(json))
		return json;
	cJSON_Delete(json);
	return NULL;
}

static const struct engine_profile *profile(const char *name)
{
	return engine_profile_named(str_from(name));
}

static const struct engine_profile *of_models(const struct client_answer *a, const cJSON *json)
{
	const char *server = client_header(a, "server");
	const char *owner = json_text(json_item(json, "data", 0), "owned_by");
	const char *refusal = json_text(json, "error");

	if (says(server, "llama.cpp") || says(owner, "llamacpp"))
		return profile("llama.cpp");
	if (says(owner, "vllm") || says(owner, "sglang"))
		return profile(owner);
	if (says(owner, "kvscope"))
		return profile("mock");
	if (begins(server, "BaseHTTP") && json_member(json, "data") && !owner)
		return profile("mlx-lm");
	if (begins(refusal, "Unexpected endpoint or method"))
		return profile("lmstudio");
	return NULL;
}

/* Status 2xx and a JSON object. */
static bool get(struct detection *d, const char *path)
{
	struct client_request request = {.path = path, .limit_s = GET_LIMIT_S};

	cJSON_Delete(d->json);
	d->json = NULL;
	if (client_fetch(d->client, d->base, &request, &d->answer) != CLIENT_DONE)
		return false;
	d->json = body_of(&d->answer);
	return d->json != NULL;
}

static void set_version(struct engine_facts *f, const char *version)
{
	if (version)
		snprintf(f->version, sizeof(f->version), "%.63s", version);
}

static void set_model(struct engine_facts *f, const char *model)
{
	char *copy = model && !f->model ? strdup(model) : NULL;
	if (copy)
		f->model = copy;
}

static void set_instance(struct engine_facts *f, const char *model, const char *instance)
{
	if (model && instance && !f->instance && f->model && strcmp(f->model, model) == 0)
		f->instance = strdup(instance);
}

static void set_count(int64_t *to, int64_t n)
{
	if (n > 0)
		*to = n;
}

/* ---- what each engine tells about itself */

static void about_llamacpp(struct detection *d)
{
	struct engine_facts *f = d->facts;
	const cJSON *slot;

	if (get(d, "/props")) {
		set_version(f, json_text(d->json, "build_info"));
		set_count(&f->slots, json_count(d->json, "total_slots"));
		set_count(&f->context_tokens, json_count(json_member(d->json, "default_generation_settings"), "n_ctx"));
		/* A router loads models on request. */
		f->model_loaded = says(json_text(d->json, "role"), "router") ? KNOWN_NOT : KNOWN_YES;
	}
	struct client_request request = {.path = "/slots", .limit_s = GET_LIMIT_S};
	if (client_fetch(d->client, d->base, &request, &d->answer) != CLIENT_DONE)
		return;
	cJSON *slots = cJSON_ParseWithLength(d->answer.x.response.body.p, d->answer.x.response.body.n);
	if (cJSON_IsArray(slots)) {
		f->busy = KNOWN_NO;
		cJSON_ArrayForEach(slot, slots) if (cJSON_IsTrue(json_member(slot, "is_processing"))) f->busy =
			KNOWN_YES;
	}
	cJSON_Delete(slots);
}

/* False: what answers has none of LM Studio's own lists. */
static bool about_lmstudio(struct detection *d)
{
	struct engine_facts *f = d->facts;
	const cJSON *model;

	if (get(d, "/api/v1/models") && cJSON_IsArray(json_member(d->json, "models"))) {
		f->anthropic = KNOWN_YES;
		f->model_loaded = KNOWN_NO;
		cJSON_ArrayForEach(model, json_member(d->json, "models"))
		{
			const cJSON *loaded = json_item(model, "loaded_instances", 0);
			if (!loaded)
				continue;
			f->model_loaded = KNOWN_YES;
			set_model(f, json_text(model, "key"));
			set_instance(f, json_text(model, "key"), json_text(loaded, "id"));
			set_count(&f->context_tokens, json_count(json_member(loaded, "config"), "context_length"));
		}
		return true;
	}
	if (!get(d, "/api/v0/models") || !json_text(json_item(d->json, "data", 0), "compatibility_type"))
		return false;
	f->anthropic = KNOWN_NO; /* before 0.4 */
	f->model_loaded = KNOWN_NO;
	cJSON_ArrayForEach(model, json_member(d->json, "data"))
	{
		if (!says(json_text(model, "state"), "loaded"))
			continue;
		f->model_loaded = KNOWN_YES;
		set_model(f, json_text(model, "id"));
		set_count(&f->context_tokens, json_count(model, "loaded_context_length"));
	}
	return true;
}

/* Models are loaded on request; a prompt that is longer than the context of one is cut without a word. */
static void about_ollama(struct detection *d)
{
	struct engine_facts *f = d->facts;
	const cJSON *model;

	if (!f->version[0] && get(d, "/api/version"))
		set_version(f, json_text(d->json, "version"));
	if (!get(d, "/api/ps"))
		return;
	set_model(f, json_text(json_item(d->json, "models", 0), "name"));
	cJSON_ArrayForEach(model, json_member(d->json, "models"))
	{
		if (!says(f->model, json_text(model, "name")))
			continue;
		f->model_loaded = KNOWN_YES;
		set_count(&f->context_tokens, json_count(model, "context_length"));
	}
}

static void about(struct detection *d)
{
	switch (d->facts->profile->engine) {
	case ENGINE_LLAMACPP:
		about_llamacpp(d);
		break;
	case ENGINE_VLLM:
		if (get(d, "/version"))
			set_version(d->facts, json_text(d->json, "version"));
		break;
	case ENGINE_SGLANG:
		if (get(d, "/server_info"))
			set_version(d->facts, json_text(d->json, "version"));
		break;
	case ENGINE_LMSTUDIO:
		about_lmstudio(d);
		break;
	case ENGINE_OLLAMA:
		about_ollama(d);
		break;
	default:
		break;
	}
}

/* Which /v1/models does not tell; SGLang can imitate it, and was told by then. */
static bool is_ollama(struct detection *d)
{
	struct client_request request = {.path = "/", .limit_s = GET_LIMIT_S};

	if (!get(d, "/api/version") || !json_text(d->json, "version"))
		return false;
	set_version(d->facts, json_text(d->json, "version"));
	if (client_fetch(d->client, d->base, &request, &d->answer) == CLIENT_DONE &&
	    begins(d->answer.x.response.body.p, "Ollama is running"))
		return true;
	d->facts->version[0] = '\0';
	return false;
}

/* ---- the name given by the user */

static int take_override(struct engine_facts *f, const char *name, char *error, size_t error_bytes)
{
	const char *why;
	const struct engine_profile *p = profile(name);

	f->given = true;
	if (p && p->engine == ENGINE_UNKNOWN) {
		f->profile = p;
		return 0;
	}
	if (backend_parse(str_from(name), &f->backend, &why) < 0) {
		snprintf(error, error_bytes, "\"%s\": %s, mock or openai", name, why);
		return -1;
	}
	f->profile = engine_profile_of(f->backend.engine);
	return 0;
}

/* "0.28.1rc2", "b10573-1a2b3c4d": as far as it is a version. */
static void complete_backend(struct engine_facts *f)
{
	struct buf name;
	struct backend parsed;
	const char *why;
	size_t n = strspn(f->version + (f->version[0] == 'b' || f->version[0] == 'v'), "0123456789.");
	size_t head = n > 0 && (f->version[0] == 'b' || f->version[0] == 'v') ? n + 1 : n;

	f->backend.engine = f->profile->engine;
	if (f->backend.engine == ENGINE_UNKNOWN) {
		snprintf(f->name, sizeof(f->name), "%s", f->profile->name);
		return;
	}
	while (head > 0 && f->version[head - 1] == '.')
		head--;
	buf_init(&name, 256);
	buf_printf(&name, "%s@%.*s", f->profile->name, (int)head, f->version);
	bool versioned = f->backend.version[0] || f->backend.version[1] || f->backend.version[2];
	if (!versioned && !name.failed && backend_parse(buf_str(&name), &parsed, &why) == 0)
		memcpy(f->backend.version, parsed.version, sizeof(parsed.version));
	buf_release(&name);
	if (f->backend.chat_template == TEMPLATE_UNKNOWN && f->model)
		f->backend.chat_template = template_of_model(str_from(f->model));
	backend_name(&f->backend, f->name, sizeof(f->name));
}

static void fail(char *error, size_t error_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void fail(char *error, size_t error_bytes, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(error, error_bytes, format, args);
	va_end(args);
}

static int look(struct detection *d, char *error, size_t error_bytes)
{
	struct engine_facts *f = d->facts;
	bool listed = get(d, "/v1/models");
	const struct client_answer *a = &d->answer;
	const struct exchange_response *r = &a->x.response;
	char *first = NULL;

	if (a->outcome == CLIENT_UNREACHABLE || a->outcome == CLIENT_CANCELLED || r->status == 0) {
		fail(error, error_bytes, "%s: %s", d->base->root, r->error ? r->error : "no answer");
		return -1;
	}
	if (r->status == 401 || r->status == 403) {
		fail(error, error_bytes,
		     "%s: status %d: it wants a key (ANTHROPIC_API_KEY, OPENAI_API_KEY or ~/.netrc)", d->base->root,
		     r->status);
		return -1;
	}
	bool express = says(client_header(a, "x-powered-by"), "Express");
	if (!f->profile && base_url_in_domain(d->base, "anthropic.com"))
		f->profile = profile("anthropic");
	if (!f->profile)
		f->profile = of_models(a, d->json);
	if (listed) {
		const cJSON *data = json_member(d->json, "data"), *model = json_item(d->json, "data", 0);
		f->models = cJSON_IsArray(data) ? (unsigned)cJSON_GetArraySize(data) : 0;
		const char *id = json_text(model, "id");
		first = id ? strdup(id) : NULL;
		set_count(&f->context_tokens, json_count(model, "max_model_len"));
		set_count(&f->context_tokens, json_count(json_member(model, "meta"), "n_ctx"));
	}
	bool data_seen = listed && cJSON_IsArray(json_member(d->json, "data"));
	int status = r->status;
	if (f->profile)
		about(d);
	else if (express && about_lmstudio(d))
		f->profile = profile("lmstudio");
	else if (!express && is_ollama(d)) {
		f->profile = profile("ollama");
		about_ollama(d);
	} else if (data_seen)
		f->profile = profile("openai");
	if (!f->profile) {
		fail(error, error_bytes,
		     "%s: no language-model server: GET /v1/models answered with status %d and no list of models "
		     "(--engine says what it is)",
		     d->base->root, status);
		free(first);
		return -1;
	}
	/* Any other name would make it load a model anew. */
	set_model(f, f->profile->engine == ENGINE_MLX_LM ? "default_model" : first);
	const char *named = f->profile->engine == ENGINE_MLX_LM ? first : f->model;
	if (f->backend.chat_template == TEMPLATE_UNKNOWN && named)
		f->backend.chat_template = template_of_model(str_from(named));
	free(first);
	return 0;
}

int engine_detect(struct client *client, const struct base_url *base, const char *engine, const char *model,
		  struct engine_facts *out, char *error, size_t error_bytes)
{
	struct detection d = {.client = client, .base = base, .facts = out};

	*out = (struct engine_facts){.context_tokens = -1, .slots = -1, .prefill_rate = NAN, .block_tokens = -1};
	if (engine && take_override(out, engine, error, error_bytes) < 0)
		return -1;
	set_model(out, model);
	client_answer_init(&d.answer, BODY_MAX);
	int status = look(&d, error, error_bytes);
	if (status == 0) {
		if (out->anthropic == KNOWN_NOT)
			out->anthropic = out->profile->anthropic_route ? KNOWN_YES : KNOWN_NO;
		complete_backend(out);
	}
	cJSON_Delete(d.json);
	client_answer_release(&d.answer);
	return status;
}
