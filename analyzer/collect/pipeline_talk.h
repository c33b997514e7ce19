/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_PIPELINE_TALK_H
#define COLLECT_PIPELINE_TALK_H

/*
 * One request and its response while they are being read: HTTP messages in, a struct exchange out. Knows nothing of
 * connections, order and holes but that bytes of a body can be missing.
 */

#include "collect/pipeline_lineage.h"
#include "exchange.h"
#include "http/content.h"
#include "http/http1.h"
#include "http/sse.h"

#include <stdbool.h>
#include <stdint.h>

/* One body on its way from the wire to its buffer. */
struct talk_body {
	struct content *content; /* NULL: as it comes */
	bool broken;             /* bytes are missing: what follows is counted, if it can be, and not kept */
	struct buf *to;
	uint64_t *bytes;
	bool *exact;
	char **error;
};

struct talk {
	struct talk *next; /* on its connection */
	struct exchange x;
	bool wanted;  /* becomes an exchange; false: other HTTP, kept because responses are told apart by their order */
	bool head;    /* the method is HEAD: no body comes back */
	bool connect; /* the method is CONNECT */
	bool request_done;
	bool response_begun;
	bool response_done;
	struct talk_body request_body, response_body;
	struct digest_marks marks; /* of the request's body */
	bool prompt_read;          /* without an error: the next request may be compared with it */
	struct sse sse;
	size_t arrivals_capacity;
	uint64_t now_ns; /* of the receive that is being read: set before its bytes are handed over */
};

/* A talk that begins with this head, in the memory that is spare; NULL: no memory. x.id, pid, connection, sequence,
 * peer are the caller's to set. */
struct talk *talk_new(const struct http1_head *head, const char *capture_mode, struct lineage_spare *spare);
void talk_free(struct talk *t);
/* The exchange has been handed out: what the next request of its lineage can be compared with is kept. */
void talk_keep(struct talk *t, struct lineages *lineages);

/* The functions below do nothing for a talk that is not wanted, but for the flags. */

void talk_request_bytes(struct talk *t, struct str bytes);
/* n bytes are missing. inside: all of them are the body's; else it cannot be known how many are. */
void talk_request_missing(struct talk *t, uint64_t n, bool inside);
/* cut: why the rest does not come, in words; NULL: it is complete. Reads the prompt. */
void talk_request_end(struct talk *t, uint64_t wire_bytes, const char *cut, struct lineages *lineages);

/* The first byte of the (or, after an interim response, of another) response is here. */
void talk_response_begin(struct talk *t, uint64_t time_ns);
/* So many bytes of the wire were part of it, received at now_ns. */
void talk_response_arrival(struct talk *t, uint64_t wire_bytes);
void talk_response_head(struct talk *t, const struct http1_head *head);
void talk_response_bytes(struct talk *t, struct str bytes);
void talk_response_missing(struct talk *t, uint64_t n, bool inside);
/* That was an interim response (1xx): the one that counts is still to come. */
void talk_response_interim(struct talk *t);
void talk_response_end(struct talk *t, const char *cut);

#endif
