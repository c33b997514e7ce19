/* SPDX-License-Identifier: MIT */
#include "mock/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char matched[32];

static struct script parse(const char *text)
{
	struct script s;
	char why[320] = "";
	if (script_parse(&s, str_from(text), why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return s;
}

/* A request with so many assistant messages, from a model, with one tool or none. */
static struct mock_request request(size_t turn, const char *model, const char *tool)
{
	struct mock_request r;
	struct buf json;
	char why[160];

	buf_init(&json, 1 << 16);
	buf_printf(&json, "{\"model\":\"%s\",\"system\":\"You are careful\",\"messages\":[", model);
	for (size_t i = 0; i < turn; i++)
		buf_puts(&json,
			 "{\"role\":\"user\",\"content\":\"go on\"},{\"role\":\"assistant\",\"content\":\"a\"},");
	buf_puts(&json,
		 "{\"role\":\"user\",\"content\":\"what time is it\"},{\"role\":\"system\",\"content\":\"late\"}]");
	if (tool)
		buf_printf(&json, ",\"tools\":[{\"name\":\"%s\"}]", tool);
	buf_puts(&json, "}");
	const struct mock_rendering as_sent = {0};
	assert_int_equal(mock_request_read(&r, MOCK_ANTHROPIC_MESSAGES, &as_sent, buf_str(&json), why, sizeof(why)), 0);
	buf_release(&json);
	return r;
}

/* What the script answers to such a request, by name. */
static const char *answer_to(struct script *s, size_t turn, const char *model, const char *tool)
{
	struct mock_request r = request(turn, model, tool);
	assert_non_null(script_match(s, &r, matched, sizeof(matched)));
	mock_request_release(&r);
	return matched;
}

static void test_without_script(void **state)
{
	(void)state;
	struct script s;
	assert_int_equal(script_init(&s), 0);
	assert_string_equal(answer_to(&s, 0, "m", NULL), "default");
	assert_int_equal(s.otherwise.nblocks, 1);
	assert_int_equal(s.otherwise.blocks[0].kind, ANSWER_TEXT);
	script_release(&s);
}

static void test_turns(void **state)
{
	(void)state;
	struct script s = parse("{\"turns\":[[{\"tool_use\":{\"name\":\"Bash\",\"input\":{\"command\":\"ls\"}}}],"
				"[{\"text\":\"done\"}]],\"default\":[{\"text\":\"aside\"}]}");
	assert_string_equal(answer_to(&s, 0, "m", "Bash"), "turns[0]");
	assert_string_equal(answer_to(&s, 1, "m", "Bash"), "turns[1]");
	assert_string_equal(answer_to(&s, 2, "m", "Bash"), "default");
	/* Nothing is used up. */
	assert_string_equal(answer_to(&s, 0, "m", "Bash"), "turns[0]");
	/* A side request without tools is not a turn; a client without that tool cannot be asked to call it. */
	assert_string_equal(answer_to(&s, 0, "m", NULL), "default");
	assert_string_equal(answer_to(&s, 1, "m", NULL), "default");
	assert_string_equal(answer_to(&s, 0, "m", "Read"), "default");
	assert_string_equal(s.otherwise.blocks[0].text, "aside");
	assert_string_equal(s.turns[0].blocks[0].text, "{\"command\":\"ls\"}");
	script_release(&s);
}

static void test_conditions(void **state)
{
	(void)state;
	struct script s =
		parse("{\"rules\":["
		      "{\"when\":{\"model\":\"opus\",\"turn\":1},\"answer\":[{\"text\":\"0\"}]},"
		      "{\"when\":{\"turn_min\":2,\"turn_max\":3,\"tools\":true},\"answer\":[{\"text\":\"1\"}]},"
		      "{\"when\":{\"system\":\"careful\",\"turn_min\":5},\"answer\":[{\"text\":\"2\"}]},"
		      "{\"when\":{\"user\":\"time\",\"tools\":false,\"turn\":2},\"answer\":[{\"text\":\"3\"}]},"
		      "{\"when\":{\"user\":\"go on\"},\"answer\":[{\"text\":\"4\"}]}"
		      "]}");
	assert_string_equal(answer_to(&s, 1, "claude-opus-5", NULL), "rules[0]");
	assert_string_equal(answer_to(&s, 1, "sonnet", NULL), "default");
	assert_string_equal(answer_to(&s, 0, "opus", NULL), "default");
	assert_string_equal(answer_to(&s, 2, "m", "t"), "rules[1]");
	assert_string_equal(answer_to(&s, 3, "m", "t"), "rules[1]");
	assert_string_equal(answer_to(&s, 4, "m", "t"), "default");
	assert_string_equal(answer_to(&s, 2, "m", NULL), "rules[3]");
	assert_string_equal(answer_to(&s, 5, "m", NULL), "rules[2]");
	assert_string_equal(answer_to(&s, 9, "m", "t"), "rules[2]");
	script_release(&s);
}

static void test_repeat(void **state)
{
	(void)state;
	struct script s = parse("{\"rules\":[{\"repeat\":2,\"status\":529},{\"answer\":[{\"text\":\"x\"}]}]}");
	assert_string_equal(answer_to(&s, 0, "m", NULL), "rules[0]");
	assert_string_equal(answer_to(&s, 0, "m", NULL), "rules[0]");
	assert_string_equal(answer_to(&s, 0, "m", NULL), "rules[1]");
	assert_string_equal(s.rules[0].answer.error_type, "overloaded_error");
	script_release(&s);
}

static void test_actions(void **state)
{
	(void)state;
	struct script s =
		parse("{\"default\":{\"delay_ms\":5,\"answer\":["
		      "{\"stall_ms\":1},{\"thinking\":\"hm\"},{\"text\":\"one \"},{\"stall_ms\":20},{\"text\":\"two\"},"
		      "{\"tool_use\":{\"name\":\"a\"}},{\"tool_use\":{\"name\":\"b\",\"input\":{\"k\":[1,2]}}},"
		      "{\"error\":{\"type\":\"overloaded_error\"}}]}}");
	const struct answer *a = &s.otherwise;
	assert_int_equal(a->delay_ms, 5);
	assert_int_equal(a->nblocks, 4);
	assert_int_equal(a->blocks[0].kind, ANSWER_THINKING);
	assert_string_equal(a->blocks[1].text, "one two");
	assert_string_equal(a->blocks[2].name, "a");
	assert_string_equal(a->blocks[2].text, "{}");
	assert_string_equal(a->blocks[3].text, "{\"k\":[1,2]}");
	assert_int_equal(a->nevents, 3);
	assert_int_equal(a->events[0].block, 0);
	assert_int_equal(a->events[0].offset, 0);
	assert_int_equal(a->events[1].block, 1);
	assert_int_equal(a->events[1].offset, 4);
	assert_int_equal(a->events[1].stall_ms, 20);
	assert_int_equal(a->events[2].kind, EVENT_ERROR);
	assert_string_equal(a->events[2].type, "overloaded_error");
	assert_string_equal(a->events[2].message, "scripted error");
	script_release(&s);
}

static void test_bad_scripts(void **state)
{
	(void)state;
	static const struct {
		const char *script, *why;
	} bad[] = {
		{"", "line 1: not JSON"},
		{"{\n\"rules\": [\n{,", "line 3: not JSON"},
		{"{}\n\n{}", "line 3: something follows the script"},
		{"\"\xff\"", "not UTF-8"},
		{"[]", "a script must be an object"},
		{"{\"rule\":[]}", "there is no key \"rule\" here"},
		{"{\"rules\":{}}", "\"rules\" must be a list"},
		{"{\"turns\":1}", "\"turns\" must be a list"},
		{"{\"rules\":[1]}", "rule 0: must be an object"},
		{"{\"rules\":[{\"answer\":[]},{}]}", "rule 1: \"answer\" or \"status\" is required"},
		{"{\"rules\":[{\"answer\":[],\"status\":500}]}",
		 "rule 0: \"answer\" and \"status\" exclude each other"},
		{"{\"rules\":[{\"status\":200}]}", "rule 0: \"status\" must be an HTTP error, 400 to 599"},
		{"{\"rules\":[{\"status\":600}]}", "rule 0: \"status\" must be a whole number from 0 to 599"},
		{"{\"rules\":[{\"answer\":[],\"error\":{}}]}",
		 "rule 0: \"error\" and \"retry_after_s\" belong to a \"status\""},
		{"{\"rules\":[{\"answer\":[],\"wen\":{}}]}", "rule 0: there is no key \"wen\" here"},
		{"{\"rules\":[{\"answer\":[],\"when\":1}]}", "rule 0: \"when\" must be an object"},
		{"{\"rules\":[{\"answer\":[],\"when\":{\"turns\":1}}]}", "rule 0: there is no condition \"turns\""},
		{"{\"rules\":[{\"answer\":[],\"when\":{\"turn\":1.5}}]}",
		 "rule 0: \"turn\" must be a whole number from 0 to 1000000"},
		{"{\"rules\":[{\"answer\":[],\"when\":{\"tools\":1}}]}", "rule 0: \"tools\" must be true or false"},
		{"{\"rules\":[{\"answer\":[],\"when\":{\"model\":1}}]}", "rule 0: \"model\" must be a string"},
		{"{\"rules\":[{\"answer\":[],\"repeat\":-1}]}",
		 "rule 0: \"repeat\" must be a whole number from 0 to 1000000"},
		{"{\"rules\":[{\"answer\":{}}]}", "rule 0: an answer must be a list of actions"},
		{"{\"turns\":[[],[1]]}", "turn 1: an action must be an object with one key"},
		{"{\"turns\":[[{\"text\":\"a\",\"stall_ms\":1}]]}", "turn 0: an action must be an object with one key"},
		{"{\"turns\":[[{\"say\":\"a\"}]]}", "turn 0: there is no action \"say\""},
		{"{\"turns\":[[{\"text\":1}]]}", "turn 0: \"text\" must be a string"},
		{"{\"turns\":[[{\"stall_ms\":\"1\"}]]}",
		 "turn 0: \"stall_ms\" must be a whole number from 0 to 3600000"},
		{"{\"turns\":[[{\"cut\":false}]]}", "turn 0: \"cut\" must be true"},
		{"{\"turns\":[[{\"cut\":true},{\"text\":\"\"}]]}", "turn 0: nothing can follow \"error\" or \"cut\""},
		{"{\"turns\":[[{\"tool_use\":{}}]]}", "turn 0: \"tool_use\" must be an object with a \"name\""},
		{"{\"turns\":[[{\"tool_use\":{\"name\":\"x\",\"input\":[]}}]]}",
		 "turn 0: the \"input\" of a tool must be an object"},
		{"{\"turns\":[[{\"tool_use\":{\"name\":\"x\",\"id\":1}}]]}",
		 "turn 0: \"tool_use\" has no field \"id\""},
		{"{\"turns\":[[{\"error\":\"x\"}]]}",
		 "turn 0: \"error\" must be an object with \"type\" and \"message\""},
		{"{\"turns\":[[{\"error\":{\"code\":1}}]]}", "turn 0: \"error\" has no field \"code\""},
		{"{\"default\":1}", "default: must be a list of actions or an object"},
		{"{\"default\":{\"when\":{}}}", "default: there is no key \"when\" here"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct script s;
		char why[320] = "";
		if (script_parse(&s, str_from(bad[i].script), why, sizeof(why)) == 0)
			fail_msg("accepted: %s", bad[i].script);
		assert_string_equal(why, bad[i].why);
		assert_int_equal(s.nrules + s.nturns, 0);
		script_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_script), cmocka_unit_test(test_turns),
		cmocka_unit_test(test_conditions),     cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_actions),        cmocka_unit_test(test_bad_scripts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
