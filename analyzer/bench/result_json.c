/* SPDX-License-Identifier: MIT */
#include "bench/result.h"

#include "base/json_out.h"

#include <math.h>

#define PLACES 6

static void ratio_json(struct json_out *j, const char *key, struct ratio r)
{
	json_out_object(j, key);
	json_out_double(j, "value", r.value, PLACES);
	json_out_double(j, "low", r.low, PLACES);
	json_out_double(j, "high", r.high, PLACES);
	json_out_uint(j, "n", r.n);
	json_out_end(j);
}

static void costs_json(struct json_out *j, const char *key, const struct bench_costs *c)
{
	json_out_object(j, key);
	json_out_double(j, "with_s", c->with_s, PLACES);
	json_out_double(j, "without_s", c->without_s, PLACES);
	json_out_double(j, "warm_s", c->warm_s, PLACES);
	ratio_json(j, "overhead_s", c->overhead_s);
	ratio_json(j, "share", c->share);
	ratio_json(j, "relative", c->relative);
	ratio_json(j, "ratio", c->ratio);
	ratio_json(j, "gain", c->gain);
	json_out_double(j, "project_off_s", c->project_off_s, PLACES);
	json_out_double(j, "project_on_s", c->project_on_s, PLACES);
	ratio_json(j, "project", c->project);
	json_out_end(j);
}

static void size_json(struct json_out *j, const struct bench *b, size_t size, unsigned n)
{
	struct bench_figures f;
	struct buf verdict;

	bench_figures(b, size, n, &f);
	json_out_object(j, NULL);
	json_out_int_or_null(j, "prompt_with", f.prompt_with);
	json_out_int_or_null(j, "prompt_without", f.prompt_without);
	costs_json(j, "whole", &f.costs[BENCH_TOTAL]);
	costs_json(j, "ttft", &f.costs[BENCH_TTFT]);
	json_out_object(j, "verification");
	json_out_cstr(j, "verdict", bench_proof_name(f.proof));
	json_out_int_or_null(j, "cached_off", f.cached_off);
	json_out_int_or_null(j, "prompts_off", f.prompts_off);
	json_out_int_or_null(j, "cached_on", f.cached_on);
	json_out_int_or_null(j, "prompts_on", f.prompts_on);
	json_out_end(j);
	json_out_uint(j, "answered", f.answered);
	json_out_uint(j, "failed", f.failed);
	buf_init(&verdict, 1 << 16);
	bench_verdict(b, &f, &verdict);
	json_out_str(j, "verdict", buf_str(&verdict));
	buf_release(&verdict);
	json_out_end(j);
}

static void sample_json(struct json_out *j, const struct bench_sample *s)
{
	json_out_cstr(j, "outcome", client_outcome_name(s->outcome));
	json_out_int_or_null(j, "status", s->status ? s->status : -1);
	json_out_cstr(j, "error", s->error);
	json_out_double(j, "total_s", s->total_s, PLACES);
	json_out_double(j, "ttft_s", s->ttft_s, PLACES);
	json_out_double(j, "prefill_engine_s", s->prefill_s, PLACES);
	json_out_double(j, "decode_s", s->decode_s, PLACES);
	json_out_int_or_null(j, "prompt_tokens", s->prompt);
	json_out_int_or_null(j, "cached_tokens", s->cached);
	json_out_int_or_null(j, "output_tokens", s->output);
}

static void run_fields(struct json_out *j, const struct bench_run *run, unsigned request)
{
	json_out_cstr(j, "mode", bench_mode_name(run->mode));
	json_out_uint(j, "repeat", run->repeat + 1);
	json_out_uint(j, "size", run->size);
	if (request < BENCH_WITH)
		json_out_uint(j, "request", request + 1);
	else
		json_out_cstr(j, "request", "baseline");
}

void bench_response_json(const struct bench_run *run, unsigned request, struct buf *out)
{
	struct json_out j;

	json_out_init(&j, out, true);
	json_out_object(&j, NULL);
	run_fields(&j, run, request);
	sample_json(&j, &run->samples[request]);
	json_out_cstr(&j, "body", run->samples[request].body);
	json_out_end(&j);
	buf_putc(out, '\n');
}

static void cold_json(struct json_out *j, uint32_t cold)
{
	json_out_array(j, "off_by");
	json_out_cstr(j, NULL, "nonce");
	if (cold & BENCH_COLD_SALT)
		json_out_cstr(j, NULL, "salt");
	if (cold & BENCH_COLD_RESET)
		json_out_cstr(j, NULL, "reset");
	if (cold & BENCH_COLD_UNMARKED)
		json_out_cstr(j, NULL, "no cache_control");
	json_out_end(j);
}

void bench_json(const struct bench *b, unsigned n, struct buf *out)
{
	struct json_out j;
	struct bench_rate rates[4];
	size_t nrates = bench_rates(b, rates);

	json_out_init(&j, out, true);
	json_out_object(&j, NULL);
	json_out_object(&j, "backend");
	json_out_cstr(&j, "url", b->base.root);
	json_out_cstr(&j, "engine", b->facts.name);
	json_out_cstr(&j, "version", b->facts.version[0] ? b->facts.version : NULL);
	json_out_cstr(&j, "model", b->facts.model);
	json_out_cstr(&j, "api", b->facts.anthropic == KNOWN_YES ? "anthropic_messages" : "openai_chat");
	json_out_cstr(&j, "cached_reported", known_name(b->facts.cached_reported));
	cold_json(&j, b->cold);
	json_out_end(&j);
	json_out_object(&j, "settings");
	json_out_uint(&j, "repeats", b->options.repeats);
	json_out_uint(&j, "repeats_asked", b->repeats_asked);
	json_out_int(&j, "max_tokens", b->options.max_tokens);
	json_out_uint(&j, "queries", n);
	json_out_bool(&j, "stopped", b->stopped);
	json_out_double(&j, "seconds", b->seconds, 3);
	json_out_end(&j);
	json_out_array(&j, "sizes");
	for (size_t i = 0; i < b->options.nsizes; i++)
		size_json(&j, b, i, n);
	json_out_end(&j);
	json_out_array(&j, "rates");
	for (size_t i = 0; i < nrates; i++) {
		json_out_object(&j, NULL);
		json_out_int_or_null(&j, "prompt_tokens", rates[i].prompt);
		json_out_double(&j, "ttft_s", rates[i].ttft_s, PLACES);
		json_out_double(&j, "prefill_per_s", rates[i].prefill, 3);
		json_out_cstr(&j, "prefill_by", rates[i].by_engine ? "engine" : "client");
		json_out_double(&j, "decode_per_s", rates[i].decode, 3);
		json_out_uint(&j, "requests", rates[i].n);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_array(&j, "requests");
	for (size_t i = 0; i < b->nruns; i++) {
		for (unsigned k = 0; k <= BENCH_WITH; k++) {
			json_out_object(&j, NULL);
			run_fields(&j, &b->runs[i], k);
			sample_json(&j, &b->runs[i].samples[k]);
			json_out_end(&j);
		}
	}
	json_out_end(&j);
	json_out_end(&j);
	buf_putc(out, '\n');
}
