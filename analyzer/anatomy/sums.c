/* SPDX-License-Identifier: MIT */
#include "anatomy/sums.h"

#include "base/array.h"

#include <stdlib.h>

#define BLOCK ((size_t)64)

static void add_part(struct sums *to, const struct sums_part *part)
{
	double begin = to->tokens[PART_MESSAGE], end = begin + part->tokens;

	to->count[part->kind]++;
	to->tokens[part->kind] += part->tokens;
	to->bytes[part->kind] += part->bytes;
	if (part->kind != PART_MESSAGE)
		return;
	double *bytes = part->tokens > 0 ? to->share_bytes : to->empty_bytes;
	for (int s = 0; s < SHARES; s++) {
		to->share_tokens[s] += part->share[s] * part->tokens;
		to->share_squares[s] += part->share[s] * (end * end - begin * begin);
		bytes[s] += part->share[s] * part->bytes;
	}
}

/* The places of what is added move behind what is there: (e + m)^2 - (b + m)^2 = e^2 - b^2 + 2m (e - b). */
static void add_sums(struct sums *to, const struct sums *more)
{
	double moved = to->tokens[PART_MESSAGE];

	for (int k = 0; k < PART_KINDS; k++) {
		to->count[k] += more->count[k];
		to->tokens[k] += more->tokens[k];
		to->bytes[k] += more->bytes[k];
	}
	for (int s = 0; s < SHARES; s++) {
		to->share_tokens[s] += more->share_tokens[s];
		to->share_squares[s] += more->share_squares[s] + 2 * moved * more->share_tokens[s];
		to->share_bytes[s] += more->share_bytes[s];
		to->empty_bytes[s] += more->empty_bytes[s];
	}
}

static int add_parts(const struct sums_prompt *p, size_t from, size_t to, struct sums *out)
{
	for (size_t i = from; i < to; i++) {
		struct sums_part part;
		if (p->weigh(p->context, p->parts[i], &part) < 0)
			return -1;
		add_part(out, &part);
	}
	return 0;
}

static int reserve(struct sums_prompt *p, size_t n)
{
	size_t blocks = n / BLOCK + 2;
	uint32_t *parts = array_grow(p->parts, &p->capacity, n + 1, sizeof(*parts));
	if (!parts)
		return -1;
	p->parts = parts;
	struct sums *own = array_grow(p->blocks, &p->blocks_capacity, blocks, sizeof(*own));
	if (!own)
		return -1;
	p->blocks = own;
	struct sums *before = array_grow(p->before, &p->before_capacity, blocks, sizeof(*before));
	if (!before)
		return -1;
	p->before = before;
	return 0;
}

int sums_follow(struct sums_prompt *p, const struct trace_prompt_part *parts, size_t n, size_t kept)
{
	size_t old = p->n, changed = SIZE_MAX;

	p->n = 0;
	if (reserve(p, n) < 0)
		return -1;
	for (size_t b = (kept < old ? kept : old) / BLOCK; b * BLOCK < n; b++) {
		size_t from = b * BLOCK, to = from + BLOCK < n ? from + BLOCK : n;
		bool same = to <= old && (to == from + BLOCK || to == old);
		for (size_t i = from; i < to; i++) {
			same = same && p->parts[i] == parts[i].part;
			p->parts[i] = parts[i].part;
		}
		if (same)
			continue;
		changed = changed < b ? changed : b;
		p->blocks[b] = (struct sums){.count = {0}};
		if (add_parts(p, from, to, &p->blocks[b]) < 0)
			return -1;
	}
	if (old == 0)
		p->before[0] = (struct sums){.count = {0}};
	for (size_t b = changed; b != SIZE_MAX && b * BLOCK < n; b++) {
		p->before[b + 1] = p->before[b];
		add_sums(&p->before[b + 1], &p->blocks[b]);
	}
	p->n = n;
	return 0;
}

void sums_release(struct sums_prompt *p)
{
	free(p->parts);
	free(p->blocks);
	free(p->before);
	*p = (struct sums_prompt){0};
}

void sums_of(const struct sums_prompt *p, size_t parts, struct sums *out)
{
	struct sums rest = {.count = {0}};
	size_t b = parts / BLOCK;

	if (parts == p->n && parts > 0 && parts % BLOCK) {
		*out = p->before[b + 1];
		return;
	}
	*out = p->before[b];
	if (add_parts(p, b * BLOCK, parts, &rest) == 0)
		add_sums(out, &rest);
}

size_t sums_next(const struct sums_prompt *p, enum part_kind kind, size_t from)
{
	for (size_t i = from; i < p->n; i++) {
		struct sums_part part;
		if (p->blocks[i / BLOCK].count[kind] == 0) {
			i = (i / BLOCK + 1) * BLOCK - 1;
			continue;
		}
		if (p->weigh(p->context, p->parts[i], &part) == 0 && part.kind == kind)
			return i;
	}
	return p->n;
}

size_t sums_exceed(const struct sums_prompt *p, double message_tokens)
{
	size_t from = 0, to = (p->n + BLOCK - 1) / BLOCK; /* in blocks */
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		if (p->before[middle + 1].tokens[PART_MESSAGE] > message_tokens)
			to = middle;
		else
			from = middle + 1;
	}
	double tokens = from * BLOCK < p->n ? p->before[from].tokens[PART_MESSAGE] : 0;
	for (size_t i = from * BLOCK; i < p->n; i++) {
		struct sums_part part;
		if (p->weigh(p->context, p->parts[i], &part) < 0)
			break;
		tokens += part.kind == PART_MESSAGE ? part.tokens : 0;
		if (tokens > message_tokens)
			return i;
	}
	return p->n;
}
