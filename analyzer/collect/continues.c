/* SPDX-License-Identifier: MIT */
#include "collect/continues.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

struct seen_part {
	struct digest normalised;
	enum part_kind kind;
	uint32_t message, index;
	uint64_t bytes;
};

struct seen_prompt {
	struct digest key; /* who asks whom */
	uint64_t exchange, used, bytes;
	struct seen_part *parts;
	size_t n, capacity;
};

struct continues_memory {
	struct seen_prompt prompts[CONTINUES_MAX];
	struct seen_prompt now; /* scratch */
	uint64_t clock;
};

struct continues_memory *continues_new(void)
{
	return calloc(1, sizeof(struct continues_memory));
}

void continues_free(struct continues_memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < CONTINUES_MAX; i++)
		free(m->prompts[i].parts);
	free(m->now.parts);
	free(m);
}

static int key_of(const struct exchange *x, struct digest *key)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	const char *words[] = {x->peer, x->model, x->request.path, x->session, x->agent};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		buf_printf(&text, "%s\n", words[i] ? words[i] : "");
	if (!x->session)
		buf_printf(&text, "%d", (int)x->pid);
	*key = digest_of(buf_str(&text));
	int result = text.failed ? -1 : 0;
	buf_release(&text);
	return result;
}

/* Fills m->now with the parts in the order in which they are laid out. */
static int lay_out(struct continues_memory *m, const struct exchange *x)
{
	static const enum part_kind order[] = {PART_TOOL, PART_SYSTEM, PART_MESSAGE};
	struct seen_prompt *now = &m->now;
	struct seen_part *grown = array_grow(now->parts, &now->capacity, x->prompt.nparts + 1, sizeof(*grown));

	if (!grown || key_of(x, &now->key) < 0)
		return -1;
	now->parts = grown;
	now->n = 0;
	now->bytes = 0;
	now->exchange = x->id;
	now->used = ++m->clock;
	for (size_t k = 0; k < sizeof(order) / sizeof(*order); k++) {
		for (size_t i = 0; i < x->prompt.nparts; i++) {
			const struct prompt_part *p = &x->prompt.parts[i];
			if (p->kind != order[k] || p->block == BLOCK_BILLING)
				continue;
			now->parts[now->n++] = (struct seen_part){.normalised = p->normalised,
								  .kind = p->kind,
								  .message = p->message,
								  .index = p->index,
								  .bytes = p->normalised_bytes};
			now->bytes += p->normalised_bytes;
		}
	}
	return 0;
}

static size_t common(const struct seen_prompt *a, const struct seen_prompt *b, uint64_t *bytes)
{
	size_t i = 0;
	*bytes = 0;
	while (i < a->n && i < b->n && memcmp(&a->parts[i].normalised, &b->parts[i].normalised, DIGEST_BYTES) == 0)
		*bytes += a->parts[i++].bytes;
	return i;
}

/* The conversation that x continues best, and the place it takes. */
static struct seen_prompt *find(struct continues_memory *m, struct continues *out, struct seen_prompt **before)
{
	struct seen_prompt *oldest = &m->prompts[0];
	*before = NULL;
	for (size_t i = 0; i < CONTINUES_MAX; i++) {
		struct seen_prompt *p = &m->prompts[i];
		uint64_t bytes;
		if (p->used < oldest->used)
			oldest = p;
		if (!p->used || memcmp(&p->key, &m->now.key, sizeof(p->key)) != 0)
			continue;
		size_t parts = common(p, &m->now, &bytes);
		if (*before && (bytes < out->same_bytes || (bytes == out->same_bytes && p->used < (*before)->used)))
			continue;
		*before = p;
		out->same_parts = parts;
		out->same_bytes = bytes;
	}
	/* Whatever does not contain all of an earlier prompt may be another conversation: that one is kept, too. */
	return *before && out->same_parts == (*before)->n ? *before : oldest;
}

void continues_add(struct continues_memory *m, const struct exchange *x, struct continues *out)
{
	struct seen_prompt *before, *place, old;

	*out = (struct continues){.exchange = 0};
	if (x->prompt.nparts == 0 || lay_out(m, x) < 0)
		return;
	out->parts = m->now.n;
	out->bytes = m->now.bytes;
	place = find(m, out, &before);
	if (before) {
		out->exchange = before->exchange;
		out->whole = out->same_parts == before->n;
	}
	if (out->same_parts < m->now.n) {
		const struct seen_part *p = &m->now.parts[out->same_parts];
		out->has_place = true;
		out->kind = p->kind;
		out->message = p->message;
		out->index = p->index;
	}
	old = *place;
	*place = m->now;
	m->now = old;
}
