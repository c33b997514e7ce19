/* SPDX-License-Identifier: MIT */
#include "doctor/sources.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *words, *fix;
	const char *breakers[4];
} kinds[SOURCE_KINDS] = {
	[SOURCE_MCP_SERVER] =
		{"mcp_server",
		 "tools of a server that connects after the first prompt, or again, can come late or in another "
		 "order",
		 "connect them before the first prompt, and deny the tools that are not used",
		 {"tools_grown", "tools_reordered", "tools_changed"}},
	[SOURCE_HOOK_REMINDER] = {"hook",
				  "what they print can become a reminder, which can change, or move when a session is "
				  "resumed",
				  "let them print the same text every time, or nothing",
				  {"reminder_changed", "reminder_migrated"}},
	[SOURCE_HOOK_RESULT] = {"hook",
				"what they add can be folded into a tool result that was sent without it before",
				"let them add nothing to what the model sees",
				{"reminder_folded_into_tool_result"}},
};

static const struct {
	const char *event;
	enum source_kind kind;
} events[] = {
	{"SessionStart", SOURCE_HOOK_REMINDER},  {"UserPromptSubmit", SOURCE_HOOK_REMINDER},
	{"SubagentStart", SOURCE_HOOK_REMINDER}, {"PreToolUse", SOURCE_HOOK_RESULT},
	{"PostToolUse", SOURCE_HOOK_RESULT},     {"PostToolUseFailure", SOURCE_HOOK_RESULT},
};

const char *const *source_breakers(enum source_kind kind)
{
	return kinds[kind].breakers;
}

const char *source_words(enum source_kind kind)
{
	return kinds[kind].words;
}

const char *source_fix(enum source_kind kind)
{
	return kinds[kind].fix;
}

const char *source_kind_name(enum source_kind kind)
{
	return kinds[kind].name;
}

static void add(struct sources *s, enum source_kind kind, const char *name, const char *from)
{
	struct source one = {.kind = kind};

	snprintf(one.name, sizeof(one.name), "%s", name ? name : "");
	snprintf(one.from, sizeof(one.from), "%s", from);
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].kind == kind && strcmp(s->list[i].name, one.name) == 0 &&
		    strcmp(s->list[i].from, one.from) == 0)
			return;
	if (s->n < SOURCES_MAX)
		s->list[s->n++] = one;
}

static bool lists(const cJSON *array, const char *name)
{
	const cJSON *v;
	cJSON_ArrayForEach(v, array) if (cJSON_IsString(v) && strcmp(v->valuestring, name) == 0) return true;
	return false;
}

/* Was this server of .mcp.json switched off in one of the settings? */
static bool disabled(const struct settings *settings, const char *name)
{
	for (int i = 0; settings && i < SETTINGS_FILES; i++)
		if (lists(cJSON_GetObjectItemCaseSensitive(settings->files[i].json, "disabledMcpjsonServers"), name))
			return true;
	return false;
}

static void add_servers(struct sources *s, const cJSON *json, const char *from, const struct settings *settings)
{
	const cJSON *v;
	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(json, "mcpServers"))
	{
		if (v->string && !disabled(settings, v->string))
			add(s, SOURCE_MCP_SERVER, v->string, from);
	}
}

static void read_servers(struct sources *s, const char *path, const char *from, const char *project,
			 const struct settings *settings)
{
	struct settings_file f = {.exists = false};

	snprintf(f.path, sizeof(f.path), "%s", path);
	settings_file_read(&f);
	add_servers(s, f.json, from, settings);
	if (project)
		add_servers(
			s,
			cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(f.json, "projects"), project),
			from, settings);
	cJSON_Delete(f.json);
}

/* A file, or the JSON itself. */
static void add_argument(struct sources *s, const char *argument)
{
	if (*argument != '{') {
		read_servers(s, argument, "--mcp-config", NULL, NULL);
		return;
	}
	cJSON *json = cJSON_Parse(argument);
	add_servers(s, json, "--mcp-config", NULL);
	cJSON_Delete(json);
}

/* Returns whether --strict-mcp-config is there: then no other servers count. */
static bool read_command(struct sources *s, char *const *command)
{
	static const char option[] = "--mcp-config";
	bool strict = false, values = false;

	for (; command && *command; command++) {
		const char *word = *command;
		strict = strict || strcmp(word, "--strict-mcp-config") == 0;
		if (strncmp(word, option, sizeof(option) - 1) == 0 && word[sizeof(option) - 1] == '=')
			add_argument(s, word + sizeof(option));
		else if (strncmp(word, "-", 1) != 0 && values)
			add_argument(s, word);
		if (strncmp(word, "-", 1) == 0)
			values = strcmp(word, option) == 0;
	}
	return strict;
}

static void add_hooks(struct sources *s, const struct settings_file *f)
{
	const cJSON *hooks = cJSON_GetObjectItemCaseSensitive(f->json, "hooks");
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		const cJSON *list = cJSON_GetObjectItemCaseSensitive(hooks, events[i].event);
		if (cJSON_IsArray(list) && cJSON_GetArraySize(list) > 0)
			add(s, events[i].kind, events[i].event, f->path);
	}
}

static bool hooks_off(const struct settings *settings)
{
	for (int i = 0; i < SETTINGS_FILES; i++)
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(settings->files[i].json, "disableAllHooks")))
			return true;
	return false;
}

void sources_read(const struct sources_places *places, const struct settings *settings, struct sources *out)
{
	char path[PATH_MAX];

	out->n = 0;
	if (!read_command(out, places->command)) {
		snprintf(path, sizeof(path), "%s/.mcp.json", places->project);
		read_servers(out, path, ".mcp.json", NULL, settings);
		if (places->user)
			read_servers(out, places->user, places->user, places->project, NULL);
		for (int i = 0; i < SETTINGS_FILES; i++)
			add_servers(out, settings->files[i].json, settings->files[i].path, NULL);
	}
	for (int i = 0; !hooks_off(settings) && i < SETTINGS_FILES; i++)
		add_hooks(out, &settings->files[i]);
}
