/* SPDX-License-Identifier: MIT */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

/*
 * The figures of a benchmark, computed from its samples for one size of the query. T is the time of a request with the
 * system prompt and nothing reused, B that of the one without it, W of a request whose system prompt was in the cache:
 *
 *     overhead  T - B, in seconds         share     (T - B) / T
 *     relative  (T - B) / B               ratio     T / B
 *     gain      T / W                     project   N queries: N T against T + (N - 1) W
 *
 * T and B come from the runs with nothing reused (B from both modes: it never reuses anything). Intervals are 95 per
 * cent, by Welch's t of the logarithms; that of overhead of the times themselves; that of project by the bootstrap.
 */

#include "bench/bench.h"
#include "replay/stats.h"

enum bench_time { BENCH_TOTAL, BENCH_TTFT, BENCH_TIMES };

enum bench_proof {
	BENCH_PROVED,     /* the engine's counts say what was meant to happen */
	BENCH_BY_TIME,    /* the engine counts nothing; the times agree with it */
	BENCH_NOT_COLD,   /* mode off reused something */
	BENCH_NOT_REUSED, /* mode on did not reuse the system prompt */
	BENCH_UNKNOWN,    /* too few requests were answered */
};

/* Of one way to time requests: the whole, or to the first content. Low and high are NaN where nothing can be said. */
struct bench_costs {
	double with_s, without_s, warm_s; /* means of T, B, W; NaN */
	double first_s;                   /* mean of the first request of mode on */
	struct ratio overhead_s;          /* a difference */
	struct ratio share, relative, ratio, gain;
	double project_off_s, project_on_s;
	struct ratio project;
};

struct bench_figures {
	struct bench_costs costs[BENCH_TIMES];
	int64_t prompt_with, prompt_without; /* tokens, means; -1 */
	int64_t cached_off, prompts_off;     /* sums over mode off; -1: not told */
	int64_t cached_on, prompts_on;       /* sums over mode on without its first request */
	int64_t output_least, output_most;   /* -1 */
	enum bench_proof proof;
	size_t failed, answered;
};

/* N of the projection. */
void bench_figures(const struct bench *b, size_t size, unsigned n, struct bench_figures *out);

/* Cold prompts of one length. */
struct bench_rate {
	unsigned part;  /* of 4 of the system prompt; 0: without it */
	int64_t prompt; /* tokens; -1 */
	double ttft_s;
	double prefill; /* tokens per second, of the engine's own time where it tells it */
	bool by_engine;
	double decode; /* tokens per second; NaN */
	size_t n;
};
/* The rates over the prompt's length, shortest first. Returns how many. */
size_t bench_rates(const struct bench *b, struct bench_rate out[4]);

#endif
