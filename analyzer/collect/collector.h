/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_COLLECTOR_H
#define COLLECT_COLLECTOR_H

/*
 * Drives a run's collection: ring reader → pipeline → trace writer, and keeps the list of processes that mapped the
 * ring so that their end is noticed (no destructor in a host is relied upon).
 *
 * While an exchange is in progress the ring keeps what was read of it, as far as it has room: should this collector be
 * killed, the next one reads it again.
 *
 * The owner calls collector_poll every COLLECTOR_POLL_MS while the run lasts, never faster (a faster poll was measured
 * to slow the client), then collector_finish.
 *
 * Where records come faster than they can be read, or the programs of the run want the processors for themselves
 * (collect/pace.h), they are taken out of the ring all the same and wait (collect/backlog.h): the ring has room for a
 * burst whenever the collector sleeps. What waits is read later, after the command if need be.
 */

#include "trace/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COLLECTOR_POLL_MS 20

struct collector_summary {
	uint64_t exchanges;
	uint64_t failed;         /* of them without a response, or with one of status 400 and above */
	uint64_t requests_bytes; /* bodies */
	int64_t prompt_tokens;   /* as reported, cached ones included; EXCHANGE_ABSENT: nothing was reported */
	uint64_t processes;      /* that mapped the ring */
	uint64_t alive;          /* of them still alive at the end */
	uint64_t opaque;         /* connections seen by sizes and times only; of them: */
	uint64_t opaque_tls;
	uint64_t opaque_http;    /* HTTP that is not an LLM API */
	uint64_t opaque_spoiled; /* meant to be read, but unreadable */
	char opaque_server[256]; /* server name of the busiest TLS connection, "" if none */
	uint64_t lost_records;   /* in the ring */
	uint64_t holes;
	bool ring_corrupt;
	char trace_error[256]; /* "" or why lines were lost */
};

/* How a collection ends. */
struct collector_end {
	int exit_status; /* of the command; -1: unknown, or it was killed */
	int signal;      /* that killed it; -1: unknown, 0: none */
	/* Processes that still live may go on writing for a later collector. Else they are told that nobody reads. */
	bool leave_open;
	/* Somebody has had enough of waiting: what waits is not read any more, and counted as lost. */
	bool give_up;
};

struct collector;

/*
 * Borrows the paths. The run id and the clock anchors of the header are taken from the ring. Returns 0 or -1 with one
 * line in error.
 */
int collector_open(const char *ring_path, const char *trace_path, bool overwrite, const struct trace_header *header,
		   struct collector **out, char *error, size_t error_bytes);
/*
 * Takes all that is in the ring, and reads as much of it as there is time for. Returns records read, -1 when the ring
 * is corrupt and nothing of it waits any more.
 */
int collector_poll(struct collector *c);
/* The command has ended: from now on nobody is given precedence. */
void collector_hurry(struct collector *c);
/* The last poll left something unread, in the ring or out of it. */
bool collector_behind(const struct collector *c);
/* Records that were taken out of the ring and not read yet, as of the last poll. */
uint64_t collector_waiting(const struct collector *c);
/*
 * Watches a process that mapped the ring before us: an earlier collector has read the record that says so. Returns 0,
 * or -1: no memory.
 */
int collector_adopt(struct collector *c, int32_t pid);
/*
 * Keeps an exchange or a connection that began at this moment in this process out of the trace: an earlier collector
 * has written it, but was killed before the ring could forget it. Returns 0, or -1: no memory.
 */
int collector_skip(struct collector *c, int32_t pid, uint64_t start_ns);
/* Processes known to have mapped the ring that have not ended, as of the last poll. */
size_t collector_alive(const struct collector *c);
/* Reads all that is left, finishes all that is open, writes loss and footer, closes the trace. Frees c. */
void collector_finish(struct collector *c, const struct collector_end *end, struct collector_summary *out);

#endif
