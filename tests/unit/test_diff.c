/* SPDX-License-Identifier: MIT */
#include "diff/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Two sides by their sums alone: what the gate looks at. */
struct two {
	struct report reports[2];
	struct why whys[2];
	struct diff d;
};

static void make(struct two *t)
{
	memset(t, 0, sizeof(*t));
	for (int i = 0; i < 2; i++) {
		t->reports[i].all.tokens.sent = 10000;
		t->d.side[i].report = &t->reports[i];
		t->d.side[i].why = &t->whys[i];
		t->d.side[i].client = "claude-cli/2.1.330 (external, cli)";
		t->d.side[i].client_bytes = 18;
		t->d.side[i].re_prefilled_basis = TOKENS_REPORTED;
	}
	t->d.comparable = t->d.same = true;
}

static void more_misses_are_worse(void **state)
{
	(void)state;
	struct two t;
	make(&t);
	assert_int_equal(diff_worse(&t.d, 1), 0);
	t.whys[0].unexpected = 2;
	assert_int_equal(diff_worse(&t.d, 1), 0);
	t.whys[1].unexpected = 2;
	assert_int_equal(diff_worse(&t.d, 1), 0);
	t.whys[1].unexpected = 3;
	assert_int_equal(diff_worse(&t.d, 1), DIFF_MORE_MISSES);
	t.d.side[1].expected = 7;
	t.whys[1].unexpected = 1;
	assert_int_equal(diff_worse(&t.d, 1), 0);
}

static void prefill_is_compared_by_share(void **state)
{
	(void)state;
	struct two t;
	make(&t);
	t.d.side[0].re_prefilled = 500;
	t.d.side[1].re_prefilled = 600;
	assert_int_equal(diff_worse(&t.d, 1), 0); /* 5 % and 6 %: no more than 1 % more */
	t.d.side[1].re_prefilled = 601;
	assert_int_equal(diff_worse(&t.d, 1), DIFF_MORE_PREFILL);
	assert_int_equal(diff_worse(&t.d, 2), 0);
	/* A session twice as long may prefill twice as much. */
	t.reports[1].all.tokens.sent = 20000;
	t.d.side[1].re_prefilled = 1000;
	assert_int_equal(diff_worse(&t.d, 0), 0);
	t.d.side[1].re_prefilled = 1001;
	assert_int_equal(diff_worse(&t.d, 0), DIFF_MORE_PREFILL);
}

static void unknown_is_not_none(void **state)
{
	(void)state;
	struct two t;
	make(&t);
	t.d.side[0].re_prefilled = 500;
	t.d.side[1].re_prefilled = TOKENS_UNKNOWN;
	assert_int_equal(diff_worse(&t.d, 1), DIFF_UNKNOWN);
	t.d.side[0].re_prefilled = TOKENS_UNKNOWN;
	assert_int_equal(diff_worse(&t.d, 1), 0);
	t.d.side[1].re_prefilled = 9000;
	assert_int_equal(diff_worse(&t.d, 1), 0); /* nothing to compare it with */
	t.reports[0].all.tokens.sent = t.reports[1].all.tokens.sent = 0;
	t.d.side[0].re_prefilled = t.d.side[1].re_prefilled = 0;
	assert_int_equal(diff_worse(&t.d, 0), 0);
}

static void prefixes_count_between_equal_clients(void **state)
{
	(void)state;
	struct two t;
	make(&t);
	t.d.same = false;
	assert_int_equal(diff_worse(&t.d, 1), DIFF_OTHER_PREFIX);
	t.d.side[1].client = "claude-cli/2.1.331 (external, cli)";
	assert_int_equal(diff_worse(&t.d, 1), 0);
	t.d.side[1].client = NULL;
	assert_int_equal(diff_worse(&t.d, 1), 0);
	make(&t);
	t.d.same = t.d.comparable = false;
	assert_int_equal(diff_worse(&t.d, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_misses_are_worse),
		cmocka_unit_test(prefill_is_compared_by_share),
		cmocka_unit_test(unknown_is_not_none),
		cmocka_unit_test(prefixes_count_between_equal_clients),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
