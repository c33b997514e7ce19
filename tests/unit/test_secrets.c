/* SPDX-License-Identifier: MIT */
#include "trace/secrets.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TEN "a1B2c3D4e5"
#define FORTY TEN TEN TEN TEN

/* Each text, and the keys in it as "rule|key|..." in their order. */
static const struct {
	const char *text;
	const char *found;
} cases[] = {
	{"", ""},
	{"sk-ant-api03-" FORTY, "Anthropic key|sk-ant-api03-" FORTY "|"},
	{"two: sk-ant-" FORTY ",sk-proj-" FORTY ".", "Anthropic key|sk-ant-" FORTY "|OpenAI key|sk-proj-" FORTY "|"},
	{"sk-" FORTY, "key of OpenAI's shape|sk-" FORTY "|"},
	{"task-" FORTY " risk-based-and-so-on sk-fading-circle sk-learn", ""},
	{"a line\\nsk-" FORTY, "key of OpenAI's shape|sk-" FORTY "|"},
	{"a tag \\u003esk-" FORTY, "key of OpenAI's shape|sk-" FORTY "|"},
	{"AIza" TEN TEN TEN "abcde", "Google API key|AIza" TEN TEN TEN "abcde|"},
	{"AIza" TEN TEN TEN "abcdef", ""},
	{"(AKIAIOSFODNN7ABCDEFG)", "AWS access key id|AKIAIOSFODNN7ABCDEFG|"},
	{"AKIAiosfodnn7abcdefg AKIAIOSFODNN7ABCDEFGHIJK", ""},
	{"ghp_" FORTY " hf_" FORTY, "GitHub token|ghp_" FORTY "|Hugging Face token|hf_" FORTY "|"},
	{"half_" FORTY, ""},
	{"authorization: bearer " TEN TEN, "bearer credentials|bearer " TEN TEN "|"},
	{"Authorization: Bearer " TEN TEN ".", "bearer credentials|Bearer " TEN TEN "|"},
	{"Bearer authentication. The bearer understands.", ""},
	{"Basic dXNlcjpwYXNzd29yZA==", "basic credentials|Basic dXNlcjpwYXNzd29yZA==|"},
	{"Basic authentication and BASIC programs1", ""},
	{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." TEN,
	 "JSON Web Token|eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." TEN "|"},
	{"eyJhbGciOiJIUzI1NiJ9 and nothing else 1234567890", ""},
	{"{\"api_key\":\"" TEN "\"}", "value whose name says so|" TEN "|"},
	{"{\\\"X-Api-Key\\\": \\\"" TEN "\\\"}", "value whose name says so|" TEN "|"},
	{"export MY_API_KEY=" TEN TEN "\nnext", "value whose name says so|" TEN TEN "|"},
	{"https://host/path?api_key=" TEN TEN "&b=c", "value whose name says so|" TEN TEN "|"},
	{"\"apiKey\": \"sk-ant-" FORTY "\"", "Anthropic key|sk-ant-" FORTY "|"},
	{"\"db_password\" : 'hunter2" TEN "'", "value whose name says so|hunter2" TEN "|"},
	{"{\"password\":{\"type\":\"string\",\"minLength\":8}}", ""},
	{"\"api_key\":\"your-api-key-1\" \"api_key\":\"<key 12345>\" api_key=$KEY1234567890 api_key: ${A1234567}", ""},
	{"\"api_key\": \"The key to use\" password = getPassword1(account12345)", ""},
	{"\"max_tokens\":12345678, \"session\":\"" FORTY "\"", ""},
	{"\"sha256\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"", ""},
	{"-----BEGIN PRIVATE KEY-----", ""},
	{"-----BEGIN RSA PRIVATE KEY-----\\n" FORTY FORTY "\\n-----END",
	 "private key|-----BEGIN RSA PRIVATE KEY-----\\n" FORTY FORTY "\\n|"},
	{"-----BEGIN CERTIFICATE-----\n" FORTY FORTY, ""},
};

static void list(struct str text, struct buf *out)
{
	struct secret s;
	for (size_t at = 0; secret_next(text, at, &s); at = s.at + s.n) {
		assert_true(s.at >= at && s.n > 0 && s.n <= text.n - s.at && s.shown <= s.n);
		buf_printf(out, "%s|%.*s|", s.rule, (int)s.n, text.p + s.at);
	}
}

static void test_what_is_found(void **state)
{
	(void)state;
	struct guard guard = {NULL, 0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf found;
		buf_init(&found, 10000);
		list(guard_put(&guard, str_from(cases[i].text)), &found);
		if (!str_eq(buf_str(&found), str_from(cases[i].found)))
			fail_msg("%s: found %s", cases[i].text, found.p ? found.p : "nothing");
		buf_release(&found);
	}
	guard_release(&guard);
}

/* Cut anywhere, with a page behind it that nobody may read: no look beyond the end. */
static void test_cut_anywhere(void **state)
{
	(void)state;
	struct guard guard = {NULL, 0};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (size_t n = 0; n <= strlen(cases[i].text); n++) {
			struct buf found;
			buf_init(&found, 10000);
			list(guard_put(&guard, (struct str){cases[i].text, n}), &found);
			buf_release(&found);
		}
	}
	guard_release(&guard);
}

static void test_nothing_is_told(void **state)
{
	(void)state;
	static const struct str text = {"key: sk-ant-" FORTY " end", 12 + 40 + 4};
	struct secret s;
	struct buf out;
	buf_init(&out, 1000);
	assert_true(secret_next(text, 0, &s));
	secret_masked(text, &s, &out);
	assert_string_equal(out.p, "sk-ant-[masked, 40 bytes]");
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_found),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_nothing_is_told),
	};
	return cmocka_run_group_tests_name("secrets", tests, NULL, NULL);
}
