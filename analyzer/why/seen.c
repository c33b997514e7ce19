/* SPDX-License-Identifier: MIT */
#include "why/seen.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((entry)->kept = false)
#include <uthash.h>

/* A prefix by the hash of its pieces' digests, chained. */
struct prefix {
	uint64_t hash[2];
	bool kept;
	UT_hash_handle hh;
};

struct seen {
	struct prefix *prefixes;
};

struct seen *seen_new(void)
{
	return calloc(1, sizeof(struct seen));
}

void seen_free(struct seen *s)
{
	struct prefix *p, *next;
	if (!s)
		return;
	HASH_ITER(hh, s->prefixes, p, next)
	{
		HASH_DEL(s->prefixes, p);
		free(p);
	}
	free(s);
}

/* The digests are hashes already: mixing them in keeps 128 bits apart well enough for counting. */
static void chain(uint64_t hash[2], const void *digest)
{
	uint64_t words[4];
	memcpy(words, digest, sizeof(words));
	for (int i = 0; i < 2; i++) {
		hash[i] = (hash[i] ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15) + words[i + 2];
		hash[i] ^= hash[i] >> 29;
	}
}

static void begin(uint64_t hash[2], const char *model, const char *server)
{
	struct digest d[2] = {digest_of(str_from(model ? model : "")), digest_of(str_from(server ? server : ""))};
	hash[0] = hash[1] = 0;
	chain(hash, &d[0]);
	chain(hash, &d[1]);
}

/* Stands for the first pieces, and the model and server. */
static void key_of(const uint64_t seed[2], const struct rendered *prompt, size_t pieces, uint64_t hash[2])
{
	rendered_prefix(prompt, pieces, hash);
	for (int i = 0; i < 2; i++)
		hash[i] ^= seed[i];
}

static int keep(struct seen *s, const uint64_t hash[2])
{
	struct prefix *p = calloc(1, sizeof(*p));
	if (!p)
		return -1;
	memcpy(p->hash, hash, sizeof(p->hash));
	p->kept = true;
	HASH_ADD(hh, s->prefixes, hash, sizeof(p->hash), p);
	if (p->kept)
		return 0;
	free(p);
	return -1;
}

/*
 * The next piece of n at which a prefix is looked up; n: there is none. Far behind what was there they stand ever
 * further apart, so that a prompt's number of them grows with the logarithm of its length.
 */
static size_t next(size_t i, size_t found, size_t n)
{
	size_t behind = i + 1 - found, step = SEEN_STRIDE;
	if (i + 1 >= n || behind < SEEN_STRIDE)
		return i + 1;
	while (step * (SEEN_STRIDE / 2) < behind)
		step *= 2;
	i = (i / step + 1) * step;
	return i < n ? i : n - 1;
}

int seen_add(struct seen *s, const char *model, const char *server, const struct rendered *prompt, size_t known,
	     uint64_t *bytes)
{
	uint64_t seed[2], hash[2];
	size_t found = known; /* pieces that were there */

	begin(seed, model, server);
	for (size_t i = known; i < prompt->n; i = next(i, found, prompt->n)) {
		struct prefix *p = NULL;
		key_of(seed, prompt, i + 1, hash);
		HASH_FIND(hh, s->prefixes, hash, sizeof(p->hash), p);
		if (p)
			found = i + 1;
		else if (keep(s, hash) < 0)
			return -1;
	}
	*bytes = rendered_bytes(prompt, found);
	return 0;
}
