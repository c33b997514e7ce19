/* SPDX-License-Identifier: MIT */
#include "why/compare.h"

const struct trace_part *piece_part(const struct view *v, size_t piece)
{
	return &v->trace->parts[piece_of(v, piece)->part];
}

bool piece_equal(const struct view *a, size_t i, const struct view *b, size_t k)
{
	return i < a->rendered.n && k < b->rendered.n &&
	       memcmp(&piece_of(a, i)->digest, &piece_of(b, k)->digest, sizeof(struct digest)) == 0;
}

bool piece_in_messages(const struct view *v, size_t piece)
{
	return piece < v->rendered.n && piece_of(v, piece)->place == RENDER_MESSAGES;
}

uint64_t view_counted(const struct view *v, size_t pieces, uint32_t passed_over)
{
	return rendered_bytes(&v->rendered, pieces) - rendered_bytes_of(&v->rendered, pieces, passed_over);
}

/* Goes to the next piece that counts. All of the tools, or of the system turns that were moved, at a time. */
static void pass_over(const struct view *v, size_t *i, uint32_t classes)
{
	while (*i < v->rendered.n && (piece_classes(v, *i) & classes))
		*i = piece_classes(v, *i) & classes & (PIECE_TOOL | PIECE_MOVED) ? rendered_stretch(&v->rendered, *i)
										 : *i + 1;
}

static size_t take(const struct view *v, size_t i, size_t pieces)
{
	return pieces < v->rendered.n - i ? i + pieces : v->rendered.n;
}

/* Pieces that are equal from these on, and passed over on both sides or on none. */
static size_t equal_run(const struct view *old, size_t i, const struct view *new, size_t k, uint32_t passed_over)
{
	size_t same = rendered_equal(&old->rendered, i, &new->rendered, k);
	return same && ((piece_classes(old, i) ^ piece_classes(new, k)) & passed_over) ? 0 : same;
}

void compare(const struct view *old, const struct view *new, struct comparison *c)
{
	size_t i = 0, k = 0, excused = 0;

	c->equal_bytes = 0;
	for (;;) {
		size_t same = equal_run(old, i, new, k, c->passed_over);
		c->equal_bytes += view_counted(new, k + same, c->passed_over) - view_counted(new, k, c->passed_over);
		i += same;
		k += same;
		pass_over(old, &i, c->passed_over);
		pass_over(new, &k, c->passed_over);
		if (i == old->rendered.n || k == new->rendered.n)
			break;
		if (piece_equal(old, i, new, k)) /* another stretch begins */
			continue;
		if (excused == c->nexcuses)
			break;
		i = take(old, i, c->excuses[excused].old_pieces);
		k = take(new, k, c->excuses[excused++].new_pieces);
	}
	c->old_common_bytes = rendered_bytes(&old->rendered, i);
	c->common_bytes = rendered_bytes(&new->rendered, k);
	c->old_piece = i;
	c->new_piece = k;
	c->differs = i < old->rendered.n;
}
