/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_PIPELINE_H
#define COLLECT_PIPELINE_H

/*
 * Records in, exchanges out: ring records (or those of any other capture that speaks them) → byte streams per
 * connection, with holes → HTTP/1 messages → bodies decoded → server-sent events → dialect → exchange. No I/O, no
 * clock: all times come with the records.
 *
 *     stream/    byte streams with holes, one pair per connection
 *     http/      HTTP/1 messages, content decoding, server-sent events
 *     api/       what requests and responses mean
 *     prompt/    parts and fingerprints
 *
 * Request and response of a connection may come in any order (two threads); they are paired by their order on the
 * connection. All memory is bounded by what is open: connections, their unfinished messages and the limits below. What
 * passes a limit ends as an exchange with an error and a hole, and the stream goes on.
 */

#include "base/str.h"
#include "collect/turns.h"
#include "exchange.h"
#include "kvscope/ring.h"

#include <stdbool.h>
#include <stdint.h>

#define PIPELINE_BODY_MAX ((size_t)64 << 20)
#define PIPELINE_HEAD_MAX ((size_t)256 << 10)
#define PIPELINE_EVENT_MAX ((size_t)16 << 20)
#define PIPELINE_ARRIVALS_MAX 65536
#define PIPELINE_CONNECTIONS_MAX 16384

/* A connection known by sizes and times only: watched HTTP, TLS, or one that turned unreadable. */
struct opaque_connection {
	uint64_t connection;
	int32_t pid;
	const char *peer;        /* borrowed during the call; NULL: unknown */
	const char *kind;        /* "tls", "http", "websocket", "http2", "unreadable"; static text */
	const char *server_name; /* TLS; NULL: unknown */
	const char *protocol;    /* inside TLS, "http2", "websocket"; NULL: unknown */
	const char *reason;      /* why it could not be read; NULL for what was never meant to be */
	uint64_t sent_bytes, received_bytes;
	uint64_t start_ns, end_ns; /* end_ns 0: still open */
	uint64_t first_received_ns;
	const struct turns *turns; /* TLS; NULL: not kept */
};

struct pipeline_process {
	int32_t pid, ppid;
	const char *exe; /* borrowed */
	uint64_t time_ns;
	bool forked;
	bool unrecorded; /* a child without the library, seen in /proc */
};

/* Bytes or messages that could not be turned into exchanges; all counts. */
struct pipeline_loss {
	uint64_t holes; /* places where bytes are missing in a stream */
	uint64_t hole_bytes;
	uint64_t unreadable_bytes; /* passed over while looking for the next message */
	uint64_t http_errors;
	uint64_t requests_without_response;
	uint64_t responses_without_request;
	uint64_t connections_refused; /* more than PIPELINE_CONNECTIONS_MAX open */
	uint64_t malformed_records;   /* that say what cannot be */
	uint64_t blind[8];            /* by enum kvs_blind: what the hooks could not see */
};

struct pipeline_events {
	void *context;
	/* A finished exchange (response complete, cut off or given up), in the order in which they finish. Borrowed:
	 * the callee must not keep it, but may steal bodies with buf_steal. */
	void (*exchange)(void *context, struct exchange *x);
	/* A request is complete and its response has not begun. Borrowed; may be NULL. */
	void (*request)(void *context, const struct exchange *x);
	void (*opaque)(void *context, const struct opaque_connection *c);
	void (*process)(void *context, const struct pipeline_process *p);
};

struct pipeline;

/* NULL: no memory. capture_mode is static text and goes into every exchange. */
struct pipeline *pipeline_new(const struct pipeline_events *events, const char *capture_mode);
/* One record; payload has record->payload_bytes bytes. Malformed records are counted and ignored. */
void pipeline_feed(struct pipeline *p, const struct kvs_record *record, struct str payload);
/* The process is gone: its open connections end now. */
void pipeline_process_gone(struct pipeline *p, int32_t pid, uint64_t time_ns);
/* True while no recorded connection is in the middle of a request or owes the rest of a response. */
bool pipeline_idle(const struct pipeline *p);
/* No more records: everything open is finished and handed out. */
void pipeline_finish(struct pipeline *p);
void pipeline_loss(const struct pipeline *p, struct pipeline_loss *out);
void pipeline_free(struct pipeline *p);

#endif
