/* SPDX-License-Identifier: MIT */
#include "doctor/settings.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)4 << 20)

void settings_file_read(struct settings_file *f)
{
	struct buf text;
	ssize_t n = 1;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			snprintf(f->error, sizeof(f->error), "%.100s", strerror(errno));
		return;
	}
	f->exists = true;
	buf_init(&text, FILE_BYTES_MAX);
	while (n > 0) {
		char *room = buf_reserve(&text, 65536);
		n = room ? read(fd, room, 65536) : -1;
		text.n += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (n < 0) {
		snprintf(f->error, sizeof(f->error), "cannot be read, or is too large");
	} else if (text.n > 0) {
		f->json = cJSON_ParseWithLength(text.p, text.n);
		if (!cJSON_IsObject(f->json)) {
			snprintf(f->error, sizeof(f->error), "no JSON object");
			cJSON_Delete(f->json);
			f->json = NULL;
		}
	}
	buf_release(&text);
}

void settings_read(const struct settings_places *places, struct settings *out)
{
	memset(out, 0, sizeof(*out));
	for (int i = 0; i < SETTINGS_FILES; i++)
		out->files[i].scope = (enum settings_scope)i;
	snprintf(out->files[SETTINGS_MANAGED].path, PATH_MAX, "%s", places->managed);
	snprintf(out->files[SETTINGS_LOCAL].path, PATH_MAX, "%s/.claude/settings.local.json", places->project);
	snprintf(out->files[SETTINGS_PROJECT].path, PATH_MAX, "%s/.claude/settings.json", places->project);
	if (places->user)
		snprintf(out->files[SETTINGS_USER].path, PATH_MAX, "%s/settings.json", places->user);
	for (int i = 0; i < SETTINGS_FILES; i++)
		if (out->files[i].path[0])
			settings_file_read(&out->files[i]);
}

void settings_release(struct settings *s)
{
	for (int i = 0; i < SETTINGS_FILES; i++)
		cJSON_Delete(s->files[i].json);
	memset(s, 0, sizeof(*s));
}

/* Settings that do what a variable does. */
static const char *stands_for(const cJSON *json, const char *name)
{
	const cJSON *v;
	if (strcmp(name, "CLAUDE_CODE_TOTAL_TOKENS_REMINDER") == 0)
		return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "totalTokensReminder"));
	v = cJSON_GetObjectItemCaseSensitive(json, "includeGitInstructions");
	if (strcmp(name, "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS") == 0 && cJSON_IsFalse(v))
		return "1";
	return NULL;
}

const char *settings_value(const struct settings *s, const char *name, enum settings_scope *from)
{
	for (int i = 0; i < SETTINGS_FILES; i++) {
		const cJSON *env = cJSON_GetObjectItemCaseSensitive(s->files[i].json, "env");
		const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(env, name));
		if (!value)
			value = stands_for(s->files[i].json, name);
		if (value) {
			*from = s->files[i].scope;
			return value;
		}
	}
	*from = SETTINGS_SHELL;
	return getenv(name);
}

const char *settings_scope_name(enum settings_scope scope)
{
	static const char *const names[] = {"managed", "local", "project", "user", "shell"};
	return names[scope];
}

static bool is_off(struct str s)
{
	return str_eq_nocase(s, STR("0")) || str_eq_nocase(s, STR("false")) || str_eq_nocase(s, STR("no")) ||
	       str_eq_nocase(s, STR("off"));
}

static bool is_on(struct str s)
{
	return str_eq_nocase(s, STR("1")) || str_eq_nocase(s, STR("true")) || str_eq_nocase(s, STR("yes")) ||
	       str_eq_nocase(s, STR("on"));
}

/* Is this word in the comma-separated list? */
static bool listed(struct str list, struct str word)
{
	while (list.n > 0) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		if (str_eq((struct str){list.p, n}, word))
			return true;
		list.p += comma ? n + 1 : n;
		list.n -= comma ? n + 1 : n;
	}
	return false;
}

bool settings_fits(const char *value, struct str wanted)
{
	struct str has = str_from(value);

	if (str_eq(has, wanted))
		return true;
	/* The word "off" is taken literally where it is asked for; "0" and "1" are switches. */
	if (str_eq(wanted, STR("0")))
		return is_off(has);
	if (str_eq(wanted, STR("1")))
		return is_on(has);
	if (!memchr(wanted.p, ',', wanted.n) && !str_starts(wanted, STR("-")))
		return false;
	while (wanted.n > 0) {
		const char *comma = memchr(wanted.p, ',', wanted.n);
		size_t n = comma ? (size_t)(comma - wanted.p) : wanted.n;
		if (!listed(has, (struct str){wanted.p, n}))
			return false;
		wanted.p += comma ? n + 1 : n;
		wanted.n -= comma ? n + 1 : n;
	}
	return true;
}
