/* SPDX-License-Identifier: MIT */
#ifndef TRACE_BASES_H
#define TRACE_BASES_H

/*
 * The bodies that a later one may be written as a delta of: the latest of each conversation. A conversation is known by
 * its key (session, agent, model, path); several that share a key, such as side questions or parallel sub-agents
 * without an agent id, are kept apart by what they have in common.
 */

#include "trace/body.h"

#include <stdint.h>

/* Conversations remembered in all, and of one key. The one that was not used for longest is forgotten. */
#define BASES_MAX 64
#define BASES_PER_KEY_MAX 4

struct base {
	uint64_t exchange;
	char *key;    /* of the conversation */
	char *server; /* API and peer: the fallback for the first request of a conversation */
	struct body_items items;
	uint64_t used;
};

struct bases {
	struct base list[BASES_MAX];
	size_t n;
	uint64_t clock;
};

/* The best base for the items, NULL if none will do. Valid until bases_remember. */
struct base *bases_find(struct bases *b, const char *key, const char *server, const struct body_items *items);
/* The items of an exchange, if it is the latest of its conversation; else NULL. */
const struct body_items *bases_of(const struct bases *b, uint64_t exchange);
/*
 * Takes over the items as the latest of their conversation. It replaces `base` if that is the same conversation, which
 * `copied` segments taken over from it tell. Without memory nothing is remembered.
 */
void bases_remember(struct bases *b, struct base *base, size_t copied, const char *key, const char *server,
		    uint64_t exchange, struct body_items *items);
void bases_release(struct bases *b);

#endif
