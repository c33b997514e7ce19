/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"
#include "cost/cost_json.h"
#include "diff/diff_text.h"

static void tokens_or_null(struct json_out *j, const char *key, enum tokens_basis basis, int64_t n)
{
	if (basis == TOKENS_NONE)
		json_out_null(j, key);
	else
		json_out_int_or_null(j, key, n);
}

static void side_tokens(struct json_out *j, const struct diff_side *s)
{
	const struct report_tokens *t = &s->report->all.tokens;

	json_out_object(j, "tokens");
	tokens_or_null(j, "sent", t->basis, t->sent);
	tokens_or_null(j, "new", t->split_basis, t->new);
	tokens_or_null(j, "repeated", t->split_basis, t->repeated);
	tokens_or_null(j, "cached", t->cached_of ? TOKENS_REPORTED : TOKENS_NONE, t->cached);
	json_out_int_or_null(j, "re_prefilled", s->re_prefilled);
	json_out_cstr(j, "basis", tokens_basis_name(t->basis));
	json_out_cstr(j, "split_basis", tokens_basis_name(t->split_basis));
	json_out_cstr(j, "re_prefilled_basis", tokens_basis_name(s->re_prefilled_basis));
	json_out_uint(j, "re_prefilled_unknown_requests", s->re_prefilled_unknown);
	json_out_end(j);
}

static void side_prefix(struct json_out *j, const struct diff_side *s)
{
	const struct prefix *p = &s->prefix;

	if (!p->known) {
		json_out_null(j, "static_prefix");
		return;
	}
	const struct exchange *x = s->report->exchanges[p->exchange].x;
	char hex[DIGEST_HEX_CHARS + 1];
	json_out_object(j, "static_prefix");
	json_out_uint(j, "exchange", x->id);
	json_out_uint(j, "requests", p->requests);
	json_out_uint(j, "tools", p->tools);
	json_out_uint(j, "system_blocks", p->n - p->tools);
	json_out_uint(j, "bytes", p->bytes);
	json_out_int_or_null(j, "tokens", p->tokens);
	json_out_uint(j, "static_bytes", p->static_bytes);
	json_out_int_or_null(j, "static_tokens", p->static_tokens);
	json_out_cstr(j, "tokens_basis", tokens_basis_name(TOKENS_ESTIMATED));
	digest_hex(&x->prompt.tools_fingerprint, hex);
	json_out_cstr(j, "tools_fingerprint", x->prompt.has_tools ? hex : NULL);
	digest_hex(&x->prompt.system_fingerprint, hex);
	json_out_cstr(j, "system_fingerprint", x->prompt.has_system ? hex : NULL);
	json_out_end(j);
}

static void side(struct json_out *j, const char *key, const struct diff_side *s)
{
	const struct report *r = s->report;
	char backend[64];

	backend_name(&s->why->backend, backend, sizeof(backend));
	json_out_object(j, key);
	json_out_cstr(j, "trace", r->traces[0].path);
	if (s->client)
		json_out_str(j, "client", (struct str){s->client, s->client_bytes});
	else
		json_out_null(j, "client");
	json_out_cstr(j, "model", r->all.model);
	json_out_bool(j, "several_models", r->all.models);
	json_out_cstr(j, "backend", s->why->recognised ? backend : NULL);
	json_out_uint(j, "requests", r->all.requests);
	json_out_uint(j, "failed", r->all.failed);
	side_tokens(j, s);
	json_out_object(j, "misses");
	json_out_uint(j, "unexpected", s->why->unexpected);
	json_out_uint(j, "expected", s->expected);
	json_out_uint(j, "unreadable", s->why->unreadable);
	json_out_end(j);
	json_out_object(j, "seconds");
	json_out_double(j, "wall", r->all.seconds.wall, 6);
	json_out_double(j, "ttft", r->all.seconds.ttft, 6);
	cost_json_seconds(j, &s->cost->all);
	json_out_end(j);
	side_prefix(j, s);
	json_out_end(j);
}

static void change(struct json_out *j, const struct diff_change *c)
{
	static const char *const words[] = {
		[DIFF_ADDED] = "added", [DIFF_REMOVED] = "removed", [DIFF_CHANGED] = "changed"};
	json_out_object(j, NULL);
	json_out_cstr(j, "change", words[c->change]);
	json_out_cstr(j, "kind", part_kind_name(c->item->kind));
	json_out_cstr(j, "name", c->item->name);
	json_out_int_or_null(j, "a_bytes", c->a ? (int64_t)c->a->bytes : -1);
	json_out_int_or_null(j, "b_bytes", c->b ? (int64_t)c->b->bytes : -1);
	json_out_cstr(j, "path", c->place.path);
	json_out_cstr(j, "old", c->place.old_text);
	json_out_cstr(j, "new", c->place.new_text);
	json_out_end(j);
}

static void changes(struct json_out *j, const struct diff *d)
{
	json_out_object(j, "static_prefix");
	json_out_bool(j, "comparable", d->comparable);
	if (d->comparable)
		json_out_bool(j, "same", d->same);
	else
		json_out_null(j, "same");
	json_out_bool(j, "reordered", d->reordered);
	json_out_int_or_null(j, "common_bytes", d->comparable ? (int64_t)d->common_bytes : -1);
	json_out_int_or_null(j, "common_tokens", d->common_tokens);
	json_out_array(j, "changes");
	for (size_t i = 0; i < d->nchanges; i++)
		change(j, &d->changes[i]);
	json_out_end(j);
	json_out_end(j);
}

static void causes(struct json_out *j, const struct diff *d)
{
	json_out_array(j, "causes");
	for (size_t i = 0; i < d->ncauses; i++) {
		const struct diff_cause *c = &d->causes[i];
		json_out_object(j, NULL);
		json_out_cstr(j, "cause", c->cause->name);
		json_out_bool(j, "expected", c->cause->expected);
		json_out_uint(j, "a", c->misses[0]);
		json_out_uint(j, "b", c->misses[1]);
		json_out_int_or_null(j, "a_lost_tokens", c->lost_tokens[0]);
		json_out_int_or_null(j, "b_lost_tokens", c->lost_tokens[1]);
		json_out_double(j, "a_seconds_lost", c->seconds_lost[0], 3);
		json_out_double(j, "b_seconds_lost", c->seconds_lost[1], 3);
		json_out_end(j);
	}
	json_out_end(j);
}

static void systems(struct json_out *j, const struct diff *d)
{
	json_out_array(j, "system_prompts");
	for (size_t i = 0; i < d->nsystems; i++) {
		char hex[DIGEST_HEX_CHARS + 1];
		digest_hex(&d->systems[i].fingerprint, hex);
		json_out_object(j, NULL);
		json_out_cstr(j, "fingerprint", hex);
		json_out_uint(j, "bytes", d->systems[i].bytes);
		json_out_uint(j, "a", d->systems[i].requests[0]);
		json_out_uint(j, "b", d->systems[i].requests[1]);
		json_out_end(j);
	}
	json_out_end(j);
}

void diff_json(const struct diff *d, unsigned worse, double tolerance, struct buf *to)
{
	static const struct {
		unsigned flag;
		const char *name;
	} reasons[] = {
		{DIFF_MORE_MISSES, "more_misses"},
		{DIFF_MORE_PREFILL, "more_re_prefilled"},
		{DIFF_UNKNOWN, "re_prefilled_unknown"},
		{DIFF_OTHER_PREFIX, "static_prefix_changed"},
	};
	struct json_out out, *j = &out;

	json_out_init(j, to, true);
	json_out_object(j, NULL);
	side(j, "a", &d->side[0]);
	side(j, "b", &d->side[1]);
	causes(j, d);
	changes(j, d);
	systems(j, d);
	json_out_object(j, "check");
	json_out_double(j, "tolerance_percent", tolerance, 3);
	json_out_array(j, "worse");
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (worse & reasons[i].flag)
			json_out_cstr(j, NULL, reasons[i].name);
	json_out_end(j);
	json_out_end(j);
	json_out_end(j);
	buf_putc(to, '\n');
}
