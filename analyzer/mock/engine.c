/* SPDX-License-Identifier: MIT */
#include "mock/engine.h"

#include "base/clock.h"

int engine_init(struct engine *e, struct loop *l, double prefill_rate, size_t parallel,
		const struct mock_limits *limits)
{
	*e = (struct engine){.loop = l, .prefill_rate = prefill_rate, .slots = parallel};
	return mock_store_init(&e->store, limits, parallel);
}

void engine_release(struct engine *e)
{
	mock_store_release(&e->store);
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
	return j->use.prompt->n - j->use.cached;
}

static void count_prefill(struct engine_job *j, size_t tokens)
{
	j->engine->prefilled_tokens += tokens;
	j->engine->prefill_seconds += (double)(clock_monotonic_ns() - j->use.start_ns) / (double)NS_PER_S;
}

static void prefill_ended(struct loop_timer *t)
{
	struct engine_job *j = LOOP_OWNER(t, struct engine_job, timer);

	j->state = JOB_DECODING;
	count_prefill(j, new_tokens(j));
	mock_store_prefilled(&j->engine->store, &j->use);
	j->prefilled(j);
}

static void start(struct engine *e, struct engine_job *j)
{
	e->busy++;
	j->state = JOB_PREFILLING;
	/* Only now: what the jobs before this one have prefilled is there by now. */
	mock_store_begin(&e->store, &j->use, clock_monotonic_ns());
	e->prompt_tokens += j->use.prompt->n;
	e->cached_tokens += j->use.cached;

	double seconds = e->prefill_rate > 0 ? (double)new_tokens(j) / e->prefill_rate : 0;
	(void)loop_timer_set(e->loop, &j->timer, j->use.start_ns + (uint64_t)(seconds * (double)NS_PER_S));
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

/* n: see mock_store_end. */
static void leave(struct engine_job *j, const struct mock_tokens *whole, size_t n)
{
	mock_store_end(&j->engine->store, &j->use, whole, n, clock_monotonic_ns());
	loop_timer_cancel(j->engine->loop, &j->timer);
	j->state = JOB_IDLE;
	j->engine->busy--;
	start_waiting(j->engine);
}

void engine_finish(struct engine_job *j, const struct mock_tokens *sequence)
{
	leave(j, sequence, sequence->n);
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
		double elapsed = (double)(clock_monotonic_ns() - j->use.start_ns) / (double)NS_PER_S;
		double done = elapsed * e->prefill_rate;
		size_t computed = done < (double)new_tokens(j) ? (size_t)done : new_tokens(j);
		count_prefill(j, computed);
		leave(j, NULL, j->use.cached + computed);
		return;
	}
	case JOB_DECODING:
		leave(j, NULL, j->use.prompt->n);
		return;
	}
}
