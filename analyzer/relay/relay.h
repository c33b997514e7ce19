/* SPDX-License-Identifier: MIT */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

/*
 * A relay on loopback in front of one server, for clients whose own encryption nobody can look into: plain HTTP comes
 * in, the same bytes go out over TLS, and what the server says comes back as it came, piece by piece.
 *
 *     client ──plain──▶ relay ──TLS──▶ server          one connection there for each one here, so that reuse,
 *                         │                            idle closes and aborts are those of the two ends
 *                         ▼
 *                        tap ──▶ ring ──▶ collector
 *
 * Nothing is changed but the request target (the token is taken off) and the Host value. No more than one buffer per
 * direction is held: who reads slowly is sent to slowly.
 */

#include "net/loop.h"
#include "relay/rewrite.h"
#include "relay/tap.h"
#include "relay/transport.h"

#include <stdbool.h>
#include <stdint.h>

#define RELAY_CONNECTIONS_MAX 1024

/* What those who started it may want to say. */
struct relay_stats {
	uint64_t connections;
	uint64_t refused;  /* requests without the token */
	uint64_t unread;   /* requests that are no HTTP/1 */
	uint64_t failed;   /* connections to the server that could not be made */
	char failure[512]; /* why, the last time */
};

struct relay_pair;

struct relay {
	struct loop *loop;
	struct loop_fd listener;
	struct loop_timer accept_again, flush;
	struct transport_set transports;
	struct rewrite_rule rule;
	const struct upstream *upstream;
	struct tap *tap; /* NULL: nothing is recorded */
	struct relay_stats *stats;
	struct relay_pair *pairs;
	size_t npairs;
	uint64_t last_connection;
	bool draining;
};

struct relay_config {
	const struct upstream *upstream;
	const char *token;
	const char *cacert; /* NULL: none */
	int listen_fd;      /* of conn_listen_loopback */
	struct tap *tap;
	struct relay_stats *stats;
};

/* Takes listen_fd. Borrows the rest. Returns 0, or -1 with one line in error (listen_fd is then still the caller's). */
int relay_open(struct relay *r, struct loop *l, const struct relay_config *config, char *error, size_t error_bytes);
/* No new connections; the loop is stopped when the last one ends. */
void relay_drain(struct relay *r);
/* Cuts what is still open. */
void relay_release(struct relay *r);

#endif
