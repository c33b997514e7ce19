/* SPDX-License-Identifier: MIT */
#include "mock/breakpoints.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TTL (300 * NS_PER_S)
#define SYSTEM(control) "\"system\":[{\"type\":\"text\",\"text\":\"You are careful.\"" control "}],"
#define MARK ",\"cache_control\":{\"type\":\"ephemeral\"}"
#define MARK_1H ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"
#define TEXT(text, control) "{\"type\":\"text\",\"text\":\"" text "\"" control "}"
#define USER(blocks) "{\"role\":\"user\",\"content\":[" blocks "]}"

static const struct mock_rendering as_sent;
static struct mock_prefixes prefixes;
static char why[320];
static size_t prompt_tokens, written[TTLS];

/* NULL, or why the API refuses it. */
static const char *refused(const char *json)
{
	struct mock_request r;
	struct mock_breakpoints b;

	if (mock_request_read(&r, MOCK_ANTHROPIC_MESSAGES, &as_sent, str_from(json), why, sizeof(why)) < 0)
		fail_msg("%s", why);
	const char *wrong = mock_breakpoints_read(&b, &r, 1, 0, why, sizeof(why));
	if (!wrong)
		mock_breakpoints_release(&b);
	mock_request_release(&r);
	return wrong;
}

/* One request from its start to its end; returns what was cached. */
static size_t ask_at(uint64_t now_ns, size_t min, const char *json)
{
	struct mock_request r;
	struct mock_breakpoints b;

	if (mock_request_read(&r, MOCK_ANTHROPIC_MESSAGES, &as_sent, str_from(json), why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_null(mock_breakpoints_read(&b, &r, 1, min, why, sizeof(why)));
	size_t cached = mock_prefixes_lookup(&prefixes, &b, now_ns, written);
	mock_prefixes_store(&prefixes, &b, now_ns);
	prompt_tokens = r.prompt.n;
	mock_breakpoints_release(&b);
	mock_request_release(&r);
	return cached;
}

static size_t ask(const char *json)
{
	return ask_at(1, 0, json);
}

static int setup(void **state)
{
	(void)state;
	mock_prefixes_init(&prefixes, TTL, 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mock_prefixes_release(&prefixes);
	return 0;
}

static void test_nothing_unasked(void **state)
{
	(void)state;
	const char *plain = "{" SYSTEM("") "\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}";
	assert_int_equal(ask(plain), 0);
	assert_int_equal(ask(plain), 0);
	assert_int_equal(mock_prefixes_count(&prefixes), 0);
}

static void test_read_and_written(void **state)
{
	(void)state;
	assert_int_equal(ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", MARK)) "]}"), 0);
	size_t whole = written[TTL_5M];
	assert_int_equal(written[TTL_1H], 0);
	assert_true(whole > 0 && whole < prompt_tokens);
	assert_int_equal(mock_prefixes_count(&prefixes), 2);

	/* The conversation goes on: what was written is read, the tail is written. */
	assert_int_equal(
		ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT(
			"one", "")) ","
				    "{\"role\":\"assistant\",\"content\":\"two\"}," USER(TEXT("three", MARK)) "]}"),
		whole);
	assert_true(written[TTL_5M] > 0 && whole + written[TTL_5M] < prompt_tokens);

	/* Another question: the system prompt alone. Another system prompt: nothing. */
	size_t system = ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("else", MARK)) "]}");
	assert_true(system > 0 && system < whole);
	assert_int_equal(
		ask("{\"system\":[" TEXT("You are bold.", MARK) "],\"messages\":[" USER(TEXT("one", MARK)) "]}"), 0);
	/* What stands between two breakpoints was not written, so it is not found. */
	assert_int_equal(ask("{" SYSTEM("") "\"messages\":[" USER(TEXT("one", "") "," TEXT("x", MARK)) "]}"), whole);
	assert_int_equal(ask("{" SYSTEM("") "\"messages\":[" USER(TEXT("on", "") "," TEXT("x", MARK)) "]}"), system);
}

static void test_times_to_live(void **state)
{
	const char *five = "{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", "")) "]}";
	const char *hour = "{" SYSTEM(MARK_1H) "\"messages\":[" USER(TEXT("one", "")) "]}";
	(void)state;

	assert_int_equal(ask_at(NS_PER_S, 0, five), 0);
	assert_true(ask_at(TTL, 0, five) > 0);             /* refreshed by this */
	assert_true(ask_at(TTL + TTL - 1, 0, five) > 0);   /* ... and by this */
	assert_int_equal(ask_at(3 * TTL - 1, 0, five), 0); /* at its very end it is gone */
	assert_int_equal(ask_at(3 * TTL, 0, hour), 0);     /* the two are apart */
	assert_true(written[TTL_1H] > 0 && written[TTL_5M] == 0);
	assert_true(ask_at(14 * TTL, 0, hour) > 0);
	assert_int_equal(ask_at(26 * TTL, 0, hour), 0);

	/* Read by a breakpoint further on, it lives on as well. */
	ask_at(30 * TTL, 0, "{\"messages\":[" USER(TEXT("one", MARK)) "]}");
	ask_at(31 * TTL - 1, 0, "{\"messages\":[" USER(TEXT("one", "") "," TEXT("two", MARK)) "]}");
	assert_true(ask_at(31 * TTL + 1, 0, "{\"messages\":[" USER(TEXT("one", MARK)) "]}") > 0);

	/* Both in one request: the hour's part ends at its last breakpoint. */
	ask_at(37 * TTL, 0, "{" SYSTEM(MARK_1H) "\"messages\":[" USER(TEXT("one", MARK)) "]}");
	assert_true(written[TTL_5M] > 0 && written[TTL_1H] == 0);
	ask_at(60 * TTL, 0, "{" SYSTEM(MARK_1H) "\"messages\":[" USER(TEXT("one", MARK)) "]}");
	assert_true(written[TTL_5M] > 0 && written[TTL_1H] > 0);
	assert_int_equal(mock_prefixes_count(&prefixes), 2); /* what has expired is not kept */
}

static void test_minimum(void **state)
{
	const char *json = "{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", MARK)) "]}";
	(void)state;

	ask(json);
	size_t whole = written[TTL_5M];
	mock_prefixes_reset(&prefixes);
	assert_int_equal(ask_at(1, whole, json), 0);
	assert_int_equal(mock_prefixes_count(&prefixes), 1); /* the longer one */
	assert_int_equal(ask_at(1, whole, json), whole);
	assert_int_equal(ask_at(1, whole + 1, json), 0);
	assert_int_equal(written[TTL_5M], 0);
}

/* A user turn of one block that was asked before, then `more` blocks and a mark on the last. */
static size_t ask_after(size_t more)
{
	char json[8192];
	size_t n =
		(size_t)snprintf(json, sizeof(json), "{\"messages\":[{\"role\":\"user\",\"content\":[" TEXT("one", ""));
	for (size_t i = 0; i < more; i++)
		n += (size_t)snprintf(json + n, sizeof(json) - n, ",{\"type\":\"text\",\"text\":\"%zu of %zu\"%s}", i,
				      more, i + 1 == more ? MARK : "");
	snprintf(json + n, sizeof(json) - n, "]}]}");
	return ask(json);
}

static void test_lookback(void **state)
{
	(void)state;
	ask("{\"messages\":[" USER(TEXT("one", MARK)) "]}");
	assert_true(ask_after(19) > 0);     /* the twentieth position is looked at */
	assert_int_equal(ask_after(20), 0); /* the next is not */
	prefixes.lookback = 30;
	assert_true(ask_after(29) > 0);
}

/* What parameters invalidate: the prefix of the system prompt, of the messages. */
static void test_parameters(void **state)
{
	static const struct {
		const char *parameter;
		bool system_holds, messages_hold;
	} cases[] = {
		{"\"temperature\":0.5,", true, true},
		{"\"tool_choice\":{\"type\":\"auto\"},", true, true},
		{"\"tool_choice\":{\"type\":\"any\"},", true, false},
		{"\"thinking\":{\"type\":\"disabled\"},", true, true},
		{"\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000},", true, false},
		{"\"output_config\":{\"effort\":\"high\"},", true, true},
		{"\"output_config\":{\"effort\":\"low\"},", true, false},
		{"\"speed\":\"fast\",", false, false},
	};
	char json[1024];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mock_prefixes_reset(&prefixes);
		ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", MARK)) "]}");
		size_t whole = written[TTL_5M];
		snprintf(json, sizeof(json), "{%s" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", MARK)) "]}",
			 cases[i].parameter);
		size_t cached = ask(json);
		if ((cached > 0) != cases[i].system_holds || (cached == whole) != cases[i].messages_hold)
			fail_msg("%s: %zu of %zu", cases[i].parameter, cached, whole);
	}

	/* An image anywhere changes the messages, not what is before them. */
	mock_prefixes_reset(&prefixes);
	ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", MARK)) "]}");
	size_t whole = written[TTL_5M];
	size_t cached =
		ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", "") ",{\"type\":\"image\"" MARK "}") "]}");
	assert_true(cached > 0 && cached < whole);
	/* ... and its mark is no part of it. */
	whole = cached + written[TTL_5M];
	cached = ask("{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", "") ",{\"type\":\"image\"}") "," USER(
		TEXT("two", MARK)) "]}");
	assert_int_equal(cached, whole);
	/* A tool that goes takes everything with it. */
	assert_int_equal(
		ask("{\"tools\":[{\"name\":\"Bash\"}]," SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", MARK)) "]}"), 0);
}

/* The request's own cache_control marks the last block that can be. */
static void test_automatic(void **state)
{
	(void)state;
	assert_int_equal(ask("{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[" USER(TEXT("one", "")) "]}"),
			 0);
	size_t whole = written[TTL_5M];
	assert_true(whole > 0);
	assert_int_equal(
		ask("{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[" USER(TEXT(
			"one",
			"")) ","
			     "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"}]}]}"),
		whole);
	assert_int_equal(written[TTL_5M], 0);
	assert_int_equal(
		ask("{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[{\"role\":\"user\",\"content\":\"one\"},"
		    "{\"role\":\"assistant\",\"content\":\"two\"}]}"),
		whole);
	assert_true(written[TTL_5M] > 0);
}

#define FOUR TEXT("a", MARK) "," TEXT("b", MARK) "," TEXT("c", MARK) "," TEXT("d", MARK)

static void test_refused(void **state)
{
	static const struct {
		const char *json, *why;
	} cases[] = {
		{"{\"messages\":[" USER(FOUR) "]}", NULL},
		{"{\"messages\":[" USER(FOUR "," TEXT("e", MARK)) "]}",
		 "A maximum of 4 blocks with cache_control may be provided. Found 5."},
		{"{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[" USER(FOUR) "]}", NULL},
		{"{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[" USER(FOUR "," TEXT("e", "")) "]}",
		 "A maximum of 4 blocks with cache_control may be provided. Found 5."},
		{"{" SYSTEM(MARK) "\"messages\":[" USER(TEXT("one", "")) "," USER(
			 TEXT("x", "") "," TEXT("y", MARK_1H)) "]}",
		 "messages.1.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a "
		 "ttl='5m' "
		 "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
		 "`messages`."},
		{"{\"tools\":[{\"name\":\"Bash\"" MARK
		 "}]," SYSTEM(MARK_1H) "\"messages\":[" USER(TEXT("one", "")) "]}",
		 "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
		 "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
		 "`messages`."},
		{"{" SYSTEM(MARK_1H) "\"messages\":[" USER(TEXT("one", MARK)) "]}", NULL},
		{"{\"messages\":[" USER(TEXT("", MARK)) "]}",
		 "messages.0.content.0.text: cache_control cannot be set for empty text blocks"},
		{"{\"messages\":[" USER("{\"type\":\"thinking\",\"thinking\":\"hm\"" MARK "}") "]}",
		 "messages.0.content.0.thinking.cache_control: Extra inputs are not permitted"},
		{"{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[" USER(TEXT("one", MARK_1H)) "]}",
		 "Top-level cache_control has ttl='5m' but the target block already has cache_control with ttl='1h'"},
		{"{\"tools\":[{\"name\":\"Bash\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"2h\"}}],"
		 "\"messages\":[" USER(TEXT("one", "")) "]}",
		 "tools.0.cache_control.ttl: Input should be '5m' or '1h'"},
		{"{\"cache_control\":{},\"messages\":[" USER(TEXT("one", "")) "]}",
		 "cache_control.type: Input should be 'ephemeral'"},
	};
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = refused(cases[i].json);
		if (!cases[i].why)
			assert_null(got);
		else
			assert_string_equal(got ? got : "accepted", cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_unasked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_and_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_times_to_live, setup, teardown),
		cmocka_unit_test_setup_teardown(test_minimum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lookback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parameters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_automatic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
