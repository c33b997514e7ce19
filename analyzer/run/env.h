/* SPDX-License-Identifier: MIT */
#ifndef RUN_ENV_H
#define RUN_ENV_H

/* The environment that makes a program load the shim (include/kvscope/env.h). */

#include <limits.h>
#include <stdbool.h>

/*
 * LD_PRELOAD with our library in it. Other entries (separated by ':' or ' ') stay in their order; copies of the shim
 * are dropped, or a run inside a run would record twice. Ours comes first, so that it sees what the program asks for
 * and not what another library makes of it; only sanitizer runtimes, which insist on it, stay before it. existing may
 * be NULL. Caller frees; NULL: no memory.
 */
char *env_merge_preload(const char *existing, const char *library);

/*
 * ASAN_OPTIONS for a program whose runtime would otherwise refuse to start behind another library. Setting it is
 * gentler than preloading libasan, which would reach children that were built without it. What the user says of
 * verify_asan_link_order stays. Caller frees; NULL: no memory.
 */
char *env_merge_asan_options(const char *existing);

/* True if ld.so takes the path as one entry: it has no way to quote separators or '$'. */
bool env_preloadable(const char *path);

/*
 * Finds libkvscope.so: beside this program (a build tree), in ../lib/kvscope of it, in the place of installation.
 * Returns 0, or -1 with the places that were tried in out.
 */
int env_find_shim(char out[PATH_MAX]);

struct env_settings {
	const char *library;
	const char *ring;
	bool follow;     /* record children too */
	bool needs_asan; /* see env_merge_asan_options */
};

/* Sets the variables in this process's environment, for the command to inherit. Returns 0, -1: no memory. */
int env_apply(const struct env_settings *s);

#endif
