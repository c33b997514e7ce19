/* SPDX-License-Identifier: MIT */
#include "mock/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * A rule is right if a request, rendered by it, is the prompt of the request that a client would have had to send to
 * have nothing changed.
 */

static const struct mock_rendering as_sent;

#define RULES(...) (&(const struct mock_rendering){__VA_ARGS__})
#define HOIST RULES(.system_turns = SYSTEM_TURNS_HOIST)
#define AS_USER RULES(.system_turns = SYSTEM_TURNS_USER)
#define REFUSE RULES(.system_turns = SYSTEM_TURNS_REFUSE)
#define MASK RULES(.billing = BILLING_MASK)
#define REMOVE RULES(.billing = BILLING_REMOVE)
#define DROP_OLD RULES(.thinking = THINKING_DROP_OLD)
#define DROP RULES(.thinking = THINKING_DROP)
#define SYSTEM_FIRST RULES(.system_first = true)

/* Single quotes stand for double ones. */
static int read_by(const struct mock_rendering *how, const char *json, struct mock_request *r, char *why,
		   size_t why_bytes)
{
	struct buf body;

	buf_init(&body, 65536);
	for (const char *c = json; *c; c++)
		assert_int_equal(buf_putc(&body, *c == '\'' ? '"' : *c), 0);
	int status = mock_request_read(r, MOCK_ANTHROPIC_MESSAGES, how, buf_str(&body), why, why_bytes);
	buf_release(&body);
	return status;
}

static struct mock_request render(const struct mock_rendering *how, const char *json)
{
	struct mock_request r;
	char why[160] = "";

	if (read_by(how, json, &r, why, sizeof(why)) < 0)
		fail_msg("%s: %s", json, why);
	return r;
}

static bool same(const struct mock_rendering *how, const char *json, const struct mock_rendering *other_how,
		 const char *other_json)
{
	struct mock_request a = render(how, json), b = render(other_how, other_json);
	bool equal =
		a.prompt.n == b.prompt.n && memcmp(a.prompt.ids, b.prompt.ids, a.prompt.n * sizeof(*a.prompt.ids)) == 0;
	mock_request_release(&a);
	mock_request_release(&b);
	return equal;
}

/* Rendered by these rules, `json` is the prompt that `expected` is when nothing is changed. */
#define assert_renders(how, json, expected) assert_true(same(how, json, &as_sent, expected))
#define assert_unchanged(how, json) assert_renders(how, json, json)

#define USER(text) "{'role':'user','content':'" text "'}"
#define SYSTEM(text) "{'role':'system','content':'" text "'}"
#define SAID(text) "{'role':'assistant','content':'" text "'}"
#define MESSAGES(list) "'messages':[" list "]"

static void test_hoist(void **state)
{
	(void)state;
	assert_renders(HOIST,
		       "{'system':'s'," MESSAGES(USER("u") "," SYSTEM("one") "," SAID("a") "," USER(
			       "v") ",{'role':'developer','content':[{'type':'text','text':'two'}]}") "}",
		       "{'system':[{'text':'s'},{'text':'one'},{'text':'two'}]," MESSAGES(
			       USER("u") "," SAID("a") "," USER("v")) "}");
	/* Without a system prompt they become one. */
	assert_renders(HOIST, "{" MESSAGES(USER("u") "," SYSTEM("one")) "}",
		       "{'system':'one'," MESSAGES(USER("u")) "}");
	/* OpenAI's leading turn is the system prompt. */
	assert_renders(HOIST, "{" MESSAGES(SYSTEM("s") "," USER("u") "," SYSTEM("one")) "}",
		       "{'system':[{'text':'s'},{'text':'one'}]," MESSAGES(USER("u")) "}");
	assert_unchanged(HOIST, "{'system':'s'," MESSAGES(USER("u") "," SAID("a") "," USER("v")) "}");
	assert_unchanged(HOIST, "{" MESSAGES(SYSTEM("s") "," USER("u")) "}");
}

static void test_system_turn_as_user(void **state)
{
	(void)state;
	assert_renders(AS_USER, "{'system':'s'," MESSAGES(USER("u") "," SYSTEM("one")) "}",
		       "{'system':'s'," MESSAGES(USER("u") "," USER("one")) "}");
	assert_unchanged(AS_USER, "{" MESSAGES(SYSTEM("s") "," USER("u")) "}");
}

static void test_refuse(void **state)
{
	(void)state;
	static const char *const refused[] = {
		"{'system':'s'," MESSAGES(USER("u") "," SYSTEM("one")) "}",
		"{'system':'s'," MESSAGES(SYSTEM("one") "," USER("u")) "}",
		"{" MESSAGES(SYSTEM("s") "," SYSTEM("one")) "}",
		"{" MESSAGES(USER("u") "," SYSTEM("one")) "}",
	};
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct mock_request r;
		char why[160] = "";
		assert_int_equal(read_by(REFUSE, refused[i], &r, why, sizeof(why)), -1);
		assert_string_equal(why, "System message must be at the beginning");
		mock_request_release(&r);
	}
	assert_unchanged(REFUSE, "{'system':'s'," MESSAGES(USER("u")) "}");
	assert_unchanged(REFUSE, "{'system':null," MESSAGES(SYSTEM("s") "," USER("u")) "}");
}

#define BILLING(nonce) "x-anthropic-billing-header: cc_version=2.1.42.834; cc_entrypoint=cli; cch=" nonce ";"
#define BILLED(nonce) "{'system':[{'text':'" BILLING(nonce) "'},{'text':'s'}]," MESSAGES(USER("u")) "}"

static void test_billing_mask(void **state)
{
	(void)state;
	assert_renders(MASK, BILLED("65abc"), BILLED("fffff"));
	assert_true(same(MASK, BILLED("65abc"), MASK, BILLED("01234")));
	assert_false(same(&as_sent, BILLED("65abc"), &as_sent, BILLED("01234")));
	/* The nonce at the end of the line, and a text behind the line in the same block. */
	assert_true(same(MASK, "{'system':'x-anthropic-billing-header: cch=1a\\ncch=s'," MESSAGES(USER("u")) "}", MASK,
			 "{'system':'x-anthropic-billing-header: cch=2b\\ncch=s'," MESSAGES(USER("u")) "}"));
	assert_false(same(MASK, "{'system':'x-anthropic-billing-header: cch=1a\\ncch=s'," MESSAGES(USER("u")) "}", MASK,
			  "{'system':'x-anthropic-billing-header: cch=1a\\ncch=t'," MESSAGES(USER("u")) "}"));
	/* No nonce, no header, not in a system turn: nothing to mask. */
	assert_unchanged(MASK, "{'system':'x-anthropic-billing-header: v=1;'," MESSAGES(USER("u")) "}");
	assert_unchanged(MASK, "{'system':'say cch=65abc;'," MESSAGES(USER("u")) "}");
	assert_unchanged(MASK, "{" MESSAGES(USER(BILLING("65abc"))) "}");
}

static void test_billing_remove(void **state)
{
	(void)state;
	assert_renders(REMOVE, BILLED("65abc"), "{'system':'s'," MESSAGES(USER("u")) "}");
	assert_renders(REMOVE, "{'system':'" BILLING("1") "\\ns'," MESSAGES(USER("u")) "}",
		       "{'system':'s'," MESSAGES(USER("u")) "}");
	assert_renders(REMOVE,
		       "{'system':'s'," MESSAGES(
			       USER("u") ",{'role':'system','content':[{'text':'" BILLING("1") "'},{'text':'t'}]}") "}",
		       "{'system':'s'," MESSAGES(USER("u") "," SYSTEM("t")) "}");
	assert_unchanged(REMOVE, "{" MESSAGES(USER(BILLING("65abc"))) "}");
}

#define THOUGHT(thought, text)                                                                                         \
	"{'role':'assistant','content':[{'type':'thinking','thinking':'" thought "','signature':'x'},"                 \
	"{'type':'text','text':'" text "'},{'type':'tool_use','name':'t','input':{}}]}"
#define CALLED(text)                                                                                                   \
	"{'role':'assistant','content':[{'type':'text','text':'" text "'},{'type':'tool_use','name':'t','input':{}}]}"
#define RESULT "{'role':'user','content':[{'type':'tool_result','content':'r'}]}"
#define RESULT_AND(text)                                                                                               \
	"{'role':'user','content':[{'type':'tool_result','content':'r'},{'type':'text','text':'" text "'}]}"

static void test_thinking_drop(void **state)
{
	(void)state;
	assert_renders(DROP, "{" MESSAGES(USER("u") "," THOUGHT("h", "a") "," RESULT "," THOUGHT("i", "b")) "}",
		       "{" MESSAGES(USER("u") "," CALLED("a") "," RESULT "," CALLED("b")) "}");
	assert_renders(DROP,
		       "{" MESSAGES("{'role':'assistant','content':[{'type':'redacted_thinking','data':'x'},"
				    "{'type':'text','text':'a'}]}") "}",
		       "{" MESSAGES(SAID("a")) "}");
	assert_renders(DROP, "{" MESSAGES("{'role':'assistant','reasoning_content':'h','content':'a'}") "}",
		       "{" MESSAGES(SAID("a")) "}");
}

static void test_thinking_drop_old(void **state)
{
	(void)state;
	/* Within one turn of the user, tool results and all, thinking stays. */
	assert_unchanged(DROP_OLD,
			 "{" MESSAGES(USER("u") "," THOUGHT("h", "a") "," RESULT "," THOUGHT("i", "b") "," RESULT) "}");
	/* A new word of the user's ends it. */
	assert_renders(DROP_OLD,
		       "{" MESSAGES(USER("u") "," THOUGHT("h", "a") "," RESULT "," THOUGHT("i", "b") "," USER(
			       "v") "," THOUGHT("j", "c") "," RESULT) "}",
		       "{" MESSAGES(USER("u") "," CALLED("a") "," RESULT "," CALLED("b") "," USER("v") "," THOUGHT(
			       "j", "c") "," RESULT) "}");
	/* So does a text beside a tool result, */
	assert_renders(DROP_OLD, "{" MESSAGES(USER("u") "," THOUGHT("h", "a") "," RESULT_AND("v")) "}",
		       "{" MESSAGES(USER("u") "," CALLED("a") "," RESULT_AND("v")) "}");
	/* and a system turn only if the template takes it for the user's. */
	assert_unchanged(DROP_OLD, "{" MESSAGES(USER("u") "," THOUGHT("h", "a") "," RESULT "," SYSTEM("s")) "}");
	assert_renders(RULES(.thinking = THINKING_DROP_OLD, .system_turns = SYSTEM_TURNS_USER),
		       "{" MESSAGES(USER("u") "," THOUGHT("h", "a") "," RESULT "," SYSTEM("s")) "}",
		       "{" MESSAGES(USER("u") "," CALLED("a") "," RESULT "," USER("s")) "}");
	/* OpenAI's tool messages are not the user's. */
	assert_unchanged(DROP_OLD, "{" MESSAGES(USER("u") ",{'role':'assistant','reasoning_content':'h','content':'a'},"
							  "{'role':'tool','content':'r'}") "}");
	/* Without a user there is nothing old. */
	assert_unchanged(DROP_OLD, "{" MESSAGES(THOUGHT("h", "a")) "}");
}

/* What a server says as reasoning_content comes back as the same thinking. */
static void test_reasoning_is_thinking(void **state)
{
	(void)state;
	assert_renders(&as_sent, "{" MESSAGES("{'role':'assistant','reasoning_content':'h','content':'a'}") "}",
		       "{" MESSAGES("{'role':'assistant','content':[{'type':'thinking','thinking':'h'},"
				    "{'type':'text','text':'a'}]}") "}");
}

static void check_head(const struct mock_rendering *how, const char *json, enum mock_mark first)
{
	struct mock_request r = render(how, json);
	assert_int_equal(r.prompt.ids[0], first);
	mock_request_release(&r);
}

static void test_head(void **state)
{
	(void)state;
#define TOOLS "'tools':[{'name':'t'}]"
	check_head(&as_sent, "{'system':'s'," TOOLS "," MESSAGES(USER("u")) "}", MARK_TOOL);
	check_head(SYSTEM_FIRST, "{'system':'s'," TOOLS "," MESSAGES(USER("u")) "}", MARK_SYSTEM);
	check_head(SYSTEM_FIRST, "{" TOOLS "," MESSAGES(SYSTEM("s") "," USER("u")) "}", MARK_SYSTEM);
	check_head(SYSTEM_FIRST, "{" TOOLS "," MESSAGES(USER("u") "," SYSTEM("s")) "}", MARK_TOOL);
	check_head(RULES(.system_first = true, .system_turns = SYSTEM_TURNS_HOIST),
		   "{" TOOLS "," MESSAGES(USER("u") "," SYSTEM("s")) "}", MARK_SYSTEM);
	assert_unchanged(SYSTEM_FIRST, "{'system':'s'," MESSAGES(USER("u")) "}");
#undef TOOLS
}

/* The script is asked about the request, not about what a template makes of it. */
static void test_script_sees_the_request(void **state)
{
	(void)state;
	struct mock_request r =
		render(RULES(.system_turns = SYSTEM_TURNS_USER, .billing = BILLING_REMOVE, .thinking = THINKING_DROP),
		       "{'system':'" BILLING("1") "'," MESSAGES(USER("u") "," THOUGHT("h", "a") "," SYSTEM("one")) "}");
	assert_string_equal(r.system.p, BILLING("1") "\none\n");
	assert_string_equal(r.last_user.p, "u\n");
	assert_int_equal(r.turn, 1);
	mock_request_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hoist),
		cmocka_unit_test(test_system_turn_as_user),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_billing_mask),
		cmocka_unit_test(test_billing_remove),
		cmocka_unit_test(test_thinking_drop),
		cmocka_unit_test(test_thinking_drop_old),
		cmocka_unit_test(test_reasoning_is_thinking),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_script_sees_the_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
