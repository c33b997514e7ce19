/* SPDX-License-Identifier: MIT */
#ifndef REPLAY_SUMMARY_H
#define REPLAY_SUMMARY_H

/* What the samples of a replay say: sums per arm, ratios between arms with their intervals, the noise floor. */

#include "cost/model.h"
#include "replay/replay.h"
#include "replay/stats.h"
#include "replay/verify.h"

struct arm_sums {        /* means over the repeats; over requests that were answered in all of them */
	size_t requests; /* of those */
	size_t errors;   /* samples that were none, over all repeats */
	double ttft_s;
	double prefill_s; /* as the engine says; NaN */
	double decode_s;
	double session_s;                  /* re-timed on the causal graph, with the captured tool time; NaN */
	int64_t prompt, cached, prefilled; /* -1: not told */
	struct verification verification;
};

#define COMPARISON_UNKNOWN INT64_MIN

/* TTFT of one arm over that of another, of the requests that both answered. */
struct comparison_of_arms {
	size_t from, to; /* arms */
	struct ratio ttft;
	double session;       /* ratio of the re-timed session times; NaN */
	double saved_s;       /* TTFT in all */
	int64_t saved_tokens; /* prefilled tokens; COMPARISON_UNKNOWN */
	size_t requests;
	bool over_sessions; /* the interval is a bootstrap over sessions, else of repeats of this session */
	bool usable;        /* neither arm was rejected */
	bool within_noise;  /* no further from 1 than the same thing measured twice */
};

struct summary {
	const struct replay *replay;
	struct arm_sums *arms; /* as replay.arms */
	struct comparison_of_arms *comparisons;
	size_t ncomparisons;
	size_t headline;    /* index in comparisons; SIZE_MAX: none */
	struct ratio noise; /* of asis to asis2 of the same repeat; without that arm, of asis to its next run */
	double noise_worst; /* the largest deviation from 1 among these; NaN */
	struct cost_model models[TARGETS_MAX]; /* of each target, fitted on the cold arm; points 0: none */
	double model_error;                    /* median relative error of its seconds for asis; NaN */
	double tokens_error;                   /* median relative error of the expected cached tokens of asis; NaN */
};

#define SUMMARY_NO_HEADLINE SIZE_MAX

/* 0, or -1: no memory. summary_release in either case. The replay must outlive it. */
int summary_build(const struct replay *r, struct summary *out) __attribute__((warn_unused_result));
void summary_release(struct summary *s);

/* Against what the noise floor was measured: "asis against asis2", "asis against its next repeat". */
const char *summary_noise_words(const struct summary *s);
/* The mean over the repeats of a request's seconds to the first token in an arm, NaN if it was never answered. */
double summary_ttft(const struct replay *r, size_t arm, size_t request);
/* The index of the arm of this kind; SIZE_MAX: there is none. */
size_t summary_arm(const struct replay *r, enum arm_kind kind);
/* What the fitted model of its target expects of a request's sample; NaN. */
double summary_modelled(const struct summary *s, size_t request, const struct sample *sample);

#endif
