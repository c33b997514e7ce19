/* SPDX-License-Identifier: MIT */
#ifndef MOCK_GENERATION_H
#define MOCK_GENERATION_H

/*
 * One answer in time: delay, queue, prefill, then token after token at the decode rate, with the stalls, errors and
 * cuts of the script at their places. The first event is sent with the first token, the headers of a stream when the
 * prefill begins; an answer that is not streamed takes as long and is then sent whole.
 *
 * The caller zeroes a generation, fills in the first group of fields and calls generation_start; the end of the call,
 * whichever way, is told by the HTTP server's `done`, from which generation_release must be called.
 */

#include "mock/answer.h"
#include "mock/wire.h"
#include "mock/engine.h"
#include "mock/request.h"

#include <stdbool.h>
#include <stdint.h>

struct generation {
	struct engine *engine;
	const struct wire *wire;
	const struct answer *answer;                /* borrowed */
	const struct mock_tokens *prompt;           /* borrowed */
	const struct mock_breakpoints *breakpoints; /* borrowed; NULL: none */
	/* call, model, id, created_s, include_usage, report_cached, profile, fingerprint */
	struct reply reply;
	size_t system_end;  /* of the prompt: mock/store.h */
	uint64_t seed;      /* of the cache */
	bool no_reuse;      /* is prefilled from its start */
	double decode_rate; /* tokens/s; 0: takes no time */
	int64_t max_tokens; /* -1: no limit */
	bool stream;

	struct engine_job job;
	struct loop_timer timer;
	struct loop_timer keepalive; /* while there is no token yet */
	size_t keepalives;           /* sent */
	uint64_t next_ns;            /* when the next token is due: absolute, so that lateness does not add up */
	size_t block, offset;        /* what is said next */
	size_t event;                /* the next of the answer's events */
	bool block_open;
	bool finished; /* said to its end */
	bool in_use;

	/* CLOCK_MONOTONIC, 0 = never. */
	uint64_t prefill_start_ns, message_start_ns, first_content_ns;
};

/* Returns 0, or -1 without memory: nothing has been sent then. */
int generation_start(struct generation *g);
/* Ends it, said to its end or not: gives the slot back and what was computed to the cache. */
void generation_release(struct generation *g);

#endif
