/* SPDX-License-Identifier: MIT */
#ifndef TRACE_WRITER_H
#define TRACE_WRITER_H

/*
 * Writes a trace (docs/trace-format.md): one JSON document per line, appended whole, so that a file cut anywhere is
 * good up to its last line. Parts of request bodies are written once; a body is a delta against an earlier exchange of
 * the same conversation.
 *
 * A write that fails (full disk, file-size limit) is not fatal: lines wait in memory, up to a limit, and are tried
 * again with every later line and at the end; what must be given up is counted.
 */

#include "collect/continues.h"
#include "collect/pipeline.h"
#include "collect/ring_reader.h"
#include "exchange.h"

#include <stdint.h>

enum content_mode { CONTENT_FULL, CONTENT_NONE };

struct trace_header {
	uint8_t run_id[16];
	uint64_t monotonic_ns; /* the same moment on two clocks */
	uint64_t realtime_ns;
	const char *const *command; /* NULL-terminated; arguments after the program name are the user's own words */
	const char *cwd;
	const char *const *fix; /* "NAME=VALUE" that --fix set, NULL-terminated; NULL: none */
	const char *capture_mode;
	const char *upstream; /* relay: URL of the server; else NULL */
	enum content_mode content;
};

/* How the run ended; absent numbers are -1. */
struct trace_footer {
	uint64_t end_ns; /* monotonic */
	int exit_status; /* of the command */
	int signal;      /* that killed it */
	bool complete;   /* false: processes of the run were still alive */
};

struct trace_writer;

/* Creates the file 0600 (O_EXCL unless overwrite) with the header line. Returns 0, or -1 with one line of text in
 * error. */
int trace_writer_open(const char *path, bool overwrite, const struct trace_header *header, struct trace_writer **out,
		      char *error, size_t error_bytes);
/* May steal the bodies of x. */
void trace_writer_exchange(struct trace_writer *w, struct exchange *x);
/* A request that is complete and has no response yet. */
void trace_writer_request(struct trace_writer *w, const struct exchange *x, const struct continues *c);
void trace_writer_process(struct trace_writer *w, const struct pipeline_process *p);
void trace_writer_opaque(struct trace_writer *w, const struct opaque_connection *c);
/* Lines are written many at a time: until this call, those of the last few calls may be in memory alone. */
void trace_writer_flush(struct trace_writer *w);
/*
 * Writes the loss line, if anything was lost, and the footer, and closes. Returns 0, or -1 with a line of text in
 * error: lines were lost. Frees w.
 */
int trace_writer_close(struct trace_writer *w, const struct ring_loss *ring, const struct pipeline_loss *pipeline,
		       const struct trace_footer *footer, char *error, size_t error_bytes);

#endif
