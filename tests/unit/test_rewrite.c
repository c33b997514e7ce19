/* SPDX-License-Identifier: MIT */
#include "replay/rewrite.h"

#include "base/json_span.h"
#include "replay/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct rewrite_rules keep = {.max_tokens = -1};

/* The rewritten body, in a static buffer; what was changed in *changes. */
static const char *rewritten(enum kvs_llm_api api, const char *body, const struct rewrite_rules *rules,
			     uint32_t *changes)
{
	static struct buf out;
	const char *error = NULL;
	buf_release(&out);
	buf_init(&out, 1 << 20);
	*changes = 0;
	if (rewrite_body(api, str_from(body), rules, &out, changes, &error) < 0)
		fail_msg("%s: %s", body, error);
	return out.p;
}

static const char *messages(const char *body, struct rewrite_rules rules, uint32_t *changes)
{
	return rewritten(KVS_API_ANTHROPIC_MESSAGES, body, &rules, changes);
}

/* Nothing to change: the captured bytes, blanks and escapes included. */
static void test_untouched(void **state)
{
	const char *body = " { \"model\" : \"m\",\"stream\":true, \"messages\":[ "
			   "{\"role\":\"user\",\"content\":\"\\u00e9 \\/\"} ],"
			   "\"system\":[{\"type\":\"text\",\"text\":\"a\"}] ,\"x\":1.50 }\n";
	uint32_t changes;
	(void)state;
	assert_string_equal(messages(body, keep, &changes), body);
	assert_int_equal(changes, 0);
}

static void test_parameters(void **state)
{
	uint32_t changes;
	(void)state;
	assert_string_equal(messages("{\"model\":\"a\",\"messages\":[],\"max_tokens\":32000,\"stream\":false}",
				     (struct rewrite_rules){.model = "b\"c", .max_tokens = 1}, &changes),
			    "{\"model\":\"b\\\"c\",\"messages\":[],\"max_tokens\":1,\"stream\":true}");
	assert_int_equal(changes, CHANGE_MODEL | CHANGE_MAX_TOKENS | CHANGE_STREAM);
	assert_string_equal(messages("{\"messages\":[]}",
				     (struct rewrite_rules){
					     .model = "b", .max_tokens = 1, .salt_member = "cache_salt", .salt = "7"},
				     &changes),
			    "{\"messages\":[],\"model\":\"b\",\"max_tokens\":1,\"stream\":true,\"cache_salt\":\"7\"}");
	assert_string_equal(rewritten(KVS_API_OPENAI_CHAT,
				      "{\"messages\":[],\"max_completion_tokens\":9,\"stream\":true}",
				      &(struct rewrite_rules){.max_tokens = 1}, &changes),
			    "{\"messages\":[],\"max_completion_tokens\":1,\"stream\":true,"
			    "\"stream_options\":{\"include_usage\":true}}");
	assert_string_equal(messages("{}", (struct rewrite_rules){.max_tokens = 2}, &changes),
			    "{\"max_tokens\":2,\"stream\":true}");
}

#define BILLING                                                                                                        \
	"{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=2.1.330.57a; cc_entrypoint=cli; "        \
	"cch=1f3ab;\"}"
#define S(list) "{\"system\":" list ",\"messages\":[],\"stream\":true}"

static void test_billing(void **state)
{
	uint32_t changes;
	(void)state;
	assert_string_equal(messages(S("[" BILLING ",{\"text\":\"a\"}]"),
				     (struct rewrite_rules){.max_tokens = -1, .billing = BILLING_STRIP}, &changes),
			    S("[{\"text\":\"a\"}]"));
	assert_int_equal(changes, CHANGE_BILLING_STRIPPED);
	assert_string_equal(messages(S("[" BILLING "]"),
				     (struct rewrite_rules){.max_tokens = -1, .billing = BILLING_PIN}, &changes),
			    S("[{\"type\":\"text\",\"text\":\"x-anthropic-billing-header: cc_version=2.1.330.000; "
			      "cc_entrypoint=cli; cch=00000;\"}]"));
	assert_int_equal(changes, CHANGE_BILLING_PINNED);
	assert_string_equal(
		messages(S("\"text\""), (struct rewrite_rules){.max_tokens = -1, .billing = BILLING_STRIP}, &changes),
		S("\"text\""));
	assert_int_equal(changes, 0);
}

#define USER "{\"role\":\"user\",\"content\":\"u\"}"
#define TURN "{\"role\":\"system\",\"content\":\"s\"}"
#define COUNT                                                                                                          \
	"{\"role\": \"system\",\"content\":[{\"type\":\"text\",\"text\":\"<total_tokens>9 tokens "                     \
	"left</total_tokens>\"}]}"
#define M(list) "{\"messages\":[" list "],\"stream\":true}"

static void test_system_turns(void **state)
{
	uint32_t changes;
	(void)state;
	assert_string_equal(messages(M(USER ", " TURN),
				     (struct rewrite_rules){.max_tokens = -1, .inline_system = INLINE_USER}, &changes),
			    M(USER ",{\"role\":\"user\",\"content\":\"s\"}"));
	assert_int_equal(changes, CHANGE_SYSTEM_TO_USER);
	assert_string_equal(
		messages("{\"system\":\"a\",\"messages\":[" TURN "," USER "," COUNT "],\"stream\":true}",
			 (struct rewrite_rules){.max_tokens = -1, .inline_system = INLINE_MERGE}, &changes),
		"{\"system\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"s\"},"
		"{\"type\":\"text\",\"text\":\"<total_tokens>9 tokens left</total_tokens>\"}],\"messages\":[" USER
		"],\"stream\":true}");
	assert_int_equal(changes, CHANGE_SYSTEM_MERGED);
	assert_string_equal(messages(M(USER "," COUNT "," TURN),
				     (struct rewrite_rules){.max_tokens = -1, .drop_total_tokens = true}, &changes),
			    M(USER "," TURN));
	assert_int_equal(changes, CHANGE_TOTAL_TOKENS);
	/* In Chat Completions the leading system messages are the system prompt. */
	const struct rewrite_rules user = {.max_tokens = -1, .inline_system = INLINE_USER};
	assert_string_equal(
		rewritten(KVS_API_OPENAI_CHAT,
			  "{\"messages\":[" TURN "," USER "," TURN
			  "],\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
			  &user, &changes),
		"{\"messages\":[" TURN "," USER
		",{\"role\":\"user\",\"content\":\"s\"}],\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

static void test_tools(void **state)
{
	uint32_t changes;
	const struct rewrite_rules sort = {.max_tokens = -1, .sort_tools = true};
	(void)state;
	assert_string_equal(
		messages("{\"tools\":[{\"name\":\"b\"} , "
			 "{\"name\":\"a\"},{\"name\":\"ab\"}],\"messages\":[],\"stream\":true}",
			 sort, &changes),
		"{\"tools\":[{\"name\":\"a\"},{\"name\":\"ab\"},{\"name\":\"b\"}],\"messages\":[],\"stream\":true}");
	assert_int_equal(changes, CHANGE_TOOLS_SORTED);
	const char *sorted = "{\"tools\":[{\"name\":\"a\"} ,{\"name\":\"b\"}],\"messages\":[],\"stream\":true}";
	assert_string_equal(messages(sorted, sort, &changes), sorted);
	assert_int_equal(changes, 0);
}

static void test_cache_control(void **state)
{
	uint32_t changes;
	(void)state;
	assert_string_equal(
		messages("{\"system\":[{\"cache_control\":{\"type\":\"ephemeral\"},\"type\":\"text\",\"text\":\"a\"}],"
			 "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"cache_control\" ,"
			 "\"cache_control\":{\"type\":\"ephemeral\"}}]}],\"stream\":true}",
			 (struct rewrite_rules){.max_tokens = -1, .strip_cache_control = true}, &changes),
		"{\"system\":[{\"type\":\"text\",\"text\":\"a\"}],"
		"\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"cache_control\""
		"}]}],\"stream\":true}");
	assert_int_equal(changes, CHANGE_CACHE_CONTROL);
	/* Of the whole request, too. */
	assert_string_equal(messages("{\"cache_control\":{\"type\":\"ephemeral\"},\"messages\":[],\"stream\":true}",
				     (struct rewrite_rules){.max_tokens = -1, .strip_cache_control = true}, &changes),
			    "{\"messages\":[],\"stream\":true}");
}

static void test_nonce(void **state)
{
	char nonce[NONCE_CHARS], other[NONCE_CHARS];
	uint32_t changes;
	(void)state;
	nonce_format(42, nonce);
	nonce_format(UINT64_C(999999999999), other);
	assert_string_equal(nonce, "0 0 0 0 0 0 0 0 0 0 4 2 ");
	assert_int_equal(strlen(nonce), strlen(other));
	const struct rewrite_rules rules = {.max_tokens = -1, .nonce = "N "};
	/* Before the first system text that is no billing line, and before the first tool's description. */
	assert_string_equal(
		messages("{\"tools\":[{\"name\":\"a\",\"description\":\"d\"},{\"name\":\"b\",\"description\":\"d\"}],"
			 "\"system\":[" BILLING ",{\"text\":\"t\"}],\"messages\":[" USER "],\"stream\":true}",
			 rules, &changes),
		"{\"tools\":[{\"name\":\"a\",\"description\":\"N d\"},{\"name\":\"b\",\"description\":\"d\"}],"
		"\"system\":[" BILLING ",{\"text\":\"N t\"}],\"messages\":[" USER "],\"stream\":true}");
	assert_int_equal(changes, CHANGE_NONCE);
	assert_string_equal(messages(S("\"t\""), rules, &changes), S("\"N t\""));
	/* Neither: before the first user text. */
	assert_string_equal(messages(M(USER), rules, &changes), M("{\"role\":\"user\",\"content\":\"N u\"}"));
	assert_string_equal(rewritten(KVS_API_OPENAI_CHAT,
				      "{\"messages\":[" TURN "," USER
				      "],\"tools\":[{\"function\":{\"description\":\"d\"}}],"
				      "\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
				      &rules, &changes),
			    "{\"messages\":[{\"role\":\"system\",\"content\":\"N s\"}," USER
			    "],\"tools\":[{\"function\":{\"description\":\"N d\"}}],"
			    "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

static void test_bad_bodies(void **state)
{
	static const char *const bodies[] = {"", "[]", "{", "{\"messages\":[}", "null", "{} {}", "{\"a\":1,}"};
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct buf out;
		uint32_t changes = 0;
		const char *error = NULL;
		buf_init(&out, 1000);
		assert_int_equal(
			rewrite_body(KVS_API_ANTHROPIC_MESSAGES, str_from(bodies[i]), &keep, &out, &changes, &error),
			-1);
		assert_non_null(error);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_untouched), cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_billing),   cmocka_unit_test(test_system_turns),
		cmocka_unit_test(test_tools),     cmocka_unit_test(test_cache_control),
		cmocka_unit_test(test_nonce),     cmocka_unit_test(test_bad_bodies),
	};
	return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
