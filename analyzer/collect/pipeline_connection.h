/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_PIPELINE_CONNECTION_H
#define COLLECT_PIPELINE_CONNECTION_H

/*
 * One connection of one process: two streams, an HTTP reader on each, and the talks that are not finished, oldest
 * first.
 *
 *     send  ──stream──▶ http1 ──▶ newest talk: head, body, end
 *                                  ⋮
 *     recv  ──stream──▶ http1 ──▶ oldest talk whose response is not done
 *
 * Responses are told apart by their order alone, and how one is to be read depends on its request (HEAD, the dialect):
 * the receive side waits at the start of a response until its request's head has been read. Where messages may have
 * been lost, order says nothing any more, and time decides: a response belongs to the newest request that was begun
 * before it (clients that send the next request before they have the response to the last one are rare).
 */

#include "collect/pipeline.h"
#include "collect/pipeline_lineage.h"
#include "collect/pipeline_reader.h"
#include "collect/pipeline_talk.h"

#include <uthash.h>

#define CONNECTION_TALKS_MAX 256

struct connection_key {
	uint64_t cookie;
	int32_t pid;
	int32_t zero; /* keys are compared byte by byte */
};

struct connection {
	struct connection_key key;
	uint64_t id;
	char *peer;
	char *server_name;
	enum kvs_class class;
	bool connect_seen;
	bool order_lost;
	bool peer_ended;
	uint64_t client_left_ns; /* the client closed it; 0: it did not, or the server or an error went before */
	bool tls;                /* what is read is the clear text of a TLS connection */
	const char *inside;      /* TLS: the protocol in it, where it is known */
	const char *kind;        /* of the protocol that took over; NULL: none did */
	const char *kind_reason;
	const char *watched_kind; /* what its first bytes said while it was watched; NULL: HTTP/1 */
	int error;                /* errno that ended it; 0: none */
	uint64_t start_ns, first_received_ns;
	struct turns turns; /* of TLS that stays closed */
	struct reader send, recv;
	struct talk *talks; /* oldest first */
	size_t ntalks;
	uint32_t sequence;
	struct pipeline *pipeline;
	UT_hash_handle hh;
};

struct pipeline {
	struct pipeline_events events;
	const char *capture_mode;
	struct pipeline_loss loss;
	struct connection *connections;
	size_t nconnections;
	uint64_t last_connection, last_exchange;
	uint64_t now_ns; /* the latest time that any record has */
	struct lineages lineages;
};

/* NULL: no memory. */
struct connection *connection_new(struct pipeline *p, struct connection_key key, uint64_t time_ns);
void connection_free(struct connection *c);
/* Its bytes begin anew, at offset 0; what it carried so far is forgotten. */
void connection_restart(struct connection *c);
/* A record with bytes of one direction; HTTP is read as far as it is there. */
void connection_piece(struct connection *c, struct reader *r, const struct piece *piece);
/* Everything open is finished and handed out, for this reason in words. end_ns 0: it is still open. */
void connection_end(struct connection *c, uint64_t end_ns, const char *reason);

/* For its readers. */

/* A request's head is complete. */
void connection_begin_talk(struct connection *c, const struct http1_head *head);
/* A response begins: finds the talk that it belongs to. False: its request is not there yet; must: then it has none. */
bool connection_begin_response(struct connection *c, uint64_t time_ns, bool must);
/* The message in progress is over, if there is one; cut: why it is not complete, in words. */
void connection_end_message(struct connection *c, enum http1_side side, const char *cut);

#endif
