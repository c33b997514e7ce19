/* SPDX-License-Identifier: MIT */
#include "hand_trace.h"

#include "report/report_json.h"

#include <cjson/cJSON.h>

static cJSON *document(struct hand_trace *h)
{
	struct report r;
	struct cost cost;
	struct buf text;
	char error[256];
	buf_init(&text, 1 << 20);
	assert_int_equal(report_build_with(hand_prompt, &h->t, 1, &r, error, sizeof(error)), 0);
	assert_int_equal(cost_build(&r, NULL, &cost, error, sizeof(error)), 0);
	report_json(&r, &cost, NULL, &text);
	assert_false(text.failed);
	cJSON *doc = cJSON_ParseWithLength(text.p, text.n);
	assert_non_null(doc);
	buf_release(&text);
	cost_release(&cost);
	report_release(&r);
	return doc;
}

/* The value at "tokens.sent" or "exchanges.0.id". */
static const cJSON *at(const cJSON *doc, const char *path)
{
	while (doc && *path) {
		char key[64];
		size_t n = strcspn(path, ".");
		assert_true(n < sizeof(key));
		memcpy(key, path, n);
		key[n] = '\0';
		doc = cJSON_IsArray(doc) ? cJSON_GetArrayItem(doc, (int)strtol(key, NULL, 10))
					 : cJSON_GetObjectItemCaseSensitive(doc, key);
		path += n + (path[n] == '.');
	}
	if (!doc)
		fail_msg("nothing at ...%s", path);
	return doc;
}

static void assert_number(const cJSON *doc, const char *path, double n)
{
	const cJSON *v = at(doc, path);
	assert_true(cJSON_IsNumber(v));
	if (v->valuedouble < n - 1e-6 || v->valuedouble > n + 1e-6)
		fail_msg("%s is %f, expected %f", path, v->valuedouble, n);
}

static void assert_text(const cJSON *doc, const char *path, const char *text)
{
	assert_true(cJSON_IsString(at(doc, path)));
	assert_string_equal(at(doc, path)->valuestring, text);
}

static void assert_null_at(const cJSON *doc, const char *path)
{
	if (!cJSON_IsNull(at(doc, path)))
		fail_msg("%s is not null", path);
}

static void a_session(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	hand_usage(hand_add(h, "s", NULL, 0, 2, 1, "T:b*400 S:sys*200 U:q"), 100, -1, 11);
	hand_usage(hand_add(h, "s", NULL, 5, 1, 2, "T:b*400 S:sys*200 U:q A:c R:o"), 30, 100, 21);
	hand_usage(hand_add(h, "s", "a", 6, 1, 1, "T:b*400 S:agent*200 U:q"), 90, -1, 2);
	h->t.warning = strdup("hand.jsonl: cut");
	h->t.ring_loss.dropped[KVS_DROP_FULL] = 7;
	struct trace_opaque opaque = {.kind = strdup("tls"), .server_name = strdup("example.org"), .sent_bytes = 5};
	h->t.opaque = &opaque;
	h->t.nopaque = 1;

	cJSON *doc = document(h);
	assert_number(doc, "tokens.sent", 320);
	assert_number(doc, "tokens.repeated", 100);
	assert_number(doc, "tokens.new", 220);
	assert_text(doc, "tokens.basis", "reported");
	assert_text(doc, "tokens.split_basis", "reported");
	assert_number(doc, "tokens.cached", 100);
	assert_number(doc, "seconds.ttft", 4);
	assert_number(doc, "seconds.decode", 3);
	assert_number(doc, "seconds.wall", 8.001);
	assert_int_equal(cJSON_GetArraySize(at(doc, "exchanges")), 3);
	assert_number(doc, "exchanges.1.id", 2);
	assert_number(doc, "exchanges.1.parent", 1);
	assert_null_at(doc, "exchanges.0.parent");
	assert_text(doc, "exchanges.1.lineage", "A");
	assert_text(doc, "exchanges.2.role", "subagent");
	assert_text(doc, "exchanges.0.api", "anthropic.messages");
	assert_number(doc, "exchanges.1.tokens.cached", 100);
	assert_null_at(doc, "exchanges.0.tokens.cached");
	assert_number(doc, "exchanges.1.seconds.ttft", 1);
	assert_number(doc, "exchanges.1.decode_tokens_per_second", 10);
	assert_null_at(doc, "exchanges.1.times_ns.message_start");
	/* 100 repeated: 400 bytes of tools, 200 and 10 of prose, at their ratios. All that is new are messages. */
	assert_number(doc, "exchanges.1.prompt_split.tools", 67);
	assert_number(doc, "exchanges.1.prompt_split.system", 31);
	assert_number(doc, "exchanges.1.prompt_split.history", 2);
	assert_number(doc, "exchanges.1.prompt_split.new", 30);
	assert_int_equal(cJSON_GetArraySize(at(doc, "sessions")), 1);
	assert_text(doc, "sessions.0.lineages.1.agent", "a");
	assert_number(doc, "sessions.0.lineages.0.tokens.repeated", 100);
	assert_number(doc, "system_prompts.0.requests", 2);
	assert_number(doc, "system_prompts.0.bytes", 400);
	assert_number(doc, "system_prompts.0.bytes_each", 200);
	assert_number(doc, "loss.ring.dropped.full", 7);
	assert_text(doc, "opaque.0.server_name", "example.org");
	assert_text(doc, "warnings.0", "hand.jsonl: cut");
	cJSON_Delete(doc);
	free(opaque.kind);
	free(opaque.server_name);
	free(h->t.warning);
	hand_free(h);
}

static void nothing_is_known(void **state)
{
	(void)state;
	struct hand_trace *h = hand_new();
	cJSON *doc = document(h);
	assert_null_at(doc, "tokens.sent");
	assert_null_at(doc, "tokens.repeated");
	assert_null_at(doc, "tokens.basis");
	assert_null_at(doc, "seconds.wall");
	assert_null_at(doc, "seconds.ttft");
	assert_null_at(doc, "prompt_split");
	assert_int_equal(cJSON_GetArraySize(at(doc, "exchanges")), 0);
	cJSON_Delete(doc);

	struct exchange *x = hand_add(h, NULL, NULL, 0, 1, 1, "");
	x->response.status = 0;
	x->times.grade = GRADE_DEGENERATE;
	free(x->model);
	x->model = NULL;
	doc = document(h);
	assert_null_at(doc, "tokens.sent");
	assert_number(doc, "tokens.unknown_requests", 1);
	assert_null_at(doc, "exchanges.0.tokens.prompt");
	assert_null_at(doc, "exchanges.0.seconds.ttft");
	assert_null_at(doc, "exchanges.0.status");
	assert_null_at(doc, "exchanges.0.model");
	assert_null_at(doc, "sessions.0.session");
	assert_number(doc, "sessions.0.failed", 1);
	cJSON_Delete(doc);
	hand_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session),
		cmocka_unit_test(nothing_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
