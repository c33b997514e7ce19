/* SPDX-License-Identifier: MIT */
#include "report/tokens.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

struct tokens_model {
	double reported, estimated;
};

const char *tokens_basis_name(enum tokens_basis basis)
{
	static const char *const names[] = {NULL, "reported", "estimated", "mixed"};
	return names[basis];
}

enum tokens_basis tokens_basis_join(enum tokens_basis a, enum tokens_basis b)
{
	if (a == TOKENS_NONE || a == b)
		return b;
	return b == TOKENS_NONE ? a : TOKENS_MIXED;
}

const char *tokens_count(enum tokens_basis basis, int64_t n, char out[UNITS_CHARS])
{
	units_count(basis == TOKENS_NONE ? -1 : n, out);
	if (n > 0 && (basis == TOKENS_ESTIMATED || basis == TOKENS_MIXED)) {
		memmove(out + 1, out, UNITS_CHARS - 1);
		out[0] = '~';
		out[UNITS_CHARS - 1] = '\0';
	}
	return out;
}

double tokens_of_part(enum part_kind kind, enum block_type block, uint64_t bytes)
{
	if (block == BLOCK_IMAGE)
		return TOKENS_IMAGE;
	if (kind == PART_TOOL)
		return (double)bytes / TOKENS_TOOL_BYTES;
	if (kind == PART_MESSAGE && (block == BLOCK_TOOL_USE || block == BLOCK_TOOL_RESULT))
		return (double)bytes / TOKENS_CODE_BYTES;
	return (double)bytes / TOKENS_PROSE_BYTES;
}

static bool is_anthropic(enum kvs_llm_api api)
{
	return api == KVS_API_ANTHROPIC_MESSAGES || api == KVS_API_ANTHROPIC_COUNT_TOKENS;
}

/* a + b where b may be absent; the sum stays within what can be added up further. */
static int64_t plus(int64_t a, int64_t b)
{
	const int64_t limit = INT64_MAX / 4;
	if (b <= 0)
		return a;
	return a > limit - (b < limit ? b : limit) ? limit : a + b;
}

int64_t tokens_reported_prompt(const struct exchange *x)
{
	const struct usage *u = &x->response.usage;
	if (u->input >= 0) {
		int64_t sum = plus(0, u->input);
		if (is_anthropic(x->api))
			sum = plus(plus(sum, u->cache_read), u->cache_creation);
		return sum;
	}
	const struct engine_timings *t = &x->response.timings;
	if (t->prompt_tokens >= 0 && t->cached_tokens >= 0)
		return plus(plus(0, t->prompt_tokens), t->cached_tokens);
	return TOKENS_UNKNOWN;
}

int64_t tokens_reported_cached(const struct exchange *x)
{
	if (x->response.usage.cache_read >= 0)
		return x->response.usage.cache_read;
	return x->response.timings.cached_tokens >= 0 ? x->response.timings.cached_tokens : TOKENS_UNKNOWN;
}

int tokens_scale_add(struct tokens_scale *s, const char *model, int64_t reported, double estimated)
{
	uint32_t number;
	struct tokens_model *grown = array_grow(s->models, &s->capacity, (size_t)s->names.n + 1, sizeof(*grown));
	if (!grown)
		return -1;
	s->models = grown;
	grown[s->names.n] = (struct tokens_model){0};
	if (names_number(&s->names, str_from(model), &number) < 0)
		return -1;
	struct tokens_model *m = &s->models[number];
	m->reported += (double)reported;
	m->estimated += estimated;
	s->reported += (double)reported;
	s->estimated += estimated;
	return 0;
}

double tokens_scale_for(const struct tokens_scale *s, const char *model)
{
	uint32_t number = names_find(&s->names, str_from(model));
	const struct tokens_model *m = number == NAMES_NONE ? NULL : &s->models[number];
	double reported = m ? m->reported : s->reported, estimated = m ? m->estimated : s->estimated;
	if (!(reported > 0 && estimated > 0))
		return 1;
	double scale = reported / estimated;
	if (scale < TOKENS_SCALE_MIN)
		return TOKENS_SCALE_MIN;
	return scale > TOKENS_SCALE_MAX ? TOKENS_SCALE_MAX : scale;
}

void tokens_scale_release(struct tokens_scale *s)
{
	free(s->models);
	names_release(&s->names);
	*s = (struct tokens_scale){0};
}
