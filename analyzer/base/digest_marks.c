/* SPDX-License-Identifier: MIT */
/* EVP has no state that could be copied without an allocation; the functions below it do. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "base/digest_marks.h"

#include "base/array.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

struct digest_mark {
	SHA256_CTX state;
};

struct digest digest_marked(const struct digest_marks *old, size_t same, struct str bytes, struct digest_marks *out)
{
	size_t known = old ? (same < bytes.n ? same : bytes.n) / DIGEST_MARK_BYTES : 0;
	struct digest_mark now;
	struct digest d;

	if (old && known > old->n)
		known = old->n;
	struct digest_mark *grown = array_grow(out->mark, &out->capacity, bytes.n / DIGEST_MARK_BYTES, sizeof(*grown));
	if (grown)
		out->mark = grown;
	out->n = grown ? known : 0;
	if (out->n)
		memcpy(out->mark, old->mark, known * sizeof(*out->mark));
	if (known)
		now = old->mark[known - 1];
	else
		SHA256_Init(&now.state);

	size_t at = known * DIGEST_MARK_BYTES;
	for (; bytes.n - at >= DIGEST_MARK_BYTES; at += DIGEST_MARK_BYTES) {
		SHA256_Update(&now.state, bytes.p + at, DIGEST_MARK_BYTES);
		if (grown)
			out->mark[out->n++] = now;
	}
	SHA256_Update(&now.state, bytes.p + at, bytes.n - at);
	SHA256_Final(d.b, &now.state);
	return d;
}

void digest_marks_release(struct digest_marks *m)
{
	free(m->mark);
	*m = DIGEST_MARKS_NONE;
}
