/* SPDX-License-Identifier: MIT */
#include "mock/profile.h"

#include "base/str.h"

#include <string.h>

const struct mock_profile *const mock_profiles[] = {
	&mock_profile_own,    &mock_profile_llamacpp,
	&mock_profile_vllm,   &mock_profile_sglang,
	&mock_profile_mlx,    &mock_profile_lmstudio,
	&mock_profile_ollama, &mock_profile_anthropic,
	&mock_profile_openai, NULL,
};

size_t mock_profile_minimum(const struct mock_profile *p, const char *model)
{
	for (const struct mock_minimum *m = p->minimums; m && m->model; m++)
		if (strstr(model, m->model))
			return m->tokens;
	return p->settings.cache.min;
}

const char *mock_profile_error_type(const struct mock_profile *p)
{
	return p->error_type ? p->error_type : p->json_type;
}

const struct mock_profile *mock_profile_named(const char *name, const char **version)
{
	const char *at = strchr(name, '@');
	struct str engine = {name, at ? (size_t)(at - name) : strlen(name)};

	for (size_t i = 0; mock_profiles[i]; i++) {
		if (!str_eq_nocase(engine, str_from(mock_profiles[i]->name)))
			continue;
		*version = at && at[1] ? at + 1 : mock_profiles[i]->version;
		return mock_profiles[i];
	}
	return NULL;
}
