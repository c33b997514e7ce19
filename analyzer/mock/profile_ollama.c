/* SPDX-License-Identifier: MIT */
/* Ollama: llama.cpp behind a server that tells nothing of its cache. */
#include "mock/profile.h"

#define DETAILS                                                                                                        \
	"\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"\",\"families\":null,"                    \
	"\"parameter_size\":\"\",\"quantization_level\":\"\"}"

static const struct mock_route routes[] = {
	{.method = "POST", .path = "/v1/messages", .api = MOCK_ANTHROPIC_MESSAGES, .run = mock_route_generate},
	{.method = "POST", .path = "/v1/chat/completions", .api = MOCK_OPENAI_CHAT, .run = mock_route_generate},
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"created\":$now,"
		 "\"owned_by\":\"library\"}]}"},
	{.method = "GET", .path = "/", .text = "Ollama is running", .type = "text/plain; charset=utf-8"},
	{.method = "GET", .path = "/api/version", .text = "{\"version\":\"$version\"}"},
	{.method = "GET",
	 .path = "/api/tags",
	 .text = "{\"models\":[{\"name\":\"$model\",\"model\":\"$model\",\"size\":0,\"digest\":\"\"," DETAILS "}]}"},
	{.method = "GET",
	 .path = "/api/ps",
	 .text = "{\"models\":[{\"name\":\"$model\",\"model\":\"$model\",\"size\":0,\"digest\":\"\"," DETAILS
		 ",\"context_length\":262144}]}"},
	{.method = "POST",
	 .path = "/api/generate",
	 .run = mock_route_unload,
	 .text = "{\"model\":\"$model\",\"response\":\"\",\"done\":true,\"done_reason\":\"unload\"}"},
	{0},
};

const struct mock_profile mock_profile_ollama = {
	.name = "ollama",
	.title = "Ollama",
	.version = "0.33.0",
	.json_type = "application/json",
	.stream_type = "text/event-stream",
	.stream_headers = "",
	.unknown_status = 404,
	.unknown = "404 page not found",
	.unknown_type = "text/plain",
	.state = MOCK_CACHES | MOCK_RESETS,
	.cache = {.policy = POLICY_SLOTS, .tokens = MOCK_CACHE_TOKENS},
	.slots = 1,
	.at_start = {.input = INPUT_WHOLE, .output = true},
	.at_end = {.input = INPUT_WHOLE, .output = true},
	.routes = routes,
};
