/* SPDX-License-Identifier: MIT */
#ifndef MOCK_ENGINE_H
#define MOCK_ENGINE_H

/*
 * The engine behind the mock's APIs, in time and in the cache: a job waits for one of the slots (first come, first
 * served, as on a server with one GPU), its prompt is looked up in the prefix cache, the rest is prefilled at the
 * engine's rate. Saying the answer is the caller's; the slot stays taken until the job is finished or cancelled.
 */

#include "mock/cache.h"
#include "mock/sequences.h"
#include "mock/tokens.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct engine_job;

struct engine {
	struct loop *loop;
	struct mock_cache cache;
	struct mock_sequences sequences;
	bool by_sequences;   /* the second of these decides */
	double prefill_rate; /* tokens/s; 0: takes no time */
	unsigned slots, busy;
	struct engine_job *first, *last; /* waiting */
	size_t waiting;

	/* Counters since the start. */
	uint64_t prompt_tokens, cached_tokens;
	uint64_t prefilled_tokens; /* really computed: a job that is cancelled ends earlier */
	double prefill_seconds;
};

enum job_state { JOB_IDLE, JOB_WAITING, JOB_PREFILLING, JOB_DECODING };

/* Embedded in the caller's object; zeroed but for the first six fields. */
struct engine_job {
	uint64_t seed;                           /* prompts with different seeds share no cache: the model */
	bool no_reuse;                           /* is prefilled from its start */
	size_t cached_min;                       /* fewer cached tokens count as none */
	const struct mock_tokens *prompt;        /* borrowed until the job is finished or cancelled */
	void (*started)(struct engine_job *j);   /* has a slot; cached_tokens is known */
	void (*prefilled)(struct engine_job *j); /* the first token is there */

	enum job_state state;
	size_t cached_tokens;
	size_t slot; /* of the sequences */
	uint64_t start_ns;
	struct engine *engine;
	struct loop_timer timer;
	struct engine_job *next, *prev;
};

/* parallel >= 1 slots. */
void engine_init(struct engine *e, struct loop *l, double prefill_rate, unsigned parallel, size_t block_tokens,
		 size_t cache_tokens);
/* To be called before the first job: keeps sequences instead of blocks. Returns 0, or -1 without memory. */
int engine_keep_sequences(struct engine *e, size_t slots, size_t kept_max, size_t kept_tokens_max);
/* No job may be left. */
void engine_release(struct engine *e);
/* Empties the cache; returns how many tokens it held. */
size_t engine_empty_cache(struct engine *e);
size_t engine_cached_tokens(const struct engine *e);

/* `started` is called now or later. Returns 0, or -1 without memory (the job is then idle again). */
int engine_submit(struct engine *e, struct engine_job *j);
/* All has been said: `sequence` (the prompt and what was generated) goes into the cache, the slot to the next job. */
void engine_finish(struct engine_job *j, const struct mock_tokens *sequence);
/* The client has left: what was prefilled so far stays in the cache, the slot goes to the next job. May be called in
 * any state. */
void engine_cancel(struct engine_job *j);

#endif
