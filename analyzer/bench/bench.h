/* SPDX-License-Identifier: MIT */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/*
 * What a system prompt costs on a backend, and what a prefix cache saves of it, measured: a few requests with the same
 * system prompt and different questions, and one without it, once with nothing reused (off) and once with the cache as
 * it is (on). Both modes send prompts of the same length: every prompt begins with a line of digits, one for each
 * request (off), or one for all requests of a run (on).
 *
 * bench_run sends; what is computed from the samples is in bench/figures.h.
 */

#include "client/client.h"
#include "engines/detect.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define BENCH_WITH 3 /* requests with the system prompt in a run */
#define BENCH_SIZES_MAX 8

enum bench_mode { BENCH_OFF, BENCH_ON, BENCH_MODES };

/* How a request is kept from reusing anything; a nonce in all cases. */
enum bench_cold { BENCH_COLD_SALT = 1, BENCH_COLD_RESET = 2, BENCH_COLD_UNMARKED = 4 };

struct bench_options {
	unsigned repeats;
	int64_t max_tokens; /* of an answer */
	struct str system;  /* absent: made up, of this many tokens: */
	int64_t system_tokens;
	int64_t query_tokens[BENCH_SIZES_MAX];
	size_t nsizes;
	double limit_s; /* fewer repeats, down to one, if it would take longer; 0: no limit */
	uint64_t seed;  /* of the nonces */
	const volatile sig_atomic_t *stop;
};

/* One request. Seconds are NaN, tokens -1 where not known. */
struct bench_sample {
	enum client_outcome outcome; /* CLIENT_NONE: not sent */
	int status;
	char *error;      /* NULL: none */
	double total_s;   /* request's first byte sent to the last one received */
	double ttft_s;    /* ... to the first content */
	double prefill_s; /* as the engine says */
	double decode_s;  /* first content to the end */
	int64_t prompt, cached, output;
	char *body; /* of the answer, as it came; NULL: none */
};

/* One run: the requests with the system prompt, then the one without (index BENCH_WITH). */
struct bench_run {
	size_t size; /* of the query */
	unsigned repeat;
	enum bench_mode mode;
	struct bench_sample samples[BENCH_WITH + 1];
};

/* A prompt with nothing reused, of a part of the system prompt: for the rates. */
struct bench_rung {
	unsigned part; /* of 4 */
	struct bench_sample sample;
};

struct bench {
	struct bench_options options;
	const char *url; /* borrowed */
	struct base_url base;
	struct engine_facts facts;
	uint32_t cold;          /* set of enum bench_cold */
	char *system;           /* the text that is sent */
	double bytes_per_token; /* as the warm-up told; NaN */
	struct bench_run *runs;
	size_t nruns;
	struct bench_rung *rungs;
	size_t nrungs;
	unsigned repeats_asked;
	double expected_s; /* that it would take, all repeats */
	double seconds;    /* that it took */
	bool stopped;      /* before its end */
};

struct bench_events {
	void *context;
	/* Before each request; left_s NaN while it cannot be told. */
	void (*progress)(void *context, size_t done, size_t all, double left_s);
	void (*note)(void *context, const char *line);
};

/*
 * facts and base are filled in (engines/probe.h has asked). Takes both over, also on failure; borrows url and
 * options.system. Returns 0, also when it was stopped or requests failed; -1 with one line in error: not even the
 * warm-up was answered, or no memory. bench_release in either case.
 */
int bench_run_all(struct bench *b, struct client *client, const struct bench_events *events, char *error,
		  size_t error_bytes) __attribute__((warn_unused_result));
void bench_release(struct bench *b);

const char *bench_mode_name(enum bench_mode mode); /* "off", "on" */

/* ---- bench_prompt.c: the texts */

/* About `bytes` bytes of prose about a workshop's rules, always the same. */
char *bench_prose(size_t bytes);
/* A question of about `bytes` bytes; every number asks another one. */
char *bench_question(unsigned number, size_t bytes);

struct bench_prompt {
	const char *system; /* NULL: none */
	size_t system_bytes;
	const char *question;
	uint64_t nonce;
	const char *salt; /* NULL: none */
	bool marked;      /* asks for caching (Anthropic) */
	int64_t max_tokens;
};
/* Appends the body for this backend. */
void bench_body(const struct engine_facts *facts, const struct bench_prompt *p, struct buf *out);

#endif
