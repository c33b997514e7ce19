/* SPDX-License-Identifier: MIT */
#ifndef DOCTOR_SOURCES_H
#define DOCTOR_SOURCES_H

/*
 * What a user has set up that can put changing text into a prompt: MCP servers, whose tools stand in tools[], and
 * hooks, whose output becomes reminders. Whether they do depends on them; nothing of them is started, and of their
 * settings only names are read out.
 */

#include "doctor/settings.h"

#define SOURCES_MAX 128

enum source_kind {
	SOURCE_MCP_SERVER,
	SOURCE_HOOK_REMINDER, /* of an event whose output goes into a user turn: SessionStart, UserPromptSubmit, … */
	SOURCE_HOOK_RESULT,   /* ... goes with a tool's result: PreToolUse, PostToolUse, … */
	SOURCE_KINDS
};

struct source {
	enum source_kind kind;
	char name[96];  /* of the server, or the hook's event; may be cut */
	char from[160]; /* the file, or "--mcp-config"; may be cut */
};

struct sources {
	struct source list[SOURCES_MAX];
	size_t n;
};

struct sources_places {
	const char *project;  /* a folder: its .mcp.json */
	const char *user;     /* a file: .claude.json; NULL: none */
	char *const *command; /* argv, for --mcp-config and --strict-mcp-config; NULL-terminated */
};

/* Each name once per file. What cannot be read is passed over; see settings_read for settings files. */
void sources_read(const struct sources_places *places, const struct settings *settings, struct sources *out);

/* Which breakers such a source can be behind: names of entries of the table, NULL-terminated. Static. */
const char *const *source_breakers(enum source_kind kind);
/* "its tools can ...", one sentence; and what helps, another. Static. */
const char *source_words(enum source_kind kind);
const char *source_fix(enum source_kind kind);
const char *source_kind_name(enum source_kind kind); /* "mcp_server", "hook", "hook" */

#endif
