/* SPDX-License-Identifier: MIT */
#include "replay/spans.h"

#include "base/array.h"

#include <stdlib.h>

bool span_member(struct str object, struct str key, struct json_value *out)
{
	return json_span_member(object, key, out);
}

struct str span_text(struct str object, struct str key)
{
	struct json_value v;
	return span_member(object, key, &v) ? json_string_inner(v) : STR_NONE;
}

bool span_is(struct str object, struct str key, struct str word)
{
	struct str text = span_text(object, key);
	return text.p && json_string_eq(text, word);
}

struct span_walk span_walk(struct str array)
{
	struct span_walk w = {.bad = true};

	json_scan_init(&w.scan, array);
	if (array.p && json_peek(&w.scan) == JSON_ARRAY)
		w.bad = json_enter(&w.scan, JSON_ARRAY, &w.level) < 0;
	return w;
}

bool span_next(struct span_walk *w, struct json_value *out)
{
	return !w->bad && json_next(&w->scan, &w->level, NULL) && json_read(&w->scan, out) == 0;
}

size_t span_end_of_object(struct str object, bool *empty)
{
	size_t end = object.n;

	while (end > 0 && object.p[end - 1] != '}')
		end--;
	if (end > 0)
		end--;
	size_t before = end;
	while (before > 0 && strchr(" \t\r\n", object.p[before - 1]))
		before--;
	*empty = before > 0 && object.p[before - 1] == '{';
	return before;
}

/* ---- edits */

void edits_init(struct edits *e, struct str text)
{
	*e = (struct edits){.text = text};
	buf_init(&e->texts, BUF_UNLIMITED);
}

void edits_release(struct edits *e)
{
	free(e->list);
	buf_release(&e->texts);
	*e = (struct edits){0};
}

void edits_replace(struct edits *e, struct str range, struct str by)
{
	struct edit *grown = array_grow(e->list, &e->capacity, e->n + 1, sizeof(*grown));

	if (!grown || range.p < e->text.p || range.p + range.n > e->text.p + e->text.n) {
		e->failed = true;
		return;
	}
	e->list = grown;
	grown[e->n++] = (struct edit){(size_t)(range.p - e->text.p), range.n, e->texts.n, by.n};
	if (buf_append_str(&e->texts, by) < 0)
		e->failed = true;
}

void edits_insert(struct edits *e, const char *before, struct str what)
{
	edits_replace(e, (struct str){before, 0}, what);
}

void edits_set(struct edits *e, const char *key, struct str json)
{
	struct json_value v;
	struct buf member;
	bool empty;

	if (span_member(e->text, str_from(key), &v)) {
		edits_replace(e, v.raw, json);
		return;
	}
	size_t end = span_end_of_object(e->text, &empty);
	buf_init(&member, BUF_UNLIMITED);
	/* Several insertions at one place stand in the order in which they were made. */
	bool first = empty;
	for (size_t i = 0; i < e->n; i++)
		if (e->list[i].at == end && e->list[i].bytes == 0)
			first = false;
	buf_printf(&member, "%s\"%s\":", first ? "" : ",", key);
	buf_append_str(&member, json);
	edits_insert(e, e->text.p + end, buf_str(&member));
	e->failed = e->failed || member.failed;
	buf_release(&member);
}

bool edits_remove_member(struct edits *e, struct str object, struct str key)
{
	struct json_scan s;
	struct json_level level;
	struct str name;
	size_t before = 0; /* where the members before this one end */
	bool first = true;

	json_scan_init(&s, object);
	if (!object.p || json_peek(&s) != JSON_OBJECT || json_enter(&s, JSON_OBJECT, &level) < 0)
		return false;
	before = s.at;
	while (json_next(&s, &level, &name)) {
		bool is = json_string_eq(name, key);
		if (json_skip(&s) < 0)
			return false;
		if (is) {
			size_t from = first ? before : before, to = s.at;
			/* The comma before it goes with it; of the first member the one behind it. */
			if (first) {
				size_t next = to;
				while (next < object.n && strchr(" \t\r\n", object.p[next]))
					next++;
				to = next < object.n && object.p[next] == ',' ? next + 1 : to;
			}
			edits_replace(e, (struct str){object.p + from, to - from}, STR(""));
			return true;
		}
		before = s.at;
		first = false;
	}
	return false;
}

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	/* Insertions before what is replaced there; among themselves in their order. */
	if ((x->bytes == 0) != (y->bytes == 0))
		return x->bytes == 0 ? -1 : 1;
	return x->from < y->from ? -1 : x->from > y->from;
}

int edits_apply(struct edits *e, struct buf *out)
{
	size_t at = 0;

	if (e->failed)
		return -1;
	if (e->n > 0)
		qsort(e->list, e->n, sizeof(*e->list), by_place);
	for (size_t i = 0; i < e->n; i++) {
		const struct edit *c = &e->list[i];
		if (c->at < at)
			return -1;
		buf_append(out, e->text.p + at, c->at - at);
		if (c->count > 0)
			buf_append(out, e->texts.p + c->from, c->count);
		at = c->at + c->bytes;
	}
	buf_append(out, e->text.p + at, e->text.n - at);
	return out->failed ? -1 : 0;
}
