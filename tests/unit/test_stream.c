/* SPDX-License-Identifier: MIT */
#include "stream/stream.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static int put(struct stream *s, uint64_t offset, const char *text, uint64_t time_ns)
{
	struct piece p = {.kind = PIECE_BYTES, .offset = offset, .bytes = str_from(text), .time_ns = time_ns};
	return stream_put(s, &p);
}

static int put_kind(struct stream *s, enum piece_kind kind, uint64_t offset, uint64_t n, uint64_t time_ns)
{
	struct piece p = {.kind = kind, .offset = offset, .n = n, .time_ns = time_ns};
	return stream_put(s, &p);
}

/* Reads all there is: text as it is, <4> unseen, [4] lost, $ the end; '@' and the time before each. */
static const char *drain(struct stream *s, uint64_t now_ns, bool force)
{
	static char seen[4096];
	struct buf b;
	struct piece p;
	buf_init(&b, sizeof(seen) - 1);
	while (stream_next(s, now_ns, force, &p)) {
		buf_printf(&b, "@%llu", (unsigned long long)(p.time_ns / SECOND));
		if (p.kind == PIECE_BYTES)
			buf_append_str(&b, p.bytes);
		else
			buf_printf(&b,
				   p.kind == PIECE_UNSEEN ? "<%llu>"
				   : p.kind == PIECE_LOST ? "[%llu]"
							  : "$",
				   (unsigned long long)p.n);
		stream_take(s, p.n);
	}
	stream_keep(s);
	snprintf(seen, sizeof(seen), "%s", buf_str(&b).p);
	buf_release(&b);
	return seen;
}

static void test_in_order(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s);
	put(&s, 0, "one ", 1 * SECOND);
	assert_string_equal(drain(&s, SECOND, false), "@1one ");
	put(&s, 4, "two", 2 * SECOND);
	put_kind(&s, PIECE_UNSEEN, 7, 10, 3 * SECOND);
	put(&s, 17, "three", 4 * SECOND);
	put_kind(&s, PIECE_END, 22, 0, 5 * SECOND);
	assert_string_equal(drain(&s, 5 * SECOND, false), "@2two@3<10>@4three@5$");
	stream_release(&s);
}

static void test_out_of_order(void **state)
{
	(void)state;
	static const char *const text[] = {"ab", "c", "def", "g"};
	static const uint64_t offset[] = {0, 2, 3, 6};
	/* All 24 orders of four records. */
	for (int code = 0; code < 256; code++) {
		int order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3};
		if ((1 << order[0] | 1 << order[1] | 1 << order[2] | 1 << order[3]) != 15)
			continue;
		struct stream s;
		char all[64] = "";
		stream_init(&s);
		for (int i = 0; i < 4; i++) {
			char copy[8]; /* gone after the call, as a record is */
			snprintf(copy, sizeof(copy), "%s", text[order[i]]);
			put(&s, offset[order[i]], copy, (1 + (uint64_t)order[i]) * SECOND / 10);
			strncat(all, drain(&s, SECOND, false), sizeof(all) - strlen(all) - 1);
			memset(copy, '#', sizeof(copy));
		}
		assert_string_equal(all, "@0ab@0c@0def@0g");
		stream_release(&s);
	}
}

static void test_hole_after_waiting(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s);
	put(&s, 0, "a", 1 * SECOND);
	put(&s, 5, "f", 2 * SECOND);
	assert_string_equal(drain(&s, 2 * SECOND, false), "@1a");
	put(&s, 6, "g", 3 * SECOND);
	assert_string_equal(drain(&s, 3 * SECOND, false), "");
	put(&s, 7, "h", 5 * SECOND);
	assert_string_equal(drain(&s, 5 * SECOND, false), "@2[4]@2f@3g@5h");
	/* What comes after the hole was given up is too late. */
	put(&s, 1, "bcde", 6 * SECOND);
	assert_string_equal(drain(&s, 6 * SECOND, false), "");
	assert_int_equal(s.position, 8);
	stream_release(&s);
}

static void test_hole_by_force_and_by_count(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s);
	put(&s, 3, "d", SECOND);
	assert_string_equal(drain(&s, SECOND, false), "");
	assert_string_equal(drain(&s, SECOND, true), "@1[3]@1d");
	for (uint64_t i = 0; i <= STREAM_PIECES_MAX; i++) {
		assert_false(stream_overdue(&s, SECOND));
		put(&s, 5 + i, "x", SECOND);
	}
	assert_true(stream_overdue(&s, SECOND));
	struct piece p;
	assert_true(stream_next(&s, SECOND, false, &p));
	assert_int_equal(p.kind, PIECE_LOST);
	assert_int_equal(p.n, 1);
	stream_release(&s);
}

static void test_kept_bytes_are_bounded(void **state)
{
	(void)state;
	static char big[1 << 20];
	struct stream s;
	stream_init(&s);
	for (uint64_t i = 0; i < 5; i++) {
		struct piece p = {.offset = 1 + i * sizeof(big), .bytes = {big, sizeof(big)}, .time_ns = SECOND};
		assert_int_equal(stream_put(&s, &p), 0);
		assert_int_equal(stream_keep(&s), 0);
	}
	assert_true(stream_overdue(&s, SECOND));
	struct piece p;
	while (stream_next(&s, SECOND, true, &p))
		stream_take(&s, p.n);
	assert_int_equal(s.kept_bytes, 0);
	stream_release(&s);
}

static void test_overlap_and_nonsense(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s);
	put(&s, 0, "abcd", SECOND);
	put(&s, 2, "cdef", SECOND);
	put(&s, 8, "ij", SECOND);
	put(&s, 5, "fghij", SECOND);
	put(&s, 8, "ij", SECOND);
	put(&s, 1, "b", SECOND);
	assert_string_equal(drain(&s, SECOND, false), "@1abcd@1ef@1gh@1ij");
	put(&s, 9, "jk", SECOND);
	assert_string_equal(drain(&s, SECOND, false), "@1k");
	assert_int_equal(put_kind(&s, PIECE_UNSEEN, UINT64_MAX - 1, 5, SECOND), -1);
	put_kind(&s, PIECE_END, 3, 0, SECOND);
	assert_string_equal(drain(&s, SECOND, false), "@1$");
	stream_release(&s);
}

/* However such a record is cut, the same bytes come out: none is dropped because some of it was there already. */
static void test_overlap_on_both_sides(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= 10; cut++) {
		struct stream s;
		char one[11] = "0123456789", two[11];
		stream_init(&s);
		put(&s, 3, "de", SECOND);
		put(&s, 7, "h", SECOND);
		snprintf(two, sizeof(two), "%s", one + cut);
		one[cut] = '\0';
		put(&s, 0, one, SECOND);
		put(&s, cut, two, SECOND);
		struct buf seen;
		struct piece p;
		buf_init(&seen, 100);
		while (stream_next(&s, SECOND, false, &p)) {
			buf_append_str(&seen, p.bytes);
			assert_int_equal(p.first, p.offset == 0 || p.offset == cut || p.offset == 3 || p.offset == 7);
			stream_take(&s, p.n);
		}
		assert_string_equal(buf_str(&seen).p, "012de56h89");
		buf_release(&seen);
		stream_release(&s);
	}
}

static void test_end_waits_for_the_bytes_before_it(void **state)
{
	(void)state;
	struct stream s;
	stream_init(&s);
	put_kind(&s, PIECE_END, 4, 0, 2 * SECOND);
	assert_string_equal(drain(&s, 2 * SECOND, false), "");
	put(&s, 0, "abcd", SECOND);
	assert_string_equal(drain(&s, 2 * SECOND, false), "@1abcd@2$");
	stream_release(&s);
}

/* A reader that stops in the middle of a piece gets the rest later, with its time, from a copy. */
static void test_reader_stops(void **state)
{
	(void)state;
	struct stream s;
	struct piece p;
	char text[] = "first second";
	stream_init(&s);
	stream_begin_at(&s, 100);
	put(&s, 100, text, 7 * SECOND);
	assert_true(stream_next(&s, 7 * SECOND, false, &p));
	assert_true(p.first);
	stream_take(&s, 6);
	assert_int_equal(stream_keep(&s), 0);
	memset(text, '#', sizeof(text));
	put(&s, 112, "!", 8 * SECOND);
	assert_true(stream_next(&s, 8 * SECOND, false, &p));
	assert_false(p.first);
	assert_int_equal(p.offset, 106);
	assert_string_equal(drain(&s, 8 * SECOND, false), "@7second@8!");
	assert_int_equal(s.position, 113);
	stream_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_hole_after_waiting),
		cmocka_unit_test(test_hole_by_force_and_by_count),
		cmocka_unit_test(test_kept_bytes_are_bounded),
		cmocka_unit_test(test_overlap_and_nonsense),
		cmocka_unit_test(test_overlap_on_both_sides),
		cmocka_unit_test(test_end_waits_for_the_bytes_before_it),
		cmocka_unit_test(test_reader_stops),
	};
	return cmocka_run_group_tests_name("stream", tests, NULL, NULL) != 0;
}
