/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_PIPELINE_LINEAGE_H
#define COLLECT_PIPELINE_LINEAGE_H

/*
 * The last request of each conversation, so that the next one need not be read and hashed again where it is the same.
 * Nothing depends on what is found here but time: a wrong guess costs hashing.
 */

#include "base/buf.h"
#include "base/digest_marks.h"
#include "exchange.h"

#include <stdint.h>

#define LINEAGES_MAX 64
#define LINEAGES_BYTES_MAX ((size_t)128 << 20)

struct lineage {
	char *session, *agent, *model, *path;
	int32_t pid;
	uint64_t connection;
	struct prompt prompt;
	struct buf body;
	struct digest_marks marks; /* of the body */
	uint64_t used;             /* 0: free */
};

struct lineages {
	struct lineage entries[LINEAGES_MAX];
	uint64_t clock;
};

void lineages_init(struct lineages *l);
void lineages_release(struct lineages *l);
/* The lineage that x (with its body, but without its model yet) most likely continues; NULL: none. Borrowed until the
 * next lineages_keep. */
const struct lineage *lineages_find(const struct lineages *l, const struct exchange *x);
/* SHA-256 of a body that most likely begins as the lineage's (NULL: none) did; fills its marks. */
struct digest lineage_digest(const struct lineage *last, struct str body, struct digest_marks *marks);
/* Copies body and prompt of x as the last of its lineage, and takes the body's marks (none is in order). Without
 * memory, or for a huge body, nothing is kept. */
void lineages_keep(struct lineages *l, const struct exchange *x, struct digest_marks *marks);

#endif
