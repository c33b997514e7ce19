/* SPDX-License-Identifier: MIT */
#ifndef DOCTOR_SETTINGS_H
#define DOCTOR_SETTINGS_H

/*
 * What the client's environment will be: its settings files, from the strongest to the weakest (managed by the system,
 * local to the project, of the project, of the user), and the environment of this process, which any of them outranks.
 * Only names that are asked for are ever read out.
 */

#include "base/str.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_FILES 4

enum settings_scope { SETTINGS_MANAGED, SETTINGS_LOCAL, SETTINGS_PROJECT, SETTINGS_USER, SETTINGS_SHELL };

struct settings_file {
	enum settings_scope scope;
	char path[PATH_MAX];
	bool exists;
	char error[128]; /* "": none; it is then as if it were empty */
	cJSON *json;     /* NULL: none, or not read */
};

struct settings {
	struct settings_file files[SETTINGS_FILES];
};

struct settings_places {
	const char *managed; /* a file */
	const char *project; /* a folder */
	const char *user;    /* a folder: $CLAUDE_CONFIG_DIR or ~/.claude; NULL: none */
};

/* Reads f->path, a JSON object; what is wrong stands in f->error. The caller deletes f->json. */
void settings_file_read(struct settings_file *f);
/* Never fails as a whole; what cannot be read says so in its entry. settings_release. */
void settings_read(const struct settings_places *places, struct settings *out);
void settings_release(struct settings *s);

/*
 * The value that the client will see for an environment variable, and where it comes from. NULL: not set anywhere. A
 * setting that stands for a variable (totalTokensReminder, includeGitInstructions) counts as that. Borrowed.
 */
const char *settings_value(const struct settings *s, const char *name, enum settings_scope *from);
const char *settings_scope_name(enum settings_scope scope); /* "managed", "local", "project", "user", "shell" */

/*
 * Does `value` do what "NAME=WANTED" asks for? Switches may be off in other words ("false", "no", "off" for "0"), and a
 * list may hold more than what is wanted.
 */
bool settings_fits(const char *value, struct str wanted);

#endif
