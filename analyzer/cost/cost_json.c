/* SPDX-License-Identifier: MIT */
#include "cost/cost_json.h"

#include <math.h>

#define DECIMALS 6

void cost_json_seconds(struct json_out *j, const struct cost_seconds *s)
{
	json_out_double(j, "prefill", s->re_prefill + s->prefill_new + s->prefill_unsplit, DECIMALS);
	json_out_double(j, "prefill_new", s->prefill_new, DECIMALS);
	json_out_double(j, "re_prefill", s->re_prefill, DECIMALS);
	json_out_double(j, "prefill_unsplit", s->prefill_unsplit, DECIMALS);
	json_out_double(j, "system_prompt", s->system_prompt, DECIMALS);
	json_out_double(j, "decode", s->decode, DECIMALS);
	json_out_double(j, "client", s->client, DECIMALS);
	json_out_double(j, "idle", s->idle, DECIMALS);
	json_out_double(j, "unknown", s->unknown, DECIMALS);
}

void cost_json_exchange(struct json_out *j, const struct cost_exchange *c)
{
	json_out_object(j, "cost");
	if (c->backend == COST_NO_BACKEND)
		json_out_null(j, "backend");
	else
		json_out_uint(j, "backend", c->backend);
	json_out_int_or_null(j, "prefilled", c->prefilled);
	json_out_int_or_null(j, "reused", c->reused);
	json_out_cstr(j, "prefilled_basis", tokens_basis_name(c->prefilled_basis));
	json_out_int_or_null(j, "again", c->again);
	json_out_cstr(j, "again_basis", tokens_basis_name(c->again_basis));
	json_out_double(j, "prefill", c->prefill, DECIMALS);
	json_out_cstr(j, "basis", cost_basis_name(c->basis));
	json_out_double(j, "prefill_new", c->prefill_new, DECIMALS);
	json_out_double(j, "re_prefill", c->re_prefill, DECIMALS);
	json_out_double(j, "system_prompt", c->system_prompt, DECIMALS);
	json_out_double(j, "modelled", c->modelled, DECIMALS);
	json_out_double(j, "queue", c->queue, DECIMALS);
	json_out_double(j, "decode", c->decode, DECIMALS);
	json_out_cstr(j, "decode_basis", cost_basis_name(c->decode_basis));
	json_out_double(j, "client", c->client, DECIMALS);
	json_out_double(j, "idle", c->idle, DECIMALS);
	json_out_cstr(j, "claim", cost_claim_name(c->claim));
	json_out_end(j);
}

void cost_json_tokens(struct json_out *j, const struct cost_tokens *t)
{
	bool known = t->basis != TOKENS_NONE;
	json_out_object(j, "prefilled");
	json_out_int_or_null(j, "tokens", known ? t->prefilled : TOKENS_UNKNOWN);
	json_out_int_or_null(j, "again", known ? t->again : TOKENS_UNKNOWN);
	json_out_cstr(j, "basis", tokens_basis_name(t->basis));
	json_out_uint(j, "requests", t->requests);
	json_out_uint(j, "unknown_requests", t->unknown);
	json_out_uint(j, "estimated_requests", t->estimated);
	json_out_end(j);
}

void cost_json_speedup(struct json_out *j, const struct cost_speedup *s)
{
	json_out_object(j, "speedup");
	json_out_double(j, "factor", s->factor, 4);
	json_out_double(j, "seconds", s->seconds, DECIMALS);
	json_out_double(j, "seconds_held", s->seconds_held, DECIMALS);
	json_out_double(j, "saved", s->saved, DECIMALS);
	json_out_cstr(j, "basis", cost_basis_name(s->basis));
	json_out_uint(j, "requests", s->requests);
	json_out_uint(j, "unknown_requests", s->unknown);
	json_out_end(j);
}

void cost_json_backends(struct json_out *j, const struct cost *c)
{
	json_out_array(j, "backends");
	for (size_t i = 0; i < c->nbackends; i++) {
		const struct cost_backend *b = &c->backends[i];
		const struct cost_model *m = &b->model_fit;
		json_out_object(j, NULL);
		json_out_cstr(j, "peer", b->peer);
		json_out_cstr(j, "model", b->model);
		json_out_cstr(j, "engine", b->engine == ENGINE_UNKNOWN ? NULL : engine_name(b->engine));
		json_out_uint(j, "requests", b->requests);
		if (m->points == 0) {
			json_out_null(j, "prefill_model");
		} else {
			json_out_object(j, "prefill_model");
			json_out_double(j, "a", m->a, 9);
			json_out_double(j, "b", m->b, 12);
			json_out_double(j, "c", m->c, 15);
			json_out_double(j, "d", m->d, 12);
			json_out_uint(j, "points", m->points);
			json_out_uint(j, "left_out", m->left_out);
			json_out_double(j, "residual", m->residual, 6);
			json_out_double(j, "new_min", m->n_min, 0);
			json_out_double(j, "new_max", m->n_max, 0);
			json_out_double(j, "prompt_min", m->total_min, 0);
			json_out_double(j, "prompt_max", m->total_max, 0);
			json_out_end(j);
		}
		json_out_uint(j, "hits_too_slow", b->hits_too_slow);
		json_out_uint(j, "misses_too_fast", b->misses_too_fast);
		json_out_end(j);
	}
	json_out_end(j);
}
