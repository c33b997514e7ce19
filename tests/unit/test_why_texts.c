/* SPDX-License-Identifier: MIT */
/* What two texts say of why they differ: dates, sections, reminders, and what only looks like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "why/text_signs.h"

static bool dates(const char *old, const char *new)
{
	return text_date_changed(str_from(old), str_from(new));
}

static void test_dates(void **state)
{
	(void)state;
	assert_true(dates("Today's date is 2026-11-23.", "Today's date is 2026-11-24."));
	assert_true(dates("Today's date is 2026-11-30.", "Today's date is 2026-12-01."));
	assert_true(dates("It is Tue Nov 24 2026 now", "It is Wed Nov 25 2026 now"));
	assert_true(dates("on 31/12/2026, then", "on 1/1/2027, then"));
	assert_true(dates("at 2026-11-23T10:11:12 it", "at 2026-11-23T10:12:00 it"));
	assert_true(dates("2026-11-23 and 2026-11-23", "2026-11-24 and 2026-11-24"));
	assert_true(dates("[09:14] What?", "[10:02] What?"));
	assert_true(dates("It is 9:14:02 PM now", "It is 9:15:30 PM now"));
	assert_false(dates("main.c:12:30: error", "main.c:12:31: error"));
	assert_false(dates("12:345 of", "12:346 of"));
	assert_false(dates("12:30:15:1", "12:30:15:2"));
	/* What a date stands beside, and numbers that are none. */
	assert_false(dates("update foo.c", "update bar.c"));
	assert_false(dates("Date: soon", "Date: late"));
	assert_false(dates("version 2.1.42", "version 2.1.43"));
	assert_false(dates("2026-11-23 is fine", "2026-11-24 is bad"));
	assert_false(dates("14987 tokens left", "14201 tokens left"));
	assert_false(dates("", "2026-11-23"));
	assert_false(dates("2026-11-23", "2026-11-23 2026-11-24"));
	assert_false(dates("port 8080", "port 8081"));
}

static enum text_section section(const char *text, const char *at)
{
	const char *p = strstr(text, at);
	assert_non_null(p);
	return text_section_at(str_from(text), (size_t)(p - text));
}

static void test_sections(void **state)
{
	(void)state;
	const char *system = "Rules\n<env>\nWorking directory: /a\n</env>\nMore rules on git status.\n\ngitStatus: M "
			     "x.c\n# Next\nend";
	const char *memory =
		"<system-reminder>\n# claudeMd\nContents:\n# Mine\nUse tabs\n# currentDate\nToday\n</system-reminder>";
	assert_int_equal(section(system, "/a"), SECTION_ENVIRONMENT);
	assert_int_equal(section(system, "More"), SECTION_NONE);
	assert_int_equal(section(system, "on git"), SECTION_NONE);
	assert_int_equal(section(system, "x.c"), SECTION_GIT);
	assert_int_equal(section(system, "end"), SECTION_NONE);
	/* A memory file has headings of its own. */
	assert_int_equal(section(memory, "Use tabs"), SECTION_MEMORY);
	assert_int_equal(section(memory, "Today"), SECTION_NONE);
	assert_int_equal(section("# Environment\nPlatform: linux\n# Else\nx", "linux"), SECTION_ENVIRONMENT);
	assert_int_equal(section("# Environment\n - Platform: linux\n\nBe brief.", "brief"), SECTION_NONE);
	/* The section itself came. */
	assert_int_equal(section("Rules\ngitStatus: M x.c", "gitStatus"), SECTION_GIT);
}

static void test_sections_of_differences(void **state)
{
	(void)state;
	static const struct {
		const char *old, *new;
		enum text_section section;
	} cases[] = {
		{"Rules\ngitStatus: M x.c", "Rules\ngitStatus: A x.c", SECTION_GIT},
		{"Rules\ngitStatus: M x.c", "Rules\n", SECTION_GIT},
		{"Rules\n", "Rules\ngitStatus: M x.c", SECTION_GIT},
		/* What came in front of it has only moved it. */
		{"Rules\ngitStatus: M x.c", "Rules\nBe brief.\ngitStatus: M x.c", SECTION_NONE},
		{"Rules\nBe brief.\ngitStatus: M x.c", "Rules\ngitStatus: M x.c", SECTION_NONE},
		{"<env>\na\n</env>\n", "<env>\nb\n</env>\n", SECTION_ENVIRONMENT},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(text_section_of_difference(str_from(cases[i].old), str_from(cases[i].new)),
				 cases[i].section);
}

static bool differs(const char *old, const char *new)
{
	return text_reminder_differs(str_from(old), str_from(new));
}

static void test_reminders(void **state)
{
	(void)state;
	assert_true(differs("result", "result\n<system-reminder>todo</system-reminder>"));
	assert_true(differs("result\n<system-reminder>a</system-reminder>",
			    "result\n<system-reminder>b</system-reminder>"));
	assert_false(differs("result one", "result two"));
	assert_false(differs("<system-reminder>a</system-reminder> one", "<system-reminder>a</system-reminder> two"));
}

static void test_the_rest(void **state)
{
	(void)state;
	assert_true(text_is_countdown(STR("<total_tokens>14 tokens left</total_tokens>")));
	assert_false(text_is_countdown(STR("14 tokens left")));
	assert_true(text_attestation(STR("it was cch=00000; then"), STR("it was cch=a93f1; then")));
	assert_true(text_attestation(STR("it was cch=0a000; then"), STR("it was cch=0b000; then")));
	assert_false(text_attestation(STR("it was cch=00000; then"), STR("it was cch=xyz; then")));
	assert_false(text_attestation(STR("it was 00000"), STR("it was a93f1")));
	assert_true(text_identity_changed(STR("You are Claude Code, x"), STR("You are a Claude agent, y")));
	assert_false(text_identity_changed(STR("You are Claude Code, x"), STR("Be brief")));
	assert_true(text_is_compaction(STR("much"), STR("[Old tool result content cleared]")));
	assert_false(
		text_is_compaction(STR("[Old tool result content cleared]"), STR("[Old tool result content cleared]")));
	assert_int_equal(text_common(STR("abc"), STR("abd")), 2);
	assert_int_equal(text_common(STR(""), STR("abd")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_sections_of_differences),
		cmocka_unit_test(test_reminders),
		cmocka_unit_test(test_the_rest),
	};
	return cmocka_run_group_tests_name("why_texts", tests, NULL, NULL) != 0;
}
