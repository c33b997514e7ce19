/* SPDX-License-Identifier: MIT */
#include "report/prompts.h"

#include "base/array.h"

#include <stdio.h>
#include <stdlib.h>

/* Stands for the billing block, which no comparison sees. */
#define SYMBOL_BILLING (TREE_NONE - 1)

int prompts_init(struct prompts *p)
{
	*p = (struct prompts){.tree = prompt_tree_new()};
	return p->tree ? 0 : -1;
}

void prompts_release(struct prompts *p)
{
	prompt_tree_free(p->tree);
	for (size_t i = 0; i < PROMPTS_PATHS; i++)
		tree_path_release(&p->paths[i]);
	names_release(&p->billing);
	free(p->symbols);
	*p = (struct prompts){0};
}

static unsigned mix(unsigned hash, const char *s)
{
	for (; s && *s; s++)
		hash = hash * 31 + (unsigned char)*s;
	return hash * 31;
}

/* A collision costs time only. */
static struct tree_path *path_of(struct prompts *p, const struct exchange *x)
{
	return &p->paths[mix(mix(mix((unsigned)x->api, x->session), x->agent), x->model) % PROMPTS_PATHS];
}

static int symbol_of_part(struct prompts *p, const struct trace_part *part, uint32_t *symbol)
{
	if (part->block == BLOCK_BILLING) {
		uint32_t number;
		*symbol = SYMBOL_BILLING;
		return names_number(&p->billing, (struct str){(const char *)part->normalised.b, DIGEST_BYTES}, &number);
	}
	struct tree_symbol what = {
		.kind = part->kind,
		.role = part->role,
		.bytes = part->normalised_bytes,
		.tokens = tokens_of_part(part->kind, part->block, part->normalised_bytes),
	};
	return prompt_tree_symbol(p->tree, &part->normalised, &what, symbol);
}

static int add_exchange(struct prompts *p, const struct exchange *x, const struct trace_prompt_part *parts, size_t n,
			const uint32_t *of_part, struct prompts_place *place)
{
	uint32_t *symbols = array_grow(p->symbols, &p->symbols_capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	p->symbols = symbols;
	size_t to = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t symbol = of_part[parts[i].part];
		if (symbol == SYMBOL_BILLING)
			place->has_billing = true;
		else
			symbols[to++] = symbol;
	}
	place->has_prompt = to > 0;
	return prompt_tree_add(p->tree, path_of(p, x), symbols, to, &place->node);
}

int prompts_add(struct prompts *p, report_prompt_fn *prompt, struct trace *t, struct prompts_place *places,
		uint64_t *unreadable, char *error, size_t error_bytes)
{
	int result = -1;
	uint32_t *of_part = malloc((t->nparts + 1) * sizeof(*of_part));
	if (!of_part)
		return -1;
	for (size_t i = 0; i < t->nparts; i++)
		if (symbol_of_part(p, &t->parts[i], &of_part[i]) < 0)
			goto out;
	for (size_t i = 0; i < t->nexchanges; i++) {
		const struct trace_prompt_part *parts;
		size_t n;
		char why[200];
		places[i] = (struct prompts_place){.node = TREE_ROOT};
		if (prompt(t, i, &parts, &n, why, sizeof(why)) < 0) {
			if ((*unreadable)++ == 0)
				snprintf(error, error_bytes, "%s", why);
			continue;
		}
		if (add_exchange(p, &t->exchanges[i], parts, n, of_part, &places[i]) < 0)
			goto out;
	}
	result = 0;
out:
	free(of_part);
	return result;
}
