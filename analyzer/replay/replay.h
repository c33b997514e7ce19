/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_REPLAY_H
#define REPLAY_REPLAY_H

/*
 * A captured session sent again to a live backend, in arms that differ in one thing:
 *
 *   off     nothing is reused: before every request the cache is emptied, or a nonce of its own stands in front
 *   asis    the session as it was captured, with the cache on
 *   asis2   the very same once more: how far it is from asis is the noise floor
 *   fixed   the same with the fixes that help against its prefix breakers
 *   fix:X   the same with one fix
 *
 * An arm runs `repeats` times. All runs have nonces (or salts) of equal length, so that their prompts have the same
 * number of tokens; in a warm run it is the same for all its requests, and nobody else's.
 *
 *     replay_init(&r, &report, &plan, &options);
 *     replay_add_arm(&r, ARM_OFF, 0); ...
 *     replay_run(&r, &host, error, sizeof(error));
 *     replay_release(&r);
 */

#include "base/digest.h"
#include "client/client.h"
#include "engines/probe.h"
#include "replay/plan.h"
#include "replay/rewrite.h"
#include "report/report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fix {
	FIX_STRIP_BILLING = 1 << 0,
	FIX_PIN_VERSION = 1 << 1,
	FIX_SYSTEM_INLINE = 1 << 2,
	FIX_DROP_TOTAL_TOKENS = 1 << 3,
	FIX_SORT_TOOLS = 1 << 4,
	FIX_KEEP_THINKING = 1 << 5,
	FIXES = 6,
};
/* "strip-billing", …, by the number of the bit; NULL behind the last. */
const char *fix_name(unsigned bit);
/* The fix with this name, 0 if there is none. */
uint32_t fix_named(struct str name);
/* The fix that helps against this cause of kvscope why, 0: none that a replay could make. */
uint32_t fix_of_cause(const char *cause);

enum arm_kind { ARM_OFF, ARM_ASIS, ARM_FIXED, ARM_FIX, ARM_ASIS2 };

struct arm {
	enum arm_kind kind;
	char name[40];
	uint32_t fixes; /* set of enum fix */
};

/* How the cold arm was made cold. */
enum cold_by {
	COLD_NONCE = 1,
	COLD_SALT = 2,
	COLD_RESET = 4,
	COLD_UNMARKED = 8,
	COLD_UNLOAD = 16 /* the model is loaded anew before every run, of any arm */
};

struct target {
	const char *url; /* borrowed; as it was given, without anything that could be a key */
	struct base_url base;
	struct engine_facts facts;
	bool openai;           /* captured Anthropic requests are converted */
	bool layout_known;     /* where its template puts tools and system turns, as named or as tried */
	uint32_t cold_by;      /* set of enum cold_by */
	int64_t header_tokens; /* what the template puts in front of the nonce, as measured; -1: unknown */
	int64_t slack_tokens;  /* a block, or what stands for one where blocks are not known */
};

struct sample {
	bool sent;
	enum client_outcome outcome;
	int status;
	char *error;      /* NULL: none */
	double ttft_s;    /* last byte sent to first content, or to the end of an answer without any */
	double prefill_s; /* as the engine says; NaN */
	double decode_s;  /* first content to the last byte */
	double decode_engine_s;
	int64_t prompt, cached, output; /* -1: not told */
	int64_t expected;               /* cached, by forecast; -1: unknown */
	int64_t bound;                  /* more cannot have been reused; -1: unknown */
	double lag_s;                   /* behind the schedule (pace recorded); NaN */
	double start_s;                 /* since the run began */
	unsigned attempts;
	uint32_t changes;
	uint64_t bytes;
	struct digest sha256; /* of the body; all 0: not known */
};

enum pace { PACE_ASAP, PACE_RECORDED };
enum arm_order { ORDER_ABBA, ORDER_RANDOM };

struct replay_options {
	enum inline_system inline_system;
	enum pace pace;
	enum arm_order order;
	unsigned repeats;
	bool unload;        /* the model before every run, where the engine can */
	int64_t max_tokens; /* -1: as many as were generated in the capture; 0: as captured */
	size_t cold_sample; /* 0: all requests; else so many, spread over the prompts' lengths */
	uint64_t seed;
	const volatile sig_atomic_t *stop;
};

/* What happens while it runs, for those who show it. */
struct replay_events {
	void *context;
	/* A request was answered. done and all count requests over all runs; left_s: NaN while it cannot be told. */
	void (*progress)(void *context, const struct arm *arm, unsigned repeat, size_t done, size_t all, double left_s);
	/* A sample to be kept, to go on from. */
	void (*sampled)(void *context, size_t arm, unsigned repeat, size_t request, const struct sample *s);
	void (*note)(void *context, const char *line);
};

struct replay {
	struct report *report;   /* borrowed */
	const struct plan *plan; /* borrowed */
	struct replay_options options;
	struct target main, side; /* side.url NULL: there is one backend for all */
	struct arm *arms;
	size_t narms, arms_capacity;
	struct sample *samples; /* [arm][repeat][request] */
	bool *in_sample;        /* per request: is part of the cold arm */
	double seconds;         /* that the replay took */
	bool stopped;           /* before its end */
	char stop_reason[400];  /* "", or why it was given up */
	uint64_t resumed;       /* samples that were there from before */
	/* For the time that is left, by warm and cold: seconds in requests that were answered, and their number. */
	double spent_s[2];
	size_t answered[2];
	size_t done, all; /* requests over all runs */
};

void replay_init(struct replay *r, struct report *report, const struct plan *plan,
		 const struct replay_options *options);
void replay_release(struct replay *r);
int replay_add_arm(struct replay *r, enum arm_kind kind, uint32_t fixes);
/* Room for all samples; to be called when all arms are there. -1: no memory. */
int replay_prepare(struct replay *r) __attribute__((warn_unused_result));
struct sample *replay_sample(const struct replay *r, size_t arm, unsigned repeat, size_t request);
/* Requests that will be sent by all runs, those that are there already not counted; and their prompts' tokens. */
void replay_size(const struct replay *r, size_t *requests, int64_t *tokens, double *seconds);
bool arm_is_cold(const struct arm *a);
/* One of off, asis, fixed: what tables of requests and charts show. */
bool arm_is_main(const struct arm *a);
bool sample_ok(const struct sample *s);

/* One, or two: side requests have their own. The target with a number, a request's target, and that one's number. */
#define TARGETS_MAX 2
size_t replay_ntargets(const struct replay *r);
const struct target *replay_target_at(const struct replay *r, size_t number);
const struct target *replay_target(const struct replay *r, size_t request);
size_t replay_target_number(const struct replay *r, size_t request);

/* Decides how its cold arm is made, and measures the constant head of its template. 0, or -1 with one line in error. */
int replay_prepare_target(struct replay *r, struct client *c, struct target *t, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));

/* All runs. Returns 0 (also when stopped), or -1 with one line in error: nothing could be done. */
int replay_run(struct replay *r, struct client *c, const struct replay_events *events, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));

/*
 * The body of a request as an arm sends it. nonce_number is what its nonce or salt is made of. 0, or -1 with one line
 * in error.
 */
int replay_body(struct replay *r, const struct arm *arm, size_t request, uint64_t nonce_number, struct buf *out,
		enum kvs_llm_api *api, uint32_t *changes, char *error, size_t error_bytes)
	__attribute__((warn_unused_result));

#endif
