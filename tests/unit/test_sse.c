/* SPDX-License-Identifier: MIT */
#include "http/sse.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define EVENT_MAX 64

/* What was seen: "name|data|time;" for every event. */
static void note(void *context, struct str name, struct str data, uint64_t time_ns)
{
	buf_printf(context, "%.*s|%.*s|%d;", STR_FMT(name), STR_FMT(data), (int)time_ns);
}

static void note_without_time(void *context, struct str name, struct str data, uint64_t time_ns)
{
	(void)time_ns;
	buf_printf(context, "%.*s|%.*s;", STR_FMT(name), STR_FMT(data));
}

/* As STR, for initializers. */
#define S(literal)                                                                                                     \
	{                                                                                                              \
		"" literal, sizeof(literal) - 1                                                                        \
	}

static const struct {
	struct str stream;
	const char *events;
} cases[] = {
	{S(""), ""},
	{S("data: a\n\n"), "|a;"},
	{S("data:a\r\rdata:b\r\r"), "|a;|b;"},
	{S("data: a\r\n\r\ndata: b\r\n\r\n"), "|a;|b;"},
	{S("data: a\n\rdata: b\r\n\n"), "|a;|b;"},
	{S("event: ping\ndata: {}\n\n"), "ping|{};"},
	{S("event:  two spaces\ndata:\n\n"), " two spaces|;"},
	{S("data: a\ndata\ndata: c\n\n"), "|a\n\nc;"},
	{S(": comment\n\n:\ndata: a\n\n"), "|a;"},
	{S("event: nothing\n\ndata: a\n\n"), "|a;"},
	{S("id: 7\nretry: 3\nfoo: bar\ndata: a\n\n"), "|a;"},
	{S("\xEF\xBB\xBF"
	   "data: a\n\n"),
	 "|a;"},
	{S("data: a\n\n\xEF\xBB\xBF"
	   "data: b\n\n"),
	 "|a;"},
	{S("data: cut off\n"), ""},
	{S("event: a\nevent: b\ndata: c\n\n"), "b|c;"},
	{S("data: a:b: c\n\n"), "|a:b: c;"},
	{S("data: \0x\n\n"), "|;"}, /* printed as far as the 0 */
	{S("\n\n\r\r\r\n\r\ndata: a\n\n"), "|a;"},
	/* longer than EVENT_MAX: passed over, and the next is there */
	{S("data: 0123456789012345678901234567890123456789012345678901234567890123456789\n\ndata: a\n\n"), "|a;"},
	{S("data: 01234567890123456789\ndata: 01234567890123456789\ndata: 01234567890123456789\ndata: 01234567890\n\n"
	   "data: a\n\n"),
	 "|a;"},
	{S(": 0123456789012345678901234567890123456789012345678901234567890123456789\ndata: x\n\ndata: a\n\n"), "|a;"},
};

static void feed_in_two(const char *expected, struct str stream, size_t at, struct guard *guard)
{
	struct buf seen;
	struct sse s;
	buf_init(&seen, 4096);
	sse_init(&s, EVENT_MAX, note_without_time, &seen);
	sse_feed(&s, guard_put(guard, (struct str){stream.p, at}), 1);
	sse_feed(&s, guard_put(guard, (struct str){stream.p + at, stream.n - at}), 2);
	assert_string_equal(buf_str(&seen).p, expected);
	sse_release(&s);
	buf_release(&seen);
}

static void test_cases_split_anywhere(void **state)
{
	(void)state;
	struct guard guard = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (size_t at = 0; at <= cases[i].stream.n; at++)
			feed_in_two(cases[i].events, cases[i].stream, at, &guard);
	guard_release(&guard);
}

static void test_cases_byte_by_byte(void **state)
{
	(void)state;
	struct guard guard = {0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf seen;
		struct sse s;
		buf_init(&seen, 4096);
		sse_init(&s, EVENT_MAX, note_without_time, &seen);
		for (size_t at = 0; at < cases[i].stream.n; at++)
			sse_feed(&s, guard_put(&guard, (struct str){cases[i].stream.p + at, 1}), 1);
		assert_string_equal(buf_str(&seen).p, cases[i].events);
		sse_release(&s);
		buf_release(&seen);
	}
	guard_release(&guard);
}

/* An event has the time of the receive with the end of its blank line, which for CRLF is the CR. */
static void test_time_of_completion(void **state)
{
	(void)state;
	struct buf seen;
	struct sse s;
	buf_init(&seen, 4096);
	sse_init(&s, EVENT_MAX, note, &seen);
	sse_feed(&s, STR("data: a\n\ndata: b\n\ndat"), 1);
	sse_feed(&s, STR("a: c\r\n"), 2);
	sse_feed(&s, STR("\r"), 3);
	sse_feed(&s, STR("\ndata: d\r\n\r\n"), 4);
	assert_string_equal(buf_str(&seen).p, "|a|1;|b|1;|c|3;|d|4;");
	sse_release(&s);
	buf_release(&seen);
}

static void test_gap(void **state)
{
	(void)state;
	struct buf seen;
	struct sse s;
	buf_init(&seen, 4096);
	sse_init(&s, EVENT_MAX, note_without_time, &seen);
	sse_feed(&s, STR("data: a\n\ndata: lo"), 1);
	sse_gap(&s);
	sse_feed(&s, STR("st\ndata: also lost\n\ndata: b\n\n"), 2);
	assert_string_equal(buf_str(&seen).p, "|a;|b;");
	assert_int_equal(s.incomplete, 1);
	/* Here the blank line may be the end of the lost one: the event after it is not trusted. */
	sse_gap(&s);
	sse_feed(&s, STR("\ndata: c\n\ndata: d\n\n"), 3);
	assert_string_equal(buf_str(&seen).p, "|a;|b;|d;");
	sse_release(&s);
	buf_release(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases_split_anywhere),
		cmocka_unit_test(test_cases_byte_by_byte),
		cmocka_unit_test(test_time_of_completion),
		cmocka_unit_test(test_gap),
	};
	return cmocka_run_group_tests_name("sse", tests, NULL, NULL) != 0;
}
