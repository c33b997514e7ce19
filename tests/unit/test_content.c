/* SPDX-License-Identifier: MIT */
#include "http/content.h"

#include "base/buf.h"
#include "guard.h"

#include <brotli/encode.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define TEXT_BYTES 3000
#define OUTPUT_MAX 100000

static void take(void *context, struct str bytes)
{
	buf_append_str(context, bytes);
}

/* Something that compresses, but not to nothing. */
static void make_text(struct buf *out, size_t n)
{
	uint32_t x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		buf_putc(out, (char)('a' + (x >> 28)));
	}
}

/* window_bits as zlib has it: 31 gzip, 15 zlib, -15 raw. */
static void encode_z(struct str in, int window_bits, struct buf *out)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t room = deflateBound(&z, in.n);
	z.next_in = (Bytef *)(uintptr_t)in.p;
	z.avail_in = (uInt)in.n;
	z.next_out = (Bytef *)buf_reserve(out, room);
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n += room - z.avail_out;
	deflateEnd(&z);
}

static void encode(const char *coding, struct str in, struct buf *out)
{
	if (strcmp(coding, "gzip") == 0) {
		encode_z(in, 31, out);
	} else if (strcmp(coding, "deflate") == 0) {
		encode_z(in, 15, out);
	} else if (strcmp(coding, "raw") == 0) {
		encode_z(in, -15, out);
	} else if (strcmp(coding, "br") == 0) {
		size_t n = BrotliEncoderMaxCompressedSize(in.n) + 64;
		uint8_t *to = (uint8_t *)buf_reserve(out, n);
		assert_int_equal(BrotliEncoderCompress(5, 22, BROTLI_MODE_TEXT, in.n, (const uint8_t *)in.p, &n, to),
				 1);
		out->n += n;
	} else if (strcmp(coding, "zstd") == 0) {
		size_t room = ZSTD_compressBound(in.n);
		size_t n = ZSTD_compress(buf_reserve(out, room), room, in.p, in.n, 3);
		assert_false(ZSTD_isError(n));
		out->n += n;
	} else {
		buf_append_str(out, in);
	}
}

/* Decodes wire, cut in two at `cut` or into pieces of `step`; returns the error. */
static const char *decode(const char *header, struct str wire, size_t cut, size_t step, struct buf *out,
			  struct guard *guard)
{
	const char *error = NULL;
	struct content *c = content_new(str_from(header), OUTPUT_MAX, take, out, &error);
	assert_non_null(c);
	for (size_t at = 0; at < wire.n;) {
		size_t n = step ? step : at < cut ? cut - at : wire.n - at;
		if (n > wire.n - at)
			n = wire.n - at;
		content_feed(c, guard_put(guard, (struct str){wire.p + at, n}));
		at += n;
	}
	error = content_finish(c);
	content_free(c);
	return error;
}

static const struct {
	const char *header;
	const char *codings[3]; /* as put on */
} bodies[] = {
	{"", {0}},
	{"identity", {0}},
	{"gzip", {"gzip"}},
	{"GZip", {"gzip"}},
	{"x-gzip", {"gzip"}},
	{"deflate", {"deflate"}},
	{"deflate", {"raw"}},
	{"br", {"br"}},
	{"zstd", {"zstd"}},
	{"gzip, br", {"gzip", "br"}},
	{"zstd ,identity,\tdeflate", {"zstd", "deflate"}},
};

static void make_body(size_t i, struct str text, struct buf *wire)
{
	struct buf other;
	buf_init(&other, 1 << 20);
	buf_append_str(wire, text);
	for (size_t k = 0; k < 3 && bodies[i].codings[k]; k++) {
		struct buf swap = other;
		buf_reset(&swap);
		encode(bodies[i].codings[k], buf_str(wire), &swap);
		other = *wire;
		*wire = swap;
	}
	buf_release(&other);
}

static void test_every_coding_split_anywhere(void **state)
{
	(void)state;
	struct guard guard = {0};
	struct buf text;
	buf_init(&text, TEXT_BYTES);
	make_text(&text, TEXT_BYTES);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct buf wire, out;
		buf_init(&wire, 1 << 20);
		buf_init(&out, 1 << 20);
		make_body(i, buf_str(&text), &wire);
		for (size_t cut = 0; cut <= wire.n; cut++) {
			buf_reset(&out);
			assert_null(decode(bodies[i].header, buf_str(&wire), cut, 0, &out, &guard));
			assert_true(str_eq(buf_str(&out), buf_str(&text)));
		}
		buf_reset(&out);
		assert_null(decode(bodies[i].header, buf_str(&wire), 0, 1, &out, &guard));
		assert_true(str_eq(buf_str(&out), buf_str(&text)));
		buf_release(&wire);
		buf_release(&out);
	}
	buf_release(&text);
	guard_release(&guard);
}

static void test_cut_off_and_damaged(void **state)
{
	(void)state;
	struct guard guard = {0};
	struct buf text;
	buf_init(&text, TEXT_BYTES);
	make_text(&text, TEXT_BYTES);
	for (size_t i = 2; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct buf wire, out;
		buf_init(&wire, 1 << 20);
		buf_init(&out, 1 << 20);
		make_body(i, buf_str(&text), &wire);
		for (size_t n = 1; n < wire.n; n += 7) {
			buf_reset(&out);
			const char *error = decode(bodies[i].header, (struct str){wire.p, n}, n, 0, &out, &guard);
			assert_non_null(error);
			assert_non_null(strstr(error, "ends too early"));
			assert_true(out.n <= text.n && memcmp(out.p ? out.p : "", text.p, out.n) == 0);
		}
		buf_release(&wire);
		buf_release(&out);
	}
	struct buf out;
	buf_init(&out, 1 << 20);
	assert_string_equal(decode("gzip", STR("this is no gzip"), 0, 0, &out, &guard), "the gzip body is damaged");
	assert_string_equal(decode("br", STR("\xff\xff\xff\xff\xff"), 0, 0, &out, &guard),
			    "the brotli body is damaged");
	assert_string_equal(decode("zstd", STR("plain text"), 0, 0, &out, &guard), "the zstd body is damaged");
	assert_string_equal(decode("deflate", STR("\xff\xff\xff"), 0, 0, &out, &guard), "the deflate body is damaged");
	assert_int_equal(out.n, 0);
	/* A body of no bytes is an empty one. */
	assert_null(decode("gzip", STR(""), 0, 0, &out, &guard));
	buf_release(&out);
	buf_release(&text);
	guard_release(&guard);
}

static void test_what_follows_the_end(void **state)
{
	(void)state;
	struct guard guard = {0};
	static const char *const codings[] = {"gzip", "zstd", "br", "deflate"};
	for (size_t i = 0; i < 4; i++) {
		struct buf wire, out;
		buf_init(&wire, 1 << 16);
		buf_init(&out, 1 << 16);
		encode(codings[i], STR("first "), &wire);
		encode(codings[i], STR("second"), &wire);
		for (size_t cut = 0; cut <= wire.n; cut++) {
			buf_reset(&out);
			const char *error = decode(codings[i], buf_str(&wire), cut, 0, &out, &guard);
			if (i < 2) { /* gzip members and zstd frames may follow each other */
				assert_null(error);
				assert_string_equal(buf_str(&out).p, "first second");
			} else {
				assert_string_equal(error, "bytes follow the end of the coded body");
				assert_string_equal(buf_str(&out).p, "first ");
			}
		}
		buf_release(&wire);
		buf_release(&out);
	}
	guard_release(&guard);
}

/* A small body that becomes a huge one, also as the inner one of two codings. */
static void test_bombs(void **state)
{
	(void)state;
	static const char *const headers[] = {"gzip", "br", "zstd", "gzip, gzip"};
	static const size_t zeros_n = 50 << 20;
	struct guard guard = {0};
	char *zeros = calloc(1, zeros_n);
	assert_non_null(zeros);
	for (size_t i = 0; i < 4; i++) {
		struct buf wire, twice, out;
		buf_init(&wire, 64 << 20);
		buf_init(&twice, 64 << 20);
		buf_init(&out, 64 << 20);
		encode(i == 3 ? "gzip" : headers[i], (struct str){zeros, zeros_n}, &wire);
		if (i == 3)
			encode("gzip", buf_str(&wire), &twice);
		const char *error = decode(headers[i], buf_str(i == 3 ? &twice : &wire), 0, 0, &out, &guard);
		assert_string_equal(error, "the decoded body is longer than the limit");
		assert_int_equal(out.n, OUTPUT_MAX);
		buf_release(&wire);
		buf_release(&twice);
		buf_release(&out);
	}
	free(zeros);
	guard_release(&guard);
}

static void test_refused_codings(void **state)
{
	(void)state;
	const char *error = NULL;
	assert_null(content_new(STR("rot13"), OUTPUT_MAX, take, NULL, &error));
	assert_string_equal(error, "the content coding is not known");
	assert_null(content_new(STR("gzip, compress"), OUTPUT_MAX, take, NULL, &error));
	assert_string_equal(error, "the content coding is not known");
	assert_null(content_new(STR("gzip,gzip,gzip,gzip,gzip"), OUTPUT_MAX, take, NULL, &error));
	assert_string_equal(error, "too many content codings on top of each other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_coding_split_anywhere),
		cmocka_unit_test(test_cut_off_and_damaged),
		cmocka_unit_test(test_what_follows_the_end),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_refused_codings),
	};
	return cmocka_run_group_tests_name("content", tests, NULL, NULL) != 0;
}
