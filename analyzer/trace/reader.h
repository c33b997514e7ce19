/* SPDX-License-Identifier: MIT */
#ifndef TRACE_READER_H
#define TRACE_READER_H

/*
 * Reads a trace into memory: everything but the bodies, which stay in the file and are rebuilt on demand. Versions this
 * build does not know are refused; unknown line types and fields are skipped. A file that ends inside a line, or holds
 * one that cannot be read, is read up to the last good line, with a warning.
 */

#include "exchange.h"
#include "trace/line_request.h"
#include "trace/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A content-addressed piece of request bodies, shared by all exchanges that sent it. */
struct trace_part {
	enum part_kind kind;
	enum part_role role;
	enum block_type block;
	bool exact;     /* false: its text is not in the trace (--content none) */
	uint64_t bytes; /* raw */
	uint64_t normalised_bytes;
	struct digest normalised; /* equal for parts that a model sees as equal */
	uint64_t file_offset;     /* of its line */
};

/* One prompt part of one request, in wire order. */
struct trace_prompt_part {
	uint32_t part;    /* index in trace.parts */
	uint32_t message; /* as in struct prompt_part */
	uint32_t index;
};

struct trace_process {
	int32_t pid, ppid;
	char *exe;
	uint64_t time_ns;
	bool forked;
};

struct trace_opaque {
	uint64_t connection;
	int32_t pid;
	char *peer, *kind, *server_name, *protocol, *reason; /* NULL: unknown */
	uint64_t sent_bytes, received_bytes, start_ns, end_ns, first_received_ns;
	struct turns turns; /* none but for TLS */
};

struct trace {
	char *path;
	int version;
	uint8_t run_id[16];
	uint64_t monotonic_ns, realtime_ns;
	char **command; /* NULL-terminated */
	char **fix;     /* "NAME=VALUE" that `kvscope run --fix` set, NULL-terminated; NULL: none */
	char *cwd;
	char *capture_mode;
	char *upstream; /* NULL: none */
	enum content_mode content;

	struct exchange *exchanges; /* in file order; bodies and prompt.parts empty, sizes and fingerprints set */
	size_t nexchanges;
	struct trace_part *parts;
	size_t nparts;
	struct trace_process *processes;
	size_t nprocesses;
	struct trace_request *requests; /* that were complete before their response began, in file order */
	size_t nrequests;
	struct trace_opaque *opaque;
	size_t nopaque;

	struct ring_loss ring_loss; /* all 0 when there was no loss line */
	struct pipeline_loss pipeline_loss;
	uint64_t lines_lost;
	bool has_footer;
	struct trace_footer footer;
	uint64_t lines; /* that were read; the first one that was not is the next */
	char *warning;  /* NULL, or one line: the file was cut at byte N, … */

	struct trace_index *index; /* private: where bodies lie, and a cache for rebuilding */
};

/*
 * Returns 0, or -1 with one line "PATH: line N: what" in error. The caller releases *out in either case. "-" is
 * standard input.
 */
int trace_read(const char *path, struct trace *out, char *error, size_t error_bytes);
/*
 * The same in steps, to follow a trace that is being written: trace_open reads the header alone, each trace_read_more
 * what whole lines have come since. It returns how many, or -1 with one line in error; arrays of the trace may have
 * moved then. After a line that cannot be read nothing more comes (t->warning says so).
 */
int trace_open(const char *path, struct trace *out, char *error, size_t error_bytes);
int trace_read_more(struct trace *t, char *error, size_t error_bytes);
void trace_release(struct trace *t);
/* The bytes of the file as they lie; as pread. */
ssize_t trace_read_bytes(const struct trace *t, uint64_t offset, char *to, size_t n);

/* Real time of a monotonic stamp, by which traces of several boots can be compared; 0 (absent) stays 0. */
uint64_t trace_real_time(const struct trace *t, uint64_t monotonic_ns);

/*
 * The prompt parts of an exchange, in wire order. *out belongs to the trace and is valid until the next call. Asking
 * for the exchanges in file order costs time for what changed, any other order for the chain of deltas.
 */
int trace_prompt(struct trace *t, size_t exchange, const struct trace_prompt_part **out, size_t *n, char *error,
		 size_t error_bytes);
/*
 * How many parts a prompt that trace_prompt gave begins with that an earlier one began with too, at the same places; a
 * lower bound, 0 where the two are not near in the chain of deltas.
 */
size_t trace_prompt_kept(const struct trace *t, size_t exchange, size_t earlier);
/* Where a part of a prompt begins in the exchange's body; -1: no memory, or the prompt has no such part. */
int64_t trace_part_offset(struct trace *t, size_t exchange, const struct trace_prompt_part *part);
/*
 * Appends the exact body and returns 0. 1: what is there of a body that was cut was appended, error says so. -1 with
 * one line in error: not kept (--content none), or its SHA-256 does not fit.
 */
int trace_request_body(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes);
/*
 * Appends the request's body with null in place of every part: what it says besides its prompt, at a fraction of the
 * cost. -1 with one line in error: not kept.
 */
int trace_request_outline(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes);
int trace_response_body(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes);
/* Appends the text of a part, exactly as in the body. -1 with one line in error: not kept, or the file has changed. */
int trace_part_text(struct trace *t, uint32_t part, struct buf *out, char *error, size_t error_bytes);
/* With --content none: appends the hex digits of its chain of keyed hashes (docs/trace-format.md). */
int trace_part_chain(struct trace *t, uint32_t part, struct buf *out, char *error, size_t error_bytes);
/* Appends the exchange's line as it stands in the trace, both bodies null. */
int trace_exchange_json(struct trace *t, size_t exchange, struct buf *out, char *error, size_t error_bytes);
/* The index of the exchange with this id, SIZE_MAX if there is none. */
size_t trace_find_exchange(const struct trace *t, uint64_t id);

#endif
