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
	for (size_t i = 0; i < PROMPTS_PATHS; i++) {
		tree_path_release(&p->paths[i].path);
		free(p->paths[i].before);
	}
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

unsigned prompts_path_number(const struct exchange *x)
{
	return mix(mix(mix((unsigned)x->api, x->session), x->agent), x->model) % PROMPTS_PATHS;
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

/* The symbols of the parts of a prompt from one on, in p->symbols; fills what stands before each. */
static size_t read_symbols(struct prompts *p, struct prompts_path *path, const struct trace_prompt_part *parts,
			   size_t from, size_t n, const uint32_t *of_part)
{
	size_t to = 0;
	for (size_t i = from; i < n; i++) {
		uint32_t symbol = of_part[parts[i].part];
		struct prompts_before *next = &path->before[i + 1];
		*next = path->before[i];
		next->last = symbol;
		if (symbol == SYMBOL_BILLING) {
			next->billing = true;
			continue;
		}
		next->symbols[prompt_tree_symbol_of(p->tree, symbol)->kind]++;
		p->symbols[to++] = symbol;
	}
	return to;
}

/* kept: parts that it begins with and the path's prompt too. */
static int add_exchange(struct prompts *p, struct prompts_path *path, const struct trace_prompt_part *parts, size_t n,
			size_t kept, const uint32_t *of_part, struct prompts_place *place)
{
	uint32_t *symbols = array_grow(p->symbols, &p->symbols_capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	p->symbols = symbols;
	struct prompts_before *before = array_grow(path->before, &path->capacity, n + 1, sizeof(*before));
	if (!before)
		return -1;
	path->before = before;
	path->n = n;
	int result = 1;
	if (kept > 0) {
		size_t new = read_symbols(p, path, parts, kept, n, of_part);
		result = prompt_tree_extend(p->tree, &path->path, before[kept].symbols, symbols, new, &place->node);
	}
	if (result == 1) {
		before[0] = (struct prompts_before){0};
		size_t all = read_symbols(p, path, parts, 0, n, of_part);
		result = prompt_tree_add(p->tree, &path->path, symbols, all, &place->node);
	}
	place->has_billing = before[n].billing;
	for (int kind = 0; kind < PART_KINDS; kind++)
		place->has_prompt = place->has_prompt || before[n].symbols[kind] > 0;
	return result;
}

/*
 * Parts that the prompt of an exchange begins with and the path's prompt too: those that the trace says, and what a
 * model sees as equal behind them (another billing line, a marker that moved).
 */
static size_t parts_kept(const struct prompts_path *path, const struct trace *t, size_t exchange,
			 const struct trace_prompt_part *parts, size_t n, const uint32_t *of_part)
{
	if (path->trace != t)
		return 0;
	size_t kept = trace_prompt_kept(t, exchange, path->exchange), end = n < path->n ? n : path->n;
	kept = kept < end ? kept : end;
	while (kept < end && path->before[kept + 1].last == of_part[parts[kept].part])
		kept++;
	return kept;
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
		if (n == 0)
			continue;
		struct prompts_path *path = &p->paths[prompts_path_number(&t->exchanges[i])];
		if (add_exchange(p, path, parts, n, parts_kept(path, t, i, parts, n, of_part), of_part, &places[i]) < 0)
			goto out;
		/* Of prompts that come from elsewhere the trace says nothing. */
		path->trace = prompt == trace_prompt ? t : NULL;
		path->exchange = i;
	}
	result = 0;
out:
	free(of_part);
	return result;
}
