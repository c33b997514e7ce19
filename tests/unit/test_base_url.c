/* SPDX-License-Identifier: MIT */
#include "client/base_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
	const char *text, *joined; /* with /v1/messages; NULL: refused */
	bool tls, loopback;
} cases[] = {
	{"http://localhost:8080", "http://localhost:8080/v1/messages", false, true},
	{"http://localhost:8080/", "http://localhost:8080/v1/messages", false, true},
	{"http://localhost:8080/v1", "http://localhost:8080/v1/messages", false, true},
	{"http://localhost:8080/v1/", "http://localhost:8080/v1/messages", false, true},
	{"http://localhost:8080/v1/messages", "http://localhost:8080/v1/messages", false, true},
	{"http://localhost:8080/v1/chat/completions", "http://localhost:8080/v1/messages", false, true},
	{"localhost:1234", "http://localhost:1234/v1/messages", false, true},
	{"127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1/messages", false, true},
	{"http://[::1]:8080/v1", "http://[::1]:8080/v1/messages", false, true},
	{"https://api.anthropic.com", "https://api.anthropic.com/v1/messages", true, false},
	{"https://gateway.example/llm/v1/", "https://gateway.example/llm/v1/messages", true, false},
	{"https://gateway.example/v1beta", "https://gateway.example/v1beta/v1/messages", true, false},
	{"", NULL, false, false},
	{"http://", NULL, false, false},
	{"ftp://localhost", NULL, false, false},
	{"file:///etc/passwd", NULL, false, false},
	{"http://user:secret@localhost:80", NULL, false, false},
	{"http://localhost:80?key=secret", NULL, false, false},
	{"http://localhost:80#part", NULL, false, false},
	{"http://local host", NULL, false, false},
	{"http://localhost:99999", NULL, false, false},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct base_url base;
		struct buf url;
		const char *error = NULL;
		buf_init(&url, 1024);
		int r = base_url_parse(str_from(cases[i].text), &base, &error);
		if (r == 0)
			base_url_join(&base, "/v1/messages", &url);
		if ((r == 0) != (cases[i].joined != NULL) || (r == 0 && strcmp(url.p, cases[i].joined) != 0))
			fail_msg("%s: %s", cases[i].text, r == 0 ? url.p : error);
		assert_int_equal(base.tls, cases[i].tls);
		assert_int_equal(base.loopback, cases[i].loopback);
		if (r < 0)
			assert_non_null(error);
		base_url_release(&base);
		buf_release(&url);
	}
}

static void test_domain(void **state)
{
	struct base_url base;
	const char *error;
	(void)state;
	assert_int_equal(base_url_parse(STR("https://API.Anthropic.com"), &base, &error), 0);
	assert_true(base_url_in_domain(&base, "anthropic.com"));
	assert_false(base_url_in_domain(&base, "openai.com"));
	base_url_release(&base);
	assert_int_equal(base_url_parse(STR("https://notanthropic.com"), &base, &error), 0);
	assert_false(base_url_in_domain(&base, "anthropic.com"));
	base_url_release(&base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_domain)};
	return cmocka_run_group_tests_name("base_url", tests, NULL, NULL);
}
