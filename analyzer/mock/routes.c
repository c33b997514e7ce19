/* SPDX-License-Identifier: MIT */
/* What the engines' other endpoints do: counting, tokenising, emptying the cache. What they answer is in profiles.c. */
#include "base/json_out.h"
#include "mock/mock.h"

#include <stdlib.h>

void mock_route_metrics(struct mock_call *c)
{
	struct buf body;

	buf_init(&body, (size_t)64 << 10);
	mock_metrics(c->mock, &body);
	http_call_respond(c->call, 200, c->route->type ? c->route->type : "text/plain; version=0.0.4", "",
			  buf_str(&body));
	buf_release(&body);
}

/* The body as JSON, NULL having answered 400. */
static cJSON *body_json(struct mock_call *c)
{
	cJSON *json = cJSON_ParseWithLength(c->body.p ? c->body.p : "", c->body.n);
	if (!cJSON_IsObject(json)) {
		cJSON_Delete(json);
		mock_respond_error(c, 400, "", "the body must be a JSON object");
		return NULL;
	}
	return json;
}

/* The ids as JSON numbers that any client can read. */
static void write_ids(const struct mock_tokens *t, struct buf *out)
{
	struct json_out j;

	json_out_init(&j, out, false);
	json_out_array(&j, NULL);
	for (size_t i = 0; i < t->n; i++)
		json_out_uint(&j, NULL, t->ids[i] & UINT64_C(0x7fffffff));
	json_out_end(&j);
}

static void respond_tokens(struct mock_call *c, const struct mock_tokens *t)
{
	char count[24];
	struct buf ids;

	buf_init(&ids, BUF_UNLIMITED);
	write_ids(t, &ids);
	snprintf(count, sizeof(count), "%zu", t->n);
	if (t->failed || ids.failed)
		mock_respond_error(c, 500, "", "the mock is out of memory");
	else
		mock_respond_text(c, 200, NULL, c->route->text,
				  (struct mock_field[]){{"count", count, true}, {"tokens", ids.p, true}, {0}});
	buf_release(&ids);
}

/* Of a text (llama.cpp: "content", vLLM and SGLang: "prompt"), or of a chat as its prompt. */
void mock_route_tokenize(struct mock_call *c)
{
	cJSON *json = body_json(c);
	struct mock_tokens tokens = {0};
	struct mock_request request;
	char why[160];

	if (!json)
		return;
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "content"));
	if (!text)
		text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "prompt"));
	if (text) {
		mock_tokens_spelled(&tokens, str_from(text));
		respond_tokens(c, &tokens);
		mock_tokens_release(&tokens);
	} else if (mock_request_read(&request, MOCK_OPENAI_CHAT, &c->mock->options.rendering, c->body, why,
				     sizeof(why)) < 0) {
		mock_respond_error(c, 400, "", why);
	} else {
		respond_tokens(c, &request.prompt);
		mock_request_release(&request);
	}
	cJSON_Delete(json);
}

void mock_route_apply_template(struct mock_call *c)
{
	struct mock_request request;
	struct buf text;
	char why[160];

	buf_init(&text, BUF_UNLIMITED);
	if (mock_request_read_text(&request, MOCK_OPENAI_CHAT, &c->mock->options.rendering, c->body, &text, why,
				   sizeof(why)) < 0) {
		mock_respond_error(c, 400, "", why);
	} else {
		if (text.failed)
			mock_respond_error(c, 500, "", "the mock is out of memory");
		else
			mock_respond_text(c, 200, NULL, c->route->text,
					  (struct mock_field[]){{"prompt", text.p, false}, {0}});
		mock_request_release(&request);
	}
	buf_release(&text);
}

/* ---- emptying the cache */

static void respond_dropped(struct mock_call *c, size_t dropped)
{
	char number[24];

	snprintf(number, sizeof(number), "%zu", dropped);
	mock_respond_text(c, 200, c->route->type, c->route->text,
			  (struct mock_field[]){{"dropped", number, true}, {0}});
}

void mock_route_reset(struct mock_call *c)
{
	respond_dropped(c, mock_store_empty(&c->mock->engine.store));
}

/* Ollama's /api/generate with keep_alive 0. With anything else there is nothing here: the prompt is not answered. */
void mock_route_unload(struct mock_call *c)
{
	cJSON *json = body_json(c);

	if (!json)
		return;
	const cJSON *keep_alive = cJSON_GetObjectItemCaseSensitive(json, "keep_alive");
	const char *prompt = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "prompt"));
	if (prompt && *prompt)
		mock_respond_error(c, 400, "", "the mock does not answer prompts on this path");
	else if (cJSON_IsNumber(keep_alive) && keep_alive->valuedouble == 0)
		respond_dropped(c, mock_store_empty(&c->mock->engine.store));
	else
		mock_respond_text(c, 200, NULL,
				  "{\"model\":\"$model\",\"response\":\"\",\"done\":true,\"done_reason\":\"load\"}",
				  NULL);
	cJSON_Delete(json);
}

/* ---- llama.cpp's slots */

void mock_route_slots(struct mock_call *c)
{
	struct json_out j;
	struct buf body;
	const struct mock_sequences *s = &c->mock->engine.store.sequences;

	buf_init(&body, BUF_UNLIMITED);
	json_out_init(&j, &body, false);
	json_out_array(&j, NULL);
	for (size_t i = 0; i < s->limits.slots; i++) {
		json_out_object(&j, NULL);
		json_out_uint(&j, "id", i);
		json_out_uint(&j, "n_ctx", c->mock->options.settings.context);
		json_out_bool(&j, "speculative", false);
		json_out_bool(&j, "is_processing", s->slots[i].busy);
		json_out_end(&j);
	}
	json_out_end(&j);
	http_call_respond(c->call, 200, c->mock->options.profile->json_type, "", buf_str(&body));
	buf_release(&body);
}

void mock_route_slot_erase(struct mock_call *c)
{
	const struct mock_sequences *s = &c->mock->engine.store.sequences;
	char number[24], id[24], *end;
	const char *after = c->route->path;

	snprintf(id, sizeof(id), "%.*s", (int)(c->call->path.n - (strlen(after) - 1)),
		 c->call->path.p + strlen(after) - 1);
	unsigned long slot = strtoul(id, &end, 10);
	if (end == id || *end || s->limits.slots == 0) {
		mock_respond_error(c, 400, "", "Invalid slot ID");
		return;
	}
	if (!str_eq(c->call->query, STR("action=erase"))) {
		mock_respond_error(c, 400, "", "Invalid action");
		return;
	}
	/* The server was seen to take any number for one of its slots. */
	snprintf(number, sizeof(number), "%zu",
		 mock_sequences_erase(&c->mock->engine.store.sequences, slot % s->limits.slots));
	mock_respond_text(c, 200, NULL, c->route->text,
			  (struct mock_field[]){{"slot", id, true}, {"erased", number, true}, {0}});
}
