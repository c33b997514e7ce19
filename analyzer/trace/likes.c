/* SPDX-License-Identifier: MIT */
#include "trace/likes.h"

#include <stdlib.h>
#include <string.h>

/* An entry that found no memory for the table's growth is left out of it. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct like_text {
	struct digest normalised;
	uint32_t part;
	size_t n;
	UT_hash_handle hh; /* its list is in the order of insertion: the oldest first */
	char text[];
};

bool likes_find(const struct likes *l, const struct digest *normalised, struct str text, struct line_like *out)
{
	struct like_text *x;
	HASH_FIND(hh, l->by_digest, normalised, sizeof(*normalised), x);
	if (!x || text.n < LIKES_TEXT_MIN)
		return false;

	size_t shorter = x->n < text.n ? x->n : text.n, head = 0, tail = 0;
	while (head < shorter && x->text[head] == text.p[head])
		head++;
	while (head + tail < shorter && x->text[x->n - 1 - tail] == text.p[text.n - 1 - tail])
		tail++;
	if (head + tail < text.n - text.n / 4)
		return false;
	*out = (struct line_like){x->part, head, tail};
	return true;
}

static void forget(struct likes *l, struct like_text *x)
{
	HASH_DEL(l->by_digest, x);
	l->bytes -= x->n;
	free(x);
}

void likes_keep(struct likes *l, const struct digest *normalised, uint32_t part, struct str text)
{
	struct like_text *x;
	if (text.n < LIKES_TEXT_MIN || text.n > LIKES_BYTES_MAX / 4)
		return;
	HASH_FIND(hh, l->by_digest, normalised, sizeof(*normalised), x);
	if (x)
		forget(l, x);
	while (l->by_digest && l->bytes + text.n > LIKES_BYTES_MAX)
		forget(l, l->by_digest);

	x = malloc(sizeof(*x) + text.n);
	if (!x)
		return;
	*x = (struct like_text){.normalised = *normalised, .part = part, .n = text.n};
	memcpy(x->text, text.p, text.n);
	HASH_ADD(hh, l->by_digest, normalised, sizeof(x->normalised), x);
	if (!x->hh.tbl) {
		free(x);
		return;
	}
	l->bytes += text.n;
}

void likes_release(struct likes *l)
{
	while (l->by_digest)
		forget(l, l->by_digest);
}
