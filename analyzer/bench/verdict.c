/* SPDX-License-Identifier: MIT */
#include "bench/result.h"

#include <math.h>

/* What was expected of local servers before anything was measured: docs/interpreting.md. */
#define PERCENT_LOW 70
#define PERCENT_HIGH 90
#define RELATIVE_LOW 5.0
#define RELATIVE_HIGH 100.0

const char *bench_proof_name(enum bench_proof proof)
{
	switch (proof) {
	case BENCH_PROVED:
		return "verified";
	case BENCH_BY_TIME:
		return "not verified by the engine";
	case BENCH_NOT_COLD:
		return "off was not cold";
	case BENCH_NOT_REUSED:
		return "on reused nothing to speak of";
	case BENCH_UNKNOWN:
		break;
	}
	return "unknown";
}

static void about_proof(const struct bench *b, const struct bench_figures *f, struct buf *out)
{
	const struct engine_profile *p = b->facts.profile;

	switch (f->proof) {
	case BENCH_PROVED:
		buf_puts(out, "The engine's own counts agree: nothing to speak of was reused when off, the system "
			      "prompt when "
			      "on.\n");
		break;
	case BENCH_BY_TIME:
		buf_puts(out, "The engine does not tell what it reused: by time alone the cache held.\n");
		if (p->cached_switch)
			buf_printf(out, "  to have it told: start it with %s\n", p->cached_switch);
		break;
	case BENCH_NOT_COLD:
		buf_printf(out, "The figures do not hold: when off %lld of %lld tokens were reused.\n",
			   (long long)f->cached_off, (long long)f->prompts_off);
		buf_printf(out, "  remedy: %s\n", p->cold_remedy);
		break;
	case BENCH_NOT_REUSED:
		buf_puts(out, "The cache did not hold: a system prompt that had just been sent was prefilled again.\n"
			      "  check that the prefix cache is switched on, and has room for the prompt\n"
			      "  check that no other client used the server meanwhile: one slot holds one prompt\n"
			      "  models with sliding windows or recurrent layers may be unable to reuse a part of a "
			      "prompt\n");
		break;
	case BENCH_UNKNOWN:
		buf_puts(out, "Too few requests were answered to say anything.\n");
		break;
	}
}

static void about_share(const struct bench_costs *c, struct buf *out)
{
	double percent = round(100 * c->share.value);

	if (isnan(percent))
		return;
	if (percent < PERCENT_LOW) {
		buf_printf(out,
			   "The system prompt is %.0f %% of a request, less than the 70 to 90 %% that were expected.\n",
			   percent);
		buf_puts(out, "  check that the model is fully loaded and nothing else keeps the machine busy\n"
			      "  the answer counts, too: try --max-tokens 1; a longer system prompt (--system-tokens); "
			      "other\n"
			      "  sizes of the query (--query-tokens)\n");
	} else if (percent > PERCENT_HIGH) {
		buf_printf(out,
			   "The system prompt is %.0f %% of a request, more than the 70 to 90 %% that were expected: "
			   "the query\n"
			   "and its answer hardly count beside it.\n",
			   percent);
	} else {
		buf_printf(out,
			   "The system prompt is %.0f %% of a request, within the 70 to 90 %% that were expected.\n",
			   percent);
	}
	double r = c->relative.value;
	buf_printf(out, "(R1 - B) / B is %.1f, %s the 5 to 100 that were expected.\n", r,
		   r < RELATIVE_LOW    ? "below"
		   : r > RELATIVE_HIGH ? "above"
				       : "within");
}

static void about_gain(const struct bench_costs *c, struct buf *out)
{
	if (isnan(c->gain.value))
		return;
	if (c->gain.low > 1)
		buf_printf(out, "With a cache that holds a request is %.1f times as fast as without one, measured.\n",
			   c->gain.value);
	else
		buf_puts(out, "That a request is faster with the cache cannot be told from these samples.\n"
			      "  more repeats (--repeat), a longer system prompt, a machine that is not busy\n");
}

void bench_verdict(const struct bench *b, const struct bench_figures *f, struct buf *out)
{
	const struct bench_costs *c = &f->costs[BENCH_TOTAL];

	about_proof(b, f, out);
	if (f->proof == BENCH_NOT_COLD || f->proof == BENCH_UNKNOWN)
		return;
	about_share(c, out);
	if (f->proof != BENCH_NOT_REUSED)
		about_gain(c, out);
	if (f->output_least >= 0 && f->output_least != f->output_most)
		buf_printf(out,
			   "Answers were %lld to %lld tokens long, so whole requests compare badly: go by the first "
			   "token.\n",
			   (long long)f->output_least, (long long)f->output_most);
}
