/* SPDX-License-Identifier: MIT */
#include "replay/forecast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* A conversation of so many turns, each some 1000 bytes long, behind a system prompt of 2000. */
static char *conversation(const char *nonce, int turns)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	buf_printf(&b, "{\"system\":[{\"type\":\"text\",\"text\":\"%s %02000d\"}],\"messages\":[", nonce, 7);
	for (int i = 0; i < turns; i++)
		buf_printf(&b, "%s{\"role\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":\"%0990d\"}]}",
			   i ? "," : "", i % 2 ? "assistant" : "user", i);
	buf_puts(&b, "]}");
	return buf_steal(&b);
}

static void ask(struct forecast *f, char *body, struct forecast_prompt *p)
{
	assert_int_equal(forecast_ask(f, KVS_API_ANTHROPIC_MESSAGES, str_from(body), p), 0);
	assert_true(p->known);
	free(body);
}

static void test_growing(void **state)
{
	const struct engine_facts facts = {.block_tokens = -1};
	struct forecast f;
	struct forecast_prompt one, two;
	(void)state;
	forecast_init(&f, &facts);
	ask(&f, conversation("a", 1), &one);
	assert_int_equal(forecast_tokens(&f, &one, 900), 0);
	assert_int_equal(forecast_bound(&f, &one, 900), 0); /* nothing was sent before */
	assert_int_equal(forecast_learn(&f, &one, 900), 0);

	/* It continues a whole earlier prompt: the engine's own count of that one, to the token. */
	ask(&f, conversation("a", 3), &two);
	assert_int_equal(forecast_tokens(&f, &two, 1500), 900);
	assert_true(forecast_bound(&f, &two, 1500) >= 900 && forecast_bound(&f, &two, 1500) < 1400);
	forecast_prompt_release(&two);

	/* The same again: but for the last token, all of it. */
	ask(&f, conversation("a", 1), &two);
	assert_int_equal(forecast_tokens(&f, &two, 900), 899);
	forecast_prompt_release(&two);

	/* Another head: nothing, whatever follows. */
	ask(&f, conversation("b", 3), &two);
	assert_int_equal(forecast_tokens(&f, &two, 1500), 0);
	assert_int_equal(forecast_tokens(&f, &two, -1), -1);
	forecast_prompt_release(&two);
	forecast_prompt_release(&one);
	forecast_release(&f);
}

/* It parts from an earlier prompt inside: a share by bytes. Blocks are rounded down. */
static void test_share(void **state)
{
	const struct engine_facts facts = {.block_tokens = 128};
	struct forecast f;
	struct forecast_prompt one, two;
	(void)state;
	forecast_init(&f, &facts);
	ask(&f, conversation("a", 5), &one);
	assert_int_equal(forecast_learn(&f, &one, 1750), 0);
	ask(&f, conversation("a", 2), &two);
	/* All of its 4000 bytes, though no earlier prompt ended there: but for the last token, in whole blocks. */
	assert_int_equal(forecast_tokens(&f, &two, 1000), 999 / 128 * 128);
	forecast_prompt_release(&one);
	forecast_prompt_release(&two);
	forecast_release(&f);
}

/* Two prompts under way at a time: either may be served first. */
static void test_side_by_side(void **state)
{
	const struct engine_facts facts = {.block_tokens = -1};
	struct forecast f;
	struct forecast_prompt one, two;
	(void)state;
	forecast_init(&f, &facts);
	ask(&f, conversation("a", 1), &one);
	ask(&f, conversation("a", 3), &two);
	assert_int_equal(forecast_tokens(&f, &two, 1500), 0); /* nothing of it was answered */
	assert_true(forecast_bound(&f, &one, 900) == 900);
	assert_true(forecast_bound(&f, &two, 1500) >= 900);
	forecast_prompt_release(&one);
	forecast_prompt_release(&two);
	forecast_release(&f);
}

/* System turns as the server was found to treat them, not as its kind does. */
static void test_found_out(void **state)
{
	static const char *const bodies[] = {"{\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"u\"}]}",
					     "{\"system\":\"s\",\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{"
					     "\"role\":\"system\",\"content\":\"t\"}]}"};
	const enum system_turn_fate fates[] = {FATE_IN_PLACE, FATE_HOISTED};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct engine_facts facts = {
			.backend = {.engine = ENGINE_VLLM}, .block_tokens = 1, .system_turns = fates[i]};
		struct forecast f;
		struct forecast_prompt p;
		forecast_init(&f, &facts);
		assert_int_equal(forecast_ask(&f, KVS_API_ANTHROPIC_MESSAGES, str_from(bodies[0]), &p), 0);
		assert_int_equal(forecast_learn(&f, &p, 20), 0);
		forecast_prompt_release(&p);
		assert_int_equal(forecast_ask(&f, KVS_API_ANTHROPIC_MESSAGES, str_from(bodies[1]), &p), 0);
		int64_t tokens = forecast_tokens(&f, &p, 30);
		assert_true(fates[i] == FATE_IN_PLACE ? tokens == 20 : tokens < 20);
		forecast_prompt_release(&p);
		forecast_release(&f);
	}
}

/* Tools and system prompt in the order in which the template was found to put them. */
static void test_head_order(void **state)
{
	static const char body[] = "{\"tools\":[{\"name\":\"%c\",\"description\":\"%0800d\"}],\"system\":\"%0800d\","
				   "\"messages\":[{\"role\":\"user\",\"content\":\"u\"}]}";
	const enum head_order orders[] = {HEAD_TOOLS_FIRST, HEAD_SYSTEM_FIRST};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct engine_facts facts = {.block_tokens = -1, .head_order = orders[i]};
		struct forecast f;
		struct forecast_prompt p;
		struct buf b;
		forecast_init(&f, &facts);
		for (int k = 0; k < 2; k++) {
			/* The second one has another tool. */
			buf_init(&b, 4096);
			buf_printf(&b, body, 'a' + k, k, 7);
			assert_int_equal(forecast_ask(&f, KVS_API_ANTHROPIC_MESSAGES, buf_str(&b), &p), 0);
			int64_t tokens = forecast_tokens(&f, &p, 600);
			assert_true(k == 0 || orders[i] == HEAD_TOOLS_FIRST ? tokens == 0 : tokens > 200);
			assert_int_equal(forecast_learn(&f, &p, 600), 0);
			forecast_prompt_release(&p);
			buf_release(&b);
		}
		forecast_release(&f);
	}
}

static void test_unreadable(void **state)
{
	const struct engine_facts facts = {.block_tokens = -1};
	struct forecast f;
	struct forecast_prompt p;
	(void)state;
	forecast_init(&f, &facts);
	assert_int_equal(forecast_ask(&f, KVS_API_ANTHROPIC_MESSAGES, STR("{"), &p), 0);
	assert_false(p.known);
	assert_int_equal(forecast_tokens(&f, &p, 100), -1);
	assert_int_equal(forecast_bound(&f, &p, 100), -1);
	forecast_prompt_release(&p);
	forecast_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_growing),      cmocka_unit_test(test_share),
					   cmocka_unit_test(test_side_by_side), cmocka_unit_test(test_found_out),
					   cmocka_unit_test(test_head_order),   cmocka_unit_test(test_unreadable)};
	return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
