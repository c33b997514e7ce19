/* SPDX-License-Identifier: MIT */
#include "run/ring_users.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool maps_line_is(struct str line, const char *path, unsigned major, unsigned minor, uint64_t inode)
{
	/* "7f00-7f01 rw-s 00000000 00:1a 42    /dev/shm/x": mapped under another name where mounts differ. */
	char head[128];
	unsigned line_major, line_minor;
	uint64_t line_inode;

	if (line.n > 0 && line.p[line.n - 1] == '\n')
		line.n--;
	struct str name = str_from(path);
	if (str_ends(line, name) && line.n > name.n && line.p[line.n - name.n - 1] == ' ')
		return true;
	snprintf(head, sizeof(head), "%.*s", STR_FMT(line));
	return sscanf(head, "%*s %*s %*s %x:%x %" SCNu64, &line_major, &line_minor, &line_inode) == 3 &&
	       line_inode == inode && line_major == major && line_minor == minor;
}

static bool maps_file(const char *pid, const char *path, const struct stat *st)
{
	char maps[64];
	char *line = NULL;
	size_t capacity = 0;
	ssize_t n;
	bool found = false;

	snprintf(maps, sizeof(maps), "/proc/%.20s/maps", pid);
	FILE *f = fopen(maps, "re");
	if (!f)
		return false;
	while (!found && (n = getline(&line, &capacity, f)) > 0)
		found = maps_line_is((struct str){line, (size_t)n}, path, major(st->st_dev), minor(st->st_dev),
				     st->st_ino);
	free(line);
	fclose(f);
	return found;
}

size_t ring_users(const char *path, int32_t *pids, size_t max)
{
	struct stat st;
	size_t n = 0;
	DIR *proc = stat(path, &st) == 0 ? opendir("/proc") : NULL;

	if (!proc)
		return 0;
	for (struct dirent *entry; (entry = readdir(proc));) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		int32_t pid = (int32_t)strtol(entry->d_name, NULL, 10);
		if (pid == getpid() || !maps_file(entry->d_name, path, &st))
			continue;
		if (n < max)
			pids[n] = pid;
		n++;
	}
	closedir(proc);
	return n;
}
