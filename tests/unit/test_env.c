/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvscope/env.h"
#include "run/env.h"
#include "run/explain.h"
#include "run/ring_users.h"
#include "run/trace_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_preload_merging(void **state)
{
	static const struct {
		const char *existing, *merged;
	} cases[] = {
		{NULL, "/k/libkvscope.so"},
		{"", "/k/libkvscope.so"},
		{" : ", "/k/libkvscope.so"},
		{"liba.so", "/k/libkvscope.so:liba.so"},
		{"liba.so:/b/libb.so", "/k/libkvscope.so:liba.so:/b/libb.so"},
		{"liba.so /b/libb.so", "/k/libkvscope.so:liba.so:/b/libb.so"},
		{"::liba.so  libb.so:", "/k/libkvscope.so:liba.so:libb.so"},
		/* Never twice, whichever build of it is there. */
		{"/k/libkvscope.so", "/k/libkvscope.so"},
		{"liba.so:/other/libkvscope.so:libb.so", "/k/libkvscope.so:liba.so:libb.so"},
		{"libkvscope.so liba.so", "/k/libkvscope.so:liba.so"},
		{"/k/libkvscope.so.orig", "/k/libkvscope.so:/k/libkvscope.so.orig"},
		/* Sanitizers insist on being first. */
		{"libasan.so.8", "libasan.so.8:/k/libkvscope.so"},
		{"/usr/lib/libasan.so.8:libubsan.so.1 liba.so",
		 "/usr/lib/libasan.so.8:libubsan.so.1:/k/libkvscope.so:liba.so"},
		{"liba.so:libasan.so.8", "/k/libkvscope.so:liba.so:libasan.so.8"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *merged = env_merge_preload(cases[i].existing, "/k/libkvscope.so");
		assert_non_null(merged);
		assert_string_equal(merged, cases[i].merged);
		/* A second merge changes nothing. */
		char *again = env_merge_preload(merged, "/k/libkvscope.so");
		assert_string_equal(again, merged);
		free(again);
		free(merged);
	}
}

static void test_asan_options(void **state)
{
	static const char *const cases[][2] = {
		{NULL, "verify_asan_link_order=0"},
		{"", "verify_asan_link_order=0"},
		{"detect_leaks=0", "detect_leaks=0:verify_asan_link_order=0"},
		{"verify_asan_link_order=1", "verify_asan_link_order=1"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *merged = env_merge_asan_options(cases[i][0]);
		assert_string_equal(merged, cases[i][1]);
		free(merged);
	}
}

static void test_preloadable(void **state)
{
	(void)state;
	assert_true(env_preloadable("/usr/lib/libkvscope.so"));
	assert_false(env_preloadable("/my tools/libkvscope.so"));
	assert_false(env_preloadable("/a:b/libkvscope.so"));
	assert_false(env_preloadable("/$LIB/libkvscope.so"));
	assert_false(env_preloadable("libkvscope.so"));
}

static void test_apply(void **state)
{
	struct env_settings s = {.library = "/k/libkvscope.so", .ring = "/r/ring", .follow = false};
	(void)state;
	setenv("LD_PRELOAD", "liba.so", 1);
	unsetenv("ASAN_OPTIONS");
	assert_int_equal(env_apply(&s), 0);
	assert_string_equal(getenv("LD_PRELOAD"), "/k/libkvscope.so:liba.so");
	assert_string_equal(getenv(KVS_ENV_RING), "/r/ring");
	assert_string_equal(getenv(KVS_ENV_FOLLOW), "0");
	assert_null(getenv("ASAN_OPTIONS"));
	/* A run inside a run that does not follow: this one does. */
	s.follow = true;
	s.needs_asan = true;
	assert_int_equal(env_apply(&s), 0);
	assert_null(getenv(KVS_ENV_FOLLOW));
	assert_string_equal(getenv("ASAN_OPTIONS"), "verify_asan_link_order=0");
	unsetenv("LD_PRELOAD");
}

/* ---- what is said when nothing was seen */

static void explain(const struct explain_facts *facts, const char *expected)
{
	char words[1024] = "";
	explain_nothing_seen(facts, words, sizeof(words));
	if (!strstr(words, expected))
		fail_msg("\"%s\" does not say \"%s\"", words, expected);
}

static void test_explanations(void **state)
{
	struct preflight fine = {.verdict = PREFLIGHT_FINE};
	struct preflight fixed = {.verdict = PREFLIGHT_STATIC, .program = "/opt/agent"};
	struct base_url_override none = {.file = ""};
	struct base_url_override some = {.file = ".claude/settings.json", .url = "https://gw.example"};
	struct collector_summary s = {0};
	struct explain_facts f = {.command = "agent", .preflight = &fine, .summary = &s, .override = &none};

	(void)state;
	explain(&f, "no process of the command loaded libkvscope.so");
	f.disabled = true;
	explain(&f, "KVSCOPE_DISABLE");
	f.preflight = &fixed;
	explain(&f, "/opt/agent is statically linked");

	s.processes = 2;
	f.preflight = &fine;
	explain(&f, "nothing over TCP");
	f.override = &some;
	explain(&f, ".claude/settings.json sets ANTHROPIC_BASE_URL to https://gw.example");
	s.opaque = s.opaque_http = 1;
	explain(&f, "no path of a language model's API");
	s.opaque_tls = 1;
	explain(&f, "TLS,");
	snprintf(s.opaque_server, sizeof(s.opaque_server), "api.anthropic.com");
	explain(&f, "TLS to api.anthropic.com,");
	explain(&f, ".claude/settings.json");
	s.lost_records = 17;
	explain(&f, "17 records were lost");
}

static void test_settings(void **state)
{
	static const char good[] = "{\"env\":{\"ANTHROPIC_BASE_URL\":\"https://gw.example\",\"A\":1}}";
	char url[64];
	(void)state;
	assert_int_equal(explain_settings_url(str_from(good), url, sizeof(url)), 0);
	assert_string_equal(url, "https://gw.example");
	/* Cut anywhere it says nothing, and reads nothing behind its end. */
	for (size_t n = 0; n < sizeof(good) - 1; n++) {
		char *cut = malloc(n + 1);
		memcpy(cut, good, n);
		assert_int_equal(explain_settings_url((struct str){cut, n}, url, sizeof(url)), -1);
		free(cut);
	}
	assert_int_equal(explain_settings_url(STR("{\"env\":{}}"), url, sizeof(url)), -1);
	assert_int_equal(explain_settings_url(STR("{\"env\":7}"), url, sizeof(url)), -1);
	assert_int_equal(explain_settings_url(STR("{\"env\":{\"ANTHROPIC_BASE_URL\":7}}"), url, sizeof(url)), -1);
}

/* ---- small helpers of the orchestra */

static void test_maps_lines(void **state)
{
	static const struct str line = {
		"7f00000-7f01000 rw-s 00000000 00:1a 42                         /dev/shm/kvscope-1/ring\n", 0};
	struct str l = str_from(line.p);
	(void)state;
	assert_true(maps_line_is(l, "/dev/shm/kvscope-1/ring", 0, 0, 0));
	assert_true(maps_line_is(l, "/elsewhere/ring", 0, 0x1a, 42));
	assert_false(maps_line_is(l, "/elsewhere/ring", 0, 0x1a, 43));
	assert_false(maps_line_is(l, "/elsewhere/ring", 1, 0x1a, 42));
	assert_false(maps_line_is(l, "ring", 9, 9, 9));
	assert_false(maps_line_is(str_from("7f00000-7f01000 rw-p 00000000 00:00 0 \n"), "/x", 9, 9, 9));
	assert_false(maps_line_is(STR(""), "/x", 0, 0, 0));
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void test_trace_files(void **state)
{
	char folder[] = "/tmp/kvs-test-XXXXXX", error[256];
	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);

	assert_int_equal(trace_file_check("none", error, sizeof(error)), 0);
	assert_int_equal(trace_file_check("/dev/null", error, sizeof(error)), 0);
	write_file("empty", "");
	assert_int_equal(trace_file_check("empty", error, sizeof(error)), 0);
	write_file("old", "{\"type\":\"header\",\"version\":1}\n");
	assert_int_equal(trace_file_check("old", error, sizeof(error)), 0);
	write_file("diary", "Dear diary");
	assert_int_equal(trace_file_check("diary", error, sizeof(error)), -1);
	assert_non_null(strstr(error, "diary exists and is no trace"));

	char *later = trace_file_later("a.jsonl");
	assert_string_equal(later, "a.jsonl");
	free(later);
	write_file("a.jsonl", "x");
	later = trace_file_later("a.jsonl");
	assert_string_equal(later, "a-later.jsonl");
	free(later);
	write_file("a-later.jsonl", "x");
	later = trace_file_later("a.jsonl");
	assert_string_equal(later, "a-later2.jsonl");
	free(later);
	later = trace_file_later("old");
	assert_string_equal(later, "old-later");
	free(later);

	static const char *const made[] = {"empty", "old", "diary", "a.jsonl", "a-later.jsonl"};
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlink(made[i]);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_preload_merging), cmocka_unit_test(test_asan_options),
		cmocka_unit_test(test_preloadable),     cmocka_unit_test(test_apply),
		cmocka_unit_test(test_explanations),    cmocka_unit_test(test_settings),
		cmocka_unit_test(test_maps_lines),      cmocka_unit_test(test_trace_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
