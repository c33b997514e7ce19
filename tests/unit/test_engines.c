/* SPDX-License-Identifier: MIT */
#include "engines/probe.h"
#include "engines/reset.h"

#include "answers.h"

#define OK(headers, body) "HTTP/1.1 200 OK\r\n" headers "Connection: close\r\n\r\n" body CLOSE
#define NOT_FOUND "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"detail\":\"Not Found\"}" CLOSE
/* What LM Studio says to a path that it does not know. */
#define UNEXPECTED OK("X-Powered-By: Express\r\n", "{\"error\":\"Unexpected endpoint or method. (GET /x)\"}")

struct fixture {
	struct server server;
	struct client *client;
	struct base_url base;
	struct engine_facts facts;
	char error[512];
};

static void begin(struct fixture *f, const char *const *answers)
{
	char url[64];
	const char *error;

	*f = (struct fixture){0};
	server_start(&f->server, answers);
	snprintf(url, sizeof(url), "127.0.0.1:%u/v1", f->server.port);
	assert_int_equal(base_url_parse(str_from(url), &f->base, &error), 0);
	f->client = client_new(&(struct client_options){.request_s = 20}, &error);
	assert_non_null(f->client);
}

static void end(struct fixture *f)
{
	engine_facts_release(&f->facts);
	client_free(f->client);
	base_url_release(&f->base);
	server_stop(&f->server);
}

static int detect(struct fixture *f, const char *engine)
{
	return engine_detect(f->client, &f->base, engine, NULL, &f->facts, f->error, sizeof(f->error));
}

/* Answers in the order of the requests; at most four are asked. */
static const struct {
	const char *const answers[5];
	const char *name, *version, *model;
	int64_t context, slots;
	enum known anthropic, loaded;
} servers[] = {
	{{OK("Server: llama.cpp\r\n",
	     "{\"data\":[{\"id\":\"qwen2.5-coder\",\"owned_by\":\"llamacpp\",\"meta\":{\"n_ctx_train\":9}}]}"),
	  OK("",
	     "{\"build_info\":\"b10573-1a2b3c4d\",\"total_slots\":2,\"default_generation_settings\":{\"n_ctx\":8192}}"),
	  OK("", "[{\"id\":0,\"is_processing\":false},{\"id\":1,\"is_processing\":true}]")},
	 "llama.cpp@b10573+qwen3",
	 "b10573-1a2b3c4d",
	 "qwen2.5-coder",
	 8192,
	 2,
	 KNOWN_YES,
	 KNOWN_YES},
	{{OK("server: uvicorn\r\n", "{\"data\":[{\"id\":\"m\",\"owned_by\":\"vllm\",\"max_model_len\":4096}]}"),
	  OK("", "{\"version\":\"0.28.1rc2+cpu\"}")},
	 "vllm@0.28.1",
	 "0.28.1rc2+cpu",
	 "m",
	 4096,
	 -1,
	 KNOWN_YES,
	 KNOWN_NOT},
	{{OK("", "{\"data\":[{\"id\":\"glm-4\",\"owned_by\":\"sglang\",\"max_model_len\":4096}]}"),
	  OK("", "{\"version\":\"0.5.17\"}")},
	 "sglang@0.5.17+glm",
	 "0.5.17",
	 "glm-4",
	 4096,
	 -1,
	 KNOWN_YES,
	 KNOWN_NOT},
	{{OK("Server: BaseHTTP/0.6 Python/3.11.2\r\n",
	     "{\"data\":[{\"id\":\"mlx-community/x\",\"object\":\"model\"}]}")},
	 "mlx-lm",
	 "",
	 "default_model",
	 -1,
	 -1,
	 KNOWN_NO,
	 KNOWN_NOT},
	{{OK("X-Powered-By: Express\r\n", "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}"),
	  OK("X-Powered-By: Express\r\n", "{\"models\":[{\"key\":\"a\",\"loaded_instances\":[]},{\"key\":\"b\","
					  "\"loaded_instances\":[{\"config\":{\"context_length\":4096}}]}]}")},
	 "lmstudio",
	 "",
	 "b",
	 4096,
	 -1,
	 KNOWN_YES,
	 KNOWN_YES},
	{{OK("X-Powered-By: Express\r\n", "{\"data\":[{\"id\":\"a\"}]}"), UNEXPECTED,
	  OK("X-Powered-By: Express\r\n",
	     "{\"data\":[{\"id\":\"a\",\"compatibility_type\":\"gguf\",\"state\":\"not-loaded\"}]}")},
	 "lmstudio",
	 "",
	 "a",
	 -1,
	 -1,
	 KNOWN_NO,
	 KNOWN_NO},
	{{OK("", "{\"data\":[{\"id\":\"llama3.2:3b\",\"owned_by\":\"library\"}]}"), OK("", "{\"version\":\"0.33.0\"}"),
	  OK("", "Ollama is running"), OK("", "{\"models\":[]}")},
	 "ollama@0.33+llama3",
	 "0.33.0",
	 "llama3.2:3b",
	 -1,
	 -1,
	 KNOWN_YES,
	 KNOWN_NOT},
	{{OK("", "{\"data\":[{\"id\":\"llama3.2:3b\",\"owned_by\":\"library\"},{\"id\":\"qwen3:8b\"}]}"),
	  OK("", "{\"version\":\"0.33.0\"}"), OK("", "Ollama is running"),
	  OK("", "{\"models\":[{\"name\":\"qwen3:8b\",\"context_length\":4096}]}")},
	 "ollama@0.33+qwen3",
	 "0.33.0",
	 "qwen3:8b",
	 4096,
	 -1,
	 KNOWN_YES,
	 KNOWN_YES},
	{{OK("", "{\"data\":[{\"id\":\"x\",\"owned_by\":\"me\"}]}"), NOT_FOUND},
	 "openai",
	 "",
	 "x",
	 -1,
	 -1,
	 KNOWN_NO,
	 KNOWN_NOT},
	{{OK("", "{\"data\":[{\"id\":\"mock\",\"owned_by\":\"kvscope\"}]}")},
	 "mock",
	 "",
	 "mock",
	 -1,
	 -1,
	 KNOWN_YES,
	 KNOWN_NOT},
};

static void test_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++) {
		struct fixture f;
		begin(&f, servers[i].answers);
		if (detect(&f, NULL) < 0)
			fail_msg("%s: %s", servers[i].name, f.error);
		assert_string_equal(f.facts.name, servers[i].name);
		assert_string_equal(f.facts.version, servers[i].version);
		assert_string_equal(f.facts.model, servers[i].model);
		assert_int_equal(f.facts.context_tokens, servers[i].context);
		assert_int_equal(f.facts.slots, servers[i].slots);
		assert_int_equal(f.facts.anthropic, servers[i].anthropic);
		assert_int_equal(f.facts.model_loaded, servers[i].loaded);
		assert_true(f.server.requests <= 4);
		end(&f);
	}
}

/* Status 200 and nothing of a language model; a key that is missing; nobody there. */
static void test_others(void **state)
{
	static const char *const page[] = {OK("", "<html>"), NOT_FOUND, NULL};
	static const char *const refused[] = {
		"HTTP/1.1 401 No\r\nConnection: close\r\n\r\n{\"error\":\"no key\"}" CLOSE, NULL};
	static const char *const none[] = {NULL};
	struct fixture f;
	(void)state;
	begin(&f, page);
	assert_int_equal(detect(&f, NULL), -1);
	assert_non_null(strstr(f.error, "no language-model server"));
	end(&f);
	begin(&f, refused);
	assert_int_equal(detect(&f, NULL), -1);
	assert_non_null(strstr(f.error, "wants a key"));
	end(&f);
	begin(&f, none);
	shutdown(f.server.fd, SHUT_RDWR);
	assert_int_equal(detect(&f, NULL), -1);
	assert_non_null(strstr(f.error, f.base.root));
	end(&f);
}

static void test_override(void **state)
{
	static const char *const page[] = {OK("", "<html>"), NOT_FOUND, NULL};
	static const char *const none[] = {NULL};
	struct fixture f;
	(void)state;
	begin(&f, page);
	assert_int_equal(detect(&f, "vllm@0.20+qwen3"), 0);
	assert_string_equal(f.facts.name, "vllm@0.20+qwen3");
	assert_true(f.facts.given);
	assert_null(f.facts.model);
	end(&f);
	begin(&f, none);
	assert_int_equal(detect(&f, "nothing"), -1);
	assert_non_null(strstr(f.error, "no such engine"));
	end(&f);
}

static void test_reset(void **state)
{
	static const char *const slots[] = {OK("", "{\"id_slot\":0}"), OK("", "{\"id_slot\":1}"), NULL};
	static const char *const held[] = {OK("", "{\"success\":false}"), OK("", "{\"success\":true}"), NULL};
	static const char *const off[] = {NOT_FOUND, NULL};
	static const char *const loaded[] = {OK("", "{\"instance_id\":\"m:2\"}"),
					     OK("", "{\"instance_id\":\"m:3\",\"status\":\"loaded\"}"), NULL};
	static const char *const unexpected[] = {OK("", "{}"), UNEXPECTED, NULL};
	static const char *const unloaded[] = {OK("", "{\"done\":true,\"done_reason\":\"unload\"}"), NULL};
	struct fixture f;
	(void)state;

	begin(&f, slots);
	f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_LLAMACPP), .slots = 2};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), 0);
	assert_non_null(strstr(f.server.heads[1], "POST /slots/1?action=erase HTTP/1.1"));
	end(&f);

	begin(&f, held);
	f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_VLLM)};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), 0);
	assert_int_equal(f.server.requests, 2);
	assert_int_equal(f.facts.reset_works, KNOWN_YES);
	end(&f);

	begin(&f, off);
	f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_VLLM)};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), -1);
	assert_non_null(strstr(f.error, "/reset_prefix_cache"));
	assert_int_equal(f.facts.reset_works, KNOWN_NO);
	end(&f);

	/* Unloaded by the instance's name, loaded by the model's, with the context that it had. */
	begin(&f, loaded);
	f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_LMSTUDIO),
					.model = strdup("m"),
					.instance = strdup("m:2"),
					.context_tokens = 4096};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), 0);
	assert_non_null(strstr(f.server.heads[0], "POST /api/v1/models/unload HTTP/1.1"));
	assert_string_equal(f.server.texts[0], "{\"instance_id\":\"m:2\"}");
	assert_non_null(strstr(f.server.heads[1], "POST /api/v1/models/load HTTP/1.1"));
	assert_string_equal(f.server.texts[1], "{\"model\":\"m\",\"context_length\":4096}");
	assert_string_equal(f.facts.instance, "m:3");
	end(&f);

	/* Status 200 and no model is no success. */
	begin(&f, unexpected);
	f.facts = (struct engine_facts){
		.profile = engine_profile_of(ENGINE_LMSTUDIO), .model = strdup("m"), .context_tokens = -1};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), -1);
	assert_string_equal(f.server.texts[1], "{\"model\":\"m\"}");
	assert_non_null(strstr(f.error, "no model was loaded"));
	assert_int_equal(f.facts.reset_works, KNOWN_NO);
	end(&f);

	begin(&f, unloaded);
	f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_OLLAMA), .model = strdup("a:1b")};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), 0);
	assert_non_null(strstr(f.server.heads[0], "POST /api/generate HTTP/1.1"));
	assert_string_equal(f.server.texts[0], "{\"model\":\"a:1b\",\"keep_alive\":0}");
	end(&f);

	begin(&f, off);
	f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_MLX_LM)};
	assert_int_equal(engine_reset(f.client, &f.base, &f.facts, f.error, sizeof(f.error)), -1);
	end(&f);
}

#define STREAM(text) OK("Content-Type: text/event-stream\r\n", text)
#define MESSAGE(usage)                                                                                                 \
	STREAM("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{" usage "}}}\n\n"      \
	       "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"max_tokens\"}}\n\n")
#define CHAT(usage)                                                                                                    \
	STREAM("data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"length\"}],\"usage\":{" usage   \
	       "}}\n\n")

#define METRICS                                                                                                        \
	OK("", "# TYPE vllm:cache_config_info gauge\n"                                                                 \
	       "vllm:cache_config_info{effective_attention_block_size=\"64\",block_size=\"128\",engine=\"0\"} 1.0\n")

static void test_probe(void **state)
{
	static const struct {
		enum engine engine;
		const char *const answers[5];
		enum known anthropic, cached, salt;
		int64_t block;
	} cases[] = {
		{ENGINE_VLLM,
		 {MESSAGE("\"input_tokens\":9,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":1,\"cache_read_input_tokens\":8"), METRICS,
		  MESSAGE("\"input_tokens\":9,\"cache_read_input_tokens\":0")},
		 KNOWN_YES,
		 KNOWN_YES,
		 KNOWN_YES,
		 128},
		/* An older one: salts are ignored on this route. */
		{ENGINE_VLLM,
		 {MESSAGE("\"input_tokens\":9,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":1,\"cache_read_input_tokens\":8"), NOT_FOUND,
		  MESSAGE("\"input_tokens\":1,\"cache_read_input_tokens\":8")},
		 KNOWN_YES,
		 KNOWN_YES,
		 KNOWN_NO,
		 -1},
		/* Without the switch: absent is not 0. */
		{ENGINE_VLLM,
		 {MESSAGE("\"input_tokens\":9"), MESSAGE("\"input_tokens\":9"), NOT_FOUND},
		 KNOWN_YES,
		 KNOWN_NO,
		 KNOWN_NOT,
		 -1},
		{ENGINE_SGLANG,
		 {MESSAGE("\"input_tokens\":9"), MESSAGE("\"input_tokens\":1,\"cache_read_input_tokens\":8")},
		 KNOWN_YES,
		 KNOWN_YES,
		 KNOWN_NOT,
		 -1},
		/* No Anthropic route after all. */
		{ENGINE_LLAMACPP,
		 {NOT_FOUND, CHAT("\"prompt_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":0}"),
		  CHAT("\"prompt_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":8}")},
		 KNOWN_NO,
		 KNOWN_YES,
		 KNOWN_NOT,
		 -1},
		{ENGINE_LMSTUDIO,
		 {UNEXPECTED, CHAT("\"prompt_tokens\":9"), CHAT("\"prompt_tokens\":9")},
		 KNOWN_NO,
		 KNOWN_NO,
		 KNOWN_NOT,
		 -1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		begin(&f, cases[i].answers);
		f.facts = (struct engine_facts){
			.profile = engine_profile_of(cases[i].engine), .anthropic = KNOWN_YES, .block_tokens = -1};
		if (engine_probe(f.client, &f.base, &f.facts, f.error, sizeof(f.error)) < 0)
			fail_msg("case %zu: %s", i, f.error);
		assert_int_equal(f.facts.anthropic, cases[i].anthropic);
		assert_int_equal(f.facts.cached_reported, cases[i].cached);
		assert_int_equal(f.facts.salt_works, cases[i].salt);
		assert_int_equal(f.facts.block_tokens, cases[i].block);
		assert_int_equal(f.facts.reuses, cases[i].cached == KNOWN_YES);
		end(&f);
	}
}

/* The same prompt again, then short ones: what they took is kept, with what was reused of them. */
static void test_times(void **state)
{
	static const char *const answers[] = {
		MESSAGE("\"input_tokens\":4,\"cache_read_input_tokens\":696"),
		MESSAGE("\"input_tokens\":4,\"cache_read_input_tokens\":696"),
		MESSAGE("\"input_tokens\":30,\"cache_read_input_tokens\":2"),
		MESSAGE("\"input_tokens\":31,\"cache_read_input_tokens\":2"),
		MESSAGE("\"input_tokens\":32,\"cache_read_input_tokens\":2"),
		NULL,
	};
	(void)state;
	for (int reuses = 0; reuses < 2; reuses++) {
		struct fixture f;
		begin(&f, answers);
		f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_LLAMACPP),
						.anthropic = KNOWN_YES,
						.cached_reported = KNOWN_YES,
						.asked = true,
						.seed = 1,
						.reuses = reuses};
		engine_probe_times(f.client, &f.base, &f.facts);
		assert_int_equal(f.server.requests, reuses ? 5 : 0);
		assert_int_equal(f.facts.ntimings, reuses ? 5 : 0);
		for (unsigned i = 0; i < f.facts.ntimings; i++) {
			assert_int_equal(f.facts.timings[i].fresh, i < 2 ? 4 : 28 + i);
			assert_int_equal(f.facts.timings[i].reused, i < 2 ? 696 : 2);
			assert_true(f.facts.timings[i].seconds >= 0);
		}
		end(&f);
	}
}

/* A system turn at the end, and what is found of the prompt before it. */
static void test_system_turns(void **state)
{
	static const struct {
		const char *const answers[5];
		enum system_turn_fate fate;
	} cases[] = {
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":30,\"cache_read_input_tokens\":696")},
		 FATE_IN_PLACE},
		/* Nothing of it is found, though it is without that turn. */
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":710,\"cache_read_input_tokens\":16"),
		  MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":30,\"cache_read_input_tokens\":690")},
		 FATE_HOISTED},
		/* Nor without it: a cache that cannot go on from there says nothing of the turn. */
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":710,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":720,\"cache_read_input_tokens\":0")},
		 FATE_UNKNOWN},
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  "HTTP/1.1 400 No\r\nConnection: close\r\n\r\n{\"error\":\"System message must be at the "
		  "beginning\"}" CLOSE},
		 FATE_REFUSED},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		begin(&f, cases[i].answers);
		f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_LLAMACPP),
						.anthropic = KNOWN_YES,
						.cached_reported = KNOWN_YES,
						.reuses = true};
		engine_probe_system_turns(f.client, &f.base, &f.facts);
		assert_int_equal(f.facts.system_turns, cases[i].fate);
		end(&f);
	}
}

static void test_tokenizer(void **state)
{
	static const struct {
		const char *const answers[3];
		enum known anthropic, tokenizer;
		unsigned requests;
	} cases[] = {
		{{OK("", "{\"input_tokens\":4}")}, KNOWN_YES, KNOWN_YES, 1},
		{{NOT_FOUND, OK("", "{\"tokens\":[1,2]}")}, KNOWN_YES, KNOWN_YES, 2},
		{{OK("", "{\"count\":2,\"max_model_len\":9}")}, KNOWN_NO, KNOWN_YES, 1},
		/* LM Studio: nothing of the kind, with status 200. */
		{{UNEXPECTED, UNEXPECTED}, KNOWN_YES, KNOWN_NO, 2},
		{{NOT_FOUND}, KNOWN_NO, KNOWN_NO, 1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		begin(&f, cases[i].answers);
		f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_VLLM),
						.anthropic = cases[i].anthropic};
		engine_probe_tokenizer(f.client, &f.base, &f.facts);
		assert_int_equal(f.facts.tokenizer, cases[i].tokenizer);
		assert_int_equal(f.server.requests, cases[i].requests);
		end(&f);
	}
}

/* A system prompt with a tool; with another tool; with another system prompt, too. */
static void test_head(void **state)
{
	static const struct {
		const char *const answers[4];
		enum head_order order;
		enum known cut_back;
	} cases[] = {
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":360,\"cache_read_input_tokens\":340")},
		 HEAD_SYSTEM_FIRST,
		 KNOWN_YES},
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":690,\"cache_read_input_tokens\":10"),
		  MESSAGE("\"input_tokens\":360,\"cache_read_input_tokens\":340")},
		 HEAD_TOOLS_FIRST,
		 KNOWN_YES},
		{{MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0"),
		  MESSAGE("\"input_tokens\":700,\"cache_read_input_tokens\":0")},
		 HEAD_UNKNOWN,
		 KNOWN_NO},
		{{"HTTP/1.1 400 No\r\nConnection: close\r\n\r\n{\"error\":\"no tools here\"}" CLOSE},
		 HEAD_UNKNOWN,
		 KNOWN_NOT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture f;
		begin(&f, cases[i].answers);
		f.facts = (struct engine_facts){.profile = engine_profile_of(ENGINE_LLAMACPP),
						.anthropic = KNOWN_YES,
						.cached_reported = KNOWN_YES,
						.reuses = true};
		engine_probe_head(f.client, &f.base, &f.facts);
		assert_int_equal(f.facts.head_order, cases[i].order);
		assert_int_equal(f.facts.cut_back, cases[i].cut_back);
		/* What they took is kept for the model, but for the first. */
		assert_int_equal(f.facts.ntimings, f.server.requests - 1);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),      cmocka_unit_test(test_others), cmocka_unit_test(test_override),
		cmocka_unit_test(test_reset),        cmocka_unit_test(test_probe),  cmocka_unit_test(test_times),
		cmocka_unit_test(test_system_turns), cmocka_unit_test(test_head),   cmocka_unit_test(test_tokenizer)};
	return cmocka_run_group_tests_name("engines", tests, NULL, NULL);
}
