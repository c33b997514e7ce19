/* SPDX-License-Identifier: MIT */
/* SGLang: a radix tree, exact to the token; cached counts only when switched on, and left out when 0. */
#include "mock/profile.h"

#define MODEL_INFO                                                                                                     \
	"{\"model_path\":\"$model\",\"tokenizer_path\":\"$model\",\"is_generation\":true,\"weight_version\":"          \
	"\"default\"}"
#define SERVER_INFO                                                                                                    \
	"{\"model_path\":\"$model\",\"version\":\"$version\",\"status\":\"ready\",\"max_total_num_tokens\":$context,"  \
	"\"internal_states\":[{}]}"
#define FLUSHED                                                                                                        \
	"Cache flushed.\nPlease check backend logs for more details. (When there are running or waiting "              \
	"requests, the operation will not be performed.)\n"

static const struct mock_route routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_COUNT_TOKENS,
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"created\":$now,"
		 "\"owned_by\":\"sglang\",\"root\":\"$model\",\"parent\":null,\"max_model_len\":$context}]}"},
	{.method = "GET", .path = "/", .text = "SGLang is running", .type = "text/plain"},
	{.method = "GET", .path = "/health", .text = "", .type = ""},
	{.method = "GET", .path = "/health_generate", .text = "", .type = ""},
	{.method = "GET", .path = "/model_info", .text = MODEL_INFO},
	{.method = "GET", .path = "/get_model_info", .text = MODEL_INFO},
	{.method = "GET", .path = "/server_info", .text = SERVER_INFO},
	{.method = "GET", .path = "/get_server_info", .text = SERVER_INFO},
	{.method = "POST",
	 .path = "/tokenize",
	 .run = mock_route_tokenize,
	 .text = "{\"tokens\":$tokens,\"count\":$count,\"max_model_len\":$context}"},
	{.method = "POST",
	 .path = "/v1/tokenize",
	 .run = mock_route_tokenize,
	 .text = "{\"tokens\":$tokens,\"count\":$count,\"max_model_len\":$context}"},
	{.method = "POST", .path = "/flush_cache", .run = mock_route_reset, .text = FLUSHED, .type = "text/plain"},
	{.method = "GET", .path = "/flush_cache", .run = mock_route_reset, .text = FLUSHED, .type = "text/plain"},
	{.method = "GET", .path = "/metrics", .run = mock_route_metrics, .needs = MOCK_METRICS},
	{0},
};

static const struct mock_metric metrics[] = {
	{"sglang:num_running_reqs", "gauge", "The number of running requests.", METRIC_RUNNING},
	{"sglang:num_queue_reqs", "gauge", "The number of requests in the waiting queue.", METRIC_WAITING},
	{"sglang:prompt_tokens_total", "counter", "Number of prefill tokens processed.", METRIC_PROMPT_TOKENS},
	{"sglang:cached_tokens_total{cache_source=\"device\"}", "counter", "Number of cached prompt tokens.",
	 METRIC_CACHED_TOKENS},
	{"sglang:generation_tokens_total", "counter", "Number of generation tokens processed.", METRIC_OUTPUT_TOKENS},
	{0},
};

static const struct mock_switch switches[] = {
	MOCK_FLAG_BITS("enable-cache-report", MOCK_REPORTS, 0),
	MOCK_FLAG_BITS("enable-metrics", MOCK_METRICS, 0),
	MOCK_FLAG_BITS("disable-radix-cache", 0, MOCK_CACHES),
	MOCK_FLAG("page-size", VALUE_COUNT, cache.block),
	MOCK_FLAG("max-total-tokens", VALUE_COUNT, cache.tokens),
	MOCK_FLAG("context-length", VALUE_COUNT, context),
	{0},
};

const struct mock_profile mock_profile_sglang = {
	.name = "sglang",
	.title = "SGLang",
	.version = "0.5.17",
	.headers = "server: uvicorn\r\n",
	.json_type = "application/json",
	.stream_type = "text/event-stream; charset=utf-8",
	.stream_headers = "",
	.late_head = true,
	.unknown_status = 404,
	.unknown = "{\"detail\":\"Not Found\"}",
	.openai_error =
		"{\"object\":\"error\",\"message\":\"$message\",\"type\":\"$type\",\"param\":null,\"code\":$code}",
	.switches = switches,
	.settings =
		{
			.state = MOCK_CACHES | MOCK_RESETS,
			.parallel = 1,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {.policy = POLICY_RADIX, .block = 1, .tokens = MOCK_CACHE_TOKENS},
		},
	.too_long = "{\"object\":\"error\",\"message\":\"The input ($tokens tokens) is longer than the model's context "
		    "length ($context tokens).\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
	.salts = {"cache_salt", "extra_key"},
	.at_start = {.input = INPUT_NEW, .cached = CACHED_ABOVE_0, .output = true},
	.at_end = {.output = true},
	.routes = routes,
	.metrics = metrics,
};
