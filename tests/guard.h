/* SPDX-License-Identifier: MIT */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

/*
 * Bytes whose end is the end of a page that is followed by one nobody may read: a parser that looks one byte too far
 * dies. One guard holds one input at a time.
 */

#include "base/str.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
	char *map;
	size_t map_bytes;
};

static inline struct str guard_put(struct guard *g, struct str s)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t need = (s.n + page) / page * page + page;
	if (g->map_bytes < need) {
		if (g->map)
			munmap(g->map, g->map_bytes);
		g->map = mmap(NULL, need, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (g->map == MAP_FAILED || mprotect(g->map + need - page, page, PROT_NONE) != 0)
			abort();
		g->map_bytes = need;
	}
	char *p = g->map + g->map_bytes - page - s.n;
	if (s.n)
		memcpy(p, s.p, s.n);
	return (struct str){p, s.n};
}

static inline void guard_release(struct guard *g)
{
	if (g->map)
		munmap(g->map, g->map_bytes);
	*g = (struct guard){NULL, 0};
}

#endif
