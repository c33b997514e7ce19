/* SPDX-License-Identifier: MIT */
#include "collect/census.h"

#include "base/array.h"
#include "kvscope/env.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is looked at in one look, so that a process with a million descriptors costs no more than this. */
#define FDS_MAX 4096
#define CHILDREN_MAX 4096

enum finding { TOLD_CHILD, TOLD_IO_URING };

struct census_told {
	int32_t pid;
	enum finding what;
};

void census_init(struct census *c)
{
	*c = (struct census){0};
}

void census_release(struct census *c)
{
	free(c->told);
	census_init(c);
}

static bool was_told(const struct census *c, int32_t pid, enum finding what)
{
	for (size_t i = 0; i < c->ntold; i++)
		if (c->told[i].pid == pid && c->told[i].what == what)
			return true;
	return false;
}

/* False without memory: then it is not told at all. */
static bool note(struct census *c, int32_t pid, enum finding what)
{
	struct census_told *grown = array_grow(c->told, &c->told_capacity, c->ntold + 1, sizeof(*grown));
	if (!grown)
		return false;
	c->told = grown;
	c->told[c->ntold++] = (struct census_told){pid, what};
	return true;
}

void census_io_uring_known(struct census *c, int32_t pid)
{
	if (!was_told(c, pid, TOLD_IO_URING))
		note(c, pid, TOLD_IO_URING);
}

static FILE *open_proc(int32_t pid, const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static DIR *open_proc_folder(int32_t pid, const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return opendir(path);
}

/* Is some line of the file one that holds the text? */
static bool file_holds(FILE *f, const char *text)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;
	while (!found && getline(&line, &room, f) > 0)
		found = strstr(line, text) != NULL;
	free(line);
	return found;
}

/* Maps that may not be read are those of a setuid program, which has not loaded the library either. */
static bool has_library(int32_t pid)
{
	FILE *f = open_proc(pid, "maps");
	if (!f)
		return errno != EACCES && errno != EPERM;
	bool found = file_holds(f, "/" KVS_SHIM_NAME);
	/* One that ended, or is just being made, has no maps at all. */
	if (!found) {
		rewind(f);
		found = !file_holds(f, "-");
	}
	fclose(f);
	return found;
}

/* Calls fn with what each descriptor of the process leads to, until that returns true. */
static bool any_fd(int32_t pid, bool (*fn)(void *context, const char *target), void *context)
{
	DIR *folder = open_proc_folder(pid, "fd");
	bool found = false;
	if (!folder)
		return false;
	struct dirent *entry;
	for (int i = 0; !found && i < FDS_MAX && (entry = readdir(folder)) != NULL; i++) {
		char target[128];
		ssize_t n = readlinkat(dirfd(folder), entry->d_name, target, sizeof(target) - 1);
		if (n > 0) {
			target[n] = '\0';
			found = fn(context, target);
		}
	}
	closedir(folder);
	return found;
}

static bool is_io_uring(void *context, const char *target)
{
	(void)context;
	return strcmp(target, "anon_inode:[io_uring]") == 0;
}

/* Inodes of sockets with an established TCP connection. */
struct sockets {
	unsigned long inode[CHILDREN_MAX];
	size_t n;
};

static void read_tcp(struct sockets *s, int32_t pid, const char *name)
{
	enum { ESTABLISHED = 1 };
	FILE *f = open_proc(pid, name);
	char *line = NULL;
	size_t room = 0;
	while (f && s->n < CHILDREN_MAX && getline(&line, &room, f) > 0) {
		unsigned state;
		unsigned long inode;
		if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %*s %*s %lu", &state, &inode) == 2 &&
		    state == ESTABLISHED && inode != 0)
			s->inode[s->n++] = inode;
	}
	free(line);
	if (f)
		fclose(f);
}

static bool is_connection(void *context, const char *target)
{
	const struct sockets *s = context;
	unsigned long inode;
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (s->inode[i] == inode)
			return true;
	return false;
}

static bool talks_tcp(int32_t pid)
{
	struct sockets *s = calloc(1, sizeof(*s));
	if (!s)
		return false;
	read_tcp(s, pid, "net/tcp");
	read_tcp(s, pid, "net/tcp6");
	bool found = s->n > 0 && any_fd(pid, is_connection, s);
	free(s);
	return found;
}

static void look_at_child(struct census *c, int32_t pid, int32_t ppid, const struct census_events *events)
{
	char link[64], exe[PATH_MAX];
	if (was_told(c, pid, TOLD_CHILD) || has_library(pid) || !talks_tcp(pid) || !note(c, pid, TOLD_CHILD))
		return;
	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	ssize_t n = readlink(link, exe, sizeof(exe) - 1);
	exe[n > 0 ? n : 0] = '\0';
	events->child(events->context, pid, ppid, exe);
}

static bool is_known(const int32_t *pids, size_t n, int32_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* The kernel lists children by the thread that made them. */
static void look_at_children(struct census *c, int32_t ppid, const int32_t *pids, size_t n,
			     const struct census_events *events)
{
	DIR *tasks = open_proc_folder(ppid, "task");
	struct dirent *entry;
	while (tasks && (entry = readdir(tasks)) != NULL) {
		char path[PATH_MAX];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int)ppid, entry->d_name);
		FILE *f = fopen(path, "re");
		int pid;
		for (int i = 0; f && i < CHILDREN_MAX && fscanf(f, "%d", &pid) == 1; i++)
			if (!is_known(pids, n, pid))
				look_at_child(c, pid, ppid, events);
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
}

void census_look(struct census *c, const int32_t *pids, size_t n, const struct census_events *events)
{
	for (size_t i = 0; i < n; i++) {
		if (!was_told(c, pids[i], TOLD_IO_URING) && any_fd(pids[i], is_io_uring, NULL) &&
		    note(c, pids[i], TOLD_IO_URING))
			events->io_uring(events->context, pids[i]);
		look_at_children(c, pids[i], pids, n, events);
	}
}
