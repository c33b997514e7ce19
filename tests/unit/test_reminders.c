/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "anatomy/reminders.h"

#include <stdio.h>
#include <string.h>

static void measured(const char *json, size_t memory, size_t reminders)
{
	struct reminders r;
	reminders_measure(str_from(json), &r);
	assert_int_equal(r.memory, memory);
	assert_int_equal(r.reminders, reminders);
}

static void what_is_none(void **state)
{
	(void)state;
	struct reminders r;
	reminders_measure((struct str){NULL, 0}, &r);
	assert_int_equal(r.memory + r.reminders, 0);
	measured("{\"type\":\"text\",\"text\":\"hello\"}", 0, 0);
	measured("{\"text\":\"<system-reminder>not closed\"}", 0, 0);
	measured("{\"text\":\"# claudeMd outside of a reminder\"}", 0, 0);
	measured("</system-reminder> before <system-reminder>", 0, 0);
}

static void reminders_are_found_anywhere(void **state)
{
	(void)state;
	measured("{\"text\":\"<system-reminder>x</system-reminder>\"}", 0, 17 + 1 + 18);
	measured("[\"a<system-reminder>x</system-reminder>b<system-reminder></system-reminder>\"]", 0, 36 + 35);
	measured("<total_tokens>12 tokens left</total_tokens>", 0, 43);
}

/* The memory file's own headings are part of it, the client's are not. */
static void memory_files_are_told_apart(void **state)
{
	(void)state;
	const char memory[] = "# claudeMd\\nContents of /x/CLAUDE.md:\\n\\n# Rules\\n\\nBe brief.";
	char json[512];
	snprintf(json, sizeof(json), "<system-reminder>\\nUse this:\\n%s\\n# currentDate\\nToday.</system-reminder>",
		 memory);
	struct reminders r;
	reminders_measure(str_from(json), &r);
	assert_int_equal(r.memory, sizeof(memory) - 1);
	assert_int_equal(r.memory + r.reminders, strlen(json));
	/* As later versions write it: a reminder of its own. */
	const char intro[] = "<system-reminder>Obey.\\n";
	const char later[] = "\\nContents of /x/CLAUDE.md (project instructions):\\n\\nRules</system-reminder>";
	snprintf(json, sizeof(json), "%s%s", intro, later);
	measured(json, sizeof(later) - 1, sizeof(intro) - 1);
	/* Some other file. */
	const char other[] = "<system-reminder>Read:\\nContents of /x/list.txt (cut):\\nx.md (1)</system-reminder>";
	measured(other, 0, sizeof(other) - 1);
	/* Nothing of the client's behind it: to the end of the reminder, its mark included. */
	measured("<system-reminder># claudeMd\\nx</system-reminder>", 13 + 18, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(reminders_are_found_anywhere),
		cmocka_unit_test(memory_files_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
