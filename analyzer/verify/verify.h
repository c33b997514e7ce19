/* SPDX-License-Identifier: MIT */
#ifndef VERIFY_VERIFY_H
#define VERIFY_VERIFY_H

/*
 * Is a trace whole, and may it be shared? Every body is rebuilt and must have its SHA-256, every part its own; ids,
 * counts and footer must fit; and all text in the file is searched for what looks like a key (trace/secrets.h): strings
 * of every line with their escapes taken off, base64 decoded, parts that are told by others put together, and what a
 * stream says in many small events joined.
 *
 * Memory: the reader's index, one line, one body.
 */

#include "base/buf.h"
#include "base/digest.h"
#include "trace/reader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many are told one by one; all are counted. */
#define VERIFY_TOLD_MAX 1000

/* Something does not fit: the file was changed or damaged. */
struct verify_problem {
	uint64_t line;
	char *what;
};

/* One key, however often it stands in the file. */
struct verify_finding {
	const char *looks_like;
	struct digest id; /* of the key: never shown */
	uint64_t times;
	/* The first time: */
	uint64_t line;
	char *place;   /* "exchange 3 response.body.text", "part 7 (user text)" */
	uint64_t byte; /* within the text at this place */
	char *masked;
};

struct verify {
	uint64_t lines, bytes;
	uint64_t exchanges, parts;
	uint64_t bodies_proved;
	uint64_t bodies_incomplete; /* bytes were lost when they were recorded, and the trace says so */
	uint64_t bodies_not_kept;
	uint64_t parts_proved;
	bool ended; /* there is a footer, and it is the last line */
	bool cut;   /* the file ends inside a line */
	struct verify_problem *problems;
	size_t nproblems, problems_capacity;
	uint64_t problems_in_all;
	struct verify_finding *findings;
	size_t nfindings, findings_capacity;
	uint64_t findings_in_all; /* keys; those beyond the limit once for each time */
};

/* t: as trace_read has left it. Returns 0, or -1 with one line in error: it cannot be read. Release in either case. */
int verify_trace(struct trace *t, struct verify *out, char *error, size_t error_bytes);
void verify_release(struct verify *v);

/* verify_text.c */
void verify_text(const struct trace *t, const struct verify *v, struct buf *to);
void verify_json(const struct trace *t, const struct verify *v, struct buf *to);

#endif
