/* SPDX-License-Identifier: MIT */
#include "replay/replay.h"

#include "base/array.h"
#include "replay/synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const fix_names[FIXES] = {"strip-billing",     "pin-version-suffix", "system-inline",
					     "drop-total-tokens", "sort-tools",         "keep-thinking"};

const char *fix_name(unsigned bit)
{
	return bit < FIXES ? fix_names[bit] : NULL;
}

uint32_t fix_named(struct str name)
{
	for (unsigned i = 0; i < FIXES; i++)
		if (str_eq(name, str_from(fix_names[i])))
			return 1u << i;
	return 0;
}

uint32_t fix_of_cause(const char *cause)
{
	static const struct {
		const char *cause;
		uint32_t fix;
	} table[] = {
		{"billing_header", FIX_STRIP_BILLING},
		{"system_turn_hoisted", FIX_SYSTEM_INLINE},
		{"total_tokens_reminder", FIX_DROP_TOTAL_TOKENS},
		{"tools_reordered", FIX_SORT_TOOLS},
		{"thinking_dropped_by_template", FIX_KEEP_THINKING},
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(cause, table[i].cause) == 0)
			return table[i].fix;
	return 0;
}

void replay_init(struct replay *r, struct report *report, const struct plan *plan, const struct replay_options *options)
{
	*r = (struct replay){.report = report, .plan = plan, .options = *options};
}

void replay_release(struct replay *r)
{
	size_t n = r->samples ? r->narms * r->options.repeats * r->plan->n : 0;
	for (size_t i = 0; i < n; i++)
		free(r->samples[i].error);
	free(r->samples);
	free(r->in_sample);
	free(r->arms);
	base_url_release(&r->main.base);
	base_url_release(&r->side.base);
	engine_facts_release(&r->main.facts);
	engine_facts_release(&r->side.facts);
	*r = (struct replay){0};
}

int replay_add_arm(struct replay *r, enum arm_kind kind, uint32_t fixes)
{
	static const char *const names[] = {
		[ARM_OFF] = "off", [ARM_ASIS] = "asis", [ARM_FIXED] = "fixed", [ARM_ASIS2] = "asis2"};
	struct arm *grown = array_grow(r->arms, &r->arms_capacity, r->narms + 1, sizeof(*grown));

	if (!grown)
		return -1;
	r->arms = grown;
	struct arm *a = &grown[r->narms++];
	*a = (struct arm){.kind = kind, .fixes = fixes};
	if (kind == ARM_FIX) {
		for (unsigned i = 0; i < FIXES; i++)
			if (fixes == 1u << i)
				snprintf(a->name, sizeof(a->name), "fix:%s", fix_names[i]);
	} else {
		snprintf(a->name, sizeof(a->name), "%s", names[kind]);
	}
	return 0;
}

bool arm_is_cold(const struct arm *a)
{
	return a->kind == ARM_OFF;
}

bool arm_is_main(const struct arm *a)
{
	return a->kind == ARM_OFF || a->kind == ARM_ASIS || a->kind == ARM_FIXED;
}

bool sample_ok(const struct sample *s)
{
	return s->sent && s->outcome == CLIENT_DONE;
}

struct sample *replay_sample(const struct replay *r, size_t arm, unsigned repeat, size_t request)
{
	return &r->samples[(arm * r->options.repeats + repeat) * r->plan->n + request];
}

size_t replay_ntargets(const struct replay *r)
{
	return r->side.url ? 2 : 1;
}

const struct target *replay_target_at(const struct replay *r, size_t number)
{
	return number == 0 ? &r->main : &r->side;
}

size_t replay_target_number(const struct replay *r, size_t request)
{
	return r->side.url && r->plan->requests[request].role == LINEAGE_SIDE;
}

const struct target *replay_target(const struct replay *r, size_t request)
{
	return replay_target_at(r, replay_target_number(r, request));
}

/* ---- the sample of the cold arm: one request from each of so many strata of equal size, by the prompts' length */

struct sized {
	int64_t prompt;
	size_t request;
};

static int by_size(const void *a, const void *b)
{
	const struct sized *x = a, *y = b;
	if (x->prompt != y->prompt)
		return x->prompt < y->prompt ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

static int choose_cold(struct replay *r)
{
	size_t n = r->plan->n, want = r->options.cold_sample;
	struct sized *list = calloc(n + 1, sizeof(*list));

	if (!list)
		return -1;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct sized){r->plan->requests[i].prompt, i};
	if (n > 1)
		qsort(list, n, sizeof(*list), by_size);
	if (want == 0 || want > n)
		want = n;
	for (size_t k = 0; k < want; k++)
		r->in_sample[list[(2 * k + 1) * n / (2 * want)].request] = true;
	free(list);
	return 0;
}

int replay_prepare(struct replay *r)
{
	size_t n = r->narms * r->options.repeats * r->plan->n;

	r->samples = calloc(n + 1, sizeof(*r->samples));
	r->in_sample = calloc(r->plan->n + 1, sizeof(*r->in_sample));
	return r->samples && r->in_sample ? choose_cold(r) : -1;
}

void replay_size(const struct replay *r, size_t *requests, int64_t *tokens, double *seconds)
{
	*requests = 0;
	*tokens = 0;
	*seconds = 0;
	for (size_t a = 0; a < r->narms; a++) {
		bool cold = arm_is_cold(&r->arms[a]);
		for (size_t i = 0; i < r->plan->n; i++) {
			const struct plan_request *p = &r->plan->requests[i];
			if (cold && !r->in_sample[i])
				continue;
			*requests += r->options.repeats;
			if (p->prompt < 0)
				continue;
			/* At worst a warm arm saves nothing; what a cache that holds would save is known of fixed ones.
			 */
			bool holds = r->arms[a].kind == ARM_FIXED && p->again > 0;
			int64_t prefill = holds ? p->prompt - p->again : p->prompt;
			*tokens += p->prompt * r->options.repeats;
			*seconds += (double)prefill / replay_target(r, i)->facts.prefill_rate * r->options.repeats;
			if (r->options.max_tokens != 1 && p->decode_s > 0)
				*seconds += p->decode_s * r->options.repeats;
			if (r->options.pace == PACE_RECORDED && !cold)
				*seconds += p->gap_s * r->options.repeats;
		}
	}
}

/* ---- bodies */

static struct rewrite_rules rules_of(const struct replay *r, const struct arm *arm, size_t request,
				     const struct target *t, const char *nonce)
{
	const struct plan_request *p = &r->plan->requests[request];
	bool salted = t->cold_by & COLD_SALT;
	struct rewrite_rules rules = {
		.model = t->facts.model,
		.max_tokens = r->options.max_tokens == 0  ? -1
			      : r->options.max_tokens > 0 ? r->options.max_tokens
			      : p->output > 0             ? p->output
							  : -1,
		.inline_system = r->options.inline_system,
		.to_openai = t->openai,
		.nonce = salted ? NULL : nonce,
		.salt_member = salted ? t->facts.profile->salt_member : NULL,
		.salt = salted ? nonce : NULL,
		.strip_cache_control = arm_is_cold(arm) && (t->cold_by & COLD_UNMARKED),
		.drop_total_tokens = arm->fixes & FIX_DROP_TOTAL_TOKENS,
		.sort_tools = arm->fixes & FIX_SORT_TOOLS,
		.keep_thinking = arm->fixes & FIX_KEEP_THINKING,
		.billing = arm->fixes & FIX_STRIP_BILLING ? BILLING_STRIP
			   : arm->fixes & FIX_PIN_VERSION ? BILLING_PIN
							  : BILLING_AS_SENT,
	};
	if (arm->fixes & FIX_SYSTEM_INLINE)
		rules.inline_system = INLINE_USER;
	return rules;
}

int replay_body(struct replay *r, const struct arm *arm, size_t request, uint64_t nonce_number, struct buf *out,
		enum kvs_llm_api *api, uint32_t *changes, char *error, size_t error_bytes)
{
	const struct plan_request *p = &r->plan->requests[request];
	const struct report_exchange *e = &r->report->exchanges[p->exchange];
	struct trace *t = &r->report->traces[e->trace];
	size_t index = (size_t)(e->x - t->exchanges);
	const struct target *target = replay_target(r, request);
	char nonce[NONCE_CHARS];
	struct buf body;
	const char *why;
	int status = 0;

	nonce_format(nonce_number, nonce);
	struct rewrite_rules rules = rules_of(r, arm, request, target, nonce);
	*changes = 0;
	*api = e->x->api;
	buf_init(&body, BUF_UNLIMITED);
	if (p->synthetic) {
		status = synthetic_body(t, index, &body, error, error_bytes);
		*changes |= CHANGE_SYNTHETIC;
		*api = KVS_API_ANTHROPIC_MESSAGES;
	} else {
		status = trace_request_body(t, index, &body, error, error_bytes) == 0 ? 0 : -1;
	}
	if (status == 0 && rewrite_body(*api, buf_str(&body), &rules, out, changes, &why) < 0) {
		snprintf(error, error_bytes, "exchange %llu: %s", (unsigned long long)e->x->id, why);
		status = -1;
	}
	if (target->openai)
		*api = KVS_API_OPENAI_CHAT;
	buf_release(&body);
	return status;
}
