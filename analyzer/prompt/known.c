/* SPDX-License-Identifier: MIT */
#include "prompt/build.h"

#include "base/array.h"

/*
 * An object ends at its closing brace and nowhere else: text that begins with the bytes of a whole one begins with that
 * very object.
 */
static bool stands_at_cursor(const struct prompt_build *b, const struct prompt_message *m)
{
	const struct json_scan *s = &b->scan;
	return m->bytes <= s->text.n - s->at && m->offset <= b->previous_body.n &&
	       m->bytes <= b->previous_body.n - m->offset && (!b->openai || m->head == !b->system_whole) &&
	       memcmp(s->text.p + s->at, b->previous_body.p + m->offset, m->bytes) == 0;
}

/* Returns the place in the previous list; its end if there is none. */
static size_t find_message(const struct prompt_build *b)
{
	const struct prompt *old = b->previous;
	for (size_t i = 0; i <= PROMPT_LOOK_AHEAD + PROMPT_LOOK_BACK; i++) {
		size_t at = prompt_look(b->previous_message, i);
		if (at < old->nlist && stands_at_cursor(b, &old->list[at]))
			return at;
	}
	return old->nlist;
}

static int add_run(struct prompt_build *b, size_t first, const struct prompt_message *m)
{
	struct prompt_run *last = b->nruns ? &b->runs[b->nruns - 1] : NULL;
	if (last && last->first + last->nparts == first && last->previous_first + last->nparts == m->first_part) {
		last->nparts += m->nparts;
		return 0;
	}
	struct prompt_run *grown = array_grow(b->runs, &b->runs_capacity, b->nruns + 1, sizeof(*grown));
	if (!grown)
		return json_fail(&b->scan, "no memory", b->scan.at);
	b->runs = grown;
	b->runs[b->nruns++] = (struct prompt_run){first, m->first_part, m->nparts};
	return 0;
}

int build_known_message(struct prompt_build *b)
{
	struct prompt *p = b->out;
	size_t offset = b->scan.at, first = p->nparts;
	size_t found = b->previous ? find_message(b) : 0;

	if (!b->previous || found == b->previous->nlist) {
		b->previous_message++;
		return 0;
	}
	const struct prompt_message *m = &b->previous->list[found];
	if (m->nparts > PROMPT_PARTS_MAX - first)
		return 0; /* fails where it would have failed */
	struct prompt_part *grown = array_grow(p->parts, &p->capacity, first + m->nparts, sizeof(*p->parts));
	if (!grown)
		return json_fail(&b->scan, "no memory", offset);
	p->parts = grown;
	for (size_t i = 0; i < m->nparts; i++) {
		struct prompt_part *part = &p->parts[first + i];
		*part = b->previous->parts[m->first_part + i];
		part->offset = offset + (part->offset - m->offset);
		part->message = p->messages;
	}
	p->nparts += m->nparts;
	p->messages++;
	b->previous_message = found + 1;
	b->scan.at += m->bytes;
	if (b->openai)
		b->system_whole = !m->head_after;
	if (add_run(b, first, m) < 0 || build_keep_message(b, offset, first, m->head) < 0)
		return -1;
	return 1;
}

int build_keep_message(struct prompt_build *b, size_t offset, size_t first_part, bool head)
{
	struct prompt *p = b->out;
	struct prompt_message *grown = array_grow(p->list, &p->list_capacity, p->nlist + 1, sizeof(*grown));
	if (!grown)
		return json_fail(&b->scan, "no memory", offset);
	p->list = grown;
	p->list[p->nlist++] = (struct prompt_message){
		.offset = offset,
		.bytes = b->scan.at - offset,
		.first_part = first_part,
		.nparts = p->nparts - first_part,
		.head = b->openai && head,
		.head_after = b->openai && !b->system_whole,
	};
	return 0;
}
