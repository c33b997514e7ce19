/* SPDX-License-Identifier: MIT */
/* What the first difference of two prompts says of its message: each sign, and what only looks like it. */
#include "why/message_signs.h"

#include "report/report.h"
#include "unit/body_trace.h"
#include "why/view.h"

#define ASKS(blocks) "{\"role\":\"user\",\"content\":[" blocks "]}"
#define ANSWERS(blocks) "{\"role\":\"assistant\",\"content\":[" blocks "]}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define THINKS(text)                                                                                                   \
	"{\"type\":\"thinking\",\"thinking\":\"" text ", at some length and with reasons\",\"signature\":\"s\"}"
#define CALLS "{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"Read\",\"input\":{}}"
#define RESULT(text) "{\"type\":\"tool_result\",\"tool_use_id\":\"1\",\"content\":\"" text "\"}"
#define PROMPT(messages) HEAD messages SYSTEM("rules") "}"

static const struct render_rules kept = {.thinking = THINKING_KEPT, .block_tokens = 1};
static const struct render_rules drops_old = {.thinking = THINKING_DROPPED_OLD, .block_tokens = 1};
static const struct render_rules text_first = {.text_before_tool_results = true, .block_tokens = 1};

/* Two requests, rendered by the same rules, and where they differ. */
struct two {
	struct trace t;
	struct report r;
	struct views views;
	struct view old, new;
	struct comparison c;
};

static void begin(struct two *p, const struct render_rules *rules, const char *old, const char *new)
{
	const char *const bodies[] = {old, new};
	char error[512];

	*p = (struct two){.c = {.nexcuses = 0}};
	body_trace_make(bodies, 2, KVS_API_ANTHROPIC_MESSAGES, CONTENT_FULL, &p->t);
	if (report_build(&p->t, 1, &p->r, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	assert_int_equal(views_init(&p->views, &p->r, rules), 0);
	assert_int_equal(view_render(&p->views, 0, &p->old), 0);
	assert_int_equal(view_render(&p->views, 1, &p->new), 0);
	compare(&p->old, &p->new, &p->c);
	/* What every caller has seen to. */
	assert_true(p->c.old_piece < p->old.rendered.n);
	assert_true(p->c.new_piece < p->new.rendered.n);
}

static void end(struct two *p)
{
	view_release(&p->old);
	view_release(&p->new);
	views_release(&p->views);
	report_release(&p->r);
	trace_release(&p->t);
}

static bool trimmed(const char *old, const char *new, uint32_t *gone)
{
	struct two p;
	begin(&p, &kept, old, new);
	bool found = message_trimmed(&p.old, &p.new, &p.c, gone);
	end(&p);
	return found;
}

static void test_trimmed(void **state)
{
	(void)state;
	const char *old = PROMPT(USER("one") "," SAYS("two") "," ASKS(TEXT("three") "," TEXT("more")) "," SAYS("four"));
	uint32_t gone = 0;

	assert_true(
		trimmed(old, PROMPT(ASKS(TEXT("three") "," TEXT("more")) "," SAYS("four") "," USER("five")), &gone));
	assert_int_equal(gone, 2);
	/* One message in the middle. */
	assert_true(trimmed(old, PROMPT(USER("one") "," ASKS(TEXT("three") "," TEXT("more")) "," SAYS("four")), &gone));
	assert_int_equal(gone, 1);
	/* What comes again is not all of the rest: it was edited behind, too. */
	assert_false(trimmed(old, PROMPT(ASKS(TEXT("three") "," TEXT("more")) "," SAYS("4") "," USER("five")), &gone));
	/* A block of a message is gone, not a message. */
	assert_false(trimmed(old, PROMPT(USER("one") "," SAYS("two") "," ASKS(TEXT("more")) "," SAYS("four")), &gone));
	/* The last block of one; and a message that went into the one before. */
	assert_false(trimmed(PROMPT(USER("one") "," ANSWERS(TEXT("a") "," TEXT("b")) "," USER("three")),
			     PROMPT(USER("one") "," SAYS("a") "," USER("three")), &gone));
	assert_false(trimmed(PROMPT(USER("one") "," SAYS("two") "," USER("three")),
			     PROMPT(ASKS(TEXT("one") "," TEXT("three"))), &gone));
	/* What comes next in the new one is not in the old one. */
	assert_false(trimmed(old, PROMPT(USER("five") "," SAYS("four")), &gone));
}

/* The two signs of thinking, which exclude each other: bit 0 left out by the template, bit 1 gone on the wire. */
static int thinking(const struct render_rules *rules, const char *old, const char *new)
{
	struct two p;
	begin(&p, rules, old, new);
	int found = message_thinking_left_out(&p.old, &p.new, &p.c) | message_thinking_gone(&p.old, &p.new, &p.c) << 1;
	end(&p);
	return found;
}

static void test_thinking(void **state)
{
	(void)state;
#define ROUND(blocks) USER("one") "," ANSWERS(blocks) "," ASKS(RESULT("r"))
	const char *old = PROMPT(ROUND(THINKS("hm") "," CALLS));
	enum { NEITHER, LEFT_OUT, GONE };

	/* A second question: the template drops what it had rendered, and the request still sends it. */
	assert_int_equal(thinking(&drops_old, old, PROMPT(ROUND(THINKS("hm") "," CALLS) "," SAYS("a") "," USER("two"))),
			 LEFT_OUT);
	/* The client left it out: by whatever template. */
	assert_int_equal(thinking(&drops_old, old, PROMPT(ROUND(CALLS) "," SAYS("a") "," USER("two"))), GONE);
	assert_int_equal(thinking(&kept, old, PROMPT(ROUND(CALLS))), GONE);
	/* The rest of its message was edited, too. */
	assert_int_equal(thinking(&kept, old, PROMPT(ROUND(TEXT("I call.") "," CALLS))), GONE);
	/* Another thought is in its place. */
	assert_int_equal(thinking(&kept, old, PROMPT(ROUND(THINKS("oh") "," CALLS))), NEITHER);
	/* The whole message is gone. */
	assert_int_equal(thinking(&kept, old, PROMPT(USER("one") "," ASKS(TEXT("and") "," RESULT("r")))), NEITHER);
	/* A text is gone, not a thought. */
	assert_int_equal(thinking(&kept, PROMPT(ROUND(TEXT("hm") "," CALLS)), PROMPT(ROUND(CALLS))), NEITHER);
}

static bool moved(const struct render_rules *rules, const char *new, uint32_t *texts)
{
	struct two p;
	begin(&p, rules, PROMPT(USER("one") "," ANSWERS(CALLS) "," ASKS(RESULT("r"))), new);
	bool found = message_text_moved(&p.old, &p.new, &p.c, texts);
	end(&p);
	return found;
}

static void test_text_moved(void **state)
{
	(void)state;
	uint32_t texts = 0;

	assert_true(
		moved(&text_first, PROMPT(USER("one") "," ANSWERS(CALLS) "," ASKS(RESULT("r") "," TEXT("x"))), &texts));
	assert_int_equal(texts, 1);
	assert_true(moved(&text_first,
			  PROMPT(USER("one") "," ANSWERS(CALLS) "," ASKS(RESULT("r") "," TEXT("x") "," TEXT("y"))),
			  &texts));
	assert_int_equal(texts, 2);
	/* The client itself has put it in front. */
	assert_false(
		moved(&text_first, PROMPT(USER("one") "," ANSWERS(CALLS) "," ASKS(TEXT("x") "," RESULT("r"))), &texts));
	assert_false(moved(&kept, PROMPT(USER("one") "," ANSWERS(CALLS) "," ASKS(TEXT("x") "," RESULT("r"))), &texts));
	/* It is another result besides. */
	assert_false(
		moved(&text_first, PROMPT(USER("one") "," ANSWERS(CALLS) "," ASKS(RESULT("R") "," TEXT("x"))), &texts));
}

static bool same_text(const char *old, const char *new, struct excuse *step)
{
	struct two p;
	begin(&p, &kept, old, new);
	bool found = message_same_text(&p.old, &p.new, &p.c, step);
	end(&p);
	return found;
}

static void test_same_text(void **state)
{
	(void)state;
	const char *one = PROMPT(USER("q") "," SAYS("one two") "," USER("more")),
		   *two = PROMPT(USER("q") "," ANSWERS(TEXT("one ") "," TEXT("two")) "," USER("more"));
	struct excuse step;

	assert_true(same_text(one, two, &step));
	assert_int_equal(step.old_pieces, 1);
	assert_int_equal(step.new_pieces, 2);
	assert_true(same_text(two, one, &step));
	assert_int_equal(step.old_pieces, 2);
	assert_int_equal(step.new_pieces, 1);
	/* A difference in the second block: the step leads from there to the message's end. */
	assert_true(same_text(PROMPT(USER("q") "," ANSWERS(TEXT("a") "," TEXT("bc"))),
			      PROMPT(USER("q") "," ANSWERS(TEXT("a") "," TEXT("b") "," TEXT("c"))), &step));
	assert_int_equal(step.old_pieces, 1);
	assert_int_equal(step.new_pieces, 2);
	/* A letter more. */
	assert_false(
		same_text(one, PROMPT(USER("q") "," ANSWERS(TEXT("one ") "," TEXT("twos")) "," USER("more")), &step));
	/* The same text, but spread over two messages. */
	assert_false(same_text(one, PROMPT(USER("q") "," SAYS("one ") "," SAYS("two") "," USER("more")), &step));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trimmed),
		cmocka_unit_test(test_thinking),
		cmocka_unit_test(test_text_moved),
		cmocka_unit_test(test_same_text),
	};
	return cmocka_run_group_tests_name("why_messages", tests, make_file, remove_file) != 0;
}
