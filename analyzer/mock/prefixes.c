/* SPDX-License-Identifier: MIT */
/* The prefixes that Anthropic's prompt cache keeps for a while. */
#include "mock/breakpoints.h"

#include <stdlib.h>

/* Out of memory while growing the table: the prefix is not kept. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(prefix) ((prefix)->added = false)
#include <uthash.h>

#define HOUR_IN_SHORT_TTLS 12
#define FOR_EVER_NS (UINT64_MAX / 64)

struct mock_prefix {
	uint64_t key;
	uint64_t expires_ns;
	bool added;
	UT_hash_handle hh;
};

void mock_prefixes_init(struct mock_prefixes *p, uint64_t ttl_ns, size_t lookback)
{
	*p = (struct mock_prefixes){.lookback = lookback};
	if (ttl_ns == 0)
		ttl_ns = FOR_EVER_NS;
	p->ttl_ns[TTL_5M] = ttl_ns;
	p->ttl_ns[TTL_1H] = ttl_ns * HOUR_IN_SHORT_TTLS;
}

static void drop(struct mock_prefixes *p, struct mock_prefix *prefix)
{
	HASH_DEL(p->table, prefix);
	free(prefix);
}

size_t mock_prefixes_reset(struct mock_prefixes *p)
{
	size_t n = mock_prefixes_count(p);
	while (p->table)
		drop(p, p->table);
	return n;
}

void mock_prefixes_release(struct mock_prefixes *p)
{
	mock_prefixes_reset(p);
}

size_t mock_prefixes_count(const struct mock_prefixes *p)
{
	return HASH_COUNT(p->table);
}

static uint64_t key_of(const struct mock_breakpoints *b, size_t position, enum mock_ttl ttl)
{
	const uint64_t kept_for = ttl;
	return mock_tokens_hash(b->positions[position].key, &kept_for, 1);
}

/* NULL: none, or it has expired. */
static struct mock_prefix *find(struct mock_prefixes *p, uint64_t key, uint64_t now_ns)
{
	struct mock_prefix *prefix;

	HASH_FIND(hh, p->table, &key, sizeof(key), prefix);
	if (!prefix || prefix->expires_ns > now_ns)
		return prefix;
	drop(p, prefix);
	return NULL;
}

size_t mock_prefixes_lookup(struct mock_prefixes *p, const struct mock_breakpoints *b, uint64_t now_ns,
			    size_t written[TTLS])
{
	size_t cached = 0;

	for (size_t i = 0; i < b->nmarks; i++) {
		enum mock_ttl ttl = b->marks[i].ttl;
		size_t at = b->marks[i].position + 1;
		for (size_t looked = 0; at-- > 0 && looked < p->lookback; looked++) {
			struct mock_prefix *prefix = find(p, key_of(b, at, ttl), now_ns);
			if (!prefix)
				continue;
			prefix->expires_ns = now_ns + p->ttl_ns[ttl];
			if (b->positions[at].end > cached)
				cached = b->positions[at].end;
			break;
		}
	}
	/* Longer times to live come first, so what is written is cut in two by the last of them. */
	size_t from = cached;
	for (size_t t = TTLS; t-- > 0;) {
		size_t to = from;
		for (size_t i = 0; i < b->nmarks; i++)
			if (b->marks[i].ttl == (enum mock_ttl)t && b->positions[b->marks[i].position].end > to)
				to = b->positions[b->marks[i].position].end;
		written[t] = to - from;
		from = to;
	}
	return cached;
}

static void drop_expired(struct mock_prefixes *p, uint64_t now_ns)
{
	struct mock_prefix *prefix = NULL, *next = NULL;

	HASH_ITER(hh, p->table, prefix, next)
	{
		if (prefix->expires_ns <= now_ns)
			drop(p, prefix);
	}
}

void mock_prefixes_store(struct mock_prefixes *p, const struct mock_breakpoints *b, uint64_t start_ns)
{
	drop_expired(p, start_ns);
	for (size_t i = 0; i < b->nmarks; i++) {
		uint64_t key = key_of(b, b->marks[i].position, b->marks[i].ttl);
		uint64_t expires_ns = start_ns + p->ttl_ns[b->marks[i].ttl];
		struct mock_prefix *prefix = find(p, key, start_ns);
		if (prefix) {
			if (prefix->expires_ns < expires_ns)
				prefix->expires_ns = expires_ns;
			continue;
		}
		prefix = calloc(1, sizeof(*prefix));
		if (!prefix)
			return;
		*prefix = (struct mock_prefix){.key = key, .expires_ns = expires_ns, .added = true};
		HASH_ADD(hh, p->table, key, sizeof(prefix->key), prefix);
		if (!prefix->added) {
			free(prefix);
			return;
		}
	}
}
