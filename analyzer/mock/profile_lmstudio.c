/* SPDX-License-Identifier: MIT */
/* LM Studio: 200 for everything, nothing told of the cache, a model that is loaded and unloaded. */
#include "mock/profile.h"

#define UNLOADED "{\"instance_id\":\"$model\"}"

static const struct mock_route routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	MOCK_ROUTE_CHAT("/api/v0/chat/completions"),
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"owned_by\":\"organization_owner\"}],"
		 "\"object\":\"list\"}"},
	{.method = "GET",
	 .path = "/api/v1/models",
	 .text = "{\"models\":[{\"type\":\"llm\",\"publisher\":\"kvscope\",\"key\":\"$model\","
		 "\"display_name\":\"$model\",\"format\":\"gguf\",\"loaded_instances\":[{\"id\":\"$model\","
		 "\"config\":{\"context_length\":$context}}],\"max_context_length\":$context}]}"},
	{.method = "GET",
	 .path = "/api/v0/models",
	 .text = "{\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"type\":\"llm\",\"publisher\":\"kvscope\","
		 "\"compatibility_type\":\"gguf\",\"state\":\"loaded\",\"max_context_length\":$context,"
		 "\"loaded_context_length\":$context}],\"object\":\"list\"}"},
	{.method = "POST", .path = "/api/v1/models/unload", .run = mock_route_reset, .text = UNLOADED},
	{.method = "POST",
	 .path = "/api/v1/models/load",
	 .text = "{\"type\":\"llm\",\"instance_id\":\"$model\",\"load_time_seconds\":0,\"status\":\"loaded\"}"},
	{0},
};

/* Of `lms load`. */
static const struct mock_switch switches[] = {
	MOCK_FLAG("context-length", VALUE_COUNT, context),
	MOCK_FLAG("parallel", VALUE_COUNT, parallel),
	MOCK_FLAG("ttl", VALUE_SECONDS, cache.ttl_s),
	{0},
};

const struct mock_profile mock_profile_lmstudio = {
	.name = "lmstudio",
	.title = "LM Studio",
	.version = "0.4.15",
	.headers = "X-Powered-By: Express\r\n",
	.json_type = "application/json; charset=utf-8",
	.stream_type = "text/event-stream",
	.stream_headers = "Cache-Control: no-cache\r\n",
	.unknown_status = 200,
	.unknown = "{\"error\":\"Unexpected endpoint or method. ($method $path)\"}",
	.openai_error = "{\"error\":\"$message\"}",
	.settings =
		{
			.state = MOCK_CACHES | MOCK_RESETS,
			.parallel = 1,
			.context = MOCK_CONTEXT_TOKENS,
			.cache =
				{
					MOCK_LLAMACPP_CACHE,
				},
		},
	.switches = switches,
	.too_long = "{\"error\":\"The number of tokens to keep from the initial prompt is greater than the context "
		    "length ($tokens > $context).\"}",
	.at_start = {.input = INPUT_WHOLE, .output = true},
	.at_end = {.output = true},
	.routes = routes,
};
