/* SPDX-License-Identifier: MIT */
#include "why/compare.h"

const struct trace_part *piece_part(const struct view *v, size_t piece)
{
	return &v->trace->parts[v->rendered.pieces[piece].part];
}

bool piece_equal(const struct view *a, size_t i, const struct view *b, size_t k)
{
	return i < a->rendered.n && k < b->rendered.n &&
	       memcmp(&a->rendered.pieces[i].digest, &b->rendered.pieces[k].digest, sizeof(struct digest)) == 0;
}

bool piece_in_messages(const struct view *v, size_t piece)
{
	return piece < v->rendered.n && v->rendered.pieces[piece].place == RENDER_MESSAGES;
}

/* Goes to the next piece that counts. */
static void pass_over(const struct view *v, size_t *i, uint32_t classes, uint64_t *bytes)
{
	for (; *i < v->rendered.n && (v->classes[*i] & classes); ++*i)
		*bytes += v->rendered.pieces[*i].bytes;
}

static void take(const struct view *v, size_t *i, size_t pieces, uint64_t *bytes)
{
	for (; pieces > 0 && *i < v->rendered.n; pieces--)
		*bytes += v->rendered.pieces[(*i)++].bytes;
}

/* Pieces that both begin with and of which the same are passed over. */
static size_t head(const struct view *old, const struct view *new, uint32_t passed_over, uint64_t *equal_bytes)
{
	size_t n = rendered_common(&old->rendered, &new->rendered), i = 0;

	*equal_bytes = rendered_bytes(&new->rendered, n);
	if (!passed_over)
		return n;
	*equal_bytes = 0;
	for (; i < n && !((old->classes[i] ^ new->classes[i]) & passed_over); i++)
		if (!(new->classes[i] & passed_over))
			*equal_bytes += new->rendered.pieces[i].bytes;
	return i;
}

void compare(const struct view *old, const struct view *new, struct comparison *c)
{
	size_t i = head(old, new, c->passed_over, &c->equal_bytes), k = i, excused = 0;

	c->old_common_bytes = rendered_bytes(&old->rendered, i);
	c->common_bytes = rendered_bytes(&new->rendered, k);
	for (;;) {
		pass_over(old, &i, c->passed_over, &c->old_common_bytes);
		pass_over(new, &k, c->passed_over, &c->common_bytes);
		if (i == old->rendered.n || k == new->rendered.n)
			break;
		const struct digest *a = &old->rendered.pieces[i].digest, *b = &new->rendered.pieces[k].digest;
		struct excuse step = {1, 1};
		if (memcmp(a, b, sizeof(*a)) != 0) {
			if (excused == c->nexcuses)
				break;
			step = c->excuses[excused++];
		} else {
			c->equal_bytes += new->rendered.pieces[k].bytes;
		}
		take(old, &i, step.old_pieces, &c->old_common_bytes);
		take(new, &k, step.new_pieces, &c->common_bytes);
	}
	c->old_piece = i;
	c->new_piece = k;
	c->differs = i < old->rendered.n;
}
