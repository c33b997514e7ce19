/* SPDX-License-Identifier: MIT */
/* The table of breakers: complete, with settings for the versions and backends that know them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "why/breaker.h"
#include "why/candidates.h"
#include "why/settings.h"

static struct client_version version(const char *s)
{
	struct client_version v = {.other = false};
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
		struct client_version untouched = {.n = {7, 7, 7}};
		assert_false(client_version_parse(str_from(wrong[i]), &untouched));
		assert_int_equal(untouched.n[0], 7);
	}

	const struct client_range range = {.since = {.n = {2, 1, 69}}, .until = {.n = {2, 1, 90}}},
				  open = {.since = {.n = {2, 1, 69}}};
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
	/* Settings of Claude Code are none of another program's. */
	const struct client_version other = {.other = true};
	assert_null(breaker_fix_for(hoisted, FIX_ENV, other, &vllm));
	assert_null(breaker_fix_for(breaker_find("environment_changed"), FIX_OPTION, other, &vllm));
	assert_non_null(breaker_fix_for(hoisted, FIX_SERVER, other, &vllm));
}

/* What a list of backends is called. */
static void names(const char *expected, const char *const *list)
{
	struct backend all[ENGINES * TEMPLATES];
	struct buf text;
	size_t n = 0;

	buf_init(&text, 4096);
	for (; list[n]; n++)
		all[n] = backend(list[n]);
	why_backends_names(all, n, &text);
	buf_putc(&text, '\0');
	assert_string_equal(text.p, expected);
	buf_release(&text);
}

static void test_names_of_candidates(void **state)
{
	(void)state;
	names("vllm+qwen3", (const char *const[]){"vllm+qwen3", NULL});
	names("llama.cpp/vllm+qwen3/glm, ollama+glm",
	      (const char *const[]){"vllm+glm", "ollama+glm", "llama.cpp+qwen3", "vllm+qwen3", "llama.cpp+glm", NULL});
	names("vllm, anthropic", (const char *const[]){"anthropic+plain", "vllm+plain", "vllm+qwen3", "vllm+llama3",
						       "vllm+gemma", "vllm+mistral", "vllm+gpt-oss", "vllm+glm", NULL});
	names("mlx-lm but +gemma/glm", (const char *const[]){"mlx-lm+plain", "mlx-lm+qwen3", "mlx-lm+llama3",
							     "mlx-lm+mistral", "mlx-lm+gpt-oss", NULL});
}

/* Each engine's own setting, where several come to the same. */
static void test_fixes_of_candidates(void **state)
{
	(void)state;
	struct backend same[] = {backend("vllm+qwen3"), backend("vllm+glm"), backend("llama.cpp+glm"),
				 backend("ollama+glm")};
	const struct why w = {.backend = same[0], .same = same, .nsame = 4};
	const struct why_miss m = {.cause = breaker_find("slot_evicted")};
	struct why_fix fixes[WHY_FIXES_MAX];

	assert_int_equal(why_fixes(&w, &m, fixes), 4);
	assert_int_equal(fixes[0].kind, FIX_ENV);
	assert_int_equal(fixes[0].engine, ENGINE_UNKNOWN);
	static const enum engine engines[] = {ENGINE_VLLM, ENGINE_LLAMACPP, ENGINE_OLLAMA};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(fixes[i + 1].kind, FIX_SERVER);
		assert_int_equal(fixes[i + 1].engine, engines[i]);
	}
	/* Of one backend it need not be said whose it is. */
	const struct why one = {.backend = same[2]};
	assert_int_equal(why_fixes(&one, &m, fixes), 2);
	assert_int_equal(fixes[1].engine, ENGINE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_fixes),
		cmocka_unit_test(test_names_of_candidates),
		cmocka_unit_test(test_fixes_of_candidates),
	};
	return cmocka_run_group_tests_name("why_breakers", tests, NULL, NULL) != 0;
}
