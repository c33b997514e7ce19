/* SPDX-License-Identifier: MIT */
#include "doctor/doctor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what a value means */

static void values_fit(void **state)
{
	(void)state;
	assert_true(settings_fits("0", STR("0")));
	assert_true(settings_fits("False", STR("0")));
	assert_true(settings_fits("off", STR("0")));
	assert_false(settings_fits("1", STR("0")));
	assert_false(settings_fits("", STR("0")));
	assert_true(settings_fits("true", STR("1")));
	assert_false(settings_fits("2", STR("1")));
	/* A word that is asked for is not a switch. */
	assert_true(settings_fits("off", STR("off")));
	assert_false(settings_fits("0", STR("off")));
	assert_true(settings_fits("-a,-b", STR("-b,-a")));
	assert_true(settings_fits("x,-a,y,-b", STR("-a,-b")));
	assert_false(settings_fits("-a", STR("-a,-b")));
	assert_false(settings_fits("-ab", STR("-a")));
	assert_false(settings_fits("96", STR("95")));
}

/* ---- which file has the last word */

struct folder {
	char path[64];
	struct settings_places places;
	char managed[128], user[128];
};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void folder_make(struct folder *f)
{
	char path[160];
	snprintf(f->path, sizeof(f->path), "/tmp/kvscope-unit-doctor-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->managed, sizeof(f->managed), "%s/managed.json", f->path);
	snprintf(f->user, sizeof(f->user), "%s/user", f->path);
	snprintf(path, sizeof(path), "%s/.claude", f->path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mkdir(f->user, 0700), 0);
	f->places = (struct settings_places){.managed = f->managed, .project = f->path, .user = f->user};
}

static void folder_remove(struct folder *f)
{
	static const char *const files[] = {"managed.json",
					    ".claude/settings.local.json",
					    ".claude/settings.json",
					    "user/settings.json",
					    ".claude",
					    "user",
					    ""};
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[160];
		snprintf(path, sizeof(path), "%s/%s", f->path, files[i]);
		remove(path);
	}
}

static void expect_setting(const struct settings_places *places, const char *expected, enum settings_scope scope)
{
	struct settings s;
	enum settings_scope from;
	settings_read(places, &s);
	const char *value = settings_value(&s, "KVSCOPE_UNIT", &from);
	if (!expected)
		assert_null(value);
	else
		assert_string_equal(value, expected);
	assert_int_equal(from, scope);
	settings_release(&s);
}

static void stronger_files_win(void **state)
{
	(void)state;
	struct folder f;
	char path[160];
	folder_make(&f);
	unsetenv("KVSCOPE_UNIT");
	expect_setting(&f.places, NULL, SETTINGS_SHELL);
	setenv("KVSCOPE_UNIT", "shell", 1);
	expect_setting(&f.places, "shell", SETTINGS_SHELL);
	snprintf(path, sizeof(path), "%s/settings.json", f.user);
	put(path, "{\"env\":{\"KVSCOPE_UNIT\":\"user\"}}");
	expect_setting(&f.places, "user", SETTINGS_USER);
	snprintf(path, sizeof(path), "%s/.claude/settings.json", f.path);
	put(path, "{\"env\":{\"KVSCOPE_UNIT\":\"project\"}}");
	expect_setting(&f.places, "project", SETTINGS_PROJECT);
	snprintf(path, sizeof(path), "%s/.claude/settings.local.json", f.path);
	put(path, "{\"env\":{\"KVSCOPE_UNIT\":\"local\"}}");
	expect_setting(&f.places, "local", SETTINGS_LOCAL);
	put(f.managed, "{\"env\":{\"KVSCOPE_UNIT\":\"managed\"}}");
	expect_setting(&f.places, "managed", SETTINGS_MANAGED);
	/* What is no settings file is told and passed over. */
	put(f.managed, "{\"env\":");
	expect_setting(&f.places, "local", SETTINGS_LOCAL);
	put(f.managed, "[1]");
	expect_setting(&f.places, "local", SETTINGS_LOCAL);
	put(f.managed, "{\"env\":{\"KVSCOPE_UNIT\":7}}");
	expect_setting(&f.places, "local", SETTINGS_LOCAL);
	unsetenv("KVSCOPE_UNIT");
	folder_remove(&f);
}

static void settings_stand_for_variables(void **state)
{
	(void)state;
	struct folder f;
	struct settings s;
	enum settings_scope from;
	char path[160];
	folder_make(&f);
	snprintf(path, sizeof(path), "%s/settings.json", f.user);
	put(path, "{\"totalTokensReminder\":\"off\",\"includeGitInstructions\":false}");
	settings_read(&f.places, &s);
	assert_string_equal(settings_value(&s, "CLAUDE_CODE_TOTAL_TOKENS_REMINDER", &from), "off");
	assert_int_equal(from, SETTINGS_USER);
	assert_string_equal(settings_value(&s, "CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS", &from), "1");
	settings_release(&s);
	folder_remove(&f);
}

/* ---- the verdict */

struct judged {
	struct program program;
	struct settings settings;
	struct backend backend;
	struct engine_facts facts;
	struct doctor d;
};

static void judge(struct judged *j, const char *version, const char *backend, int64_t slots)
{
	const char *error;
	memset(j, 0, sizeof(*j));
	j->program.claude = j->program.found = true;
	if (version)
		assert_true(client_version_parse(str_from(version), &j->program.parsed));
	if (backend)
		assert_int_equal(backend_parse(str_from(backend), &j->backend, &error), 0);
	j->facts.slots = slots;
	const struct doctor_input in = {.program = &j->program,
					.settings = &j->settings,
					.facts = slots >= 0 ? &j->facts : NULL,
					.backend = backend ? &j->backend : NULL};
	assert_int_equal(doctor_build(&in, &j->d), 0);
}

static enum doctor_when when(const struct judged *j, const char *cause)
{
	for (size_t i = 0; i < j->d.n; i++)
		if (strcmp(j->d.findings[i].cause->name, cause) == 0)
			return j->d.findings[i].when;
	fail_msg("no finding %s", cause);
	return DOCTOR_NEVER;
}

#define EXPECT(version, backend, slots, cause, expected)                                                               \
	do {                                                                                                           \
		struct judged j;                                                                                       \
		judge(&j, version, backend, slots);                                                                    \
		assert_int_equal(when(&j, cause), expected);                                                           \
		doctor_release(&j.d);                                                                                  \
	} while (0)

static void versions_and_backends_decide(void **state)
{
	(void)state;
	/* The attribution block: with every request in old versions, per conversation in new ones. */
	EXPECT("2.1.100", "llama.cpp@b8000", -1, "billing_header", DOCTOR_EVERY);
	EXPECT("2.1.100", "llama.cpp@b8906", -1, "billing_header", DOCTOR_SOMETIMES);
	EXPECT("2.1.330", "llama.cpp@b8000", -1, "billing_header", DOCTOR_SOMETIMES);
	EXPECT("2.1.10", "llama.cpp@b8000", -1, "billing_header", DOCTOR_NEVER);
	EXPECT("2.1.100", "vllm@0.28", -1, "billing_header", DOCTOR_NEVER);
	EXPECT("2.1.100", "vllm@0.17", -1, "billing_header", DOCTOR_EVERY);
	/* System turns. */
	EXPECT("2.1.330", "vllm+qwen3", -1, "system_turn_hoisted", DOCTOR_EVERY);
	EXPECT("2.1.112", "vllm+qwen3", -1, "system_turn_hoisted", DOCTOR_NEVER);
	EXPECT("2.1.330", "llama.cpp+plain", -1, "system_turn_hoisted", DOCTOR_NEVER);
	EXPECT("2.1.330", "ollama", -1, "total_tokens_reminder", DOCTOR_EVERY);
	EXPECT("2.1.200", "ollama", -1, "total_tokens_reminder", DOCTOR_NEVER);
	/* Templates. */
	EXPECT("2.1.330", "llama.cpp+qwen3", -1, "thinking_dropped_by_template", DOCTOR_EVERY);
	EXPECT("2.1.330", "llama.cpp+llama3", -1, "thinking_dropped_by_template", DOCTOR_NEVER);
	EXPECT("2.1.330", "llama.cpp+mistral", -1, "tools_moved_by_template", DOCTOR_EVERY);
	/* Slots. */
	EXPECT("2.1.330", "llama.cpp", 1, "slot_evicted", DOCTOR_EVERY);
	EXPECT("2.1.330", "llama.cpp", 4, "slot_evicted", DOCTOR_SOMETIMES);
	EXPECT("2.1.330", "anthropic", -1, "slot_evicted", DOCTOR_NEVER);
	EXPECT("2.1.330", "anthropic", -1, "breakpoint_on_system_turn", DOCTOR_EVERY);
	EXPECT("2.1.330", "vllm", -1, "breakpoint_on_system_turn", DOCTOR_NEVER);
	/* Not known: everything that some version or some backend has. */
	EXPECT(NULL, NULL, -1, "billing_header", DOCTOR_EVERY);
	EXPECT(NULL, NULL, -1, "system_turn_hoisted", DOCTOR_EVERY);
	EXPECT(NULL, "llama.cpp+plain", -1, "tools_grown", DOCTOR_SOMETIMES);
}

static void refusals_are_told(void **state)
{
	(void)state;
	struct judged j;
	const char *settings[8];
	judge(&j, "2.1.330", "llama.cpp+qwen3", -1);
	assert_true(j.d.refuses);
	assert_int_equal(doctor_settings(&j.d, settings, 8), 1);
	assert_non_null(strstr(settings[0], "CLAUDE_CODE_MODEL_CAPABILITIES="));
	doctor_release(&j.d);
	judge(&j, "2.1.112", "llama.cpp+qwen3", -1);
	assert_false(j.d.refuses);
	doctor_release(&j.d);
}

static void settings_are_asked_for_once(void **state)
{
	(void)state;
	struct judged j;
	const char *settings[8];
	judge(&j, "2.1.330", "ollama", -1);
	size_t n = doctor_settings(&j.d, settings, 8);
	assert_int_equal(n, 2);
	assert_int_equal(j.d.open, 2);
	assert_int_equal(doctor_settings(&j.d, settings, 1), 1);
	doctor_release(&j.d);
	for (size_t i = 0; i < nbreakers; i++)
		assert_true(breakers[i].expected || breakers[i].hurts <= HURTS_ANTHROPIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_fit),
		cmocka_unit_test(stronger_files_win),
		cmocka_unit_test(settings_stand_for_variables),
		cmocka_unit_test(versions_and_backends_decide),
		cmocka_unit_test(refusals_are_told),
		cmocka_unit_test(settings_are_asked_for_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
