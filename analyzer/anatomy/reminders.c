/* SPDX-License-Identifier: MIT */
#include "anatomy/reminders.h"

#include <string.h>

static const struct {
	const char *open, *close;
} tags[] = {
	{"<system-reminder>", "</system-reminder>"},
	{"<total_tokens>", "</total_tokens>"},
};

/* Under a heading, as far as 2.1.112 at least; later a reminder of their own: "Contents of PATH.md (project ...". */
#define MEMORY "# claudeMd"
#define CONTENTS "\\nContents of "
#define IS_MEMORY_FILE ".md ("
#define PATH_BYTES_MAX 4200
/* What the client lets follow the memory files; their own text has headings, too. */
static const char *const after_memory[] = {"\\n# currentDate", "\\n# gitStatus", "\\n# userEmail",
					   "\\n      IMPORTANT: this context"};

static const char *find(struct str in, const char *what)
{
	return in.n ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

static struct str rest(struct str all, const char *from)
{
	return (struct str){from, (size_t)(all.p + all.n - from)};
}

static size_t memory_in(struct str reminder)
{
	const char *begin = find(reminder, MEMORY);
	if (!begin && (begin = find(reminder, CONTENTS))) {
		struct str line = rest(reminder, begin);
		line.n = line.n < PATH_BYTES_MAX ? line.n : PATH_BYTES_MAX;
		const char *end = find((struct str){line.p + 2, line.n - 2}, "\\n");
		line.n = end ? (size_t)(end - line.p) : line.n;
		if (!find(line, IS_MEMORY_FILE))
			begin = NULL;
	}
	if (!begin)
		return 0;
	struct str memory = rest(reminder, begin);
	for (size_t i = 0; i < sizeof(after_memory) / sizeof(*after_memory); i++) {
		const char *end = find(memory, after_memory[i]);
		if (end)
			memory.n = (size_t)(end - memory.p);
	}
	return memory.n;
}

void reminders_measure(struct str json, struct reminders *out)
{
	*out = (struct reminders){0, 0};
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
		struct str left = json;
		const char *begin, *end;
		while ((begin = find(left, tags[i].open)) && (end = find(rest(left, begin), tags[i].close))) {
			struct str inside = {begin, (size_t)(end - begin) + strlen(tags[i].close)};
			size_t memory = memory_in(inside);
			out->memory += memory;
			out->reminders += inside.n - memory;
			left = rest(left, inside.p + inside.n);
		}
	}
}
