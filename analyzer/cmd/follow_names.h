/* SPDX-License-Identifier: MIT */
#ifndef CMD_FOLLOW_NAMES_H
#define CMD_FOLLOW_NAMES_H

/*
 * The names of lineages in `report --follow`. A report counts lineages in the order in which they began; a request that
 * began earlier may end later and come between two of them. What was told of a conversation keeps its name.
 *
 *     struct follow_names names = {0};
 *     for each report of a trace that grows:
 *         if (follow_names_read(&names, &report) < 0) ...   // no memory
 *         name = follow_names_of(&names, e);                // for report_lineage_name
 *     follow_names_release(&names);
 */

#include "report/report.h"

struct follow_names {
	uint32_t *of_exchange; /* by place in the trace; LINEAGE_NONE: not named yet */
	size_t n, capacity;
	uint32_t *of_lineage; /* in the report that was read last */
	size_t lineages_capacity;
	uint32_t next;
	const struct exchange *first; /* of the trace */
};

/* Names all requests of the report's first trace, which must be the only one. Time: its requests. */
int follow_names_read(struct follow_names *names, const struct report *report) __attribute__((warn_unused_result));
uint32_t follow_names_of(const struct follow_names *names, const struct report_exchange *e);
void follow_names_release(struct follow_names *names);

#endif
