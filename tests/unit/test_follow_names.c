/* SPDX-License-Identifier: MIT */
#include "hand_trace.h"

#include "cmd/follow_names.h"

static void expect(struct follow_names *names, struct hand_trace *h, size_t n, const char *expected)
{
	char error[256], got[8];
	struct report r;
	h->t.nexchanges = n;
	assert_int_equal(report_build_with(hand_prompt, &h->t, 1, &r, error, sizeof(error)), 0);
	assert_int_equal(follow_names_read(names, &r), 0);
	for (size_t i = 0; i < r.nexchanges; i++)
		if (r.exchanges[i].x == &h->exchanges[n - 1]) {
			report_lineage_name(follow_names_of(names, &r.exchanges[i]), got);
			assert_string_equal(got, expected);
		}
	report_release(&r);
}

/* After /clear a title is asked for first and answered last: by the order of their beginnings it takes the name of the
 * conversation that was told of already. */
static void a_name_stays(void **state)
{
	(void)state;
	struct follow_names names = {0};
	struct hand_trace *h = hand_new();
	hand_add(h, "s", NULL, 0, 1, 0.5, "T:b*2000 S:s*2000 U:q*430");
	hand_add(h, "t", NULL, 12.1, 1, 0.5, "T:b*2000 S:s*2000 U:p*430");
	hand_add(h, "t", NULL, 12.0, 1, 9, "S:title*100 U:p*43");
	hand_add(h, "t", NULL, 22.1, 1, 0.5, "T:b*2000 S:s*2000 U:p*430 A:a*100 U:r*100");
	hand_add(h, "u", NULL, 32.1, 1, 0.5, "T:b*2000 S:s*2000 U:z*430");
	static const char *const expected[] = {"A", "B", "C", "B", "D"};
	for (size_t n = 1; n <= 5; n++)
		expect(&names, h, n, expected[n - 1]);
	follow_names_release(&names);
	hand_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_stays),
	};
	return cmocka_run_group_tests_name("follow_names", tests, NULL, NULL) != 0;
}
