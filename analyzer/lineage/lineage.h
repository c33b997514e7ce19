/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_LINEAGE_H
#define LINEAGE_LINEAGE_H

/*
 * Which requests belong to one conversation. A lineage is the main session, a sub-agent or a series of side requests
 * (title, topic, summary, count_tokens, …).
 *
 * Only requests of one scope can share a lineage: same session and agent headers; without a session header, same model
 * and server. Within a scope a request continues a lineage when, in this order,
 *
 *   1. it shares a prefix with an earlier prompt of it that reaches the assistant's first answer or the end of that
 *      prompt (a common reminder in front of two different tasks is not enough);
 *   2. it repeats what the assistant said there, or continues after that prompt's last user part, though tools, system
 *      or an early message changed: the prefix is broken, the conversation is not (but a request with tools never
 *      continues one without, or the reverse, nor one with many
 *      times more or fewer tools: a summary repeats a conversation, too); where its newest words were said in several
 *      lineages, the one counts that said most of them;
 *   3. it has the same tools and system prompt and the scope says that there is one conversation only: the agent's
 *      header, or the session's main one (/clear, compaction); or both are single questions without tools.
 *
 *   4. its first prompt already holds an answer of the assistant that another session of the same model and server got
 *      with the same prefix: it was resumed under another name. Agents are never taken for it.
 *
 * Else it begins a lineage. Time order alone decides nothing, but earlier means earlier by start_ns.
 */

#include "kvscope/llm_paths.h"
#include "lineage/prompt_tree.h"

#include <stddef.h>
#include <stdint.h>

#define LINEAGE_NONE UINT32_MAX

enum lineage_role { LINEAGE_MAIN, LINEAGE_SUBAGENT, LINEAGE_SIDE };

struct lineage_request {
	/* Given. Strings are borrowed; NULL: not said. */
	const char *session, *agent, *model, *server;
	uint32_t run; /* requests of one run without session headers form one session */
	enum kvs_llm_api api;
	bool has_prompt;
	uint32_t prompt;       /* node in the tree */
	uint64_t start_ns;     /* ascending, on one clock */
	uint64_t prefilled_ns; /* when the model had read all of it; 0: never */

	/* Found. */
	uint32_t lineage;
	uint32_t shared;  /* the node down to which the lineage had sent this prompt before; TREE_ROOT: nothing */
	uint32_t repeats; /* the lineage's last earlier request that ended at that node, or LINEAGE_NONE */
	/* The longest earlier prompt of the lineage that was prefilled before this request began, since the
	 * conversation last started afresh (/clear, compaction: no answer is left in the prefix that it shares), or
	 * got shorter but for its end (thinking, messages left out); LINEAGE_NONE. The request that does so has the
	 * last one before as its parent. */
	uint32_t parent;
};

struct lineage {
	uint32_t session; /* index in lineage_set.sessions */
	enum lineage_role role;
	uint32_t first; /* its first request */
	uint32_t requests;
	uint32_t restarts; /* /clear, compaction */
	const char *agent; /* borrowed; NULL */
};

struct lineage_session {
	const char *id; /* borrowed; NULL: a run's requests that name no session */
	uint32_t first; /* its first request */
};

struct lineage_set {
	struct lineage *lineages; /* in the order in which they begin */
	size_t n;
	struct lineage_session *sessions;
	size_t nsessions;
};

/*
 * Sorts n requests into lineages. Time and memory grow with the parts that are new, not with the prompts' lengths; but
 * each assistant part behind the first part that changed is looked at. Returns 0, or -1: no memory. lineage_set_release
 * in either case.
 */
int lineage_find(const struct prompt_tree *tree, struct lineage_request *requests, size_t n, struct lineage_set *out)
	__attribute__((warn_unused_result));
void lineage_set_release(struct lineage_set *set);

const char *lineage_role_name(enum lineage_role role); /* "main", "subagent", "side" */

#endif
