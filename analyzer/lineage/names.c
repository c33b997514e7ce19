/* SPDX-License-Identifier: MIT */
#include "lineage/names.h"

#include <stdbool.h>
#include <stdlib.h>

/* Out of memory is an answer here, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) (added = false)
#include <uthash.h>

struct name {
	UT_hash_handle hh;
	uint32_t number;
	char bytes[];
};

void names_release(struct names *names)
{
	struct name *name, *next;
	HASH_ITER(hh, names->table, name, next)
	{
		HASH_DELETE(hh, names->table, name);
		free(name);
	}
	*names = (struct names){0};
}

uint32_t names_find(const struct names *names, struct str s)
{
	struct name *name;
	HASH_FIND(hh, names->table, s.n ? s.p : "", s.n, name);
	return name ? name->number : NAMES_NONE;
}

int names_number(struct names *names, struct str s, uint32_t *number)
{
	*number = names_find(names, s);
	if (*number != NAMES_NONE)
		return 0;
	if (s.n > UINT32_MAX / 2 || names->n == NAMES_NONE - 1)
		return -1;
	struct name *name = malloc(sizeof(*name) + s.n + 1);
	if (!name)
		return -1;
	memcpy(name->bytes, s.n ? s.p : "", s.n);
	name->number = names->n;
	bool added = true;
	HASH_ADD_KEYPTR(hh, names->table, name->bytes, s.n, name);
	if (!added) {
		free(name);
		return -1;
	}
	*number = names->n++;
	return 0;
}
