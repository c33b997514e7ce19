/* SPDX-License-Identifier: MIT */
#ifndef NET_HTTP_PEER_H
#define NET_HTTP_PEER_H

/*
 * Inside of the HTTP server: one connection with a client, from accept to close, and the call that is in work on it.
 * http_peer.c reads requests, http_response.c writes responses, http_server.c accepts.
 */

#include "net/http_server.h"

#include <llhttp/llhttp.h>

/* What a slow client may leave unread, and the longest single send. */
#define HTTP_PEER_OUT_BYTES_MAX ((size_t)64 << 20)

enum http_peer_state {
	PEER_READING,   /* between requests or in one */
	PEER_ANSWERING, /* a whole request is with the handlers */
	PEER_LINGERING, /* answered for the last time: the rest of the input is thrown away until the client closes */
	PEER_CLOSED,    /* freed by the timer */
};

struct http_peer {
	struct http_server *server;
	struct http_peer *next, *prev;
	struct conn conn;
	struct loop_timer timer; /* armed for its whole life, so that setting it cannot fail */
	enum http_peer_state state;
	bool parsing; /* within llhttp: what ends a call must not start to parse the next one */

	llhttp_t parser;
	struct buf ahead; /* input behind the request that is being answered */

	struct http_call call;
	struct buf head; /* target, 0, then name, 0, value, 0 for each header */
	size_t target_bytes;
	struct buf body;
	uint64_t received_ns; /* of the bytes that are being parsed */
	int refuse;           /* status that a parser callback asks for */
	bool keep_alive;
	bool chunked;      /* the response is */
	bool head_request; /* no body in the response */
	bool whole;        /* the request has been read to its end */
	struct buf frame;  /* what one send is made of */
};

/* Takes fd; adds itself to the server's list. Returns 0, or -1 without memory (fd is then closed). */
int http_peer_open(struct http_server *s, int fd);
/* Closes; a call under way is done as aborted. Frees at once: not for use within a handler. */
void http_peer_free(struct http_peer *p);
/* Closes; the memory goes in the next round of the loop. */
void http_peer_close(struct http_peer *p);

struct http_peer *http_peer_of(const struct http_call *call);
/* Tells the handlers that the call is over and makes room for the next one. */
void http_peer_call_done(struct http_peer *p, bool aborted);
/*
 * Ends the call with the last bytes of its response and goes on to the next request. `done` comes before they are sent:
 * what a handler writes down there can be read by a client that has just got its answer.
 */
void http_peer_call_end(struct http_peer *p, struct str last);

const char *http_reason(int status);

#endif
