/* SPDX-License-Identifier: MIT */
#include "engines/probe.h"

#include "base/clock.h"
#include "base/json_member.h"
#include "base/json_out.h"
#include "engines/probe_request.h"

#include <math.h>
#include <stdlib.h>

#define BODY_MAX ((size_t)1 << 20)
#define PROBE_LIMIT_S 600.0
#define METRICS_LIMIT_S 60.0
#define METRICS_MAX ((size_t)8 << 20)
/* System prompt and tool of PROBE_HEAD are half of it each, less what a template adds and a block that is not whole. */
#define HEAD_SHARE 0.25
#define HALF 0.5

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

/* The very first request also waits for what a server does once. */
static void note_timing(struct engine_facts *f, const struct client_answer *a)
{
	int64_t prompt, cached;
	double seconds = client_first_seconds(a);

	engine_prompt_tokens(f, &a->x, &prompt, &cached);
	if (f->asked && f->ntimings < ENGINE_TIMINGS_MAX && prompt > 0 && cached >= 0 && cached < prompt &&
	    !isnan(seconds))
		f->timings[f->ntimings++] = (struct engine_timing){prompt - cached, cached, seconds};
	f->asked = true;
}

static enum client_outcome ask(struct client *client, const struct base_url *base, struct engine_facts *f,
			       const struct probe_request *r, struct client_answer *a)
{
	struct buf body;
	struct client_request request = {.api = r->messages ? KVS_API_ANTHROPIC_MESSAGES : KVS_API_OPENAI_CHAT,
					 .path = r->messages ? "/v1/messages" : "/v1/chat/completions",
					 .limit_s = PROBE_LIMIT_S};

	buf_init(&body, 256 << 10);
	probe_request_write(f, r, &body);
	request.body = buf_str(&body);
	enum client_outcome outcome = client_fetch(client, base, &request, a);
	buf_release(&body);
	if (outcome == CLIENT_DONE)
		note_timing(f, a);
	return outcome;
}

/* More than once each: one of them may be disturbed. */
void engine_probe_times(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	struct probe_request request = {.messages = f->anthropic == KNOWN_YES, .seed = f->seed};
	struct client_answer a;

	if (!f->reuses)
		return;
	client_answer_init(&a, BODY_MAX);
	for (unsigned i = 0; i < 2; i++)
		ask(client, base, f, &request, &a);
	request.text = PROBE_SHORT;
	for (unsigned i = 0; i < 3; i++) {
		request.seed = f->seed + 1 + i;
		ask(client, base, f, &request, &a);
	}
	client_answer_release(&a);
}

/* vllm:cache_config_info{...,block_size="128",...} */
static int64_t block_size(struct client *client, const struct base_url *base)
{
	static const char mark[] = "block_size=\"";
	struct client_answer a;
	struct client_request request = {.path = "/metrics", .limit_s = METRICS_LIMIT_S};
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
	double seconds = client_first_seconds(a);
	return prompt > 0 && seconds > 0 ? (double)prompt / seconds : NAN;
}

/* MLX-LM has no route for it: "system_fingerprint": "0.32.2-0.32.4-Linux-..." begins with it. */
static void note_version(struct engine_facts *f, const struct buf *body)
{
	static const char key[] = "\"system_fingerprint\":";
	const char *at = body->n ? memmem(body->p, body->n, key, sizeof(key) - 1) : NULL;

	if (!at || f->version[0] || f->profile->engine != ENGINE_MLX_LM)
		return;
	at += sizeof(key) - 1;
	at += strspn(at, " \"");
	snprintf(f->version, sizeof(f->version), "%.*s", (int)strspn(at, "0123456789."), at);
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
	f->seed = seed;
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
	note_version(f, &a.x.response.body);
	engine_prompt_tokens(f, &a.x, &prompt, &cached);
	f->prefill_rate = rate_of(&a, prompt);
	if (ask(client, base, f, &request, &a) != CLIENT_DONE) {
		snprintf(error, error_bytes, "%s: a small request failed: %s", base->root, a.x.response.error);
		goto out;
	}
	engine_prompt_tokens(f, &a.x, &prompt, &again);
	f->cached_reported = cached >= 0 || again >= 0 ? KNOWN_YES : KNOWN_NO;
	f->reuses = prompt > 0 && again * 2 >= prompt;
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

/* Does this path answer a POST with one of these members? A status says nothing (LM Studio). */
static bool tells(struct client *client, const struct base_url *base, const char *path, const char *body,
		  const char *const *members)
{
	struct client_answer a;
	const struct client_request request = {.path = path, .body = str_from(body), .limit_s = METRICS_LIMIT_S};
	bool told = false;

	client_answer_init(&a, BODY_MAX);
	if (client_fetch(client, base, &request, &a) == CLIENT_DONE && a.x.response.body.n > 0) {
		cJSON *json = cJSON_ParseWithLength(a.x.response.body.p, a.x.response.body.n);
		for (size_t i = 0; members[i]; i++)
			told = told || json_member(json, members[i]);
		cJSON_Delete(json);
	}
	client_answer_release(&a);
	return told;
}

void engine_probe_tokenizer(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	static const char *const count[] = {"input_tokens", NULL}, *const tokens[] = {"tokens", "count", NULL};
	struct buf body;
	struct json_out j;

	f->tokenizer = KNOWN_NO;
	for (int own = f->anthropic == KNOWN_YES ? 0 : 1; own < 2 && f->tokenizer == KNOWN_NO; own++) {
		buf_init(&body, 4096);
		json_out_init(&j, &body, false);
		json_out_object(&j, NULL);
		json_out_cstr(&j, "model", f->model ? f->model : "default_model");
		if (own) {
			/* llama.cpp reads the one, vLLM and SGLang the other. */
			json_out_cstr(&j, "content", "one two");
			json_out_cstr(&j, "prompt", "one two");
		} else {
			json_out_array(&j, "messages");
			json_out_object(&j, NULL);
			json_out_cstr(&j, "role", "user");
			json_out_cstr(&j, "content", "one two");
			json_out_end(&j);
			json_out_end(&j);
		}
		json_out_end(&j);
		if (own ? tells(client, base, "/tokenize", body.p, tokens)
			: tells(client, base, "/v1/messages/count_tokens", body.p, count))
			f->tokenizer = KNOWN_YES;
		buf_release(&body);
	}
}

/* Cached tokens of an answer as a share of its prompt; < 0: not told, or no answer. */
static double share_cached(struct client *client, const struct base_url *base, struct engine_facts *f,
			   const struct probe_request *r, struct client_answer *a)
{
	int64_t prompt, cached;

	if (ask(client, base, f, r, a) != CLIENT_DONE)
		return -1;
	engine_prompt_tokens(f, &a->x, &prompt, &cached);
	return prompt > 0 && cached >= 0 ? (double)cached / (double)prompt : -1;
}

void engine_probe_system_turns(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	struct client_answer a;
	struct probe_request request = {.messages = f->anthropic == KNOWN_YES,
					.seed = clock_realtime_ns() / 1000 % 1000000007 + 1,
					.text = PROBE_CONVERSATION};

	if (!f->reuses)
		return;
	client_answer_init(&a, BODY_MAX);
	if (share_cached(client, base, f, &request, &a) < 0)
		goto out;
	request.text = PROBE_WITH_TURN;
	double with_turn = share_cached(client, base, f, &request, &a);
	if (a.outcome == CLIENT_REFUSED)
		f->system_turns = FATE_REFUSED;
	else if (with_turn >= HALF)
		f->system_turns = FATE_IN_PLACE;
	if (with_turn < 0 || with_turn >= HALF)
		goto out;
	/* Was it the turn? Some caches cannot go on from a conversation at all. */
	request.text = PROBE_CONVERSATION;
	if (share_cached(client, base, f, &request, &a) < 0)
		goto out;
	request.text = PROBE_CONTINUED;
	if (share_cached(client, base, f, &request, &a) >= HALF)
		f->system_turns = FATE_HOISTED;
out:
	client_answer_release(&a);
}

void engine_warm_up(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	struct client_answer a;
	const struct probe_request request = {.messages = f->anthropic == KNOWN_YES,
					      .seed = clock_realtime_ns() / 1000 % 1000000007};

	client_answer_init(&a, BODY_MAX);
	/* Its time includes the loading: no timing. */
	f->asked = false;
	if (ask(client, base, f, &request, &a) != CLIENT_DONE)
		f->asked = true;
	client_answer_release(&a);
}

void engine_probe_head(struct client *client, const struct base_url *base, struct engine_facts *f)
{
	struct client_answer a;
	uint64_t seed = clock_realtime_ns() / 1000 % 1000000007;
	struct probe_request request = {.messages = f->anthropic == KNOWN_YES, .text = PROBE_HEAD};
	double same_system, same_tool = -1;

	if (!f->reuses)
		return;
	client_answer_init(&a, BODY_MAX);
	request.seed = seed + 2;
	request.tool_seed = seed + 3;
	if (share_cached(client, base, f, &request, &a) < 0)
		goto out;
	request.tool_seed = seed + 4;
	same_system = share_cached(client, base, f, &request, &a);
	/* Against the one before: a server with one slot knows no other. */
	if (same_system >= 0 && same_system < HEAD_SHARE) {
		request.seed = seed + 5;
		same_tool = share_cached(client, base, f, &request, &a);
	}
	if (same_system >= HEAD_SHARE)
		f->head_order = HEAD_SYSTEM_FIRST;
	else if (same_tool >= HEAD_SHARE)
		f->head_order = HEAD_TOOLS_FIRST;
	/* Neither: what both have in common was there, and was not reused. */
	if (f->head_order != HEAD_UNKNOWN)
		f->cut_back = KNOWN_YES;
	else if (same_system >= 0 && same_tool >= 0)
		f->cut_back = KNOWN_NO;
out:
	client_answer_release(&a);
}
