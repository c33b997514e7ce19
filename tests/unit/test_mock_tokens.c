/* SPDX-License-Identifier: MIT */
#include "mock/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static const char prose[] =
	"The prefix cache keeps the keys and values that attention has computed for the tokens of a prompt. When the "
	"next request begins with the same tokens, the engine reuses them and computes only what follows; when a "
	"single "
	"token near the start differs, everything behind it is computed again. A coding agent sends its whole history "
	"with every turn, so that a session of an hour may prefill several million tokens of which only a small part "
	"is "
	"new. Whether this takes two minutes or fifty depends on bytes that nobody looks at.";

static void check_pieces(const char *text, const char *const *pieces)
{
	struct str rest = str_from(text);
	for (size_t i = 0; pieces[i]; i++) {
		size_t n = mock_token_bytes(rest);
		assert_int_equal(n, strlen(pieces[i]));
		assert_memory_equal(rest.p, pieces[i], n);
		rest.p += n;
		rest.n -= n;
	}
	assert_int_equal(rest.n, 0);
	assert_int_equal(mock_token_bytes(rest), 0);
}

static void test_pieces(void **state)
{
	(void)state;
	check_pieces("Hello, big world.", (const char *const[]){"Hello", ",", " big", " world", ".", NULL});
	check_pieces("  if (x)\n\t\treturn;",
		     (const char *const[]){" ", " if", " ", "(", "x", ")", "\n\t\t", "return", ";", NULL});
	check_pieces("incomprehensible 12345",
		     (const char *const[]){"incomp", "rehens", "ible", " ", "123", "45", NULL});
	check_pieces("{\"a\":[]}", (const char *const[]){"{\"", "a", "\":[", "]}", NULL});
	check_pieces("na\xc3\xafve \xe2\x82\xac\xf0\x9f\x98\x80",
		     (const char *const[]){"na", "\xc3\xaf", "ve", " ", "\xe2\x82\xac", "\xf0\x9f\x98\x80", NULL});
	check_pieces("                  x", (const char *const[]){"                ", " ", " x", NULL});
	/* Not UTF-8: still cut somewhere, and every byte once. */
	check_pieces("\xff\xff\x80\x80\x80\x80\x80",
		     (const char *const[]){"\xff", "\xff\x80\x80\x80", "\x80\x80", NULL});
}

static void test_prose_is_four_bytes_a_token(void **state)
{
	(void)state;
	struct mock_tokens t = {0};
	mock_tokens_text(&t, str_from(prose));
	double ratio = (double)strlen(prose) / (double)t.n;
	assert_true(ratio > 3.5 && ratio < 5.5);
	mock_tokens_release(&t);
}

/* What comes later changes at most the last token: a grown prompt keeps its prefix. */
static void test_longer_text_keeps_its_tokens(void **state)
{
	(void)state;
	struct mock_tokens whole = {0};
	mock_tokens_text(&whole, str_from(prose));
	for (size_t n = 0; n < strlen(prose); n++) {
		struct mock_tokens part = {0};
		mock_tokens_text(&part, (struct str){prose, n});
		/* A word that the cut shortens may have been one piece or two. */
		for (size_t i = 0; i + 2 < part.n; i++)
			assert_int_equal(part.ids[i], whole.ids[i]);
		mock_tokens_release(&part);
	}
	mock_tokens_release(&whole);
}

static void test_marks_are_not_text(void **state)
{
	(void)state;
	struct mock_tokens t = {0}, u = {0};
	mock_tokens_mark(&t, MARK_USER);
	mock_tokens_text(&t, STR("a b"));
	mock_tokens_append(&u, &t);
	mock_tokens_append(&u, &t);
	assert_int_equal(t.n, 3);
	assert_int_equal(u.n, 6);
	assert_memory_equal(u.ids, u.ids + 3, 3 * sizeof(*u.ids));
	assert_int_not_equal(t.ids[0], t.ids[1]);
	assert_int_not_equal(t.ids[1], t.ids[2]);
	for (size_t i = 1; i < t.n; i++)
		assert_true(t.ids[i] > MARK_END);
	mock_tokens_release(&t);
	mock_tokens_release(&u);
}

/* Every end of the input stands before a page that nobody may read. */
static void test_reads_no_further_than_its_text(void **state)
{
	(void)state;
	static const char text[] = "Some words,  12345 \xe2\x82\xac\xf0\x9f\x98\x80 !!!!\n\n  extraordinary";
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + page, page, PROT_NONE), 0);
	for (size_t n = 1; n < sizeof(text); n++) {
		struct str rest = {map + page - n, n};
		memcpy(map + page - n, text, n);
		while (rest.n > 0) {
			size_t token = mock_token_bytes(rest);
			assert_true(token > 0 && token <= rest.n);
			rest.p += token;
			rest.n -= token;
		}
	}
	munmap(map, 2 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_prose_is_four_bytes_a_token),
		cmocka_unit_test(test_longer_text_keeps_its_tokens),
		cmocka_unit_test(test_marks_are_not_text),
		cmocka_unit_test(test_reads_no_further_than_its_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
