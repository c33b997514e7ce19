/* SPDX-License-Identifier: MIT */
/* mlx_lm.server: HTTP/1.0 of Python's library, OpenAI's API alone, ten sequences kept, comments while it prefills. */
#include "mock/profile.h"

static const struct mock_route routes[] = {
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	MOCK_ROUTE_CHAT("/chat/completions"),
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\": \"list\", \"data\": [{\"id\": \"$model\", \"object\": \"model\", \"created\": $now}]}"},
	{.method = "GET", .path = "/health", .text = "{\"status\": \"ok\"}"},
	{0},
};

static const struct mock_switch switches[] = {
	MOCK_FLAG("prompt-cache-size", VALUE_COUNT, cache.kept),
	MOCK_FLAG("prompt-cache-bytes", VALUE_COUNT, cache.kept_bytes),
	{0},
};

const struct mock_profile mock_profile_mlx = {
	.name = "mlx-lm",
	.title = "mlx_lm.server",
	.version = "0.32.2",
	.checked = "mlx-lm 0.32.2 with mlx 0.32.4 (CPU)",
	.headers = "Server: BaseHTTP/0.6 Python/3.11.7\r\n",
	.json_type = "application/json",
	.stream_type = "text/event-stream",
	.stream_headers = "Cache-Control: no-cache\r\nAccess-Control-Allow-Origin: *\r\n",
	.http10 = true,
	.unread_resets = true,
	.unknown_status = 404,
	.unknown = "Not Found",
	.error = "{\"error\": \"$message\"}",
	.openai_error = "{\"error\": \"$message\"}",
	.switches = switches,
	.settings =
		{
			.state = MOCK_CACHES | MOCK_REPORTS,
			.parallel = 1,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {.policy = POLICY_LIST,
				  .kept = 10,
				  .kept_bytes = SIZE_MAX,
				  .token_bytes = MOCK_TOKEN_BYTES},
		},
	.fingerprint = "$version-0.32.4-Linux-x86_64",
	.openai_usage_object = "chat.completion",
	.keepalive = KEEPALIVE_PROGRESS,
	.routes = routes,
};
