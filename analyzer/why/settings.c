/* SPDX-License-Identifier: MIT */
#include "why/settings.h"

#include <string.h>

const struct backend why_candidates[WHY_CANDIDATES] = {
	{.engine = ENGINE_LLAMACPP, .chat_template = TEMPLATE_PLAIN},
	{.engine = ENGINE_VLLM, .chat_template = TEMPLATE_QWEN3},
	{.engine = ENGINE_OLLAMA, .chat_template = TEMPLATE_PLAIN},
};

size_t why_settings(const struct why *w, const struct why_cause *causes, size_t n, const char **out, size_t max)
{
	size_t given = 0;
	for (size_t i = 0; i < n; i++) {
		const struct why_miss *m = &w->misses[causes[i].worst];
		for (int k = -1; k < WHY_BEHIND_MAX; k++) {
			const struct breaker *b = k < 0 ? causes[i].cause : m->behind[k];
			const char *env =
				b && !b->expected ? breaker_fix_for(b, FIX_ENV, m->client, &w->backend) : NULL;
			size_t at = 0;
			if (!env)
				continue;
			while (at < given && strcmp(out[at], env) != 0)
				at++;
			if (at == given && given < max)
				out[given++] = env;
		}
	}
	return given;
}
