/* SPDX-License-Identifier: MIT */
#include "trace/place.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char top[] = "/tmp/kvscope-test-place-XXXXXX";
static char error[512];

static const char *in_top(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];
	snprintf(p, sizeof(path[0]), "%s/%s", top, name);
	return p;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* A fresh world for each test: an own state folder and an own TMPDIR. */
static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/kvscope-test-place-XXXXXX");
	if (!mkdtemp(top) || mkdir(in_top("tmp"), 0700) < 0)
		return -1;
	setenv("XDG_STATE_HOME", in_top("state"), 1);
	setenv("HOME", in_top("home"), 1);
	setenv("TMPDIR", in_top("tmp"), 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static unsigned mode_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 0777;
}

static void test_folder_is_made(void **state)
{
	(void)state;
	char *fallback, *folder = trace_place_folder(&fallback, error, sizeof(error));
	assert_string_equal(folder, in_top("state/kvscope"));
	assert_null(fallback);
	assert_int_equal(mode_of(folder), 0700);
	assert_int_equal(mode_of(in_top("state")), 0700);
	free(folder);
	folder = trace_place_folder(&fallback, error, sizeof(error));
	assert_string_equal(folder, in_top("state/kvscope"));
	free(folder);
}

static void test_home_without_state(void **state)
{
	(void)state;
	const char *odd[] = {NULL, "", "relative/path"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		if (odd[i])
			setenv("XDG_STATE_HOME", odd[i], 1);
		else
			unsetenv("XDG_STATE_HOME");
		char *fallback, *folder = trace_place_folder(&fallback, error, sizeof(error));
		assert_string_equal(folder, in_top("home/.local/state/kvscope"));
		assert_null(fallback);
		free(folder);
	}
}

static void expect_fallback(const char *why)
{
	char expected[64];
	char *fallback, *folder = trace_place_folder(&fallback, error, sizeof(error));
	snprintf(expected, sizeof(expected), "tmp/kvscope-%ld", (long)geteuid());
	assert_non_null(folder);
	assert_string_equal(folder, in_top(expected));
	assert_int_equal(mode_of(folder), 0700);
	assert_non_null(fallback);
	if (!strstr(fallback, why) || !strstr(fallback, "state") || strchr(fallback, '\n'))
		fail_msg("%s", fallback);
	free(fallback);
	free(folder);
}

static void test_bad_folders(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in_top("state"), 0700), 0);
	assert_int_equal(mkdir(in_top("state/kvscope"), 0700), 0);
	assert_int_equal(chmod(in_top("state/kvscope"), 0750), 0);
	expect_fallback("open to others (mode 750");
	assert_int_equal(rmdir(in_top("state/kvscope")), 0);

	assert_int_equal(mkdir(in_top("real"), 0700), 0);
	assert_int_equal(symlink(in_top("real"), in_top("state/kvscope")), 0);
	expect_fallback("symbolic link");
	assert_int_equal(unlink(in_top("state/kvscope")), 0);

	fclose(fopen(in_top("state/kvscope"), "w"));
	expect_fallback("Not a directory");
	assert_int_equal(unlink(in_top("state/kvscope")), 0);

	if (geteuid() == 0) { /* others cannot give files away */
		assert_int_equal(mkdir(in_top("state/kvscope"), 0700), 0);
		assert_int_equal(chown(in_top("state/kvscope"), 65534, 65534), 0);
		expect_fallback("another user");
	} else {
		assert_int_equal(chmod(in_top("state"), 0500), 0);
		expect_fallback("Permission denied");
		assert_int_equal(chmod(in_top("state"), 0700), 0);
	}
}

static void test_nowhere(void **state)
{
	(void)state;
	char *fallback;
	setenv("XDG_STATE_HOME", "/dev/null", 1);
	setenv("TMPDIR", "/dev/null", 1);
	assert_null(trace_place_folder(&fallback, error, sizeof(error)));
	assert_non_null(strstr(error, "/dev/null/kvscope: "));
	assert_null(strchr(error, '\n'));
	assert_null(fallback);
}

static void test_new_names(void **state)
{
	(void)state;
	const unsigned long long t = 1795473181000000000ull; /* 2026-11-23T22:33:01Z */
	static const struct {
		const char *command, *name;
	} cases[] = {
		{"claude", "/f/20261123T223301Z-claude-42.jsonl"},
		{"/usr/bin/my agent;x", "/f/20261123T223301Z-my_agent_x-42.jsonl"},
		{"a/../..", "/f/20261123T223301Z-..-42.jsonl"},
		{"", "/f/20261123T223301Z--42.jsonl"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *name = trace_place_new("/f", cases[i].command, t, 42);
		assert_string_equal(name, cases[i].name);
		free(name);
	}
	char endless[5000];
	memset(endless, 'a', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	char *name = trace_place_new("/f", endless, t, 42);
	assert_true(strlen(name) < 120);
	free(name);
}

static void make_trace(const char *name, const char *cwd)
{
	FILE *f = fopen(in_top(name), "w");
	assert_non_null(f);
	if (cwd)
		fprintf(f, "{\"type\":\"header\",\"version\":1,\"cwd\":\"%s\"}\n", cwd);
	fclose(f);
}

static void expect_newest(const char *cwd, const char *name, int elsewhere)
{
	int e;
	char *path = trace_place_newest(top, cwd, &e, error, sizeof(error));
	if (!path)
		fail_msg("%s", error);
	assert_string_equal(path, in_top(name));
	assert_int_equal(e, elsewhere);
	free(path);
}

static void test_newest(void **state)
{
	(void)state;
	int elsewhere;
	assert_null(trace_place_newest(in_top("none"), "/", &elsewhere, error, sizeof(error)));
	assert_non_null(strstr(error, "no trace was made yet"));
	assert_null(trace_place_newest(top, "/", &elsewhere, error, sizeof(error)));

	make_trace("20261101T000000Z-claude-10.jsonl", "/a");
	make_trace("20261103T000000Z-claude-9.jsonl", "/a");
	make_trace("20261102T000000Z-zz-11.jsonl", "/b");
	make_trace("20261104T000000Z-claude-12.jsonl", "/c");
	make_trace("20261105T000000Z-claude-13.jsonl", NULL); /* a full disk: nothing in it */
	make_trace("20261106T000000Z-claude-x.jsonl", "/a");  /* not named by us */
	make_trace("mine.jsonl", "/a");
	assert_int_equal(symlink(in_top("mine.jsonl"), in_top("20261107T000000Z-claude-14.jsonl")), 0);
	expect_newest("/a", "20261103T000000Z-claude-9.jsonl", 0);
	expect_newest("/b", "20261102T000000Z-zz-11.jsonl", 0);
	expect_newest("/d", "20261104T000000Z-claude-12.jsonl", 1);
}

static bool exists(const char *name)
{
	return access(in_top(name), F_OK) == 0;
}

static void test_prune(void **state)
{
	(void)state;
	char alive[64];
	/* A process that is certainly gone, and one that is certainly there. */
	pid_t gone = fork();
	if (gone == 0)
		_exit(0);
	waitpid(gone, NULL, 0);
	char names[4][64];
	for (int i = 0; i < 4; i++) {
		snprintf(names[i], sizeof(names[i]), "2026110%dT000000Z-claude-%d.jsonl", i + 1, (int)gone);
		make_trace(names[i], "/");
	}
	snprintf(alive, sizeof(alive), "20261001T000000Z-claude-%d.jsonl", (int)getpid());
	make_trace(alive, "/");
	make_trace("20260101T000000Z-notes.jsonl", "/");
	make_trace("20260101T000000Z-claude-1.txt", "/");

	trace_place_prune(top, 2);
	assert_false(exists(names[0]));
	assert_false(exists(names[1]));
	assert_true(exists(names[2]));
	assert_true(exists(names[3]));
	assert_true(exists(alive));
	assert_true(exists("20260101T000000Z-notes.jsonl"));
	assert_true(exists("20260101T000000Z-claude-1.txt"));
	trace_place_prune(in_top("none"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_folder_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_home_without_state, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prune, setup, teardown),
	};
	return cmocka_run_group_tests_name("place", tests, NULL, NULL) != 0;
}
