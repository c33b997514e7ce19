/* SPDX-License-Identifier: MIT */
#include "report/report_json.h"

#include "api/api.h"
#include "anatomy/anatomy_out.h"
#include "base/clock.h"
#include "base/json_out.h"
#include "cost/cost_json.h"
#include "report/encrypted.h"
#include "trace/line_json.h"
#include "trace/words.h"

static void count_or_null(struct json_out *j, const char *key, bool known, int64_t n)
{
	if (known)
		json_out_int(j, key, n);
	else
		json_out_null(j, key);
}

static void tokens(struct json_out *j, const struct report_tokens *t)
{
	bool sized = t->basis != TOKENS_NONE, split = t->split_basis != TOKENS_NONE;
	json_out_object(j, "tokens");
	count_or_null(j, "sent", sized, t->sent);
	count_or_null(j, "new", split, t->new);
	count_or_null(j, "repeated", split, t->repeated);
	json_out_cstr(j, "basis", tokens_basis_name(t->basis));
	json_out_cstr(j, "split_basis", tokens_basis_name(t->split_basis));
	json_out_int(j, "unsplit", t->unsplit);
	json_out_uint(j, "unknown_requests", t->unknown);
	count_or_null(j, "cached", t->cached_of > 0, t->cached);
	json_out_uint(j, "cached_requests", t->cached_of);
	count_or_null(j, "output", t->output_of > 0, t->output);
	json_out_uint(j, "output_requests", t->output_of);
	json_out_end(j);
}

static void seconds(struct json_out *j, const struct report_seconds *s, const struct cost_seconds *spent)
{
	json_out_object(j, "seconds");
	json_out_double(j, "wall", s->wall, 6);
	json_out_double(j, "requests", s->requests, 6);
	json_out_double(j, "ttft", s->ttft, 6);
	json_out_uint(j, "ttft_requests", s->ttft_of);
	json_out_uint(j, "decode_requests", s->decode_of);
	cost_json_seconds(j, spent);
	json_out_end(j);
}

static void split(struct json_out *j, const char *key, bool known, const struct report_split *s)
{
	if (!known) {
		json_out_null(j, key);
		return;
	}
	json_out_object(j, key);
	json_out_int(j, "tools", s->tools);
	json_out_int(j, "system", s->system);
	json_out_int(j, "history", s->history);
	json_out_int(j, "new", s->new);
	json_out_end(j);
}

static void lineage_name(struct json_out *j, uint32_t lineage)
{
	char name[8];
	report_lineage_name(lineage, name);
	json_out_cstr(j, "lineage", name);
}

static void exchange(struct json_out *j, const struct report *r, const struct cost *cost, size_t i)
{
	const struct report_exchange *e = &r->exchanges[i];
	const struct exchange *x = e->x;
	const struct lineage *lineage = &r->lineages.lineages[e->lineage];

	json_out_object(j, NULL);
	json_out_uint(j, "trace", e->trace);
	json_out_uint(j, "id", x->id);
	lineage_name(j, e->lineage);
	json_out_cstr(j, "role", lineage_role_name(lineage->role));
	const struct report_exchange *parent = e->parent == LINEAGE_NONE ? NULL : &r->exchanges[e->parent];
	count_or_null(j, "parent", parent != NULL, parent ? (int64_t)parent->x->id : 0);
	count_or_null(j, "parent_trace", parent != NULL, parent ? (int64_t)parent->trace : 0);
	json_out_cstr(j, "api", api_name(x->api));
	json_out_cstr(j, "model", x->model);
	json_out_cstr(j, "session", x->session);
	json_out_cstr(j, "agent", x->agent);
	json_out_int(j, "pid", x->pid);
	json_out_cstr(j, "path", x->request.path);
	json_out_uint(j, "request_bytes", x->request.body_bytes);
	json_out_bool(j, "counts_only", e->counts_only);

	json_out_object(j, "tokens");
	json_out_int_or_null(j, "prompt", e->prompt);
	json_out_cstr(j, "basis", tokens_basis_name(e->basis));
	json_out_int_or_null(j, "new", e->new);
	json_out_int_or_null(j, "repeated", e->repeated);
	json_out_cstr(j, "split_basis", tokens_basis_name(e->split_basis));
	json_out_int_or_null(j, "cached", e->cached);
	json_out_int_or_null(j, "output", e->output);
	json_out_end(j);
	split(j, "prompt_split", e->split_basis != TOKENS_NONE, &e->split);

	json_out_object(j, "seconds");
	json_out_double(j, "total", e->total, 6);
	json_out_double(j, "ttft", e->ttft, 6);
	json_out_double(j, "decode", e->decode, 6);
	json_out_end(j);
	cost_json_exchange(j, &cost->exchanges[i]);
	json_out_double(j, "decode_tokens_per_second", e->decode_rate, 3);
	json_out_cstr(j, "timing_grade", timing_grade_name(x->times.grade));
	json_out_int_or_null(j, "status", x->response.status ? x->response.status : -1);
	json_out_cstr(j, "stop_reason", x->response.stop_reason);
	json_out_cstr(j, "request_error", x->request.error);
	json_out_cstr(j, "error", x->response.error);
	line_json_times(j, &x->times);
	json_out_end(j);
}

static void group(struct json_out *j, const struct report_group *g, const struct cost_seconds *spent)
{
	json_out_cstr(j, "model", g->model);
	json_out_bool(j, "several_models", g->models);
	json_out_uint(j, "requests", g->requests);
	json_out_uint(j, "failed", g->failed);
	tokens(j, &g->tokens);
	seconds(j, &g->seconds, spent);
}

static void sessions(struct json_out *j, const struct report *r, const struct cost *cost)
{
	size_t at = 0;
	json_out_array(j, "sessions");
	for (uint32_t s = 0; s < r->lineages.nsessions; s++) {
		json_out_object(j, NULL);
		json_out_cstr(j, "session", r->lineages.sessions[s].id);
		group(j, &r->session_groups[s], &cost->sessions[s]);
		json_out_array(j, "lineages");
		for (; at < r->lineages.n; at++) {
			uint32_t i = r->by_session[at];
			const struct lineage *l = &r->lineages.lineages[i];
			if (l->session != s)
				break;
			json_out_object(j, NULL);
			lineage_name(j, i);
			json_out_cstr(j, "role", lineage_role_name(l->role));
			json_out_cstr(j, "agent", l->agent);
			json_out_uint(j, "restarts", l->restarts);
			group(j, &r->lineage_groups[i], &cost->lineages[i]);
			json_out_end(j);
		}
		json_out_end(j);
		json_out_end(j);
	}
	json_out_end(j);
}

static void systems(struct json_out *j, const struct report *r)
{
	json_out_array(j, "system_prompts");
	for (size_t i = 0; i < r->nsystems; i++) {
		const struct report_system *s = &r->systems[i];
		char hex[DIGEST_HEX_CHARS + 1];
		digest_hex(&s->fingerprint, hex);
		json_out_object(j, NULL);
		json_out_cstr(j, "fingerprint", hex);
		json_out_uint(j, "requests", s->requests);
		json_out_uint(j, "bytes", s->bytes);
		json_out_uint(j, "bytes_each", s->bytes_each);
		count_or_null(j, "tokens", s->basis != TOKENS_NONE, s->tokens);
		json_out_cstr(j, "tokens_basis", tokens_basis_name(s->basis));
		json_out_end(j);
	}
	json_out_end(j);
}

static void loss(struct json_out *j, const struct report *r)
{
	const struct ring_loss *ring = &r->ring_loss;
	const struct pipeline_loss *p = &r->pipeline_loss;

	json_out_object(j, "loss");
	json_out_object(j, "ring");
	json_out_object(j, "dropped");
	for (size_t i = 0; i < KVS_DROP_REASONS; i++)
		json_out_uint(j, loss_drop_names[i], ring->dropped[i]);
	json_out_end(j);
	json_out_uint(j, "dropped_bytes", ring->dropped_bytes);
	json_out_uint(j, "voided", ring->voided);
	json_out_uint(j, "passthrough", ring->passthrough);
	json_out_end(j);
	json_out_object(j, "pipeline");
	json_out_uint(j, "holes", p->holes);
	json_out_uint(j, "hole_bytes", p->hole_bytes);
	json_out_uint(j, "unreadable_bytes", p->unreadable_bytes);
	json_out_uint(j, "http_errors", p->http_errors);
	json_out_uint(j, "requests_without_response", p->requests_without_response);
	json_out_uint(j, "responses_without_request", p->responses_without_request);
	json_out_uint(j, "connections_refused", p->connections_refused);
	json_out_object(j, "blind");
	for (size_t i = 1; i < LOSS_BLIND_NAMES; i++)
		json_out_uint(j, loss_blind_names[i], p->blind[i]);
	json_out_end(j);
	json_out_end(j);
	json_out_uint(j, "trace_lines", r->lines_lost);
	json_out_end(j);
}

static void traces(struct json_out *j, const struct report *r)
{
	json_out_array(j, "traces");
	for (size_t i = 0; i < r->ntraces; i++) {
		const struct trace *t = &r->traces[i];
		char when[24] = "";
		clock_iso8601(t->realtime_ns, when, sizeof(when));
		json_out_object(j, NULL);
		json_out_cstr(j, "path", t->path);
		json_out_cstr(j, "started", when);
		json_out_cstr(j, "capture_mode", t->capture_mode);
		json_out_cstr(j, "upstream", t->upstream);
		json_out_cstr(j, "content", t->content == CONTENT_NONE ? "none" : "full");
		json_out_cstr(j, "cwd", t->cwd);
		json_out_uint(j, "exchanges", t->nexchanges);
		json_out_bool(j, "finished", t->has_footer);
		json_out_end(j);
	}
	json_out_end(j);
}

static void opaque(struct json_out *j, const struct report *r)
{
	json_out_array(j, "opaque");
	for (size_t i = 0; i < r->ntraces; i++) {
		for (size_t k = 0; k < r->traces[i].nopaque; k++) {
			const struct trace_opaque *o = &r->traces[i].opaque[k];
			json_out_object(j, NULL);
			json_out_uint(j, "trace", i);
			json_out_int(j, "pid", o->pid);
			json_out_cstr(j, "kind", o->kind);
			json_out_cstr(j, "peer", o->peer);
			json_out_cstr(j, "server_name", o->server_name);
			json_out_cstr(j, "protocol", o->protocol);
			json_out_cstr(j, "reason", o->reason);
			json_out_uint(j, "sent_bytes", o->sent_bytes);
			json_out_uint(j, "received_bytes", o->received_bytes);
			if (o->turns.n > 0) {
				struct encrypted_guess guess = encrypted_guess(&o, 1);
				json_out_uint(j, "requests_estimated", guess.requests);
				json_out_double(j, "first_data_s", guess.first_s, 6);
				json_out_cstr(j, "grade", "record-level");
			}
			json_out_end(j);
		}
	}
	json_out_end(j);
}

static void warnings(struct json_out *j, const struct report *r)
{
	json_out_array(j, "warnings");
	for (size_t i = 0; i < r->ntraces; i++)
		if (r->traces[i].warning)
			json_out_cstr(j, NULL, r->traces[i].warning);
	if (r->prompts_unreadable > 0)
		json_out_cstr(j, NULL, r->prompt_error);
	json_out_end(j);
}

void report_json(const struct report *r, const struct cost *cost, const struct anatomy *anatomy, struct buf *to)
{
	struct json_out out, *j = &out;
	json_out_init(j, to, true);
	json_out_object(j, NULL);
	traces(j, r);
	tokens(j, &r->all.tokens);
	seconds(j, &r->all.seconds, &cost->all);
	cost_json_tokens(j, &cost->tokens);
	cost_json_speedup(j, &cost->speedup);
	cost_json_backends(j, cost);
	bool known = r->all.tokens.split_basis != TOKENS_NONE;
	split(j, "prompt_split", known, &r->split);
	split(j, "prompt_split_bytes", known, &r->split_bytes);
	anatomy_json(j, anatomy);
	systems(j, r);
	sessions(j, r, cost);
	json_out_array(j, "exchanges");
	for (size_t i = 0; i < r->nexchanges; i++)
		exchange(j, r, cost, i);
	json_out_end(j);
	json_out_object(j, "billing_block");
	json_out_uint(j, "requests", r->billing_requests);
	json_out_uint(j, "variants", r->billing_variants);
	json_out_end(j);
	loss(j, r);
	opaque(j, r);
	warnings(j, r);
	json_out_end(j);
	buf_putc(to, '\n');
}
