/* SPDX-License-Identifier: MIT */
#include "base/digest_marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(struct digest d, const char *hex)
{
	char text[DIGEST_HEX_CHARS + 1];
	digest_hex(&d, text);
	assert_string_equal(text, hex);
}

/* FIPS 180-2 appendix B and the empty message. */
static void test_known(void **state)
{
	(void)state;
	check(digest_of(STR("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check(digest_of(STR_NONE), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check(digest_of(STR("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check(digest_of(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
	      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_stream(void **state)
{
	char text[300];
	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	struct digest whole = digest_of((struct str){text, sizeof(text)});
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		struct digest_stream *s = digest_stream_new();
		digest_stream_update(s, (struct str){text, cut});
		digest_stream_update(s, (struct str){text + cut, sizeof(text) - cut});
		digest_stream_update(s, STR_NONE);
		struct digest d = digest_stream_final(s);
		assert_memory_equal(d.b, whole.b, DIGEST_BYTES);
	}
	/* Two at once do not disturb each other, nor does one that is given up. */
	struct digest_stream *a = digest_stream_new(), *b = digest_stream_new();
	digest_stream_update(a, STR("ab"));
	digest_stream_update(b, STR("x"));
	check(digest_of(STR("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	digest_stream_free(b);
	digest_stream_update(a, STR("c"));
	check(digest_stream_final(a), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_stream_free(NULL);
}

/* RFC 4231, test cases 1 and 2, with their keys padded to our length (HMAC pads with zeros by itself). */
static void test_keyed(void **state)
{
	uint8_t key[DIGEST_BYTES] = {0};
	(void)state;
	memset(key, 0x0b, 20);
	check(digest_keyed(key, STR("Hi There")), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	memset(key, 0, sizeof(key));
	memcpy(key, "Jefe", 4);
	check(digest_keyed(key, STR("what do ya want for nothing?")),
	      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	struct digest none = digest_keyed(key, STR_NONE), empty = digest_keyed(key, STR(""));
	assert_memory_equal(none.b, empty.b, DIGEST_BYTES);
}

static void test_hex(void **state)
{
	struct digest d = digest_of(STR("abc")), back;
	char hex[DIGEST_HEX_CHARS + 1];
	(void)state;

	digest_hex(&d, hex);
	assert_int_equal(digest_from_hex(str_from(hex), &back), 0);
	assert_memory_equal(d.b, back.b, DIGEST_BYTES);
	for (size_t i = 0; i < DIGEST_HEX_CHARS; i++)
		if (hex[i] >= 'a')
			hex[i] = (char)(hex[i] - 'a' + 'A');
	memset(&back, 0, sizeof(back));
	assert_int_equal(digest_from_hex(str_from(hex), &back), 0);
	assert_memory_equal(d.b, back.b, DIGEST_BYTES);

	/* Too short, too long, not hex: nothing is written. */
	memset(&back, 0x55, sizeof(back));
	assert_int_equal(digest_from_hex((struct str){hex, 63}, &back), -1);
	assert_int_equal(digest_from_hex((struct str){hex, 65}, &back), -1);
	assert_int_equal(digest_from_hex(STR_NONE, &back), -1);
	static const char others[] = "gG/:@`~ ";
	for (size_t i = 0; i < sizeof(others); i++) {
		hex[63] = others[i];
		assert_int_equal(digest_from_hex((struct str){hex, 64}, &back), -1);
	}
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		assert_int_equal(back.b[i], 0x55);
}

/* However much of the beginning is the same, the digest is that of the whole. */
static void test_marks(void **state)
{
	enum { N = 5 * DIGEST_MARK_BYTES + 777 };
	static const size_t sizes[] = {
		0, 1, DIGEST_MARK_BYTES - 1, DIGEST_MARK_BYTES, DIGEST_MARK_BYTES + 1, 3 * DIGEST_MARK_BYTES, N};
	const size_t nsizes = sizeof(sizes) / sizeof(*sizes);
	char *one = malloc(N), *two = malloc(N);
	struct digest_marks old = DIGEST_MARKS_NONE, new = DIGEST_MARKS_NONE;
	(void)state;

	for (size_t i = 0; i < N; i++)
		one[i] = (char)(i * 31 + (i >> 9));
	for (size_t a = 0; a < nsizes; a++) {
		struct digest d = digest_marked(NULL, 99, (struct str){one, sizes[a]}, &old);
		struct digest plain = digest_of((struct str){one, sizes[a]});
		assert_memory_equal(&d, &plain, sizeof(d));
		for (size_t b = 0; b < nsizes; b++) {
			for (size_t s = 0; s < nsizes; s++) {
				size_t same = sizes[s] < sizes[a] ? sizes[s] : sizes[a];
				memset(two, 'x', N);
				memcpy(two, one, same);
				d = digest_marked(&old, same, (struct str){two, sizes[b]}, &new);
				plain = digest_of((struct str){two, sizes[b]});
				assert_memory_equal(&d, &plain, sizeof(d));
				/* And the new marks serve the next one. */
				assert_int_equal(new.n, sizes[b] / DIGEST_MARK_BYTES);
				d = digest_marked(&new, sizes[b], (struct str){two, N}, &old);
				plain = digest_of((struct str){two, N});
				assert_memory_equal(&d, &plain, sizeof(d));
				digest_marked(NULL, 0, (struct str){one, sizes[a]}, &old);
			}
		}
	}
	/* What is said to be the same is not hashed again. */
	digest_marked(NULL, 0, (struct str){one, N}, &old);
	memset(two, 'x', N);
	struct digest d = digest_marked(&old, N, (struct str){two, DIGEST_MARK_BYTES}, &new);
	struct digest plain = digest_of((struct str){one, DIGEST_MARK_BYTES});
	assert_memory_equal(&d, &plain, sizeof(d));
	digest_marks_release(&old);
	digest_marks_release(&new);
	free(one);
	free(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known), cmocka_unit_test(test_stream), cmocka_unit_test(test_keyed),
		cmocka_unit_test(test_hex),   cmocka_unit_test(test_marks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
