/* SPDX-License-Identifier: MIT */
#ifndef RELAY_TAP_H
#define RELAY_TAP_H

/*
 * The relay's records: the same kind, in the same ring, as those of the preloaded library, by the same protocol
 * (shim/ring_writer.c), so that everything behind the ring is shared.
 *
 * The relay is ours and may wait where a host may not: what the full ring does not take stays in memory, in order, up
 * to a limit. What passes that is counted as lost in the ring, as a host's would be.
 *
 * Connections are named by the caller; names must not be used again.
 */

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define TAP_WAITING_MAX ((size_t)64 << 20)

struct tap;

/* One direction of a connection as recorded so far. */
struct tap_stream {
	uint64_t connection;
	uint64_t offset;
};

/* Maps the ring and makes this process known in it. Returns 0, or -1 with one line in error. */
int tap_open(const char *ring_path, struct tap **out, char *error, size_t error_bytes);
/* What still waits is lost. */
void tap_close(struct tap *t);

void tap_connected(struct tap *t, uint64_t connection, const struct sockaddr *peer, socklen_t peer_bytes,
		   uint64_t time_ns);
/* begin_ns: before the bytes were handed to the server's connection, end_ns: when all of them had been. */
void tap_sent(struct tap *t, struct tap_stream *s, struct str bytes, uint64_t begin_ns, uint64_t end_ns);
void tap_received(struct tap *t, struct tap_stream *s, struct str bytes, uint64_t time_ns);
/* The server is done. */
void tap_ended(struct tap *t, const struct tap_stream *received, uint64_t time_ns);
/* The connection broke, or was never made. */
void tap_failed(struct tap *t, const struct tap_stream *received, int error, uint64_t time_ns);
/* The client is done. */
void tap_closed(struct tap *t, uint64_t connection, uint64_t time_ns);

/* Hands the ring what waits. False: some of it still waits, try again soon. */
bool tap_flush(struct tap *t);

#endif
