/* SPDX-License-Identifier: MIT */
#include "mock/answer.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

void answer_release(struct answer *a)
{
	for (size_t i = 0; i < a->nblocks; i++) {
		free(a->blocks[i].name);
		free(a->blocks[i].text);
	}
	for (size_t i = 0; i < a->nevents; i++) {
		free(a->events[i].type);
		free(a->events[i].message);
	}
	free(a->blocks);
	free(a->events);
	free(a->error_type);
	free(a->error_message);
	*a = (struct answer){0};
}

static int lengthen(struct answer_block *b, const char *text)
{
	size_t have = strlen(b->text), more = strlen(text);
	char *grown = realloc(b->text, have + more + 1);
	if (!grown)
		return -1;
	memcpy(grown + have, text, more + 1);
	b->text = grown;
	return 0;
}

int answer_say(struct answer *a, enum answer_kind kind, const char *name, const char *text)
{
	struct answer_block *last = a->nblocks ? &a->blocks[a->nblocks - 1] : NULL;
	if (last && kind != ANSWER_TOOL && last->kind == kind)
		return lengthen(last, text);

	struct answer_block *blocks = array_grow(a->blocks, &a->blocks_capacity, a->nblocks + 1, sizeof(*blocks));
	if (!blocks)
		return -1;
	a->blocks = blocks;
	struct answer_block b = {kind, name ? strdup(name) : NULL, strdup(text)};
	if (!b.text || (name && !b.name)) {
		free(b.name);
		free(b.text);
		return -1;
	}
	a->blocks[a->nblocks++] = b;
	return 0;
}

int answer_event(struct answer *a, enum answer_event_kind kind, uint64_t stall_ms, const char *type,
		 const char *message)
{
	struct answer_event *events = array_grow(a->events, &a->events_capacity, a->nevents + 1, sizeof(*events));
	if (!events)
		return -1;
	a->events = events;

	/* Within the last block, so that text that follows it finds the block still open. */
	struct answer_event e = {.kind = kind, .stall_ms = stall_ms};
	if (a->nblocks) {
		e.block = a->nblocks - 1;
		e.offset = strlen(a->blocks[e.block].text);
	}
	e.type = type ? strdup(type) : NULL;
	e.message = message ? strdup(message) : NULL;
	if ((type && !e.type) || (message && !e.message)) {
		free(e.type);
		free(e.message);
		return -1;
	}
	a->events[a->nevents++] = e;
	return 0;
}
