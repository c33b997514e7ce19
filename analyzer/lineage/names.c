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

int names_number(struct names *names, struct str s, uint32_t *number)
{
	struct name *name;
	HASH_FIND(hh, names->table, s.n ? s.p : "", s.n, name);
	if (!name) {
		bool added = true;
		if (s.n > UINT32_MAX / 2 || names->n == UINT32_MAX - 1)
			return -1;
		name = malloc(sizeof(*name) + s.n + 1);
		if (!name)
			return -1;
		memcpy(name->bytes, s.n ? s.p : "", s.n);
		name->number = names->n;
		HASH_ADD_KEYPTR(hh, names->table, name->bytes, s.n, name);
		if (!added) {
			free(name);
			return -1;
		}
		names->n++;
	}
	*number = name->number;
	return 0;
}
