/* SPDX-License-Identifier: MIT */
/* Servers that are known by their documentation alone: Anthropic's API, and a plain server of OpenAI's. */
#include "mock/profile.h"

/* Of its documentation as of 2026; not monotonic in time. Opus 4.1 and 4 do not have the later ones' names in theirs.
 */
static const struct mock_minimum anthropic_minimums[] = {
	{"opus-5", 512},
	{"fable-5-1", 512},
	{"mythos-5-1", 512},
	{"opus-4-7", 2048},
	{"mythos-preview", 2048},
	{"3-5-haiku", 2048},
	{"3-haiku", 2048},
	{"opus-4-6", 4096},
	{"opus-4-5", 4096},
	{"haiku-4-5", 4096},
	{0},
};

static const struct mock_route anthropic_routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_COUNT_TOKENS,
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"data\":[{\"type\":\"model\",\"id\":\"$model\",\"display_name\":\"$model\","
		 "\"created_at\":\"1970-01-01T00:00:00Z\"}],\"has_more\":false,\"first_id\":\"$model\","
		 "\"last_id\":\"$model\"}"},
	{0},
};

const struct mock_profile mock_profile_anthropic = {
	.name = "anthropic",
	.title = "Anthropic's API",
	.version = "2023-06-01",
	.headers = "request-id: req_011CMockMockMockMockMock\r\nserver: cloudflare\r\n",
	.json_type = "application/json",
	.stream_type = "text/event-stream; charset=utf-8",
	.stream_headers = "Cache-Control: no-cache\r\n",
	.unknown_status = 404,
	.settings =
		{
			.state = MOCK_CACHES | MOCK_REPORTS,
			.parallel = 64,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {.policy = POLICY_BREAKPOINTS, .min = 1024, .ttl_s = 300, .lookback = 20},
		},
	.too_long = "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
		    "\"prompt is too long: $tokens tokens > $context maximum\"}}",
	.minimums = anthropic_minimums,
	.at_start = {.input = INPUT_NEW, .cached = CACHED_TOLD, .creation = CREATION_BY_TTL, .output = true},
	.at_end = {.input = INPUT_NEW, .cached = CACHED_TOLD, .creation = CREATION_TOLD, .output = true},
	.ping = true,
	.routes = anthropic_routes,
};

static const struct mock_route openai_routes[] = {
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"created\":$now,"
		 "\"owned_by\":\"system\"}]}"},
	{0},
};

const struct mock_profile mock_profile_openai = {
	.name = "openai",
	.title = "a server of OpenAI's API",
	.version = "1",
	.headers = "x-request-id: req_mock\r\n",
	.json_type = "application/json",
	.stream_type = "text/event-stream; charset=utf-8",
	.stream_headers = "",
	.unknown_status = 404,
	.unknown = "{\"error\":{\"message\":\"Invalid URL ($method $path)\",\"type\":\"invalid_request_error\","
		   "\"param\":null,\"code\":null}}",
	.settings =
		{
			.state = MOCK_CACHES | MOCK_REPORTS,
			.parallel = 64,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {.policy = POLICY_BLOCKS,
				  .block = 128,
				  .min = 1024,
				  .ttl_s = 300,
				  .tokens = MOCK_CACHE_TOKENS},
		},
	.too_long = "{\"error\":{\"message\":\"This model's maximum context length is $context tokens. However, your "
		    "messages resulted in $tokens tokens. Please reduce the length of the messages.\",\"type\":"
		    "\"invalid_request_error\",\"param\":\"messages\",\"code\":\"context_length_exceeded\"}}",
	.routes = openai_routes,
};
