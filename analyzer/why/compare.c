/* SPDX-License-Identifier: MIT */
#include "why/compare.h"

static size_t next_counted(const struct view *v, size_t i, uint32_t passed_over)
{
	while (i < v->rendered.n && (v->classes[i] & passed_over))
		i++;
	return i;
}

void compare(const struct view *old, const struct view *new, struct comparison *c)
{
	unsigned excuse = c->excuse;
	size_t i = 0, k = 0;

	c->common_bytes = 0;
	for (;; i++, k++) {
		i = next_counted(old, i, c->passed_over);
		size_t counted = next_counted(new, k, c->passed_over);
		for (; k < counted; k++)
			c->common_bytes += new->rendered.pieces[k].bytes;
		if (i == old->rendered.n || k == new->rendered.n)
			break;
		const struct render_piece *a = &old->rendered.pieces[i], *b = &new->rendered.pieces[k];
		if (memcmp(&a->digest, &b->digest, sizeof(a->digest)) != 0 && excuse-- == 0)
			break;
		c->common_bytes += b->bytes;
	}
	c->old_piece = i;
	c->new_piece = k;
	c->differs = i < old->rendered.n;
}
