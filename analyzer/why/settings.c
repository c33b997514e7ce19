/* SPDX-License-Identifier: MIT */
#include "why/settings.h"

#include <string.h>

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

static size_t add_fix(struct why_fix *out, size_t n, struct why_fix fix)
{
	for (size_t i = 0; i < n; i++)
		if (out[i].kind == fix.kind && strcmp(out[i].what, fix.what) == 0 && out[i].engine == fix.engine)
			return n;
	if (n < WHY_FIXES_MAX)
		out[n++] = fix;
	return n;
}

size_t why_fixes(const struct why *w, const struct why_miss *m, struct why_fix out[WHY_FIXES_MAX])
{
	static const enum fix_kind kinds[] = {FIX_ENV, FIX_OPTION, FIX_SERVER, FIX_REQUEST};
	size_t n = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		for (size_t i = 0; i < (w->same ? w->nsame : 1); i++) {
			const struct backend *b = w->same ? &w->same[i] : &w->backend;
			const char *what = breaker_fix_for(m->cause, kinds[k], m->client, b);
			bool servers = w->same && kinds[k] == FIX_SERVER;
			if (what)
				n = add_fix(out, n,
					    (struct why_fix){kinds[k], what, servers ? b->engine : ENGINE_UNKNOWN});
		}
	}
	return n;
}
