/* SPDX-License-Identifier: MIT */
/* The mock itself, which imitates nobody: both APIs, everything reported. */
#include "mock/profile.h"

static const struct mock_route routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_COUNT_TOKENS,
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	MOCK_ROUTE_CHAT("/chat/completions"),
	/* One list for clients of either API. */
	{.method = "GET",
	 .path = "/v1/models",
	 .text = "{\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"object\":\"model\",\"type\":\"model\","
		 "\"display_name\":\"$model\",\"owned_by\":\"kvscope\",\"created\":0,"
		 "\"created_at\":\"1970-01-01T00:00:00Z\"}],\"has_more\":false}"},
	{.method = "GET", .path = "/health", .text = "{\"status\":\"ok\"}"},
	{.method = "GET", .path = "/metrics", .run = mock_route_metrics},
	{.method = "POST",
	 .path = "/reset_prefix_cache",
	 .run = mock_route_reset,
	 .text = "{\"dropped_tokens\":$dropped}"},
	{0},
};

#define OWN(name) "kvscope_mock_" name
static const struct mock_metric metrics[] = {
	{OWN("requests_answered_total"), "counter", "requests for an answer that got one", METRIC_ANSWERED},
	{OWN("requests_refused_total"), "counter", "requests answered with an HTTP error", METRIC_REFUSED},
	{OWN("requests_aborted_total"), "counter", "requests whose client left early", METRIC_ABORTED},
	{OWN("requests_running"), "gauge", "requests that have a slot", METRIC_RUNNING},
	{OWN("requests_waiting"), "gauge", "requests that wait for a slot", METRIC_WAITING},
	{OWN("prompt_tokens_total"), "counter", "tokens of the prompts that were begun", METRIC_PROMPT_TOKENS},
	{OWN("cached_tokens_total"), "counter", "of these, found in the prefix cache", METRIC_CACHED_TOKENS},
	{OWN("prefilled_tokens_total"), "counter", "of these, computed", METRIC_PREFILLED_TOKENS},
	{OWN("prefill_seconds_total"), "counter", "time spent computing them", METRIC_PREFILL_SECONDS},
	{OWN("output_tokens_total"), "counter", "tokens said", METRIC_OUTPUT_TOKENS},
	{OWN("cache_used_tokens"), "gauge", "tokens in the prefix cache", METRIC_CACHE_USED},
	{OWN("cache_capacity_tokens"), "gauge", "tokens that it can hold", METRIC_CACHE_CAPACITY},
	{0},
};

const struct mock_profile mock_profile_own = {
	.name = "mock",
	.title = "the mock itself",
	.version = "1",
	.json_type = "application/json",
	.stream_type = "text/event-stream; charset=utf-8",
	.stream_headers = "Cache-Control: no-cache\r\n",
	.unknown_status = 404,
	.settings =
		{
			.state = MOCK_CACHES | MOCK_REPORTS,
			.parallel = 1,
			.context = SIZE_MAX,
			.cache = {.policy = POLICY_BLOCKS, .block = 16, .tokens = MOCK_CACHE_TOKENS},
		},
	.at_start = {.input = INPUT_NEW, .cached = CACHED_TOLD, .output = true},
	.at_end = {.output = true},
	.ping = true,
	.routes = routes,
	.metrics = metrics,
};
