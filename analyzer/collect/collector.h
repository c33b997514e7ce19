/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_COLLECTOR_H
#define COLLECT_COLLECTOR_H

/*
 * Drives a run's collection: ring reader → pipeline → trace writer, and keeps the list of processes that mapped the
 * ring so that their end is noticed (no destructor in a host is relied upon).
 *
 * The owner calls collector_poll every COLLECTOR_POLL_MS while the run lasts, never faster (a faster poll was measured
 * to slow the client), then collector_finish.
 */

#include "trace/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLLECTOR_POLL_MS 20

struct collector_summary {
	uint64_t exchanges;
	uint64_t requests_bytes; /* bodies */
	uint64_t processes;      /* that mapped the ring */
	uint64_t alive;          /* of them still alive at the end */
	uint64_t opaque;         /* connections seen by sizes and times only */
	char opaque_server[256]; /* server name of the busiest TLS connection, "" if none */
	uint64_t lost_records;   /* in the ring */
	uint64_t holes;
	char trace_error[256]; /* "" or why lines were lost */
};

struct collector;

/* Borrows the paths. Returns 0 or -1 with one line in error. */
int collector_open(const char *ring_path, const char *trace_path, bool overwrite, const struct trace_header *header,
		   struct collector **out, char *error, size_t error_bytes);
/* Takes all that is in the ring. Returns records read, -1 when the ring is corrupt. */
int collector_poll(struct collector *c);
/* Drains, finishes all that is open, writes loss and footer, closes the trace. Frees c. */
void collector_finish(struct collector *c, int exit_status, int signal, struct collector_summary *out);

#endif
