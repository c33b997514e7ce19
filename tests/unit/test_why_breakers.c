/* SPDX-License-Identifier: MIT */
/* The table of breakers: complete, with settings for the versions and backends that know them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "why/breaker.h"

static struct client_version version(const char *s)
{
	struct client_version v = {{0, 0, 0}};
	if (*s && !client_version_parse(str_from(s), &v))
		fail_msg("\"%s\" is no version", s);
	return v;
}

static struct backend backend(const char *name)
{
	struct backend b = {0};
	const char *error;
	if (backend_parse(str_from(name), &b, &error) < 0)
		fail_msg("%s: %s", name, error);
	return b;
}

/* Every entry says what people need. */
static void test_entries(void **state)
{
	(void)state;
	assert_true(nbreakers > 30);
	for (size_t i = 0; i < nbreakers; i++) {
		const struct breaker *b = &breakers[i];
		assert_ptr_equal(breaker_find(b->name), b);
		assert_non_null(b->title);
		assert_non_null(b->looks);
		assert_non_null(b->fix);
		for (size_t k = 0; k < BREAKER_FIXES_MAX && b->fixes[k].what; k++) {
			const char *equals = strchr(b->fixes[k].what, '=');
			if (b->fixes[k].kind == FIX_ENV)
				assert_non_null(equals);
			if (b->fixes[k].kind == FIX_OPTION)
				assert_memory_equal(b->fixes[k].what, "--", 2);
		}
	}
	assert_null(breaker_find("no_such_breaker"));
}

static void test_versions(void **state)
{
	(void)state;
	struct client_version v = version("2.1.330.572");
	assert_int_equal(v.n[0], 2);
	assert_int_equal(v.n[1], 1);
	assert_int_equal(v.n[2], 330);
	v = version("1.0.128 (external, cli)");
	assert_int_equal(v.n[2], 128);
	static const char *const wrong[] = {"", "2", "2.", "2.1", "2.1.", "2..1", "x2.1.3", "2.1.x", "2.1.99999999x"};
	for (size_t i = 0; i + 1 < sizeof(wrong) / sizeof(*wrong); i++) {
		struct client_version untouched = {{7, 7, 7}};
		assert_false(client_version_parse(str_from(wrong[i]), &untouched));
		assert_int_equal(untouched.n[0], 7);
	}

	const struct client_range range = {.since = {{2, 1, 69}}, .until = {{2, 1, 90}}},
				  open = {.since = {{2, 1, 69}}};
	assert_false(client_in_range(version("2.1.68"), &range));
	assert_true(client_in_range(version("2.1.69"), &range));
	assert_true(client_in_range(version("2.1.90"), &range));
	assert_false(client_in_range(version("2.1.91"), &range));
	assert_true(client_in_range(version("2.2.0"), &open));
	assert_false(client_in_range(version("1.9.999"), &open));
	assert_true(client_in_range(version(""), &range)); /* not known */
	assert_false(breaker_concerns(breaker_find("total_tokens_reminder"), version("2.1.112")));
	assert_true(breaker_concerns(breaker_find("total_tokens_reminder"), version("2.1.330")));
}

static void test_fixes(void **state)
{
	(void)state;
	const struct breaker *hoisted = breaker_find("system_turn_hoisted");
	struct backend vllm = backend("vllm+qwen3"), ollama = backend("ollama"), llama = backend("llama.cpp+qwen3");

	/* A setting that the version does not know is not proposed. */
	assert_null(breaker_fix_for(hoisted, FIX_ENV, version("2.1.268"), &vllm));
	assert_non_null(strstr(breaker_fix_for(hoisted, FIX_ENV, version("2.1.269"), &vllm), "-mid_conv_system"));
	assert_non_null(breaker_fix_for(hoisted, FIX_ENV, version(""), NULL));
	/* Nor one for another engine or template. */
	assert_non_null(strstr(breaker_fix_for(hoisted, FIX_SERVER, version(""), &vllm), "--chat-template"));
	assert_null(breaker_fix_for(hoisted, FIX_SERVER, version(""), &ollama));
	const struct breaker *thinking = breaker_find("thinking_dropped_by_template");
	assert_non_null(strstr(breaker_fix_for(thinking, FIX_SERVER, version(""), &llama), "preserve_thinking"));
	assert_null(breaker_fix_for(thinking, FIX_SERVER, version(""), &vllm));
	assert_non_null(strstr(breaker_fix_for(thinking, FIX_REQUEST, version(""), &vllm), "preserve_thinking"));
	struct backend glm = backend("vllm+glm");
	assert_non_null(strstr(breaker_fix_for(thinking, FIX_REQUEST, version(""), &glm), "clear_thinking"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_fixes),
	};
	return cmocka_run_group_tests_name("why_breakers", tests, NULL, NULL) != 0;
}
