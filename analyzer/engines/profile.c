/* SPDX-License-Identifier: MIT */
#include "engines/profile.h"

/* From the engines' sources and documentation; docs/backends.md says which versions were read and which were run. */
const struct engine_profile engine_profiles[] = {
	{
		.name = "llama.cpp",
		.engine = ENGINE_LLAMACPP,
		.counts = COUNTS_TEMPLATE,
		.anthropic_route = true,
		.reports_cached = true,
		.reset = RESET_SLOTS,
		.reset_path = "/slots",
		.reset_each = true,
		.reset_switch = "--slot-save-path DIR",
		.cold_launch = "llama-server ... --no-cache-prompt",
		.cold_remedy = "start it with --cache-ram 0: erasing a slot does not empty the host's prompt cache",
	},
	{
		.name = "vllm",
		.engine = ENGINE_VLLM,
		.counts = COUNTS_CHAT,
		.anthropic_route = true,
		.reports_cached = true,
		.cached_switch = "--enable-prompt-tokens-details",
		.salt_member = "cache_salt",
		.salt_on_messages = true,
		.reset = RESET_POST,
		.reset_path = "/reset_prefix_cache",
		.reset_switch = "VLLM_SERVER_DEV_MODE=1 in its environment",
		.cold_launch = "vllm serve ... --no-enable-prefix-caching",
		.cold_remedy = "start it with VLLM_SERVER_DEV_MODE=1, so that its cache can be emptied",
	},
	{
		.name = "sglang",
		.engine = ENGINE_SGLANG,
		.counts = COUNTS_LENGTH,
		.anthropic_route = true,
		.reports_cached = true,
		.absent_is_zero = true,
		.cached_switch = "--enable-cache-report",
		.salt_member = "cache_salt",
		.reset = RESET_POST,
		.reset_path = "/flush_cache?timeout=30",
		.reset_each = true,
		.cold_launch = "... --disable-radix-cache",
		.cold_remedy = "start it with --disable-radix-cache for the cold arm",
	},
	{
		.name = "mlx-lm",
		.engine = ENGINE_MLX_LM,
		.reports_cached = true,
		.cold_launch = "mlx_lm.server ... --prompt-cache-size 0",
		.cold_remedy = "start it with --prompt-cache-size 0 for the cold arm",
	},
	{
		.name = "lmstudio",
		.engine = ENGINE_LMSTUDIO,
		.counts = COUNTS_LENGTH,
		.anthropic_route = true,
		.reset = RESET_LMSTUDIO_UNLOAD,
		.reset_unloads = true,
		.cold_remedy = "load the model anew before every run (kvscope replay --unload), with time-to-live off",
	},
	{
		.name = "ollama",
		.engine = ENGINE_OLLAMA,
		.anthropic_route = true,
		.reset = RESET_OLLAMA_UNLOAD,
		.reset_unloads = true,
		.cold_remedy =
			"load the model anew before every run (kvscope replay --unload); set LLAMA_ARG_CACHE_RAM=0 "
			"and OLLAMA_NUM_PARALLEL=1 in its environment",
	},
	{
		.name = "anthropic",
		.engine = ENGINE_ANTHROPIC,
		.counts = COUNTS_LENGTH,
		.anthropic_route = true,
		.reports_cached = true,
		.cache_is_asked_for = true,
		.cold_remedy = "wait until the cache's time to live is over (5 minutes or an hour)",
	},
	{
		.name = "mock",
		.engine = ENGINE_UNKNOWN,
		.counts = COUNTS_LENGTH,
		.anthropic_route = true,
		.reports_cached = true,
		.reset = RESET_POST,
		.reset_path = "/reset_prefix_cache",
		.reset_each = true,
		.cold_launch = "kvscope mock --no-cache",
		.cold_remedy = "start it with --no-cache for the cold arm",
	},
	{
		.name = "openai",
		.engine = ENGINE_UNKNOWN,
		.reports_cached = true,
		.cold_remedy = "start the server with its prefix cache off for the cold arm",
	},
	{.name = NULL},
};

const struct engine_profile *engine_profile_named(struct str name)
{
	for (const struct engine_profile *p = engine_profiles; p->name; p++)
		if (str_eq_nocase(name, str_from(p->name)))
			return p;
	return NULL;
}

const struct engine_profile *engine_profile_of(enum engine engine)
{
	for (const struct engine_profile *p = engine_profiles; p->name; p++)
		if (p->engine == engine && engine != ENGINE_UNKNOWN)
			return p;
	return engine_profile_named(STR("openai"));
}
