/* SPDX-License-Identifier: MIT */
#ifndef MOCK_ANSWER_H
#define MOCK_ANSWER_H

/*
 * What to say to a request, decided before the first byte is sent: the blocks of a message, and what is to happen at
 * which byte of them. Made by the script or by default; never changed while it is being said.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_kind { ANSWER_TEXT, ANSWER_THINKING, ANSWER_TOOL };

struct answer_block {
	enum answer_kind kind;
	char *name; /* of the tool; else NULL */
	char *text; /* of a tool: its input as JSON */
};

enum answer_event_kind {
	EVENT_STALL, /* silence */
	EVENT_ERROR, /* an error event ends the stream */
	EVENT_CUT,   /* the connection is closed */
};

/* Events stand in the order in which they happen. */
struct answer_event {
	enum answer_event_kind kind;
	size_t block, offset; /* before this byte of this block, or after its last one */
	uint64_t stall_ms;
	char *type, *message; /* of an error */
};

struct answer {
	uint64_t delay_ms; /* before the request is handed to the engine, or refused */
	int status;        /* 0, or an HTTP error instead of an answer */
	char *error_type, *error_message;
	uint64_t retry_after_s; /* with a status; 0: no such header */
	struct answer_block *blocks;
	size_t nblocks, blocks_capacity;
	struct answer_event *events;
	size_t nevents, events_capacity;
};

/* Starts out zeroed. */
void answer_release(struct answer *a);
/*
 * Adds a block; text behind text and thinking behind thinking are one block. Copies its arguments. Returns 0, or -1
 * without memory.
 */
int answer_say(struct answer *a, enum answer_kind kind, const char *name, const char *text);
/* Adds an event behind what was said so far. type and message may be NULL. */
int answer_event(struct answer *a, enum answer_event_kind kind, uint64_t stall_ms, const char *type,
		 const char *message);

#endif
