/* SPDX-License-Identifier: MIT */
#include "report/prompts.h"

#include "base/array.h"

#include <stdio.h>
#include <stdlib.h>

/* Stands for the billing block, which no comparison sees. */
#define SYMBOL_BILLING (TREE_NONE - 1)
/* Parts that are compared at once. */
#define BLOCK 64

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
		free(p->paths[i].symbols);
		free(p->paths[i].parts);
		free(p->paths[i].stretches);
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

static int kind_of(const struct prompts *p, uint32_t symbol)
{
	return symbol == SYMBOL_BILLING ? PART_KINDS : (int)prompt_tree_symbol_of(p->tree, symbol)->kind;
}

static int kind_in(const struct trace *t, uint32_t part, uint32_t symbol)
{
	return symbol == SYMBOL_BILLING ? PART_KINDS : (int)t->parts[part].kind;
}

/* Finds the stretches of one kind again, from those that begin at a part or behind it. */
static int find_stretches(const struct prompts *p, struct prompts_path *path, size_t from)
{
	while (path->nstretches && path->stretches[path->nstretches - 1].at >= from)
		path->nstretches--;
	for (size_t i = from; i < path->n; i++) {
		int kind = kind_of(p, path->symbols[i]);
		if (path->nstretches && path->stretches[path->nstretches - 1].kind == kind)
			continue;
		struct prompts_stretch *grown =
			array_grow(path->stretches, &path->stretches_capacity, path->nstretches + 1, sizeof(*grown));
		if (!grown)
			return -1;
		path->stretches = grown;
		grown[path->nstretches++] = (struct prompts_stretch){i, kind};
	}
	return 0;
}

/* Keeps the parts from one on, of which many stand there already. */
static void keep_parts(struct trace_prompt_part *own, const struct trace_prompt_part *parts, size_t from, size_t both,
		       size_t n)
{
	for (; from + BLOCK <= both; from += BLOCK)
		if (memcmp(own + from, parts + from, BLOCK * sizeof(*own)) != 0)
			memcpy(own + from, parts + from, BLOCK * sizeof(*own));
	if (n > from)
		memcpy(own + from, parts + from, (n - from) * sizeof(*own));
}

/*
 * Takes a prompt's symbols in; *kept, its parts that it begins with and the path's prompt too, grows by what a model
 * sees as equal behind them (another billing line, a marker that moved).
 */
static int read_symbols(const struct prompts *p, struct prompts_path *path, const struct trace *t,
			const struct trace_prompt_part *parts, size_t n, size_t *kept, const uint32_t *of_part)
{
	size_t both = n < path->n ? n : path->n, i = *kept, other = SIZE_MAX;
	uint32_t *symbols = array_grow(path->symbols, &path->capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	path->symbols = symbols;
	struct trace_prompt_part *own = array_grow(path->parts, &path->parts_capacity, n + 1, sizeof(*own));
	if (!own)
		return -1;
	path->parts = own;
	while (i < both && symbols[i] == of_part[parts[i].part])
		i++;
	size_t from = *kept;
	*kept = i;
	for (size_t k = 0; k < path->nstretches && i < both; k++) {
		const struct prompts_stretch *s = &path->stretches[k];
		size_t end = k + 1 < path->nstretches && s[1].at < both ? s[1].at : both;
		for (; i < end; i++) {
			/* Many at a time, where they are the very same ones. */
			if (i % BLOCK == 0 && path->trace == t && i + BLOCK <= end &&
			    memcmp(own + i, parts + i, BLOCK * sizeof(*own)) == 0) {
				i += BLOCK - 1;
				continue;
			}
			uint32_t symbol = of_part[parts[i].part];
			if (symbols[i] == symbol)
				continue;
			if (other == SIZE_MAX && kind_in(t, parts[i].part, symbol) != s->kind)
				other = i;
			symbols[i] = symbol;
		}
	}
	for (; i < n; i++)
		symbols[i] = of_part[parts[i].part];
	keep_parts(own, parts, path->trace == t ? from : 0, both, n);
	path->n = n;
	return find_stretches(p, path, other < both ? other : both);
}

/* The prompt's parts by kind. False: those of a kind do not stand together. */
static bool sort(const struct prompts_path *path, size_t kept, struct tree_kind kinds[PART_KINDS], bool *has_billing)
{
	bool found[PART_KINDS + 1] = {false}, apart = false;
	memset(kinds, 0, PART_KINDS * sizeof(*kinds));
	for (size_t i = 0; i < path->nstretches; i++) {
		const struct prompts_stretch *s = &path->stretches[i];
		size_t end = i + 1 < path->nstretches ? s[1].at : path->n;
		apart = apart || (s->kind < PART_KINDS && found[s->kind]);
		found[s->kind] = true;
		if (s->kind < PART_KINDS)
			kinds[s->kind] = (struct tree_kind){path->symbols + s->at, end - s->at,
							    kept < s->at ? 0 : (kept < end ? kept : end) - s->at};
	}
	*has_billing = found[PART_KINDS];
	return !apart;
}

/* kept: parts that it begins with and the path's prompt too. */
static int add_exchange(struct prompts *p, struct prompts_path *path, const struct trace *t,
			const struct trace_prompt_part *parts, size_t n, size_t kept, const uint32_t *of_part,
			struct prompts_place *place)
{
	struct tree_kind kinds[PART_KINDS];

	if (read_symbols(p, path, t, parts, n, &kept, of_part) < 0)
		return -1;
	bool together = sort(path, kept, kinds, &place->has_billing);
	place->has_prompt = kinds[PART_TOOL].n || kinds[PART_SYSTEM].n || kinds[PART_MESSAGE].n;
	if (together)
		return prompt_tree_extend(p->tree, &path->path, kinds, &place->node);
	uint32_t *symbols = array_grow(p->symbols, &p->symbols_capacity, n + 1, sizeof(*symbols));
	if (!symbols)
		return -1;
	p->symbols = symbols;
	size_t to = 0;
	for (size_t i = 0; i < n; i++)
		if (path->symbols[i] != SYMBOL_BILLING)
			symbols[to++] = path->symbols[i];
	return prompt_tree_add(p->tree, &path->path, symbols, to, &place->node);
}

/* Parts that the prompt of an exchange begins with and the path's prompt too, as the trace says. */
static size_t parts_kept(const struct prompts_path *path, const struct trace *t, size_t exchange, size_t n)
{
	size_t kept = path->trace == t ? trace_prompt_kept(t, exchange, path->exchange) : 0;
	size_t end = n < path->n ? n : path->n;
	return kept < end ? kept : end;
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
		if (add_exchange(p, path, t, parts, n, parts_kept(path, t, i, n), of_part, &places[i]) < 0)
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
