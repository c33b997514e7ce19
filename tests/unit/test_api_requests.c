/* SPDX-License-Identifier: MIT */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_paths(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{"/v1/messages", "anthropic.messages"},
		{"/gateway/anthropic/v1/messages", "anthropic.messages"},
		{"/v1/messages/count_tokens", "anthropic.count_tokens"},
		{"/v1/chat/completions", "openai.chat"},
		{"/chat/completions", "openai.chat"},
		{"/openai/deployments/x/chat/completions", "openai.chat"},
		{"/api/v0/chat/completions", "openai.chat"},
		{"/v1/completions", "openai.completions"},
		{"/v1/responses", "openai.responses"},
		{"/v1/embeddings", "openai.embeddings"},
		{"/api/chat", "ollama.chat"},
		{"/api/generate", "ollama.generate"},
		{"/completion", "llamacpp.completion"},
		{"/api/v1/chat", "lmstudio.chat"},
		{"", NULL},
		{"/", NULL},
		{"/v1/models", NULL},
		{"/v1/messages/", NULL},
		{"/v1/messages/batches", NULL},
		{"/v1/message", NULL},
		{"/v1/messages?beta=true", NULL}, /* the query is not part of a path */
		{"/v1/chat/completionsx", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *name = api_name(api_of_path(str_from(cases[i].path)));
		if ((name != NULL) != (cases[i].name != NULL) || (name && strcmp(name, cases[i].name) != 0))
			fail_msg("%s: %s", cases[i].path, name ? name : "none");
	}
}

/* Each entry of the table that the shim shares is what its own path belongs to: none hides behind another. */
static void test_table(void **state)
{
	(void)state;
#define CHECK(api, path) assert_int_equal(api_of_path(STR(path)), KVS_API_##api);
	KVS_LLM_PATHS(CHECK)
#undef CHECK
}

static void test_names(void **state)
{
	(void)state;
	assert_null(api_name(KVS_API_NONE));
	assert_false(api_has_dialect(KVS_API_NONE));
	for (int api = KVS_API_NONE + 1; api < KVS_API_COUNT; api++) {
		assert_non_null(api_name((enum kvs_llm_api)api));
		assert_int_equal(api_from_name(str_from(api_name((enum kvs_llm_api)api))), api);
	}
	assert_int_equal(api_from_name(STR("")), KVS_API_NONE);
	assert_int_equal(api_from_name(STR("openai.cha")), KVS_API_NONE);
	assert_true(api_has_dialect(KVS_API_ANTHROPIC_MESSAGES));
	assert_true(api_has_dialect(KVS_API_ANTHROPIC_COUNT_TOKENS));
	assert_true(api_has_dialect(KVS_API_OPENAI_CHAT));
	assert_false(api_has_dialect(KVS_API_OPENAI_RESPONSES));
	assert_false(api_has_dialect(KVS_API_LMSTUDIO_CHAT));
}

/* header lines "name: value", or "name" for one whose value is not kept; terminated by NULL */
static void check_engine(const char *const *lines, const char *engine)
{
	struct exchange x;
	exchange_init(&x, 16, 16);
	for (; *lines; lines++) {
		const char *colon = strstr(*lines, ": ");
		x.response.headers =
			realloc(x.response.headers, (x.response.nheaders + 1) * sizeof(*x.response.headers));
		assert_non_null(x.response.headers);
		x.response.headers[x.response.nheaders++] = (struct exchange_header){
			.name = colon ? strndup(*lines, (size_t)(colon - *lines)) : strdup(*lines),
			.value = colon ? strdup(colon + 2) : NULL,
		};
	}
	api_engine_from_headers(&x);
	if (!engine)
		assert_null(x.response.engine);
	else
		assert_string_equal(x.response.engine, engine);
	exchange_release(&x);
}

static void test_engine_from_headers(void **state)
{
	(void)state;
	check_engine((const char *[]){"Server: llama.cpp", NULL}, "llama.cpp");
	check_engine((const char *[]){"content-type: a", "server: llama.cpp", NULL}, "llama.cpp");
	check_engine((const char *[]){"anthropic-ratelimit-tokens-limit", NULL}, "anthropic");
	check_engine((const char *[]){"Anthropic-Organization-Id", NULL}, "anthropic");
	check_engine((const char *[]){"server: cloudflare", "request-id: req_01", NULL}, "anthropic");
	/* Not enough to tell. */
	check_engine((const char *[]){NULL}, NULL);
	check_engine((const char *[]){"Server", NULL}, NULL);
	check_engine((const char *[]){"server: uvicorn", NULL}, NULL);
	check_engine((const char *[]){"server: llama.cpp-proxy", NULL}, NULL);
	check_engine((const char *[]){"X-Powered-By: Express", NULL}, NULL);
	check_engine((const char *[]){"server: cloudflare", "x-request-id: req_01", NULL}, NULL);
	check_engine((const char *[]){"server: cloudflare", "request-id", NULL}, NULL);
	check_engine((const char *[]){"request-id: req_01", NULL}, NULL);
}

/* What is known already is not overruled. */
static void test_engine_stays(void **state)
{
	struct exchange x;
	(void)state;
	exchange_init(&x, 16, 16);
	x.response.engine = strdup("ollama");
	x.response.headers = calloc(1, sizeof(*x.response.headers));
	assert_non_null(x.response.headers);
	x.response.headers[0] = (struct exchange_header){strdup("Server"), strdup("llama.cpp")};
	x.response.nheaders = 1;
	api_engine_from_headers(&x);
	assert_string_equal(x.response.engine, "ollama");
	exchange_release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),        cmocka_unit_test(test_table),
		cmocka_unit_test(test_names),        cmocka_unit_test(test_engine_from_headers),
		cmocka_unit_test(test_engine_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
