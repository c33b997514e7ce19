/* SPDX-License-Identifier: MIT */
#include "mock/settings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct mock_switch switches[] = {
	MOCK_FLAG_BITS("plain", MOCK_RESETS, MOCK_CACHES),
	MOCK_FLAG_BITS("fixed=1", MOCK_METRICS, 0),
	MOCK_FLAG("count", VALUE_COUNT, parallel),
	MOCK_FLAG("count", VALUE_FALSE, cache.clears),
	MOCK_FLAG("on", VALUE_TRUE, cache.saves),
	MOCK_FLAG("ram", VALUE_MIB, cache.kept_bytes),
	MOCK_FLAG("share", VALUE_SHARE, cache.similarity),
	MOCK_FLAG("time", VALUE_SECONDS, cache.ttl_s),
	{0},
};

static struct mock_settings s;
static char why[160];

static int flag(const char *text)
{
	return mock_settings_switch(&s, switches, text, why, sizeof(why));
}

static void test_flags(void **state)
{
	(void)state;
	s = (struct mock_settings){.state = MOCK_CACHES, .cache.clears = true};
	assert_int_equal(flag("--plain"), 0);
	assert_int_equal(s.state, MOCK_RESETS);
	assert_int_equal(flag("plain=/tmp"), 0); /* a value that does not matter */
	assert_int_equal(flag("fixed=1"), 0);
	assert_int_equal(s.state, MOCK_RESETS | MOCK_METRICS);
	assert_int_equal(flag("fixed=2"), 1);
	assert_int_equal(flag("fixed"), 1);
	assert_int_equal(flag("plai"), 1);
	assert_int_equal(flag("count=4"), 0);
	assert_int_equal(s.parallel, 4);
	assert_false(s.cache.clears);
	assert_int_equal(flag("on"), 0);
	assert_true(s.cache.saves);
}

static void test_values(void **state)
{
	(void)state;
	assert_int_equal(flag("ram=3"), 0);
	assert_int_equal(s.cache.kept_bytes, 3 << 20);
	assert_int_equal(flag("ram=-1"), 0);
	assert_true(s.cache.kept_bytes == SIZE_MAX);
	assert_int_equal(flag("ram=0"), 0);
	assert_int_equal(s.cache.kept_bytes, 0);
	assert_int_equal(flag("share=0.25"), 0);
	assert_true(s.cache.similarity == 0.25);

	static const struct {
		const char *text;
		double seconds;
	} times[] = {{"time=90", 90}, {"time=5m", 300}, {"time=2h", 7200}, {"time=0.5s", 0.5}, {"time=-1", 0}};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_int_equal(flag(times[i].text), 0);
		assert_true(s.cache.ttl_s == times[i].seconds);
	}
	assert_int_equal(flag("time=0"), 0); /* at once, and not for ever */
	assert_true(s.cache.ttl_s > 0 && s.cache.ttl_s < 1e-6);
}

static void test_wrong_values(void **state)
{
	static const char *const wrong[] = {"count",      "count=",   "count=x",  "count=1.5", "count=-2",
					    "count=1e30", "count=3x", "share=-1", "share=2",   "time=5d",
					    "time=5ms",   "ram=nan",  "time=inf"};
	(void)state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why[0] = '\0';
		if (flag(wrong[i]) != -1 || !why[0])
			fail_msg("%s was taken", wrong[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_wrong_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
