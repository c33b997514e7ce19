/* SPDX-License-Identifier: MIT */
#include "mock/store.h"

#include "base/clock.h"

/* Tokens of so many bytes. */
static size_t in_tokens(const struct mock_limits *l, size_t bytes)
{
	return bytes == SIZE_MAX || l->token_bytes == 0 ? bytes : bytes / l->token_bytes;
}

static uint64_t ttl_ns(const struct mock_limits *l)
{
	return (uint64_t)(l->ttl_s * (double)NS_PER_S);
}

/* Capacity of POLICY_BLOCKS. Of vLLM's blocks one is never used, and the prompt at work has one that is not full. */
static size_t blocks_tokens(const struct mock_limits *l)
{
	if (l->blocks == 0 || l->tokens == 0)
		return l->tokens;
	return l->blocks > 2 ? (l->blocks - 2) * l->block : 0;
}

int mock_store_init(struct mock_store *s, const struct mock_limits *limits, size_t slots)
{
	*s = (struct mock_store){.limits = *limits};
	switch (limits->policy) {
	case POLICY_BLOCKS:
		mock_cache_init(&s->cache, limits->block, blocks_tokens(limits));
		s->cache.ttl_ns = ttl_ns(limits);
		return 0;
	case POLICY_RADIX:
		return mock_radix_init(&s->radix, limits->block, limits->tokens);
	case POLICY_SLOTS:
	case POLICY_LIST: {
		const struct mock_sequence_limits l = {
			.slots = limits->policy == POLICY_SLOTS ? slots : 0,
			.kept = limits->kept,
			.kept_tokens = in_tokens(limits, limits->kept_bytes),
			.similarity = limits->similarity,
			.saves = limits->saves,
			.clears = limits->clears,
			.whole = limits->whole,
		};
		return mock_sequences_init(&s->sequences, &l);
	}
	case POLICY_BREAKPOINTS:
		mock_prefixes_init(&s->prefixes, ttl_ns(limits), limits->lookback);
		return 0;
	}
	return 0;
}

void mock_store_release(struct mock_store *s)
{
	mock_cache_release(&s->cache);
	mock_radix_release(&s->radix);
	mock_sequences_release(&s->sequences);
	mock_prefixes_release(&s->prefixes);
}

void mock_store_begin(struct mock_store *s, struct mock_use *u, uint64_t now_ns)
{
	const uint64_t *ids = u->prompt->ids;
	size_t n = u->prompt->n;
	bool idle = s->at_work++ == 0;

	u->start_ns = now_ns;
	u->cached = 0;
	switch (s->limits.policy) {
	case POLICY_BLOCKS:
		mock_cache_now(&s->cache, now_ns);
		if (!u->no_reuse)
			u->cached = mock_cache_lookup(&s->cache, u->seed, ids, n);
		break;
	case POLICY_RADIX:
		if (!u->no_reuse)
			u->cached = mock_radix_lookup(&s->radix, u->seed, ids, n, &u->held);
		break;
	case POLICY_SLOTS: /* the model is unloaded when it had nothing to do for so long */
		if (idle && s->limits.ttl_s > 0 && s->idle_ns && now_ns - s->idle_ns >= ttl_ns(&s->limits))
			mock_sequences_reset(&s->sequences);
		u->cached = mock_sequences_take(&s->sequences, u->seed, ids, n, !u->no_reuse, &u->slot);
		break;
	case POLICY_LIST:
		u->cached = mock_sequences_take(&s->sequences, u->seed, ids, n, !u->no_reuse, &u->slot);
		if (u->system_end && u->system_end > u->cached)
			mock_sequences_put_system(&s->sequences, u->seed, ids, u->system_end);
		break;
	case POLICY_BREAKPOINTS: /* too short ones were left out when they were read */
		if (!u->no_reuse && u->breakpoints)
			u->cached = mock_prefixes_lookup(&s->prefixes, u->breakpoints, now_ns, u->written);
		return;
	}
	if (u->cached < s->limits.min)
		u->cached = 0;
}

static void keep(struct mock_store *s, struct mock_use *u, const uint64_t *ids, size_t n)
{
	switch (s->limits.policy) {
	case POLICY_BLOCKS:
		mock_cache_store(&s->cache, u->seed, ids, n);
		break;
	case POLICY_RADIX:
		mock_radix_store(&s->radix, u->seed, ids, n, &u->held);
		break;
	case POLICY_SLOTS:
	case POLICY_LIST:
		mock_sequences_put(&s->sequences, u->slot, u->seed, ids, n);
		break;
	case POLICY_BREAKPOINTS: /* of what is asked for, not of what was computed */
		break;
	}
}

void mock_store_prefilled(struct mock_store *s, struct mock_use *u)
{
	switch (s->limits.policy) {
	case POLICY_BLOCKS:
	case POLICY_RADIX:
	case POLICY_SLOTS:
		keep(s, u, u->prompt->ids, u->prompt->n);
		break;
	case POLICY_LIST: /* gets whole ones, when they have ended */
		break;
	case POLICY_BREAKPOINTS:
		if (!u->no_reuse && u->breakpoints)
			mock_prefixes_store(&s->prefixes, u->breakpoints, u->start_ns);
		break;
	}
}

void mock_store_end(struct mock_store *s, struct mock_use *u, const struct mock_tokens *whole, size_t n,
		    uint64_t now_ns)
{
	if (s->limits.policy == POLICY_BLOCKS)
		mock_cache_now(&s->cache, now_ns);
	keep(s, u, whole ? whole->ids : u->prompt->ids, n);
	if (--s->at_work == 0)
		s->idle_ns = now_ns;
	mock_radix_leave(&u->held);
	if (s->limits.policy == POLICY_SLOTS)
		mock_sequences_leave(&s->sequences, u->slot);
}

size_t mock_store_tokens(const struct mock_store *s)
{
	return s->cache.blocks * s->cache.block_tokens + s->radix.tokens + mock_sequences_tokens(&s->sequences);
}

size_t mock_store_capacity(const struct mock_store *s)
{
	return s->limits.policy == POLICY_BLOCKS ? s->cache.capacity_blocks * s->cache.block_tokens : s->limits.tokens;
}

size_t mock_store_empty(struct mock_store *s)
{
	size_t tokens = mock_store_tokens(s);

	mock_cache_reset(&s->cache);
	if (s->at_work == 0) /* a prompt at work stands on what it holds */
		mock_radix_reset(&s->radix);
	mock_sequences_reset(&s->sequences);
	mock_prefixes_reset(&s->prefixes);
	return tokens;
}
