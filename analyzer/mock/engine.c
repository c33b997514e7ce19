/* SPDX-License-Identifier: MIT */
#include "mock/engine.h"

#include "base/clock.h"

void engine_init(struct engine *e, struct loop *l, double prefill_rate, unsigned parallel, size_t block_tokens,
		 size_t cache_tokens)
{
	*e = (struct engine){.loop = l, .prefill_rate = prefill_rate, .slots = parallel};
	mock_cache_init(&e->cache, block_tokens, cache_tokens);
}

int engine_keep_sequences(struct engine *e, size_t slots, size_t kept_max, size_t kept_tokens_max)
{
	e->by_sequences = true;
	return mock_sequences_init(&e->sequences, slots, kept_max, kept_tokens_max);
}

void engine_release(struct engine *e)
{
	mock_cache_release(&e->cache);
	mock_sequences_release(&e->sequences);
}

size_t engine_empty_cache(struct engine *e)
{
	return mock_cache_reset(&e->cache) * e->cache.block_tokens + mock_sequences_reset(&e->sequences);
}

size_t engine_cached_tokens(const struct engine *e)
{
	return e->cache.blocks * e->cache.block_tokens + mock_sequences_tokens(&e->sequences);
}

/* ---- the cache, of either kind */

static void look_up(struct engine_job *j)
{
	struct engine *e = j->engine;
	const struct mock_tokens *p = j->prompt;

	if (e->by_sequences)
		j->cached_tokens = mock_sequences_take(&e->sequences, j->seed, p->ids, p->n, !j->no_reuse, &j->slot);
	else
		j->cached_tokens = j->no_reuse ? 0 : mock_cache_lookup(&e->cache, j->seed, p->ids, p->n);
	if (j->cached_tokens < j->cached_min)
		j->cached_tokens = 0;
}

static void store(struct engine_job *j, const uint64_t *ids, size_t n)
{
	struct engine *e = j->engine;

	if (e->by_sequences)
		mock_sequences_put(&e->sequences, j->slot, j->seed, ids, n);
	else
		mock_cache_store(&e->cache, j->seed, ids, n);
}

/* ---- the queue */

static void enqueue(struct engine *e, struct engine_job *j)
{
	j->prev = e->last;
	j->next = NULL;
	*(e->last ? &e->last->next : &e->first) = j;
	e->last = j;
	e->waiting++;
}

static void dequeue(struct engine *e, struct engine_job *j)
{
	*(j->prev ? &j->prev->next : &e->first) = j->next;
	*(j->next ? &j->next->prev : &e->last) = j->prev;
	j->next = j->prev = NULL;
	e->waiting--;
}

/* ---- prefill */

static size_t new_tokens(const struct engine_job *j)
{
	return j->prompt->n - j->cached_tokens;
}

static void count_prefill(struct engine_job *j, size_t tokens)
{
	j->engine->prefilled_tokens += tokens;
	j->engine->prefill_seconds += (double)(clock_monotonic_ns() - j->start_ns) / (double)NS_PER_S;
}

static void prefill_ended(struct loop_timer *t)
{
	struct engine_job *j = LOOP_OWNER(t, struct engine_job, timer);

	j->state = JOB_DECODING;
	count_prefill(j, new_tokens(j));
	/* A list of sequences gets whole ones, when they have ended. */
	if (!j->engine->by_sequences || j->engine->sequences.nslots > 0)
		store(j, j->prompt->ids, j->prompt->n);
	j->prefilled(j);
}

static void start(struct engine *e, struct engine_job *j)
{
	e->busy++;
	j->state = JOB_PREFILLING;
	/* Only now: what the jobs before this one have prefilled is there by now. */
	look_up(j);
	j->start_ns = clock_monotonic_ns();
	e->prompt_tokens += j->prompt->n;
	e->cached_tokens += j->cached_tokens;

	double seconds = e->prefill_rate > 0 ? (double)new_tokens(j) / e->prefill_rate : 0;
	(void)loop_timer_set(e->loop, &j->timer, j->start_ns + (uint64_t)(seconds * (double)NS_PER_S));
	j->started(j);
}

static void start_waiting(struct engine *e)
{
	while (e->first && e->busy < e->slots) {
		struct engine_job *j = e->first;
		dequeue(e, j);
		start(e, j);
	}
}

int engine_submit(struct engine *e, struct engine_job *j)
{
	j->engine = e;
	j->timer.fire = prefill_ended;
	/* Armed while it waits, too, so that no later step can fail. */
	if (loop_timer_set(e->loop, &j->timer, UINT64_MAX) < 0)
		return -1;
	j->state = JOB_WAITING;
	enqueue(e, j);
	start_waiting(e);
	return 0;
}

static void leave(struct engine_job *j)
{
	loop_timer_cancel(j->engine->loop, &j->timer);
	j->state = JOB_IDLE;
	if (j->engine->by_sequences)
		mock_sequences_leave(&j->engine->sequences, j->slot);
	j->engine->busy--;
	start_waiting(j->engine);
}

void engine_finish(struct engine_job *j, const struct mock_tokens *sequence)
{
	store(j, sequence->ids, sequence->n);
	leave(j);
}

void engine_cancel(struct engine_job *j)
{
	struct engine *e = j->engine;

	switch (j->state) {
	case JOB_IDLE:
		return;
	case JOB_WAITING:
		loop_timer_cancel(e->loop, &j->timer);
		dequeue(e, j);
		j->state = JOB_IDLE;
		return;
	case JOB_PREFILLING: {
		double elapsed = (double)(clock_monotonic_ns() - j->start_ns) / (double)NS_PER_S;
		double done = elapsed * e->prefill_rate;
		size_t computed = done < (double)new_tokens(j) ? (size_t)done : new_tokens(j);
		count_prefill(j, computed);
		store(j, j->prompt->ids, j->cached_tokens + computed);
		break;
	}
	case JOB_DECODING:
		break;
	}
	leave(j);
}
