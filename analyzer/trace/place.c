/* SPDX-License-Identifier: MIT */
#include "trace/place.h"

#include "base/array.h"
#include "base/buf.h"
#include "base/clock.h"
#include "trace/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".jsonl"
#define STAMP_CHARS 16 /* "20261123T223301Z" */
#define NAME_CHARS_MAX 64

/* Whether a folder may hold traces: ours, no link, closed to others, writable. If not, says why. */
static int check_folder(const char *path, char *why, size_t why_bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int e = errno;
		if (fd >= 0)
			close(fd);
		bool link = lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
		snprintf(why, why_bytes, "%s: %s", path, link ? "is a symbolic link" : strerror(e));
		return -1;
	}
	int status = -1;
	if (st.st_uid != geteuid())
		snprintf(why, why_bytes, "%s: belongs to another user", path);
	else if (st.st_mode & 077)
		snprintf(why, why_bytes, "%s: is open to others (mode %03o; chmod 700 would do)", path,
			 (unsigned)st.st_mode & 0777);
	else if (faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) < 0)
		snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
	else
		status = 0;
	close(fd);
	return status;
}

/* Makes the folder and what is missing above it, all 0700. */
static int make_folders(const char *path)
{
	char partial[PATH_MAX];
	size_t n = strlen(path);
	if (n >= sizeof(partial)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(partial, path, i);
		partial[i] = '\0';
		if (mkdir(partial, 0700) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

/* "$XDG_STATE_HOME/kvscope" or its default; false if there is no home. */
static bool state_folder(struct buf *out)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && state[0] == '/') /* the specification says to ignore relative ones */
		return buf_printf(out, "%s/kvscope", state) == 0;
	if (!home || home[0] != '/') {
		const struct passwd *me = getpwuid(geteuid());
		home = me ? me->pw_dir : NULL;
	}
	return home && home[0] == '/' && buf_printf(out, "%s/.local/state/kvscope", home) == 0;
}

/* One place per user, so that the next command finds what this one wrote. */
static bool fallback_folder(struct buf *out)
{
	const char *tmp = getenv("TMPDIR");
	buf_reset(out);
	return buf_printf(out, "%s/kvscope-%ld", tmp && tmp[0] == '/' ? tmp : "/tmp", (long)geteuid()) == 0;
}

char *trace_place_folder(char **fallback, char *error, size_t error_bytes)
{
	struct buf folder;
	char why[PATH_MAX + 128] = "there is no home directory", why_not[PATH_MAX + 128];
	char *result = NULL;

	*fallback = NULL;
	buf_init(&folder, PATH_MAX);
	if (state_folder(&folder)) {
		if (make_folders(folder.p) < 0)
			snprintf(why, sizeof(why), "%s: %s", folder.p, strerror(errno));
		else if (check_folder(folder.p, why, sizeof(why)) == 0)
			return buf_steal(&folder);
	}
	if (!fallback_folder(&folder)) {
		snprintf(error, error_bytes, "%s; and TMPDIR is too long", why);
	} else if ((mkdir(folder.p, 0700) < 0 && errno != EEXIST)) {
		snprintf(error, error_bytes, "%s; %s: %s", why, folder.p, strerror(errno));
	} else if (check_folder(folder.p, why_not, sizeof(why_not)) < 0) {
		snprintf(error, error_bytes, "%s; %s", why, why_not);
	} else {
		*fallback = strdup(why);
		result = buf_steal(&folder);
	}
	buf_release(&folder);
	return result;
}

char *trace_place_new(const char *folder, const char *command, unsigned long long realtime_ns, int pid)
{
	const char *slash = strrchr(command, '/'), *name = slash ? slash + 1 : command;
	char iso[32];
	struct buf path;

	buf_init(&path, 2 * PATH_MAX);
	buf_printf(&path, "%s/", folder);
	clock_iso8601(realtime_ns, iso, sizeof(iso));
	for (const char *p = iso; *p; p++)
		if (*p != '-' && *p != ':')
			buf_putc(&path, *p);
	buf_putc(&path, '-');
	for (size_t i = 0; i < NAME_CHARS_MAX && name[i]; i++) {
		char c = name[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
			     c == '_' || c == '-';
		buf_putc(&path, plain ? c : '_');
	}
	buf_printf(&path, "-%d" SUFFIX, pid);
	char *result = buf_steal(&path);
	buf_release(&path);
	return result;
}

/* A name that trace_place_new makes. *pid is set from it. */
static bool default_name(const char *name, int *pid)
{
	size_t n = strlen(name), suffix = sizeof(SUFFIX) - 1;
	if (n < STAMP_CHARS + suffix + 3 || strcmp(name + n - suffix, SUFFIX) != 0)
		return false;
	for (size_t i = 0; i < STAMP_CHARS; i++)
		if (i == 8 ? name[i] != 'T' : i == 15 ? name[i] != 'Z' : name[i] < '0' || name[i] > '9')
			return false;
	size_t digits = n - suffix;
	while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9')
		digits--;
	if (name[STAMP_CHARS] != '-' || digits == n - suffix || digits <= STAMP_CHARS + 1 || name[digits - 1] != '-')
		return false;
	*pid = (int)strtol(name + digits, NULL, 10);
	return true;
}

struct found {
	char *path;
	struct timespec changed;
	int pid;
};

/* The newest first: by the second in the name, then by the last change. */
static int by_age(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int c = strncmp(strrchr(y->path, '/') + 1, strrchr(x->path, '/') + 1, STAMP_CHARS);
	if (c)
		return c;
	if (x->changed.tv_sec != y->changed.tv_sec)
		return x->changed.tv_sec < y->changed.tv_sec ? 1 : -1;
	return x->changed.tv_nsec < y->changed.tv_nsec ? 1 : x->changed.tv_nsec > y->changed.tv_nsec ? -1 : 0;
}

static void found_free(struct found *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i].path);
	free(list);
}

/* All default traces of the folder, the newest first. -1 with errno if the folder cannot be read. */
static int list_traces(const char *folder, struct found **out, size_t *n)
{
	struct found *list = NULL;
	size_t capacity = 0;
	struct dirent *entry;
	DIR *dir = opendir(folder);

	*n = 0;
	*out = NULL;
	if (!dir)
		return -1;
	while ((entry = readdir(dir))) {
		struct found one;
		struct stat st;
		struct buf path;
		if (!default_name(entry->d_name, &one.pid) ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		struct found *grown = array_grow(list, &capacity, *n + 1, sizeof(*list));
		if (!grown)
			break;
		list = grown;
		buf_init(&path, 2 * PATH_MAX);
		buf_printf(&path, "%s/%s", folder, entry->d_name);
		one.changed = st.st_mtim;
		one.path = buf_steal(&path);
		buf_release(&path);
		if (one.path)
			list[(*n)++] = one;
	}
	closedir(dir);
	if (*n > 1)
		qsort(list, *n, sizeof(*list), by_age);
	*out = list;
	return 0;
}

char *trace_place_newest(const char *folder, const char *cwd, int *elsewhere, char *error, size_t error_bytes)
{
	struct found *list;
	size_t n;
	char ignored[256], *newest = NULL, *here = NULL;

	*elsewhere = 0;
	if (list_traces(folder, &list, &n) < 0) {
		snprintf(error, error_bytes, "%s: %s", folder,
			 errno == ENOENT ? "no trace was made yet" : strerror(errno));
		return NULL;
	}
	for (size_t i = 0; i < n && !here; i++) {
		struct trace t;
		if (trace_open(list[i].path, &t, ignored, sizeof(ignored)) == 0) {
			if (t.cwd && strcmp(t.cwd, cwd) == 0)
				here = strdup(list[i].path);
			else if (!newest)
				newest = strdup(list[i].path);
		}
		trace_release(&t);
	}
	found_free(list, n);
	if (here) {
		free(newest);
		return here;
	}
	if (newest)
		*elsewhere = 1;
	else
		snprintf(error, error_bytes, "%s: there is no trace in it", folder);
	return newest;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *trace_place_newest_of(const char *folder, const char *cwd, const char *command)
{
	struct found *list;
	size_t n;
	char ignored[256], *newest = NULL;

	if (list_traces(folder, &list, &n) < 0)
		return NULL;
	for (size_t i = 0; i < n && !newest; i++) {
		struct trace t;
		if (trace_open(list[i].path, &t, ignored, sizeof(ignored)) == 0 && t.cwd && strcmp(t.cwd, cwd) == 0 &&
		    t.command && t.command[0] && strcmp(base_name(t.command[0]), base_name(command)) == 0)
			newest = strdup(list[i].path);
		trace_release(&t);
	}
	found_free(list, n);
	return newest;
}

void trace_place_prune(const char *folder, size_t keep)
{
	struct found *list;
	size_t n;

	if (list_traces(folder, &list, &n) < 0)
		return;
	for (size_t i = keep; i < n; i++) {
		/* A run that still goes on writes there. A number used again by another process only keeps it longer.
		 */
		bool alive = list[i].pid > 0 && (kill(list[i].pid, 0) == 0 || errno == EPERM);
		if (!alive)
			unlink(list[i].path);
	}
	found_free(list, n);
}
