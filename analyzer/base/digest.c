/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

struct digest_stream {
	EVP_MD_CTX *ctx;
};

static void must(int ok)
{
	if (ok == 1)
		return;
	fputs("kvscope: libcrypto failed to compute a digest\n", stderr);
	exit(2);
}

static const EVP_MD *sha256(void)
{
	static EVP_MD *md; /* fetched once: EVP_sha256() costs a lookup in every use */
	if (!md)
		md = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(md != NULL);
	return md;
}

struct digest_stream *digest_stream_new(void)
{
	struct digest_stream *s = calloc(1, sizeof(*s));
	must(s != NULL);
	s->ctx = EVP_MD_CTX_new();
	must(s->ctx != NULL);
	must(EVP_DigestInit_ex2(s->ctx, sha256(), NULL));
	return s;
}

void digest_stream_update(struct digest_stream *s, struct str bytes)
{
	must(EVP_DigestUpdate(s->ctx, bytes.p, bytes.n));
}

struct digest digest_stream_final(struct digest_stream *s)
{
	struct digest d;
	must(EVP_DigestFinal_ex(s->ctx, d.b, NULL));
	digest_stream_free(s);
	return d;
}

void digest_stream_free(struct digest_stream *s)
{
	if (!s)
		return;
	EVP_MD_CTX_free(s->ctx);
	free(s);
}

struct digest digest_of(struct str bytes)
{
	static EVP_MD_CTX *ctx;
	struct digest d;
	if (!ctx)
		ctx = EVP_MD_CTX_new();
	must(ctx != NULL);
	must(EVP_DigestInit_ex2(ctx, sha256(), NULL));
	must(EVP_DigestUpdate(ctx, bytes.p, bytes.n));
	must(EVP_DigestFinal_ex(ctx, d.b, NULL));
	return d;
}

struct digest digest_keyed(const uint8_t key[DIGEST_BYTES], struct str bytes)
{
	struct digest d;
	must(HMAC(sha256(), key, DIGEST_BYTES, (const unsigned char *)bytes.p, bytes.n, d.b, NULL) != NULL);
	return d;
}

void digest_hex(const struct digest *d, char out[DIGEST_HEX_CHARS + 1])
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = digits[d->b[i] >> 4];
		out[2 * i + 1] = digits[d->b[i] & 15];
	}
	out[DIGEST_HEX_CHARS] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int digest_from_hex(struct str hex, struct digest *out)
{
	struct digest d;
	if (hex.n != DIGEST_HEX_CHARS)
		return -1;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_value(hex.p[2 * i]), low = hex_value(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return -1;
		d.b[i] = (uint8_t)(high << 4 | low);
	}
	*out = d;
	return 0;
}
