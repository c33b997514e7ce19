/* SPDX-License-Identifier: MIT */
#include "trace/prompt_diff.h"

#include <stdlib.h>
#include <string.h>

static int out_of_memory(char *error, size_t error_bytes)
{
	snprintf(error, error_bytes, "out of memory");
	return -1;
}

/* A copy of the prompt in canonical order. */
static int canonical(struct trace *t, size_t exchange, struct trace_prompt_part **out, size_t *n, char *error,
		     size_t error_bytes)
{
	const struct trace_prompt_part *parts;

	if (trace_prompt(t, exchange, &parts, n, error, error_bytes) < 0)
		return -1;
	*out = calloc(*n + 1, sizeof(**out));
	if (!*out) {
		*n = 0;
		return out_of_memory(error, error_bytes);
	}
	size_t at = 0;
	for (int kind = 0; kind < PART_KINDS; kind++)
		for (size_t i = 0; i < *n; i++)
			if ((int)t->parts[parts[i].part].kind == kind)
				(*out)[at++] = parts[i];
	return 0;
}

/* A part of one side that has found no equal on the other yet. */
struct loose {
	const struct digest *digest;
	const struct trace_prompt_part *part;
	size_t index;
	bool matched;
};

static int by_digest(const void *a, const void *b)
{
	const struct loose *x = a, *y = b;
	int c = memcmp(x->digest, y->digest, sizeof(*x->digest));
	return c ? c : x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
	const struct loose *x = a, *y = b;
	return x->index < y->index ? -1 : x->index > y->index;
}

static struct loose *loose_parts(const struct trace *t, const struct trace_prompt_part *parts, size_t from, size_t n)
{
	struct loose *list = calloc(n - from + 1, sizeof(*list));
	for (size_t i = from; list && i < n; i++)
		list[i - from] = (struct loose){&t->parts[parts[i].part].normalised, &parts[i], i, false};
	return list;
}

/* Equal parts on both sides, wherever they stand. */
static size_t match_equal(struct loose *a, size_t na, struct loose *b, size_t nb)
{
	size_t i = 0, j = 0, matched = 0;

	qsort(a, na, sizeof(*a), by_digest);
	qsort(b, nb, sizeof(*b), by_digest);
	while (i < na && j < nb) {
		int c = memcmp(a[i].digest, b[j].digest, sizeof(*a[i].digest));
		if (c == 0) {
			a[i++].matched = b[j++].matched = true;
			matched++;
		} else if (c < 0) {
			i++;
		} else {
			j++;
		}
	}
	qsort(a, na, sizeof(*a), by_index);
	qsort(b, nb, sizeof(*b), by_index);
	return matched;
}

/* Both lists are in canonical order, so the same place comes up in both at the same time. */
static int compare_places(const struct trace *t, const struct trace_prompt_part *a, const struct trace_prompt_part *b)
{
	const uint64_t x[] = {t->parts[a->part].kind, a->message, a->index};
	const uint64_t y[] = {t->parts[b->part].kind, b->message, b->index};
	for (size_t i = 0; i < 3; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

static int find_differences(const struct trace *t, struct prompt_diff *d)
{
	size_t na = d->nold - d->common, nb = d->nnew - d->common, i = 0, j = 0;
	struct loose *a = loose_parts(t, d->old_parts, d->common, d->nold);
	struct loose *b = loose_parts(t, d->new_parts, d->common, d->nnew);

	d->list = calloc(na + nb + 1, sizeof(*d->list));
	int status = a && b && d->list ? 0 : -1;
	if (status == 0)
		d->moved = match_equal(a, na, b, nb);
	while (status == 0 && (i < na || j < nb)) {
		if (i < na && a[i].matched) {
			i++;
			continue;
		}
		if (j < nb && b[j].matched) {
			j++;
			continue;
		}
		int c = i == na ? 1 : j == nb ? -1 : compare_places(t, a[i].part, b[j].part);
		d->list[d->n++] = (struct prompt_difference){
			.change = c == 0  ? PROMPT_CHANGED
				  : c < 0 ? PROMPT_REMOVED
					  : PROMPT_ADDED,
			.old_part = c <= 0 ? a[i].index : SIZE_MAX,
			.new_part = c >= 0 ? b[j].index : SIZE_MAX,
		};
		i += c <= 0;
		j += c >= 0;
	}
	free(a);
	free(b);
	return status;
}

int prompt_diff(struct trace *t, size_t old_exchange, size_t new_exchange, struct prompt_diff *out, char *error,
		size_t error_bytes)
{
	struct prompt_diff *d = out;

	*d = (struct prompt_diff){0};
	if (canonical(t, old_exchange, &d->old_parts, &d->nold, error, error_bytes) < 0 ||
	    canonical(t, new_exchange, &d->new_parts, &d->nnew, error, error_bytes) < 0)
		return -1;
	while (d->common < d->nold && d->common < d->nnew) {
		const struct trace_part *a = &t->parts[d->old_parts[d->common].part];
		const struct trace_part *b = &t->parts[d->new_parts[d->common].part];
		if (a->kind != b->kind || memcmp(&a->normalised, &b->normalised, sizeof(a->normalised)) != 0)
			break;
		d->common_bytes += a->normalised_bytes;
		d->common++;
	}
	if (find_differences(t, d) < 0)
		return out_of_memory(error, error_bytes);
	if (d->common == d->nold || d->common == d->nnew)
		return 0;
	const struct trace_part *a = &t->parts[d->old_parts[d->common].part];
	const struct trace_part *b = &t->parts[d->new_parts[d->common].part];
	/* A tool and a system block have no place in common to compare. */
	if (a->kind != b->kind)
		return 0;
	return prompt_place_find(t, d->old_parts[d->common].part, t, new_exchange, &d->new_parts[d->common], &d->place,
				 error, error_bytes);
}

void prompt_diff_release(struct prompt_diff *d)
{
	free(d->old_parts);
	free(d->new_parts);
	free(d->list);
	prompt_place_release(&d->place);
	*d = (struct prompt_diff){0};
}

void prompt_part_path(const struct trace *t, const struct exchange *x, const struct trace_prompt_part *p,
		      struct buf *out)
{
	bool anthropic = x->api == KVS_API_ANTHROPIC_MESSAGES || x->api == KVS_API_ANTHROPIC_COUNT_TOKENS;
	enum part_kind kind = t->parts[p->part].kind;

	if (kind == PART_TOOL)
		buf_printf(out, "tools[%u]", p->message);
	else if (kind == PART_SYSTEM && anthropic)
		buf_printf(out, "system[%u]", p->message);
	else if (anthropic)
		buf_printf(out, "messages[%u].content[%u]", p->message, p->index);
	else
		buf_printf(out, "messages[%u]", p->message);
}
