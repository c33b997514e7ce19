/* SPDX-License-Identifier: MIT */
#include "collect/turns.h"
#include "report/encrypted.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void is_turn(const struct turns *t, size_t i, struct turn expected)
{
	assert_true(i < t->n);
	const struct turn *got = &t->list[i];
	assert_int_equal(got->start_ns, expected.start_ns);
	assert_int_equal(got->sent_ns, expected.sent_ns);
	assert_int_equal(got->first_received_ns, expected.first_received_ns);
	assert_int_equal(got->last_received_ns, expected.last_received_ns);
	assert_int_equal(got->sent_bytes, expected.sent_bytes);
	assert_int_equal(got->received_bytes, expected.received_bytes);
	assert_int_equal(got->receives, expected.receives);
}

/* TLS 1.3 as clients speak it: hello; the end of the handshake and the request in two writes; tickets; another request.
 */
static void a_handshake_and_two_requests(void **state)
{
	(void)state;
	struct turns t = {0};
	turns_sent(&t, 517, 10, 11);
	turns_received(&t, 1400, 20);
	turns_received(&t, 600, 21);
	turns_sent(&t, 80, 30, 31);
	turns_sent(&t, 5000, 40, 45);
	turns_received(&t, 500, 50); /* session tickets share the turn: nothing tells them from an answer */
	turns_received(&t, 100, 90);
	turns_received(&t, 100, 90);   /* one receive in two records */
	turns_sent(&t, 200, 100, 101); /* a head, and then its body */
	turns_sent(&t, 900, 102, 103);
	turns_received(&t, 70, 150);
	assert_int_equal(t.n, 3);
	is_turn(&t, 0, (struct turn){10, 11, 20, 21, 517, 2000, 2});
	is_turn(&t, 1, (struct turn){30, 45, 50, 90, 5080, 700, 2});
	is_turn(&t, 2, (struct turn){100, 103, 150, 150, 1100, 70, 1});
	turns_release(&t);
}

static void small_writes_begin_no_turn(void **state)
{
	(void)state;
	struct turns t = {0};
	turns_sent(&t, 517, 10, 11);
	turns_received(&t, 1400, 20);
	turns_sent(&t, 80, 30, 31); /* the handshake's end alone */
	turns_received(&t, 500, 40);
	turns_sent(&t, 3000, 50, 51);
	turns_received(&t, 1000, 60);
	turns_sent(&t, 40, 61, 62); /* a window update */
	turns_received(&t, 1000, 70);
	assert_int_equal(t.n, 2);
	is_turn(&t, 0, (struct turn){10, 11, 20, 40, 597, 1900, 2});
	is_turn(&t, 1, (struct turn){50, 51, 60, 70, 3040, 2000, 2});
	turns_release(&t);
}

static void odd_beginnings(void **state)
{
	(void)state;
	struct turns t = {0};
	turns_received(&t, 10, 5);
	assert_int_equal(t.n, 0);
	turns_sent(&t, 10, 6, 0);
	assert_int_equal(t.n, 1);
	is_turn(&t, 0, (struct turn){6, 6, 0, 0, 10, 0, 0});
	turns_release(&t);
}

static void there_is_a_limit(void **state)
{
	(void)state;
	struct turns t = {0};
	for (uint64_t i = 0; i < TURNS_MAX + 10; i++) {
		turns_sent(&t, 1000, 10 * i + 1, 10 * i + 2);
		turns_received(&t, 1, 10 * i + 3);
	}
	assert_int_equal(t.n, TURNS_MAX);
	assert_true(t.cut);
	assert_int_equal(t.list[TURNS_MAX - 1].received_bytes, 11);
	assert_int_equal(t.list[TURNS_MAX - 1].sent_bytes, 11000);
	turns_release(&t);
}

static void the_median_of_what_is_known(void **state)
{
	(void)state;
	struct turn list[] = {{1, 2, 3, 4, 500, 1, 1},
			      {1000000000, 0, 1500000000, 0, 500, 1, 1},
			      {2000000000, 0, 2100000000, 0, 500, 1, 1},
			      {3000000000, 0, 0, 0, 500, 0, 0},
			      {4000000000, 0, 4300000000, 0, 500, 1, 1}};
	struct trace_opaque o = {.turns = {.list = list, .n = 5}}, none = {0};
	const struct trace_opaque *both[] = {&o, &none};
	struct encrypted_guess guess = encrypted_guess(both, 2);
	assert_int_equal(guess.requests, 4);
	assert_true(fabs(guess.first_s - 0.2) < 1e-9);
	guess = encrypted_guess(&both[1], 1);
	assert_int_equal(guess.requests, 0);
	assert_true(isnan(guess.first_s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_and_two_requests),
		cmocka_unit_test(small_writes_begin_no_turn),
		cmocka_unit_test(odd_beginnings),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(the_median_of_what_is_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
