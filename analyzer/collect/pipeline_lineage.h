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
	uint64_t exchange;
	struct prompt prompt;
	struct buf body;
	struct digest_marks marks; /* of the body */
	uint64_t used;             /* 0: free */
};

/* Memory of a request that is done with, for the next one: it is about as long, and fresh pages cost more than bytes.
 */
struct lineage_spare {
	struct prompt prompt;
	struct buf body;
};

struct lineages {
	struct lineage entries[LINEAGES_MAX];
	struct lineage_spare spare;
	uint64_t clock;
};

void lineages_init(struct lineages *l);
void lineages_release(struct lineages *l);
/* The lineage that x (with its body, but without its model yet) most likely continues; NULL: none. Borrowed until the
 * next lineages_keep. */
const struct lineage *lineages_find(const struct lineages *l, const struct exchange *x);
/* How many bytes at the beginning of a body are those of the lineage's (NULL: none). */
size_t lineage_same(const struct lineage *last, struct str body);
/* SHA-256 of a body that begins with so many bytes of the lineage's; fills its marks. */
struct digest lineage_digest(const struct lineage *last, size_t same, struct str body, struct digest_marks *marks);
/*
 * Takes body and prompt of x, which is done with, as the last of its lineage, and the body's marks (none is in order).
 * Without memory, or for a body that is not all there, nothing is kept.
 */
void lineages_keep(struct lineages *l, struct exchange *x, struct digest_marks *marks);

#endif
