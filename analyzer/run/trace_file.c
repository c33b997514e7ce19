/* SPDX-License-Identifier: MIT */
#include "run/trace_file.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first line of every trace begins with this. */
static const char header_begin[] = "{\"type\":\"header\"";

int trace_file_check(const char *path, char *error, size_t error_bytes)
{
	struct stat st;
	/* Somebody else's link leads where he wants. */
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != geteuid() && st.st_uid != 0) {
		snprintf(error, error_bytes, "%s is another user's symbolic link: not followed", path);
		return -1;
	}
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (st.st_uid != geteuid()) {
		snprintf(error, error_bytes, "%s belongs to another user, who could read the trace", path);
		return -1;
	}
	if (st.st_size == 0)
		return 0;

	char begin[sizeof(header_begin) - 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
		return -1;
	}
	ssize_t n = read(fd, begin, sizeof(begin));
	close(fd);
	if (n == (ssize_t)sizeof(begin) && memcmp(begin, header_begin, sizeof(begin)) == 0)
		return 0;
	snprintf(error, error_bytes, "%s exists and is no trace: not overwritten", path);
	return -1;
}

char *trace_file_later(const char *trace)
{
	static const struct str suffix = {".jsonl", 6};
	struct str stem = str_from(trace);
	size_t size = stem.n + 32;
	char *name = malloc(size);

	if (!name || access(trace, F_OK) != 0) {
		free(name);
		return strdup(trace);
	}
	bool suffixed = str_ends(stem, suffix);
	if (suffixed)
		stem.n -= suffix.n;
	for (int i = 1; i < 100; i++) {
		char number[8] = "";
		if (i > 1)
			snprintf(number, sizeof(number), "%d", i);
		snprintf(name, size, "%.*s-later%s%s", STR_FMT(stem), number, suffixed ? suffix.p : "");
		if (access(name, F_OK) != 0)
			return name;
	}
	free(name);
	return NULL;
}
