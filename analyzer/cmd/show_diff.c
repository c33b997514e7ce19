/* SPDX-License-Identifier: MIT */
#include "base/json_out.h"
#include "cli/msg.h"
#include "cmd/show.h"
#include "trace/excerpt.h"
#include "trace/line_diff.h"
#include "trace/prompt_diff.h"
#include "why/signs.h"

/* Differing parts listed for people; a program gets all of them. */
#define LISTED_MAX 40
/* Of a system block that changed. */
#define LINES_SHOWN 40
#define BLOCK_MAX ((size_t)16 << 20)

static const char *const change_names[] = {
	[PROMPT_ADDED] = "added",
	[PROMPT_REMOVED] = "removed",
	[PROMPT_CHANGED] = "changed",
};

struct sides {
	struct trace *t;
	const struct exchange *old, *new;
	const struct prompt_diff *d;
};

/* The part that a difference is about: the new one if there is one. */
static const struct trace_prompt_part *part_of(const struct sides *s, const struct prompt_difference *x,
					       const struct exchange **of)
{
	bool gone = x->new_part == SIZE_MAX;
	*of = gone ? s->old : s->new;
	return gone ? &s->d->old_parts[x->old_part] : &s->d->new_parts[x->new_part];
}

static void place_text(struct buf *to, const struct sides *s)
{
	const struct prompt_diff *d = s->d;
	const struct text_style c = text_style_for(stdout, false);

	if (d->common == d->nold && d->common == d->nnew) {
		buf_puts(to, "  the same prompt\n");
		return;
	}
	if (d->common == d->nold || d->common == d->nnew) {
		bool grown = d->common == d->nold;
		buf_printf(to, "  %llu only continues %llu: %zu parts more\n",
			   (unsigned long long)(grown ? s->new : s->old)->id,
			   (unsigned long long)(grown ? s->old : s->new)->id,
			   grown ? d->nnew - d->common : d->nold - d->common);
		return;
	}
	buf_printf(to, "  %sfirst difference%s  ", c.bold, c.reset);
	if (d->place.path)
		escape_for_terminal(str_from(d->place.path), to);
	else
		prompt_part_path(s->t, s->new, &d->new_parts[d->common], to);
	if (!d->place.known) {
		buf_puts(to, ", where the other has ");
		prompt_part_path(s->t, s->old, &d->old_parts[d->common], to);
		buf_putc(to, '\n');
		return;
	}
	buf_printf(to, ", byte %llu of the part%s\n", (unsigned long long)d->place.byte,
		   d->place.old_text ? "" : " or up to 63 further (--content none)");
	if (d->place.old_text)
		buf_printf(to, "    %s- %s%s\n    %s+ %s%s\n", c.red, d->place.old_text, c.reset, c.green,
			   d->place.new_text, c.reset);
}

/* A system block that changed, line by line. */
static void lines_text(struct buf *to, const struct sides *s, const struct prompt_difference *x)
{
	uint32_t parts[] = {s->d->old_parts[x->old_part].part, s->d->new_parts[x->new_part].part};
	struct buf texts[2], lines;
	struct line_diff counts;
	bool kept = true;

	buf_init(&lines, BLOCK_MAX);
	for (int i = 0; i < 2; i++) {
		buf_init(&texts[i], BLOCK_MAX);
		kept = kept && signs_part_text(s->t, parts[i], &texts[i]) == 0;
	}
	if (kept && line_diff(buf_str(&texts[0]), buf_str(&texts[1]), "      ", LINES_SHOWN, &counts, &lines) == 0) {
		buf_printf(to, "    %zu of its lines removed, %zu added\n", counts.removed, counts.added);
		buf_append_str(to, buf_str(&lines));
		if (counts.left_out)
			buf_printf(to, "      … and %zu lines more\n", counts.left_out);
	}
	for (int i = 0; i < 2; i++)
		buf_release(&texts[i]);
	buf_release(&lines);
}

static void diff_text(struct buf *to, const struct sides *s)
{
	const struct prompt_diff *d = s->d;
	const struct exchange *of;

	buf_printf(to, "exchange %llu → %llu\n", (unsigned long long)s->old->id, (unsigned long long)s->new->id);
	buf_printf(
		to,
		"  common prefix     %zu of %zu parts, %llu bytes (tools, system, messages; without cache markers)\n",
		d->common, d->nnew, (unsigned long long)d->common_bytes);
	place_text(to, s);
	for (size_t i = 0; i < d->n && i < LISTED_MAX; i++) {
		const struct trace_prompt_part *p = part_of(s, &d->list[i], &of);
		const struct trace_part *part = &s->t->parts[p->part];
		buf_printf(to, "  %-8s ", change_names[d->list[i].change]);
		prompt_part_path(s->t, of, p, to);
		buf_printf(to, "  %s%s%s, %llu bytes\n", part->role == ROLE_NONE ? "" : part_role_name(part->role),
			   part->role == ROLE_NONE ? "" : " ", block_type_name(part->block),
			   (unsigned long long)part->normalised_bytes);
		if (d->list[i].change == PROMPT_CHANGED && part->kind == PART_SYSTEM)
			lines_text(to, s, &d->list[i]);
	}
	if (d->n > LISTED_MAX)
		buf_printf(to, "  … and %zu more (--json lists all)\n", d->n - LISTED_MAX);
	if (d->moved)
		buf_printf(to, "  %zu parts behind the first difference are in both\n", d->moved);
}

static void json_part(struct json_out *j, const char *key, const struct sides *s, const struct exchange *of,
		      const struct trace_prompt_part *p)
{
	struct buf path;
	buf_init(&path, 256);
	prompt_part_path(s->t, of, p, &path);
	json_out_object(j, key);
	json_out_uint(j, "part", p->part);
	json_out_cstr(j, "path", path.p);
	json_out_cstr(j, "block", block_type_name(s->t->parts[p->part].block));
	json_out_uint(j, "normalised_bytes", s->t->parts[p->part].normalised_bytes);
	json_out_end(j);
	buf_release(&path);
}

static void diff_json(struct buf *to, const struct sides *s)
{
	const struct prompt_diff *d = s->d;
	struct json_out j;

	json_out_init(&j, to, true);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "trace", s->t->path);
	json_out_uint(&j, "old", s->old->id);
	json_out_uint(&j, "new", s->new->id);
	json_out_uint(&j, "old_parts", d->nold);
	json_out_uint(&j, "new_parts", d->nnew);
	json_out_uint(&j, "common_parts", d->common);
	json_out_uint(&j, "common_bytes", d->common_bytes);
	if (d->common < d->nold && d->common < d->nnew) {
		json_out_object(&j, "first_difference");
		json_part(&j, "old", s, s->old, &d->old_parts[d->common]);
		json_part(&j, "new", s, s->new, &d->new_parts[d->common]);
		json_out_cstr(&j, "path", d->place.path);
		if (d->place.known)
			json_out_uint(&j, "byte", d->place.byte);
		else
			json_out_null(&j, "byte");
		json_out_cstr(&j, "old_text", d->place.old_text);
		json_out_cstr(&j, "new_text", d->place.new_text);
		json_out_end(&j);
	} else {
		json_out_null(&j, "first_difference");
	}
	json_out_array(&j, "differences");
	for (size_t i = 0; i < d->n; i++) {
		const struct prompt_difference *x = &d->list[i];
		json_out_object(&j, NULL);
		json_out_cstr(&j, "change", change_names[x->change]);
		if (x->old_part != SIZE_MAX)
			json_part(&j, "old", s, s->old, &d->old_parts[x->old_part]);
		if (x->new_part != SIZE_MAX)
			json_part(&j, "new", s, s->new, &d->new_parts[x->new_part]);
		json_out_end(&j);
	}
	json_out_end(&j);
	json_out_uint(&j, "moved_parts", d->moved);
	json_out_end(&j);
	buf_putc(to, '\n');
}

int show_diff(struct trace *t, size_t old_exchange, size_t new_exchange, bool json, char *error, size_t error_bytes)
{
	struct prompt_diff d;
	struct buf out;

	buf_init(&out, BUF_UNLIMITED);
	int status = prompt_diff(t, old_exchange, new_exchange, &d, error, error_bytes);
	if (status == 0) {
		const struct sides s = {t, &t->exchanges[old_exchange], &t->exchanges[new_exchange], &d};
		if (json)
			diff_json(&out, &s);
		else
			diff_text(&out, &s);
		if (out.failed) {
			snprintf(error, error_bytes, "out of memory");
			status = -1;
		} else {
			fwrite(out.p, 1, out.n, stdout);
		}
	}
	prompt_diff_release(&d);
	buf_release(&out);
	return status;
}
