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
	const struct prompt_previous *old = b->previous;
	return m->bytes <= s->text.n - s->at && m->offset <= old->body.n && m->bytes <= old->body.n - m->offset &&
	       (!b->openai || m->head == !b->system_whole) &&
	       ((m->offset == s->at && m->offset + m->bytes <= old->same) ||
		memcmp(s->text.p + s->at, old->body.p + m->offset, m->bytes) == 0);
}

/* Returns the place in the previous list; its end if there is none. */
static size_t find_message(const struct prompt_build *b)
{
	const struct prompt *old = b->previous->prompt;
	for (size_t i = 0; i <= PROMPT_LOOK_AHEAD + PROMPT_LOOK_BACK; i++) {
		size_t at = prompt_look(b->previous_message, i);
		if (at < old->nlist && stands_at_cursor(b, &old->list[at]))
			return at;
	}
	return old->nlist;
}

/*
 * How many messages from the one found on are to be taken over at once: where the bodies are the same and are read from
 * the same place on, what was read there before is there again. Each follows the one before it: between two of them
 * there may have been one that is no object, and is in no list.
 */
static size_t messages_alike(const struct prompt_build *b, size_t found)
{
	const struct prompt *old = b->previous->prompt;
	const struct prompt_message *first = &old->list[found];
	size_t n = 1;

	if (first->offset != b->scan.at || first->message != b->out->messages)
		return 1;
	for (const struct prompt_message *m = first; found + n < old->nlist; m++, n++)
		if (m[1].offset + m[1].bytes > b->previous->same || m[1].message != m->message + 1 ||
		    m[1].first_part != m->first_part + m->nparts)
			break;
	return n;
}

static int add_run(struct prompt_build *b, size_t first, size_t previous_first, size_t nparts)
{
	struct prompt_run *last = b->nruns ? &b->runs[b->nruns - 1] : NULL;
	if (last && last->first + last->nparts == first && last->previous_first + last->nparts == previous_first) {
		last->nparts += nparts;
		return 0;
	}
	struct prompt_run *grown = array_grow(b->runs, &b->runs_capacity, b->nruns + 1, sizeof(*grown));
	if (!grown)
		return json_fail(&b->scan, "no memory", b->scan.at);
	b->runs = grown;
	b->runs[b->nruns++] = (struct prompt_run){first, previous_first, nparts};
	return 0;
}

static int keep_messages(struct prompt_build *b, const struct prompt_message *from, size_t n, size_t offset,
			 size_t first_part)
{
	struct prompt *p = b->out;
	struct prompt_message *grown = array_grow(p->list, &p->list_capacity, p->nlist + n, sizeof(*grown));
	if (!grown)
		return json_fail(&b->scan, "no memory", offset);
	p->list = grown;
	for (size_t i = 0; i < n; i++) {
		struct prompt_message *m = &grown[p->nlist++];
		*m = from[i];
		m->offset = offset + (from[i].offset - from->offset);
		m->first_part = first_part + (from[i].first_part - from->first_part);
		m->message = p->messages + (uint32_t)i;
	}
	return 0;
}

int build_known_message(struct prompt_build *b)
{
	struct prompt *p = b->out;
	const struct prompt *old = b->previous ? b->previous->prompt : NULL;
	size_t offset = b->scan.at, first = p->nparts;
	size_t found = old ? find_message(b) : 0;

	if (!old || found == old->nlist) {
		b->previous_message++;
		return 0;
	}
	size_t n = messages_alike(b, found);
	const struct prompt_message *m = &old->list[found], *last = m + n - 1;
	size_t nparts = last->first_part + last->nparts - m->first_part;
	if (nparts > PROMPT_PARTS_MAX - first)
		return 0; /* fails where it would have failed */
	struct prompt_part *grown = array_grow(p->parts, &p->capacity, first + nparts, sizeof(*p->parts));
	if (!grown)
		return json_fail(&b->scan, "no memory", offset);
	p->parts = grown;
	if (nparts)
		memcpy(&grown[first], &old->parts[m->first_part], nparts * sizeof(*grown));
	if (m->offset != offset || m->message != p->messages) {
		for (size_t i = 0; i < nparts; i++) {
			grown[first + i].offset = offset + (grown[first + i].offset - m->offset);
			grown[first + i].message = p->messages;
		}
	}
	p->nparts += nparts;
	b->previous_message = found + n;
	b->scan.at = offset + (last->offset + last->bytes - m->offset);
	if (b->openai)
		b->system_whole = !last->head_after;
	if (add_run(b, first, m->first_part, nparts) < 0 || keep_messages(b, m, n, offset, first) < 0)
		return -1;
	p->messages += (uint32_t)n;
	return 1;
}

/* As for a message: an object ends at its closing brace. */
static bool is_tool_at_cursor(const struct prompt_build *b, size_t at)
{
	const struct prompt_previous *old = b->previous;
	const struct json_scan *s = &b->scan;
	if (at >= old->prompt->nparts)
		return false;
	const struct prompt_part *part = &old->prompt->parts[at];
	return part->kind == PART_TOOL && part->bytes <= s->text.n - s->at && part->offset <= old->body.n &&
	       part->bytes <= old->body.n - part->offset &&
	       memcmp(s->text.p + s->at, old->body.p + part->offset, part->bytes) == 0;
}

int build_known_tool(struct prompt_build *b)
{
	struct prompt *p = b->out;
	const struct prompt *old = b->previous ? b->previous->prompt : NULL;
	size_t offset = b->scan.at, at = 0, i = 0;

	if (!old)
		return 0;
	if (p->tools == 0)
		while (b->previous_tool < old->nparts && old->parts[b->previous_tool].kind != PART_TOOL)
			b->previous_tool++;
	for (; i <= PROMPT_LOOK_AHEAD + PROMPT_LOOK_BACK; i++) {
		at = prompt_look(b->previous_tool, i);
		if (is_tool_at_cursor(b, at))
			break;
	}
	if (i > PROMPT_LOOK_AHEAD + PROMPT_LOOK_BACK) {
		b->previous_tool++;
		return 0;
	}
	b->scan.at += old->parts[at].bytes;
	if (build_part(b, BLOCK_TOOL, p->tools, 0, offset) < 0)
		return -1;
	struct prompt_part *part = &p->parts[p->nparts - 1];
	*part = old->parts[at];
	part->offset = offset;
	part->message = p->tools++;
	b->previous_tool = at + 1;
	return add_run(b, p->nparts - 1, at, 1) < 0 ? -1 : 1;
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
		.message = p->messages - 1,
		.head = b->openai && head,
		.head_after = b->openai && !b->system_whole,
	};
	return 0;
}
