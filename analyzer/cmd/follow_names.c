/* SPDX-License-Identifier: MIT */
#include "cmd/follow_names.h"

#include "base/array.h"

#include <stdlib.h>

static size_t place(const struct follow_names *names, const struct report_exchange *e)
{
	return (size_t)(e->x - names->first);
}

int follow_names_read(struct follow_names *names, const struct report *report)
{
	const struct trace *trace = &report->traces[0];
	size_t nlineages = report->lineages.n;
	uint32_t *grown = array_grow(names->of_exchange, &names->capacity, trace->nexchanges + 1, sizeof(*grown));
	if (grown)
		names->of_exchange = grown;
	uint32_t *lineages = array_grow(names->of_lineage, &names->lineages_capacity, nlineages + 1, sizeof(*lineages));
	if (lineages)
		names->of_lineage = lineages;
	if (!grown || !lineages)
		return -1;

	names->first = trace->exchanges;
	while (names->n < trace->nexchanges)
		names->of_exchange[names->n++] = LINEAGE_NONE;
	for (size_t i = 0; i < nlineages; i++)
		names->of_lineage[i] = LINEAGE_NONE;
	for (size_t i = 0; i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		uint32_t known = names->of_exchange[place(names, e)];
		if (known != LINEAGE_NONE)
			names->of_lineage[e->lineage] = known;
	}
	for (size_t i = 0; i < report->nexchanges; i++) {
		const struct report_exchange *e = &report->exchanges[i];
		uint32_t *name = &names->of_exchange[place(names, e)];
		if (*name == LINEAGE_NONE && names->of_lineage[e->lineage] == LINEAGE_NONE)
			names->of_lineage[e->lineage] = names->next++;
		if (*name == LINEAGE_NONE)
			*name = names->of_lineage[e->lineage];
	}
	return 0;
}

uint32_t follow_names_of(const struct follow_names *names, const struct report_exchange *e)
{
	return names->of_exchange[place(names, e)];
}

void follow_names_release(struct follow_names *names)
{
	free(names->of_exchange);
	free(names->of_lineage);
	*names = (struct follow_names){0};
}
