/* SPDX-License-Identifier: MIT */
#include "replay/result.h"

#include "base/json_out.h"

#include <math.h>

static void ratio_members(struct json_out *j, const struct ratio *r)
{
	json_out_double(j, "value", r->value, 4);
	json_out_double(j, "low", r->low, 4);
	json_out_double(j, "high", r->high, 4);
	json_out_uint(j, "n", r->n);
}

static void comparison(struct json_out *j, const char *key, const struct replay *r, const struct comparison_of_arms *c)
{
	json_out_object(j, key);
	ratio_members(j, &c->ttft);
	json_out_cstr(j, "from", r->arms[c->from].name);
	json_out_cstr(j, "to", r->arms[c->to].name);
	json_out_cstr(j, "basis", c->over_sessions ? "sessions" : "this session");
	json_out_double(j, "session", c->session, 4);
	json_out_double(j, "saved_seconds", c->saved_s, 6);
	if (c->saved_tokens == COMPARISON_UNKNOWN)
		json_out_null(j, "saved_tokens");
	else
		json_out_int(j, "saved_tokens", c->saved_tokens);
	json_out_uint(j, "requests", c->requests);
	json_out_bool(j, "usable", c->usable);
	json_out_bool(j, "within_noise", c->within_noise);
	json_out_end(j);
}

static void target(struct json_out *j, const char *role, const struct target *t)
{
	const struct engine_facts *f = &t->facts;

	json_out_object(j, NULL);
	json_out_cstr(j, "role", role);
	json_out_cstr(j, "url", t->base.root);
	json_out_cstr(j, "engine", f->name);
	json_out_cstr(j, "version", f->version[0] ? f->version : NULL);
	json_out_cstr(j, "model", f->model);
	json_out_bool(j, "given", f->given);
	json_out_cstr(j, "anthropic_route", known_name(f->anthropic));
	json_out_cstr(j, "cached_reported", known_name(f->cached_reported));
	json_out_cstr(j, "salt_works", known_name(f->salt_works));
	json_out_cstr(j, "reset_works", known_name(f->reset_works));
	json_out_cstr(j, "tokenizer", known_name(f->tokenizer));
	json_out_int_or_null(j, "context_tokens", f->context_tokens);
	json_out_int_or_null(j, "slots", f->slots);
	json_out_int_or_null(j, "block_tokens", f->block_tokens);
	json_out_cstr(j, "system_turns", system_turn_fate_name(f->system_turns));
	json_out_cstr(j, "head_order", head_order_name(f->head_order));
	json_out_cstr(j, "cut_back", known_name(f->cut_back));
	json_out_bool(j, "layout_known", t->layout_known);
	json_out_bool(j, "converted", t->openai);
	json_out_array(j, "cold_by");
	if (t->cold_by & COLD_SALT)
		json_out_cstr(j, NULL, "salt");
	if (t->cold_by & COLD_NONCE)
		json_out_cstr(j, NULL, "nonce");
	if (t->cold_by & COLD_RESET)
		json_out_cstr(j, NULL, "reset");
	if (t->cold_by & COLD_UNMARKED)
		json_out_cstr(j, NULL, "unmarked");
	if (t->cold_by & COLD_UNLOAD)
		json_out_cstr(j, NULL, "unload");
	json_out_end(j);
	json_out_int_or_null(j, "header_tokens", t->header_tokens);
	json_out_end(j);
}

static void verification(struct json_out *j, const struct verification *v)
{
	json_out_object(j, "verification");
	json_out_cstr(j, "verdict", verdict_name(v->verdict));
	json_out_cstr(j, "reason", v->reason[0] ? v->reason : NULL);
	json_out_cstr(j, "remedy", v->remedy);
	json_out_cstr(j, "relaunch", v->relaunch);
	json_out_uint(j, "checked", v->checked);
	json_out_uint(j, "unknown", v->unknown);
	json_out_int_or_null(j, "worst_cached", v->worst);
	if (v->worst >= 0)
		json_out_int(j, "allowed", v->allowed);
	else
		json_out_null(j, "allowed");
	json_out_int(j, "expected_tokens", v->expected_tokens);
	json_out_int(j, "cached_tokens", v->cached_tokens);
	json_out_object(j, "short_of_expected");
	json_out_uint(j, "evicted", v->short_requests[SHORT_EVICTED]);
	json_out_uint(j, "not_trimmable", v->short_requests[SHORT_NOT_TRIMMABLE]);
	json_out_uint(j, "layout_unknown", v->short_requests[SHORT_LAYOUT]);
	json_out_uint(j, "cache_off", v->short_requests[SHORT_CACHE_OFF]);
	json_out_uint(j, "other", v->short_requests[SHORT_OTHER]);
	json_out_int(j, "tokens", v->short_tokens);
	json_out_end(j);
	json_out_object(j, "by_time");
	json_out_uint(j, "reused", v->by_time_reused);
	json_out_uint(j, "prefilled", v->by_time_prefilled);
	json_out_uint(j, "untold", v->by_time_untold);
	json_out_end(j);
	json_out_end(j);
}

static void arm(struct json_out *j, const struct replay *r, const struct arm *a, const struct arm_sums *s)
{
	bool some = s->requests > 0;

	json_out_object(j, a->name);
	json_out_array(j, "fixes");
	for (unsigned i = 0; i < FIXES; i++)
		if (a->fixes & (1u << i))
			json_out_cstr(j, NULL, fix_name(i));
	json_out_end(j);
	json_out_uint(j, "requests", s->requests);
	json_out_uint(j, "errors", s->errors);
	json_out_double(j, "ttft_seconds", some ? s->ttft_s : NAN, 6);
	json_out_double(j, "prefill_seconds_reported", some ? s->prefill_s : NAN, 6);
	json_out_double(j, "decode_seconds", some && r->options.max_tokens != 1 ? s->decode_s : NAN, 6);
	json_out_double(j, "session_seconds", s->session_s, 6);
	json_out_object(j, "tokens");
	json_out_int_or_null(j, "prompt", some ? s->prompt : -1);
	json_out_int_or_null(j, "cached", some ? s->cached : -1);
	json_out_int_or_null(j, "prefilled", some ? s->prefilled : -1);
	json_out_end(j);
	verification(j, &s->verification);
	json_out_end(j);
}

static void sample(struct json_out *j, const struct summary *sum, size_t i, const struct sample *s)
{
	json_out_object(j, NULL);
	json_out_cstr(j, "outcome", client_outcome_name(s->outcome));
	json_out_int_or_null(j, "status", s->status ? s->status : -1);
	json_out_cstr(j, "error", s->error);
	json_out_uint(j, "attempts", s->attempts);
	json_out_double(j, "ttft_seconds", s->ttft_s, 6);
	json_out_double(j, "prefill_seconds_reported", s->prefill_s, 6);
	json_out_double(j, "decode_seconds", s->decode_s, 6);
	json_out_double(j, "modelled_seconds", sample_ok(s) ? summary_modelled(sum, i, s) : NAN, 6);
	json_out_double(j, "lag_seconds", s->lag_s, 6);
	json_out_double(j, "start_seconds", s->start_s, 6);
	json_out_int_or_null(j, "prompt", s->prompt);
	json_out_int_or_null(j, "cached", s->cached);
	json_out_int_or_null(j, "new", s->prompt < 0 || s->cached < 0 ? -1 : s->prompt - s->cached);
	json_out_int_or_null(j, "expected_cached", s->expected);
	json_out_int_or_null(j, "output", s->output);
	json_out_uint(j, "request_bytes", s->bytes);
	static const struct digest none = {{0}};
	char hex[DIGEST_HEX_CHARS + 1];
	digest_hex(&s->sha256, hex);
	json_out_cstr(j, "request_sha256", memcmp(&s->sha256, &none, sizeof(none)) ? hex : NULL);
	json_out_end(j);
}

static void request(struct json_out *j, const struct replay *r, const struct summary *s, size_t i)
{
	const struct plan_request *p = &r->plan->requests[i];
	const struct report_exchange *e = &r->report->exchanges[p->exchange];
	char lineage[8];

	report_lineage_name(p->lineage, lineage);
	json_out_object(j, NULL);
	json_out_uint(j, "n", i + 1);
	json_out_uint(j, "exchange", e->x->id);
	json_out_cstr(j, "trace", r->report->traces[e->trace].path);
	json_out_cstr(j, "lineage", lineage);
	json_out_cstr(j, "role", lineage_role_name(p->role));
	json_out_object(j, "captured");
	json_out_int_or_null(j, "prompt", p->prompt);
	json_out_double(j, "ttft_seconds", p->ttft_s, 6);
	json_out_double(j, "decode_seconds", p->decode_s, 6);
	json_out_end(j);
	json_out_object(j, "arms");
	for (size_t a = 0; a < r->narms; a++) {
		json_out_object(j, r->arms[a].name);
		json_out_double(j, "ttft_seconds", summary_ttft(r, a, i), 6);
		json_out_array(j, "samples");
		for (unsigned k = 0; k < r->options.repeats; k++)
			if (replay_sample(r, a, k, i)->sent)
				sample(j, s, i, replay_sample(r, a, k, i));
		json_out_end(j);
		json_out_end(j);
	}
	json_out_end(j);
	json_out_end(j);
}

static void changes(struct json_out *j, const struct replay *r)
{
	uint32_t all = 0;

	for (size_t a = 0; a < r->narms; a++)
		for (unsigned k = 0; k < r->options.repeats; k++)
			for (size_t i = 0; i < r->plan->n; i++)
				all |= replay_sample(r, a, k, i)->changes;
	json_out_array(j, "changes");
	for (unsigned i = 0; i < CHANGES; i++)
		if (all & (1u << i))
			json_out_cstr(j, NULL, change_name(i));
	json_out_end(j);
}

static void members(struct json_out *j, const struct result *result)
{
	const struct replay *r = result->replay;
	const struct summary *s = &result->summary;

	json_out_array(j, "backend");
	target(j, r->side.url ? "main" : "all", &r->main);
	if (r->side.url)
		target(j, "side", &r->side);
	json_out_end(j);
	if (s->headline == SUMMARY_NO_HEADLINE)
		json_out_null(j, "speedup");
	else
		comparison(j, "speedup", r, &s->comparisons[s->headline]);
	json_out_array(j, "speedups");
	for (size_t i = 0; i < s->ncomparisons; i++)
		comparison(j, NULL, r, &s->comparisons[i]);
	json_out_end(j);
	json_out_object(j, "noise");
	ratio_members(j, &s->noise);
	json_out_double(j, "worst", s->noise_worst, 4);
	json_out_cstr(j, "basis", s->noise.n ? summary_noise_words(s) : NULL);
	json_out_end(j);
	json_out_object(j, "arms");
	for (size_t i = 0; i < r->narms; i++)
		arm(j, r, &r->arms[i], &s->arms[i]);
	json_out_end(j);
	json_out_object(j, "prediction");
	json_out_double(j, "cached_tokens_error", s->tokens_error, 4);
	json_out_double(j, "seconds_error", s->model_error, 4);
	json_out_end(j);
	changes(j, r);
	json_out_uint(j, "repeats", r->options.repeats);
	json_out_cstr(j, "pace", r->options.pace == PACE_RECORDED ? "recorded" : "asap");
	json_out_double(j, "worst_lag_seconds", result_worst_lag(r), 6);
	json_out_bool(j, "prefill_only", r->options.max_tokens == 1);
	json_out_bool(j, "sampled", r->options.cold_sample > 0 && r->options.cold_sample < r->plan->n);
	json_out_double(j, "seconds", r->seconds, 3);
	json_out_bool(j, "stopped", r->stopped);
	json_out_cstr(j, "stop_reason", r->stop_reason[0] ? r->stop_reason : NULL);
	json_out_uint(j, "resumed", r->resumed);
	json_out_array(j, "requests");
	for (size_t i = 0; i < r->plan->n; i++)
		request(j, r, s, i);
	json_out_end(j);
}

static void ranking(struct json_out *j, const struct result *list, size_t n)
{
	json_out_array(j, "ranking");
	for (size_t i = 0; i < n; i++) {
		struct buf name;
		size_t arm = 0;
		double seconds = result_seconds(&list[i], &arm);
		buf_init(&name, 16384);
		result_backend(list[i].replay, &name);
		json_out_object(j, NULL);
		json_out_str(j, "backend", buf_str(&name));
		json_out_cstr(j, "engine", list[i].replay->main.facts.name);
		json_out_cstr(j, "arm", isnan(seconds) ? NULL : list[i].replay->arms[arm].name);
		json_out_double(j, "session_seconds", seconds, 6);
		json_out_end(j);
		buf_release(&name);
	}
	json_out_end(j);
}

void result_json(const struct result *list, size_t n, struct buf *to)
{
	struct json_out j;

	json_out_init(&j, to, true);
	json_out_object(&j, NULL);
	if (n > 0)
		members(&j, &list[0]);
	ranking(&j, list, n);
	if (n > 1) {
		json_out_array(&j, "others");
		for (size_t i = 1; i < n; i++) {
			json_out_object(&j, NULL);
			members(&j, &list[i]);
			json_out_end(&j);
		}
		json_out_end(&j);
	}
	json_out_end(&j);
	buf_putc(to, '\n');
}
