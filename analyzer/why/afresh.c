/* SPDX-License-Identifier: MIT */
#include "why/afresh.h"

#include "why/signs.h"
#include "why/text_signs.h"

#define TEXT_MAX ((size_t)8 << 20)
/* How many pieces behind the difference are looked at for a summary. */
#define SUMMARY_PIECES 8
/* How many of a prompt's pieces are looked for in the one before. */
#define AFRESH_PIECES 256

static bool comes_again(const struct view *in, const struct view *of, size_t piece)
{
	return rendered_search(&in->rendered, &piece_of(of, piece)->digest, 0) < in->rendered.n;
}

static bool says(const struct view *v, size_t piece, bool (*sign)(struct str text))
{
	struct buf text;
	buf_init(&text, TEXT_MAX);
	bool found = signs_part_text(v->trace, piece_of(v, piece)->part, &text) == 0 && sign(buf_str(&text));
	buf_release(&text);
	return found;
}

static bool is_summary(struct str text)
{
	return text_is_compaction(STR(""), text);
}

static bool has_reminder(struct str text)
{
	return text_contains(text, STR("<system-reminder>"));
}

bool afresh_by_summary(const struct view *old, const struct view *new, const struct comparison *c)
{
	if (!piece_in_messages(old, c->old_piece))
		return false;
	for (size_t i = c->new_piece; i < new->rendered.n &&i < c->new_piece + SUMMARY_PIECES; i++) {
		const struct trace_part *part = piece_part(new, i);
		if (part->kind == PART_MESSAGE && part->role == ROLE_USER && part->block == BLOCK_TEXT &&
		    !comes_again(old, new, i) && says(new, i, is_summary))
			return true;
	}
	return false;
}

static bool is_answer(const struct view *v, size_t piece)
{
	return piece_in_messages(v, piece) && piece_part(v, piece)->role == ROLE_ASSISTANT;
}

bool afresh_by_clear(const struct view *old, const struct view *new, const struct comparison *c)
{
	size_t answer, end;
	rendered_find(&old->rendered, KIND_MESSAGES, &answer, &end);
	while (answer < old->rendered.n && !is_answer(old, answer))
		answer++;
	if (answer == old->rendered.n || answer < c->old_piece || !piece_in_messages(old, c->old_piece))
		return false;
	for (size_t k = c->new_piece; k < new->rendered.n &&k < c->new_piece + AFRESH_PIECES; k++)
		if (comes_again(old, new, k) && !says(new, k, has_reminder))
			return false;
	return true;
}
