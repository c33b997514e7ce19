/* SPDX-License-Identifier: MIT */
#include "why/message_signs.h"

#include "why/signs.h"

#define TEXT_MAX ((size_t)8 << 20)

static bool same_message(const struct view *v, size_t a, size_t b)
{
	const struct render_piece *p = piece_of(v, a), *q = piece_of(v, b);
	return p->place == q->place && p->message == q->message;
}

/* A message without what is passed over: its text, how many pieces that is, and the one behind its last. */
struct message {
	struct buf text;
	size_t pieces, end;
};

static int read_message(const struct view *v, size_t piece, uint32_t passed_over, struct message *m)
{
	size_t i = piece;
	buf_init(&m->text, TEXT_MAX);
	m->pieces = 0;
	while (i > 0 && same_message(v, i - 1, piece))
		i--;
	for (; i < v->rendered.n && same_message(v, i, piece); i++) {
		if (piece_classes(v, i) & passed_over)
			continue;
		m->pieces++;
		if (signs_part_text(v->trace, piece_of(v, i)->part, &m->text) < 0)
			return -1;
	}
	m->end = i;
	return 0;
}

bool message_same_text(const struct view *old, const struct view *new, const struct comparison *c, struct excuse *step)
{
	struct message a, b = {.pieces = 0};
	bool same = read_message(old, c->old_piece, c->passed_over, &a) == 0 &&
		    read_message(new, c->new_piece, c->passed_over, &b) == 0 && a.pieces != b.pieces && a.text.n > 0 &&
		    str_eq(buf_str(&a.text), buf_str(&b.text));
	if (same)
		*step = (struct excuse){(uint32_t)(a.end - c->old_piece), (uint32_t)(b.end - c->new_piece)};
	buf_release(&a.text);
	buf_release(&b.text);
	return same;
}

/* Do the pieces begin a message of the same place? */
static bool begins_message(const struct view *v, size_t piece)
{
	return piece_in_messages(v, piece) && (piece == 0 || !same_message(v, piece - 1, piece));
}

bool message_trimmed(const struct view *old, const struct view *new, const struct comparison *c, uint32_t *gone)
{
	if (!begins_message(old, c->old_piece) || !begins_message(new, c->new_piece))
		return false;
	const struct digest *digest = &piece_of(new, c->new_piece)->digest;
	for (size_t i = c->old_piece; (i = rendered_search(&old->rendered, digest, i + 1)) < old->rendered.n;) {
		if (!begins_message(old, i))
			continue;
		size_t same = 0, more;
		while ((more = rendered_equal(&old->rendered, i + same, &new->rendered, c->new_piece + same)) > 0)
			same += more;
		*gone = (uint32_t)(i - c->old_piece);
		return i + same == old->rendered.n;
	}
	return false;
}

bool message_thinking_left_out(const struct view *old, const struct view *new, const struct comparison *c)
{
	return (piece_classes(old, c->old_piece) & PIECE_THINKING) && new->rendered.dropped > old->rendered.dropped;
}

bool message_thinking_gone(const struct view *old, const struct view *new, const struct comparison *c)
{
	const struct render_piece *a = piece_of(old, c->old_piece), *b = piece_of(new, c->new_piece);
	size_t k = c->old_piece;
	if (new->rendered.dropped != old->rendered.dropped)
		return false;
	while (k < old->rendered.n && (piece_classes(old, k) & PIECE_THINKING) && same_message(old, k, c->old_piece))
		k++;
	if (k == c->old_piece || piece_equal(old, k, new, c->new_piece))
		return k > c->old_piece;
	if (a->place != b->place || a->message != b->message || piece_part(new, c->new_piece)->role != ROLE_ASSISTANT)
		return false;
	for (k = c->new_piece; k < new->rendered.n &&same_message(new, k, c->new_piece); k++)
		if (piece_classes(new, k) & PIECE_THINKING)
			return false;
	return true;
}

bool message_text_moved(const struct view *old, const struct view *new, const struct comparison *c, uint32_t *texts)
{
	const struct render_piece *a = piece_of(old, c->old_piece);
	if (piece_part(old, c->old_piece)->block != BLOCK_TOOL_RESULT || !piece_in_messages(old, c->old_piece))
		return false;
	for (size_t k = c->new_piece;
	     k < new->rendered.n &&piece_in_messages(new, k) && piece_of(new, k)->message == a->message; k++) {
		if (piece_equal(old, c->old_piece, new, k)) {
			*texts = (uint32_t)(k - c->new_piece);
			return piece_of(new, c->new_piece)->index > piece_of(new, k)->index;
		}
	}
	return false;
}
