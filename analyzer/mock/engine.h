/* SPDX-License-Identifier: MIT */
#ifndef MOCK_ENGINE_H
#define MOCK_ENGINE_H

/*
 * The engine behind the mock's APIs, in time and in the cache: a job waits for one of the slots (first come, first
 * served, as on a server with one GPU), its prompt is looked up in the prefix cache, the rest is prefilled at the
 * engine's rate. Saying the answer is the caller's; the slot stays taken until the job is finished or cancelled.
 */

#include "mock/store.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct engine_job;

struct engine {
	struct loop *loop;
	struct mock_store store;
	double prefill_rate; /* tokens/s; 0: takes no time */
	size_t slots, busy;
	struct engine_job *first, *last; /* waiting */
	size_t waiting;

	/* Counters since the start. */
	uint64_t prompt_tokens, cached_tokens;
	uint64_t prefilled_tokens; /* really computed: a job that is cancelled ends earlier */
	double prefill_seconds;
};

enum job_state { JOB_IDLE, JOB_WAITING, JOB_PREFILLING, JOB_DECODING };

/* Embedded in the caller's object; zeroed but for the functions and what mock/store.h asks for. */
struct engine_job {
	struct mock_use use;                     /* what it borrows: until the job is finished or cancelled */
	void (*started)(struct engine_job *j);   /* has a slot; what is cached is known */
	void (*prefilled)(struct engine_job *j); /* the first token is there */

	enum job_state state;
	struct engine *engine;
	struct loop_timer timer;
	struct engine_job *next, *prev;
};

/* parallel >= 1 slots. Returns 0, or -1 without memory. */
int engine_init(struct engine *e, struct loop *l, double prefill_rate, size_t parallel,
		const struct mock_limits *limits);
/* No job may be left. */
void engine_release(struct engine *e);

/* `started` is called now or later. Returns 0, or -1 without memory (the job is then idle again). */
int engine_submit(struct engine *e, struct engine_job *j);
/* All has been said: `sequence` (the prompt and what was generated) goes into the cache, the slot to the next job. */
void engine_finish(struct engine_job *j, const struct mock_tokens *sequence);
/* The client has left: what was prefilled so far stays in the cache, the slot goes to the next job. May be called in
 * any state. */
void engine_cancel(struct engine_job *j);

#endif
