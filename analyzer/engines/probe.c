/* SPDX-License-Identifier: MIT */
#include "engines/probe.h"

#include "base/clock.h"
#include "base/json_member.h"
#include "base/json_out.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#define BODY_MAX ((size_t)1 << 20)
#define PROBE_LIMIT_S 600.0
#define RESET_LIMIT_S 60.0
#define METRICS_MAX ((size_t)8 << 20)
#define RESET_TRIES 50
/* Sentences of the probe's prompt: some 700 tokens, more than any block or template header. */
#define SENTENCES 48

void engine_prompt_tokens(const struct engine_facts *facts, const struct exchange *x, int64_t *prompt, int64_t *cached)
{
	const struct usage *u = &x->response.usage;
	const struct engine_timings *t = &x->response.timings;

	*cached = u->cache_read;
	if (*cached < 0 && t->cached_tokens >= 0)
		*cached = t->cached_tokens;
	if (*cached < 0 && u->input >= 0 && facts->profile->absent_is_zero && facts->cached_reported == KNOWN_YES)
		*cached = 0;
	*prompt = u->input;
	if (*prompt >= 0 && x->api == KVS_API_ANTHROPIC_MESSAGES) {
		*prompt += u->cache_read > 0 ? u->cache_read : 0;
		*prompt += u->cache_creation > 0 ? u->cache_creation : 0;
	}
}

/* What a small request says: one user message, or the conversation that system turns are tried on. */
enum probe_text { PROBE_SINGLE, PROBE_CONVERSATION, PROBE_WITH_TURN };

struct probe_request {
	bool messages; /* the Anthropic route */
	uint64_t seed;
	const char *salt; /* NULL: none */
	enum probe_text text;
};

static void add_message(struct json_out *j, const char *role, struct str content)
{
	json_out_object(j, NULL);
	json_out_cstr(j, "role", role);
	json_out_str(j, "content", content);
	json_out_end(j);
}

/* A body of either API: the words are the same, and so is everything but the names around them. */
static void write_body(const struct engine_facts *f, const struct probe_request *r, struct buf *body)
{
	struct json_out j;
	struct buf text;

	buf_init(&text, 64 << 10);
	buf_printf(&text, "%llu ", (unsigned long long)r->seed);
	for (unsigned i = 0; i < SENTENCES; i++)
		buf_printf(&text, "Line %u of a test of the connection, with the number %llu in it. ", i + 1,
			   (unsigned long long)((r->seed >> (i % 16)) % 997 + i));
	json_out_init(&j, body, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "model", f->model ? f->model : "default_model");
	json_out_int(&j, "max_tokens", 1);
	json_out_array(&j, "messages");
	add_message(&j, "user", buf_str(&text));
	if (r->text != PROBE_SINGLE) {
		add_message(&j, "assistant", STR("Good."));
		add_message(&j, "user", STR("Go on."));
	}
	if (r->text == PROBE_WITH_TURN) {
		add_message(&j, "assistant", STR("Done."));
		add_message(&j, "system", STR("A note between the turns."));
		add_message(&j, "user", STR("Go on."));
	}
	json_out_end(&j);
	json_out_bool(&j, "stream", true);
	if (!r->messages) {
		json_out_object(&j, "stream_options");
		json_out_bool(&j, "include_usage", true);
		json_out_end(&j);
	}
	if (r->salt)
		json_out_cstr(&j, f->profile->salt_member, r->salt);
	json_out_end(&j);
	buf_release(&text);
}

static enum client_outcome ask(struct client *client, const struct base_url *base, const struct engine_facts *f,
			       const struct probe_request *r, struct client_answer *a)
{
	struct buf body;
	struct client_request request = {.api = r->messages ? KVS_API_ANTHROPIC_MESSAGES : KVS_API_OPENAI_CHAT,
					 .path = r->messages ? "/v1/messages" : "/v1/chat/completions",
					 .limit_s = PROBE_LIMIT_S};

	buf_init(&body, 256 << 10);
	write_body(f, r, &body);
	request.body = buf_str(&body);
	enum client_outcome outcome = client_fetch(client, base, &request, a);
	buf_release(&body);
	return outcome;
}

/* vllm:cache_config_info{...,block_size="128",...} */
static int64_t block_size(struct client *client, const struct base_url *base)
{
	static const char mark[] = "block_size=\"";
	struct client_answer a;
	struct client_request request = {.path = "/metrics", .limit_s = RESET_LIMIT_S};
	int64_t size = -1;

	client_answer_init(&a, METRICS_MAX);
	if (client_fetch(client, base, &request, &a) == CLIENT_DONE && a.x.response.body.n > 0) {
		const char *line = strstr(a.x.response.body.p, "vllm:cache_config_info{");
		const char *at = line ? strstr(line, mark) : NULL;
		/* Others end in block_size, too: it must begin there. */
		while (at && at[-1] != '{' && at[-1] != ',')
			at = strstr(at + 1, mark);
		if (at)
			size = strtoll(at + sizeof(mark) - 1, NULL, 10);
	}
	client_answer_release(&a);
	return size > 0 ? size : -1;
}

/* It spoke that API: a stream with its events, or a body of its type. */
static bool is_message(const struct client_answer *a)
{
	return a->outcome == CLIENT_DONE && (a->x.times.message_start || a->x.response.stop_reason);
}

static bool no_such_route(const struct client_answer *a)
{
	int status = a->x.response.status;
	return status == 404 || status == 405 || status == 501 || a->outcome == CLIENT_CUT ||
	       (status / 100 == 2 && !is_message(a));
}

static double rate_of(const struct client_answer *a, int64_t prompt)
{
	const struct exchange_times *t = &a->x.times;
	uint64_t first = t->first_content ? t->first_content : t->end;

	if (prompt <= 0 || first <= t->request_end)
		return NAN;
	return (double)prompt / ((double)(first - t->request_end) / (double)NS_PER_S);
}

int engine_probe(struct client *client, const struct base_url *base, struct engine_facts *f, char *error,
		 size_t error_bytes)
{
	struct client_answer a;
	uint64_t seed = clock_realtime_ns() / 1000 % 1000000007;
	int64_t prompt, cached = -1, again;
	int status = -1;

	client_answer_init(&a, BODY_MAX);
	bool messages = f->anthropic != KNOWN_NO && f->profile->engine != ENGINE_MLX_LM;
	struct probe_request request = {.messages = messages, .seed = seed};
	ask(client, base, f, &request, &a);
	if (messages && no_such_route(&a)) {
		messages = request.messages = false;
		ask(client, base, f, &request, &a);
	}
	if (!is_message(&a)) {
		snprintf(error, error_bytes, "%s: a small request failed: %s", base->root,
			 a.x.response.error ? a.x.response.error : "the answer is of another API");
		goto out;
	}
	f->anthropic = messages ? KNOWN_YES : KNOWN_NO;
	engine_prompt_tokens(f, &a.x, &prompt, &cached);
	f->prefill_rate = rate_of(&a, prompt);
	if (ask(client, base, f, &request, &a) != CLIENT_DONE) {
		snprintf(error, error_bytes, "%s: a small request failed: %s", base->root, a.x.response.error);
		goto out;
	}
	engine_prompt_tokens(f, &a.x, &prompt, &again);
	f->cached_reported = cached >= 0 || again >= 0 ? KNOWN_YES : KNOWN_NO;
	status = 0;
	if (f->profile->engine == ENGINE_VLLM)
		f->block_tokens = block_size(client, base);
	if (!f->profile->salt_member || (messages && !f->profile->salt_on_messages) || again <= 0)
		goto out;
	request.salt = "kvscope-probe";
	if (ask(client, base, f, &request, &a) == CLIENT_DONE) {
		engine_prompt_tokens(f, &a.x, &prompt, &cached);
		f->salt_works = cached == 0 ? KNOWN_YES : KNOWN_NO;
	} else {
		f->salt_works = KNOWN_NO;
	}
out:
	client_answer_release(&a);
	return status;
}

void engine_probe_system_turns(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	struct client_answer a;
	struct probe_request request = {.messages = f->anthropic == KNOWN_YES,
					.seed = clock_realtime_ns() / 1000 % 1000000007 + 1,
					.text = PROBE_CONVERSATION};
	int64_t before, prompt, cached;

	if (f->cached_reported != KNOWN_YES)
		return;
	client_answer_init(&a, BODY_MAX);
	if (ask(client, base, f, &request, &a) != CLIENT_DONE)
		goto out;
	engine_prompt_tokens(f, &a.x, &before, &cached);
	request.text = PROBE_WITH_TURN;
	enum client_outcome outcome = ask(client, base, f, &request, &a);
	engine_prompt_tokens(f, &a.x, &prompt, &cached);
	if (outcome == CLIENT_REFUSED)
		f->system_turns = FATE_REFUSED;
	else if (outcome == CLIENT_DONE && cached >= 0 && before > 0)
		f->system_turns = cached >= before / 2 ? FATE_IN_PLACE : FATE_HOISTED;
out:
	client_answer_release(&a);
}

/* ---- reset */

static bool says_no(const struct client_answer *a)
{
	const struct buf *body = &a->x.response.body;
	cJSON *json = body->n ? cJSON_ParseWithLength(body->p, body->n) : NULL;
	bool no = cJSON_IsFalse(json_member(json, "success"));
	cJSON_Delete(json);
	return no;
}

static int post(struct client *client, const struct base_url *base, const char *path, const char *body,
		struct client_answer *a, char *error, size_t error_bytes)
{
	struct client_request request = {.path = path, .body = str_from(body), .limit_s = RESET_LIMIT_S};
	const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};

	/* vLLM and SGLang refuse while a request that has just ended still holds blocks. */
	for (int i = 0; i < RESET_TRIES; i++) {
		enum client_outcome outcome = client_fetch(client, base, &request, a);
		bool held = (outcome == CLIENT_DONE && says_no(a)) || a->x.response.status == 400;
		if (outcome == CLIENT_DONE && !held)
			return 0;
		if (!held || i + 1 == RESET_TRIES) {
			snprintf(error, error_bytes, "POST %s: %s", path,
				 a->x.response.error ? a->x.response.error : "it is still in use");
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return -1;
}

static int reset_slots(struct client *client, const struct base_url *base, const struct engine_facts *f,
		       struct client_answer *a, char *error, size_t error_bytes)
{
	char path[64];

	for (int64_t slot = 0; slot < (f->slots > 0 ? f->slots : 1); slot++) {
		snprintf(path, sizeof(path), "/slots/%lld?action=erase", (long long)slot);
		if (post(client, base, path, "{}", a, error, error_bytes) < 0)
			return -1;
	}
	return 0;
}

static int reset_by_model(struct client *client, const struct base_url *base, const struct engine_facts *f,
			  const char *path, const char *member, bool keep_alive, struct client_answer *a, char *error,
			  size_t error_bytes)
{
	struct buf body;
	struct json_out j;

	buf_init(&body, 4096);
	json_out_init(&j, &body, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, member, f->model);
	if (keep_alive)
		json_out_int(&j, "keep_alive", 0);
	json_out_end(&j);
	int status = post(client, base, path, body.p, a, error, error_bytes);
	buf_release(&body);
	return status;
}

int engine_reset(struct client *client, const struct base_url *base, struct engine_facts *f, char *error,
		 size_t error_bytes)
{
	struct client_answer a;
	int status = -1;

	client_answer_init(&a, BODY_MAX);
	switch (f->profile->reset) {
	case RESET_NONE:
		snprintf(error, error_bytes, "%s has no way to empty its cache", f->profile->name);
		break;
	case RESET_POST:
		status = post(client, base, f->profile->reset_path, "{}", &a, error, error_bytes);
		break;
	case RESET_SLOTS:
		status = reset_slots(client, base, f, &a, error, error_bytes);
		break;
	case RESET_OLLAMA_UNLOAD:
		status = reset_by_model(client, base, f, "/api/generate", "model", true, &a, error, error_bytes);
		break;
	case RESET_LMSTUDIO_UNLOAD:
		status = reset_by_model(client, base, f, "/api/v1/models/unload", "instance_id", false, &a, error,
					error_bytes);
		if (status == 0)
			status = reset_by_model(client, base, f, "/api/v1/models/load", "model", false, &a, error,
						error_bytes);
		break;
	}
	f->reset_works = status == 0 ? KNOWN_YES : KNOWN_NO;
	client_answer_release(&a);
	return status;
}
