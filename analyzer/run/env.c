/* SPDX-License-Identifier: MIT */
#include "run/env.h"

#include "base/buf.h"
#include "kvscope/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PRELOAD_SEPARATORS ": "
#define ENV_MAX ((size_t)128 << 10) /* one string of the environment cannot be longer (MAX_ARG_STRLEN) */

static struct str entry_name(struct str path)
{
	for (size_t i = path.n; i > 0; i--)
		if (path.p[i - 1] == '/')
			return (struct str){path.p + i, path.n - i};
	return path;
}

static bool is_sanitizer(struct str entry)
{
	static const char *const names[] = {"libasan.so", "libtsan.so", "liblsan.so", "libubsan.so", "libclang_rt."};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_starts(entry_name(entry), str_from(names[i])))
			return true;
	return false;
}

static void add_entry(struct buf *to, struct str entry)
{
	if (to->n > 0)
		buf_putc(to, ':');
	buf_append_str(to, entry);
}

char *env_merge_preload(const char *existing, const char *library)
{
	struct buf merged;
	bool placed = false;

	buf_init(&merged, ENV_MAX);
	for (const char *at = existing ? existing : ""; *at;) {
		size_t n = strcspn(at, PRELOAD_SEPARATORS);
		struct str entry = {at, n};
		at += n;
		at += strspn(at, PRELOAD_SEPARATORS);
		if (n == 0 || str_eq(entry_name(entry), STR(KVS_SHIM_NAME)))
			continue;
		if (!placed && !is_sanitizer(entry)) {
			add_entry(&merged, str_from(library));
			placed = true;
		}
		add_entry(&merged, entry);
	}
	if (!placed)
		add_entry(&merged, str_from(library));
	char *result = buf_steal(&merged);
	buf_release(&merged);
	return result;
}

char *env_merge_asan_options(const char *existing)
{
	struct buf merged;

	buf_init(&merged, ENV_MAX);
	buf_puts(&merged, existing ? existing : "");
	if (!existing || !strstr(existing, "verify_asan_link_order")) {
		if (merged.n > 0)
			buf_putc(&merged, ':');
		buf_puts(&merged, "verify_asan_link_order=0");
	}
	char *result = buf_steal(&merged);
	buf_release(&merged);
	return result;
}

bool env_preloadable(const char *path)
{
	return path[0] == '/' && !path[strcspn(path, PRELOAD_SEPARATORS "$")];
}

int env_find_shim(char out[PATH_MAX])
{
	char own[PATH_MAX], candidate[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (n > 0) {
		static const char *const beside[] = {"", "../lib/kvscope/"};
		own[n] = '\0';
		char *slash = strrchr(own, '/');
		if (slash)
			slash[1] = '\0';
		for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
			snprintf(candidate, sizeof(candidate), "%s%s" KVS_SHIM_NAME, own, beside[i]);
			if (access(candidate, R_OK) == 0 && realpath(candidate, out))
				return 0;
		}
	}
	if (access(KVS_LIBDIR "/" KVS_SHIM_NAME, R_OK) == 0 && realpath(KVS_LIBDIR "/" KVS_SHIM_NAME, out))
		return 0;
	snprintf(out, PATH_MAX, "%.1024s, ../lib/kvscope and " KVS_LIBDIR, n > 0 ? own : "the program's folder");
	return -1;
}

static int set(const char *name, char *value)
{
	int r = value ? setenv(name, value, 1) : -1;
	free(value);
	return r;
}

int env_apply(const struct env_settings *s)
{
	if (set("LD_PRELOAD", env_merge_preload(getenv("LD_PRELOAD"), s->library)) < 0)
		return -1;
	if (s->needs_asan && set("ASAN_OPTIONS", env_merge_asan_options(getenv("ASAN_OPTIONS"))) < 0)
		return -1;
	if (setenv(KVS_ENV_RING, s->ring, 1) < 0)
		return -1;
	return s->follow ? unsetenv(KVS_ENV_FOLLOW) : setenv(KVS_ENV_FOLLOW, "0", 1);
}
