/* SPDX-License-Identifier: MIT */
#include "run/fix.h"

#include "base/array.h"
#include "cli/msg.h"
#include "run/afterword.h"
#include "trace/place.h"
#include "trace/reader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Nobody waits for an answer yet. */
#define LIMIT_MS 10000

struct list {
	char **all;
	size_t n, capacity;
};

static size_t name_length(const char *setting)
{
	return strcspn(setting, "=");
}

/* Of one variable the first setting counts: the newest verdict's. */
static void add(struct list *list, const char *setting, size_t bytes)
{
	size_t name = name_length(setting);
	if (name == 0 || name >= bytes)
		return;
	for (size_t i = 0; i < list->n; i++)
		if (strncmp(list->all[i], setting, name + 1) == 0)
			return;
	char **grown = array_grow(list->all, &list->capacity, list->n + 2, sizeof(*grown));
	if (!grown)
		return;
	list->all = grown;
	if ((grown[list->n] = strndup(setting, bytes)))
		grown[++list->n] = NULL;
}

static void read_trace(const char *path, struct list *list)
{
	char error[512];
	struct afterword a;
	struct trace t;

	if (afterword_get(path, LIMIT_MS, &a) != 0)
		msg_note("--fix: %s could not be judged", path);
	for (const char *line = a.settings; line && *line;) {
		size_t bytes = strcspn(line, "\n");
		add(list, line, bytes);
		line += bytes + (line[bytes] == '\n');
	}
	afterword_release(&a);
	if (trace_open(path, &t, error, sizeof(error)) == 0)
		for (size_t i = 0; t.fix && t.fix[i]; i++)
			add(list, t.fix[i], strlen(t.fix[i]));
	trace_release(&t);
}

/* Says what is set, and sets it. What stays as the user has it leaves the list. */
static void set(struct list *list)
{
	size_t kept = 0;
	for (size_t i = 0; i < list->n; i++) {
		char *setting = list->all[i], *value = setting + name_length(setting);
		*value = '\0';
		const char *now = getenv(setting);
		if (now) {
			msg_note("--fix: %s stays %s, as it is in the environment", setting, now);
			free(setting);
			continue;
		}
		msg_note("--fix: %s=%s", setting, value + 1);
		setenv(setting, value + 1, 1);
		*value = '=';
		list->all[kept++] = setting;
	}
	list->n = kept;
	if (list->all)
		list->all[kept] = NULL;
}

void fix_apply(const char *command, struct fix *out)
{
	char error[512], *fallback = NULL, *path = NULL;
	char *folder = trace_place_folder(&fallback, error, sizeof(error));
	char *cwd = getcwd(NULL, 0);
	struct list list = {NULL, 0, 0};

	if (folder && cwd)
		path = trace_place_newest_of(folder, cwd, command);
	if (path)
		read_trace(path, &list);
	if (!path)
		msg_note("--fix: there is no trace of %s made in this directory yet; it runs as it is", command);
	else if (list.n == 0)
		msg_note("--fix: %s shows nothing that a setting of the client would mend", path);
	set(&list);
	out->settings = list.all;
	free(folder);
	free(fallback);
	free(cwd);
	free(path);
}

void fix_release(struct fix *f)
{
	for (size_t i = 0; f->settings && f->settings[i]; i++)
		free(f->settings[i]);
	free(f->settings);
	f->settings = NULL;
}
