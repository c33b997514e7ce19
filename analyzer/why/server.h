/* SPDX-License-Identifier: MIT */
#ifndef WHY_SERVER_H
#define WHY_SERVER_H

/*
 * Why a backend reused less than it could have, the prompts being equal as far as needed: from what else it was asked
 * in between, how long that was ago, and what the request says besides its prompt.
 *
 * The model of its cache is simple: what it has held once while other conversations were served, it can hold again. A
 * loss is put down to the requests in between only if they were more conversations, or more tokens, than that; to its
 * size where reuse ends at a length that nothing ever went beyond, or where the beginning of a prompt stayed and the
 * rest did not.
 */

#include "render/backend.h"
#include "report/report.h"
#include "why/breaker.h"

struct server_memory {
	uint64_t conversations; /* others that were served while a prefix stayed in the cache */
	int64_t tokens;         /* theirs and its own */
	int64_t longest;        /* most tokens that were ever reused */
	struct request_memo *requests;
};

/*
 * Prompts of a conversation, `came` bytes longer the second (0: as long, and as far as is known not shorter): the
 * backend counted fewer tokens for it than for the first, or not even a quarter of what so much prose has. It cut
 * something off.
 */
bool server_cut_off(int64_t tokens_before, int64_t tokens, uint64_t came);

/* What the trace proves of the cache. Time linear in the requests and in how far apart a conversation's own stand. */
/* -1: no memory. server_forget in either case. */
int server_learn(const struct report *report, struct server_memory *out) __attribute__((warn_unused_result));
void server_forget(struct server_memory *memory);

/*
 * Never NULL. `exchange` has a parent and reported tokens. *cache_tokens becomes what the cache seems to hold where it
 * is said to be too small, else TOKENS_UNKNOWN.
 */
const struct breaker *server_cause(const struct report *report, uint32_t exchange, const struct backend *backend,
				   const struct server_memory *memory, int64_t *cache_tokens);

#endif
