/* SPDX-License-Identifier: MIT */
#ifndef TRACE_INDEX_H
#define TRACE_INDEX_H

/*
 * Private to the reader: where lines lie in the file, what request bodies are made of, and what was rebuilt lately.
 */

#include "trace/body.h"
#include "trace/fields.h"
#include "trace/reader.h"

#define INDEX_NONE UINT32_MAX
/* Longer literals stay in the file. */
#define INDEX_LITERAL_MAX 1024

enum segment_kind { SEGMENT_COPY, SEGMENT_PART, SEGMENT_LITERAL };

/* One segment of a body as the line says it. */
struct segment {
	enum segment_kind kind;
	uint32_t start, count; /* SEGMENT_COPY: of the base's items */
	uint32_t part;         /* SEGMENT_PART */
	int32_t step;
	uint32_t index; /* BODY_INDEX_USUAL */
	uint32_t bytes; /* SEGMENT_LITERAL */
	char *text;     /* NULL: long, in the file */
};

/* One segment of a body with all copies resolved. */
struct item {
	uint64_t at;      /* bytes of the body before it; see struct item_list */
	uint32_t part_at; /* parts before it in its list */
	uint32_t part;    /* BODY_LITERAL: segment `segment` of exchange `exchange` */
	int32_t step;
	uint32_t index;
	uint32_t exchange;
	uint32_t segment;
};

struct item_change {
	size_t at;
	struct item item;
};

/*
 * The items of one exchange's body, and the prompt that they make. The next body of a conversation takes its base's
 * list over and changes its end, so that a walk in file order costs what is new and not the length of every body.
 */
struct item_list {
	uint32_t exchange; /* INDEX_NONE: unused */
	uint64_t used;
	struct item *items;
	size_t n, capacity;
	size_t located; /* the first items, of which `at` is told */
	struct trace_prompt_part *prompt;
	size_t nprompt, prompt_capacity;
	size_t first[PART_KINDS]; /* in prompt; SIZE_MAX: none of that kind */
	/* The base that the list was taken over from: its first `kept` items, of which some are others now, then these.
	 */
	uint32_t before; /* INDEX_NONE: it was not */
	size_t kept;
	struct item *ending;
	size_t nending, ending_capacity;
	struct item_change *changes; /* what stood in their places */
	size_t nchanges, changes_capacity;
};

struct indexed_exchange {
	uint64_t file_offset;
	uint64_t line_bytes;
	bool has_request, has_response; /* bodies */
	uint32_t base;                  /* an index, or INDEX_NONE */
	struct segment *segments;
	uint32_t nsegments;
	uint32_t nitems;
	uint32_t parts_kept; /* the parts that its prompt and its base's both begin with; set with its list */
};

struct indexed_part {
	uint64_t line_bytes;
	bool like; /* its text is told by another part's */
	char *text;
};

/* Where a line lies. */
struct line_place {
	uint64_t offset;
	uint64_t bytes;
};

struct exchange_id; /* line_add.c */

/* Enough for the conversations that go on at the same time, so that file order never walks a chain. */
#define INDEX_LISTS 16

struct trace_index {
	int fd;
	uint64_t position; /* of the first byte of `tail` */
	uint64_t line;     /* number of the line being read */
	struct buf tail;   /* read, not yet a whole line */
	bool stopped;      /* a line could not be read: nothing after it is */

	size_t exchanges_capacity, parts_capacity, processes_capacity, opaque_capacity, requests_capacity;
	struct indexed_exchange *exchanges;
	size_t indexed_exchanges_capacity;
	struct indexed_part *parts;
	size_t indexed_parts_capacity;
	struct exchange_id *ids;

	struct item_list lists[INDEX_LISTS];
	uint64_t clock;
	size_t text_bytes; /* held in parts[].text */
};

/* line_add.c: a line, added to what the trace holds. NULL, or what is wrong with it (static words). */
const char *line_add(struct trace *t, struct str text, struct line_place place);
/* Frees all that lines added. */
void line_release_added(struct trace *t);

/* line_read.c: fills the exchange and what the index says of it from a line. NULL, or what is wrong (static words). */
const char *line_read_exchange(const struct trace *t, const cJSON *line, struct exchange *x,
			       struct indexed_exchange *at);
/* The value of "text" or "base64" appended to out. False if there is neither, or no memory. */
bool line_read_text(const cJSON *object, struct buf *out);

/* items.c: the list of an exchange that has a request body, valid until the next call. NULL: no memory. */
struct item_list *index_items(struct trace *t, uint32_t exchange);

/* rebuild.c */
void index_release_rebuilt(struct trace_index *in, size_t nparts);

#endif
