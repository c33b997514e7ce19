/* SPDX-License-Identifier: MIT */
#include "trace/line_diff.h"

#include "trace/excerpt.h"

#include <stdint.h>
#include <stdlib.h>

#define LINES_MAX 2000

struct lines {
	struct str *all;
	size_t n;
};

struct writer {
	const char *before;
	size_t max, shown;
	struct line_diff *counts;
	struct buf *out;
};

static int split(struct str text, struct lines *out)
{
	size_t n = 1, at = 0;
	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	*out = (struct lines){calloc(n, sizeof(*out->all)), 0};
	if (!out->all)
		return -1;
	while (at < text.n) {
		const char *end = memchr(text.p + at, '\n', text.n - at);
		size_t length = end ? (size_t)(end - text.p) - at : text.n - at;
		out->all[out->n++] = (struct str){text.p + at, length};
		at += length + 1;
	}
	return 0;
}

static void say(struct writer *w, const char *sign, struct str line)
{
	if (w->shown == w->max) {
		w->counts->left_out++;
		return;
	}
	w->shown++;
	buf_printf(w->out, "%s%s", w->before, sign);
	excerpt(line, 0, LINE_DIFF_COLUMNS, w->out);
	buf_putc(w->out, '\n');
}

/* table[i * (m + 1) + k]: the most lines that old from i on and new from k on have in common. */
static uint16_t *common_table(const struct str *old, size_t n, const struct str *new, size_t m)
{
	uint16_t *table = calloc((n + 1) * (m + 1), sizeof(*table));
	for (size_t i = n; table && i-- > 0;) {
		for (size_t k = m; k-- > 0;) {
			uint16_t *at = &table[i * (m + 1) + k];
			uint16_t down = at[m + 1], right = at[1];
			*at = str_eq(old[i], new[k]) ? (uint16_t)(at[m + 2] + 1) : down > right ? down : right;
		}
	}
	return table;
}

/* Lines that both have: those next to a difference, and a sign for the others. */
static void equal_run(struct writer *w, const struct str *lines, size_t n, bool first, bool last)
{
	size_t behind = first ? 0 : LINE_DIFF_CONTEXT, ahead = last ? 0 : LINE_DIFF_CONTEXT;
	if (n <= behind + ahead) {
		for (size_t i = 0; i < n; i++)
			say(w, "  ", lines[i]);
		return;
	}
	for (size_t i = 0; i < behind; i++)
		say(w, "  ", lines[i]);
	if (!first && !last)
		say(w, "", STR("…"));
	for (size_t i = n - ahead; i < n; i++)
		say(w, "  ", lines[i]);
}

static int middle(struct writer *w, const struct str *old, size_t n, const struct str *new, size_t m)
{
	uint16_t *table = n <= LINES_MAX && m <= LINES_MAX ? common_table(old, n, new, m) : NULL;
	size_t i = 0, k = 0;

	if (!table && n <= LINES_MAX && m <= LINES_MAX)
		return -1;
	while (i < n || k < m) {
		size_t run = 0;
		while (table && i + run < n && k + run < m && str_eq(old[i + run], new[k + run]))
			run++;
		if (run > 0) {
			equal_run(w, new + k, run, i == 0 && k == 0, i + run == n && k + run == m);
			i += run;
			k += run;
		} else if (i < n && (k == m || !table || table[(i + 1) * (m + 1) + k] >= table[i * (m + 1) + k + 1])) {
			w->counts->removed++;
			say(w, "- ", old[i++]);
		} else {
			w->counts->added++;
			say(w, "+ ", new[k++]);
		}
	}
	free(table);
	return 0;
}

int line_diff(struct str old, struct str new, const char *before, size_t max, struct line_diff *counts, struct buf *out)
{
	struct writer w = {.before = before, .max = max, .counts = counts, .out = out};
	struct lines a = {NULL, 0}, b = {NULL, 0};
	size_t head = 0, tail = 0;
	int result = -1;

	*counts = (struct line_diff){0, 0, 0};
	if (split(old, &a) < 0 || split(new, &b) < 0)
		goto out;
	while (head < a.n && head < b.n && str_eq(a.all[head], b.all[head]))
		head++;
	while (tail < a.n - head && tail < b.n - head && str_eq(a.all[a.n - 1 - tail], b.all[b.n - 1 - tail]))
		tail++;
	if (head == a.n && head == b.n) {
		result = 0;
		goto out;
	}
	equal_run(&w, b.all, head, true, false);
	result = middle(&w, a.all + head, a.n - head - tail, b.all + head, b.n - head - tail);
	equal_run(&w, b.all + b.n - tail, tail, false, true);
out:
	free(a.all);
	free(b.all);
	return result;
}
