/* SPDX-License-Identifier: MIT */
#include "render/align.h"

#include <stdbool.h>
#include <string.h>

/* How far behind a difference what follows it is looked for. */
#define RESUME_PARTS 128
/* A shorter stretch behind a difference is not worth being kept apart. */
#define STRETCH_MIN 16
/* Parts that are compared at once. */
#define BLOCK 64

struct side {
	const struct trace_part *parts;
	const struct trace_prompt_part *list;
	size_t n;
};

static bool is_message(const struct side *s, size_t i)
{
	return s->parts[s->list[i].part].kind == PART_MESSAGE;
}

/* A message goes on with this part. */
static bool goes_on(const struct side *s, size_t i)
{
	return i > 0 && i < s->n && s->list[i - 1].message == s->list[i].message && is_message(s, i - 1) &&
	       is_message(s, i);
}

static bool same_part(const struct side *old, size_t i, const struct side *new, size_t k)
{
	return i < old->n && k < new->n && old->list[i].part == new->list[k].part &&
	       old->list[i].index == new->list[k].index;
}

static size_t equal_run(const struct side *old, size_t i, const struct side *new, size_t k, uint32_t shift)
{
	size_t n = 0, max = old->n - i < new->n - k ? old->n - i : new->n - k;
	while (shift == 0 && n + BLOCK <= max &&
	       memcmp(old->list + i + n, new->list + k + n, BLOCK * sizeof(*old->list)) == 0)
		n += BLOCK;
	const struct trace_prompt_part *a = old->list + i, *b = new->list + k;
	while (n < max && a[n].part == b[n].part && a[n].index == b[n].index &&
	       (b[n].message - a[n].message == shift || !is_message(new, k + n)))
		n++;
	return n;
}

/* Goes on to where both sides say the same again: parts changed, came or went. */
static bool resume(const struct side *old, size_t *i, const struct side *new, size_t *k)
{
	for (size_t s = 0; s < RESUME_PARTS && (*i + s < old->n || *k + s < new->n); s++) {
		const size_t steps[][2] = {{s, s}, {s, 0}, {0, s}, {s, 1}, {1, s}};
		for (size_t t = 0; t < sizeof(steps) / sizeof(*steps); t++) {
			if (!same_part(old, *i + steps[t][0], new, *k + steps[t][1]))
				continue;
			*i += steps[t][0];
			*k += steps[t][1];
			return true;
		}
	}
	return false;
}

/* Leaves out messages that are not wholly in it, on either side. */
static struct align_match whole_messages(const struct side *old, const struct side *new, struct align_match m)
{
	while (m.n > 0 && (goes_on(old, m.old_at) || goes_on(new, m.new_at))) {
		m.old_at++;
		m.new_at++;
		m.n--;
	}
	while (m.n > 0 && (goes_on(old, m.old_at + m.n) || goes_on(new, m.new_at + m.n)))
		m.n--;
	return m;
}

size_t align_prompts(const struct trace_part *parts, const struct trace_prompt_part *old_list, size_t nold,
		     const struct trace_prompt_part *new_list, size_t nnew, size_t kept,
		     struct align_match out[ALIGN_MAX])
{
	const struct side old = {parts, old_list, nold}, new = {parts, new_list, nnew};
	size_t n = 0, i = kept < nold ? kept : nold, k;

	i = k = i < nnew ? i : nnew;
	for (int tries = 0; tries < 2 * ALIGN_MAX && n < ALIGN_MAX; tries++) {
		size_t begin = tries ? 0 : i;
		if (tries && !resume(&old, &i, &new, &k))
			break;
		uint32_t shift = tries && is_message(&new, k) ? new_list[k].message - old_list[i].message : 0;
		size_t run = begin + equal_run(&old, i, &new, k, shift);
		struct align_match m = {i - begin, k - begin, run, shift};
		i += run - begin;
		k += run - begin;
		m = whole_messages(&old, &new, m);
		if (m.n >= STRETCH_MIN || (!tries && m.n > 0))
			out[n++] = m;
		if (i == nold || k == nnew)
			break;
	}
	return n;
}
