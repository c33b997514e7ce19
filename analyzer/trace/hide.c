/* SPDX-License-Identifier: MIT */
#include "trace/hide.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int hide_init(struct hide *h, bool on)
{
	*h = (struct hide){.on = on};
	size_t have = on ? 0 : sizeof(h->key);
	while (have < sizeof(h->key)) {
		ssize_t n = getrandom(h->key + have, sizeof(h->key) - have, 0);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0)
			have += (size_t)n;
	}
	return 0;
}

void hide_release(struct hide *h)
{
	explicit_bzero(h, sizeof(*h));
}

struct digest hide_digest(const struct hide *h, const struct digest *d)
{
	return h->on ? digest_keyed(h->key, (struct str){(const char *)d->b, DIGEST_BYTES}) : *d;
}

void hide_chain(const struct hide *h, struct str text, struct buf *hex)
{
	char input[DIGEST_BYTES + HIDE_STEP_BYTES] = {0};
	char digits[DIGEST_HEX_CHARS + 1];

	for (size_t at = 0; at < text.n; at += HIDE_STEP_BYTES) {
		size_t n = text.n - at < HIDE_STEP_BYTES ? text.n - at : HIDE_STEP_BYTES;
		memcpy(input + DIGEST_BYTES, text.p + at, n);
		struct digest d = digest_keyed(h->key, (struct str){input, DIGEST_BYTES + n});
		digest_hex(&d, digits);
		buf_append(hex, digits, 2 * HIDE_STEP_HASH_BYTES);
		memcpy(input, d.b, DIGEST_BYTES);
	}
}
