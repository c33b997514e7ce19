/* SPDX-License-Identifier: MIT */
#define ZLIB_CONST
#include "http/content.h"

#include <brotli/decode.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define OUT_BYTES ((size_t)64 << 10)

enum step_end { STEP_STARVED, STEP_MORE_OUTPUT, STEP_ENDED, STEP_BROKEN };

struct step;

struct coding {
	const char *name;
	int (*open)(struct step *s);
	/* Decodes from *in into out. STEP_ENDED: the coded data ended before *in did, or with it. */
	enum step_end (*decode)(struct step *s, struct str *in, uint8_t *out, size_t *out_n);
	void (*close)(struct step *s);
	bool repeats; /* coded data may follow coded data: gzip members, zstd frames */
	const char *broken;
	const char *cut;
};

/* One coding of the stack. What it gives out goes to the next step, or to the caller. */
struct step {
	const struct coding *coding;
	union {
		z_stream z;
		BrotliDecoderState *br;
		ZSTD_DCtx *zstd;
	} u;
	bool open;
	bool begun;    /* coded data has begun and not ended */
	bool ended;    /* coded data has ended at least once */
	uint8_t first; /* deflate: the first byte, until the second tells zlib from raw */
	bool has_first, chosen;
	uint64_t out_bytes;
	uint8_t *out;
};

struct content {
	content_bytes_fn *on_bytes;
	void *context;
	size_t output_max;
	const char *error;
	size_t nsteps;
	struct step steps[CONTENT_CODINGS_MAX];
};

static void z_close(struct step *s)
{
	inflateEnd(&s->u.z);
}

static int gzip_open(struct step *s)
{
	return inflateInit2(&s->u.z, 15 + 16) == Z_OK ? 0 : -1;
}

static int deflate_open(struct step *s)
{
	return inflateInit2(&s->u.z, 15) == Z_OK ? 0 : -1;
}

static enum step_end z_decode(struct step *s, struct str *in, uint8_t *out, size_t *out_n)
{
	z_stream *z = &s->u.z;
	uInt given = in->n < UINT32_MAX / 2 ? (uInt)in->n : UINT32_MAX / 2;
	z->next_in = (const Bytef *)in->p;
	z->avail_in = given;
	z->next_out = out;
	z->avail_out = (uInt)*out_n;
	int r = inflate(z, Z_NO_FLUSH);
	in->p += given - z->avail_in;
	in->n -= given - z->avail_in;
	*out_n -= z->avail_out;
	if (r == Z_STREAM_END)
		return inflateReset(z) == Z_OK ? STEP_ENDED : STEP_BROKEN;
	if (r != Z_OK && r != Z_BUF_ERROR)
		return STEP_BROKEN;
	return z->avail_out == 0 || in->n ? STEP_MORE_OUTPUT : STEP_STARVED;
}

/*
 * "deflate" is the zlib format by the standard and raw deflate by the custom of some servers. The first two bytes tell:
 * a zlib header is a multiple of 31 and names method 8.
 */
static enum step_end deflate_decode(struct step *s, struct str *in, uint8_t *out, size_t *out_n)
{
	if (s->chosen)
		return z_decode(s, in, out, out_n);
	size_t room = *out_n;
	*out_n = 0;
	if (!s->has_first) {
		s->first = (uint8_t)*in->p++;
		in->n--;
		s->has_first = true;
	}
	if (in->n == 0)
		return STEP_STARVED;
	unsigned head = (unsigned)s->first << 8 | (uint8_t)*in->p;
	if (((head >> 8 & 15) != 8 || head % 31 != 0) && inflateReset2(&s->u.z, -15) != Z_OK)
		return STEP_BROKEN;
	s->chosen = true;
	struct str first = {(const char *)&s->first, 1};
	size_t none = room; /* a first byte alone gives nothing out */
	enum step_end end = z_decode(s, &first, out, &none);
	if (end != STEP_STARVED)
		return STEP_BROKEN;
	*out_n = room;
	return z_decode(s, in, out, out_n);
}

static int br_open(struct step *s)
{
	s->u.br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	return s->u.br ? 0 : -1;
}

static void br_close(struct step *s)
{
	BrotliDecoderDestroyInstance(s->u.br);
}

static enum step_end br_decode(struct step *s, struct str *in, uint8_t *out, size_t *out_n)
{
	const uint8_t *next_in = (const uint8_t *)in->p;
	size_t left_in = in->n, left_out = *out_n;
	BrotliDecoderResult r = BrotliDecoderDecompressStream(s->u.br, &left_in, &next_in, &left_out, &out, NULL);
	in->p += in->n - left_in;
	in->n = left_in;
	*out_n -= left_out;
	switch (r) {
	case BROTLI_DECODER_RESULT_SUCCESS:
		return STEP_ENDED;
	case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
		return STEP_STARVED;
	case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT:
		return STEP_MORE_OUTPUT;
	case BROTLI_DECODER_RESULT_ERROR:
		break;
	}
	return STEP_BROKEN;
}

static int zstd_open(struct step *s)
{
	s->u.zstd = ZSTD_createDCtx();
	return s->u.zstd ? 0 : -1;
}

static void zstd_close(struct step *s)
{
	ZSTD_freeDCtx(s->u.zstd);
}

static enum step_end zstd_decode(struct step *s, struct str *in, uint8_t *out, size_t *out_n)
{
	ZSTD_inBuffer from = {in->p, in->n, 0};
	ZSTD_outBuffer to = {out, *out_n, 0};
	size_t r = ZSTD_decompressStream(s->u.zstd, &to, &from);
	in->p += from.pos;
	in->n -= from.pos;
	*out_n = to.pos;
	if (ZSTD_isError(r))
		return STEP_BROKEN;
	if (r == 0)
		return STEP_ENDED;
	return to.pos == to.size || in->n ? STEP_MORE_OUTPUT : STEP_STARVED;
}

static const struct coding codings[] = {
	{"gzip", gzip_open, z_decode, z_close, true, "the gzip body is damaged", "the gzip body ends too early"},
	{"x-gzip", gzip_open, z_decode, z_close, true, "the gzip body is damaged", "the gzip body ends too early"},
	{"deflate", deflate_open, deflate_decode, z_close, false, "the deflate body is damaged",
	 "the deflate body ends too early"},
	{"br", br_open, br_decode, br_close, false, "the brotli body is damaged", "the brotli body ends too early"},
	{"zstd", zstd_open, zstd_decode, zstd_close, true, "the zstd body is damaged", "the zstd body ends too early"},
};

static const struct coding *find_coding(struct str name)
{
	for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++)
		if (str_eq_nocase(str_from(codings[i].name), name))
			return &codings[i];
	return NULL;
}

static const char *add_step(struct content *c, struct str name)
{
	if (name.n == 0 || str_eq_nocase(name, STR("identity")))
		return NULL;
	const struct coding *coding = find_coding(name);
	if (!coding)
		return "the content coding is not known";
	if (c->nsteps == CONTENT_CODINGS_MAX)
		return "too many content codings on top of each other";
	struct step *s = &c->steps[c->nsteps++];
	s->coding = coding;
	s->out = malloc(OUT_BYTES);
	s->open = s->out && coding->open(s) == 0;
	return s->open ? NULL : "no memory to decode the body";
}

struct content *content_new(struct str coding, size_t output_max, content_bytes_fn *on_bytes, void *context,
			    const char **error)
{
	struct content *c = calloc(1, sizeof(*c));
	if (!c) {
		*error = "no memory to decode the body";
		return NULL;
	}
	c->output_max = output_max;
	c->on_bytes = on_bytes;
	c->context = context;

	/* The header names the codings in the order in which they were put on: the last comes off first. */
	const char *wrong = NULL;
	size_t end = coding.n;
	while (end > 0 && !wrong) {
		size_t begin = end;
		while (begin > 0 && coding.p[begin - 1] != ',')
			begin--;
		struct str name = {coding.p + begin, end - begin};
		while (name.n && (name.p[0] == ' ' || name.p[0] == '\t')) {
			name.p++;
			name.n--;
		}
		while (name.n && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
			name.n--;
		wrong = add_step(c, name);
		end = begin > 0 ? begin - 1 : 0;
	}
	if (wrong) {
		content_free(c);
		*error = wrong;
		return NULL;
	}
	return c;
}

static void feed_step(struct content *c, size_t i, struct str in)
{
	if (i == c->nsteps) {
		c->on_bytes(c->context, in);
		return;
	}
	struct step *s = &c->steps[i];
	enum step_end end = STEP_STARVED;
	while (!c->error && (in.n || end == STEP_MORE_OUTPUT)) {
		if (s->ended && !s->begun && !s->coding->repeats) {
			c->error = "bytes follow the end of the coded body";
			return;
		}
		size_t out_n = OUT_BYTES, in_n = in.n;
		s->begun = true;
		end = s->coding->decode(s, &in, s->out, &out_n);
		bool stuck = end == STEP_MORE_OUTPUT && out_n == 0 && in.n == in_n;
		if (end == STEP_BROKEN || stuck)
			c->error = s->coding->broken;
		if (end == STEP_ENDED) {
			s->begun = false;
			s->ended = true;
		}
		/* What came out before the damage is still good. */
		if (out_n > c->output_max - s->out_bytes) {
			out_n = c->output_max - (size_t)s->out_bytes;
			c->error = "the decoded body is longer than the limit";
		}
		s->out_bytes += out_n;
		if (out_n)
			feed_step(c, i + 1, (struct str){(const char *)s->out, out_n});
	}
}

void content_feed(struct content *c, struct str bytes)
{
	if (c->error || bytes.n == 0)
		return;
	feed_step(c, 0, bytes);
}

const char *content_finish(struct content *c)
{
	/* A body of no bytes at all is an empty one in any coding. */
	for (size_t i = 0; i < c->nsteps && !c->error; i++)
		if (c->steps[i].begun)
			c->error = c->steps[i].coding->cut;
	return c->error;
}

void content_free(struct content *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->nsteps; i++) {
		if (c->steps[i].open)
			c->steps[i].coding->close(&c->steps[i]);
		free(c->steps[i].out);
	}
	free(c);
}
