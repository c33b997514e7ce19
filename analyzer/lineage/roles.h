/* SPDX-License-Identifier: MIT */
#ifndef LINEAGE_ROLES_H
#define LINEAGE_ROLES_H

/*
 * Which lineage of a session is the main conversation, which are sub-agents, which are side requests.
 *
 * The main one is that with the most tools and without an agent header; where none has tools, that with the most
 * requests. Others with an agent header, or with a tool of the main one, are sub-agents; the rest is aside. Where
 * nothing names a session, several conversations of a run can stand side by side: one that does not run at the same
 * time as the main one, or has no tools where that has none either, is a main one too.
 */

#include "lineage/lineage.h"

/* Sets the role of each lineage. -1: no memory. */
int roles_find(const struct prompt_tree *tree, const struct lineage_request *requests, size_t n,
	       struct lineage_set *set) __attribute__((warn_unused_result));

#endif
