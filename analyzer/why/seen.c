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

int seen_add(struct seen *s, const char *model, const char *server, const struct rendered *prompt, size_t known,
	     uint64_t *bytes)
{
	uint64_t hash[2], length = 0;
	size_t found = known; /* pieces that were there */

	*bytes = 0;
	begin(hash, model, server);
	for (size_t i = 0; i < prompt->n; i++) {
		struct prefix *p = NULL;
		chain(hash, &prompt->pieces[i].digest);
		length += prompt->pieces[i].bytes;
		if (i < known) {
			*bytes = length;
			continue;
		}
		if (i >= found + SEEN_STRIDE && i % SEEN_STRIDE != 0 && i + 1 != prompt->n)
			continue;
		HASH_FIND(hh, s->prefixes, hash, sizeof(p->hash), p);
		if (p) {
			found = i + 1;
			*bytes = length;
		} else if (keep(s, hash) < 0) {
			return -1;
		}
	}
	return 0;
}
