/* SPDX-License-Identifier: MIT */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

/*
 * HTTP/1 on loopback, on the loop: keep-alive, pipelining, chunked requests, Expect: 100-continue, HEAD, HTTP/1.0.
 * Written here because no server library lets its user decide every byte and its moment: one http_call_chunk is one
 * send(2), and a client that leaves while nothing is being written is noticed at once.
 *
 * A call is one request and its response. Handlers answer now or later:
 *
 *     static void request(struct http_call *call)
 *     {
 *             http_call_begin(call, 200, "text/event-stream", "");
 *             http_call_chunk(call, STR("data: 1\n\n"));
 *             http_call_end(call);
 *     }
 *
 * A client that ends its sending side before it has its answer counts as gone: real servers do the same. Requests
 * that cannot be parsed are refused with 400 or 431 and never become calls.
 */

#include "base/buf.h"
#include "net/conn.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct http_call {
	/* The request. Views live until `done` returns. */
	uint64_t connection; /* number of its connection, from 1 */
	struct str method;
	struct str target; /* as sent: path and query */
	struct str path;
	struct str query; /* without the '?'; absent without one */
	struct str body;  /* transfer coding removed, content coding not */
	/* CLOCK_MONOTONIC, 0 = not yet: received (after the recv), sent (before the send). */
	uint64_t head_ns, body_ns;
	uint64_t first_byte_ns, end_ns;
	int status; /* of the response; 0 = none yet */
	void *user; /* the handlers' own */
};

struct http_server;

struct http_server_handlers {
	/* Optional: a head was read. A status refuses the request before its body is read (explained by `explain`, its
	 * `done` follows), 0 goes on. */
	int (*head)(struct http_call *call);
	/* A request is complete. */
	void (*request)(struct http_call *call);
	/* The last word on a call whose head was read: its response has ended (also by http_call_cut), or, with
	 * aborted, the client has left before. Also called for requests refused after their head; call->user may be
	 * NULL. */
	void (*done)(struct http_call *call, bool aborted);
	/* The body of a refusal by the server itself: 400, 413, 431, and that of `head`. NULL: text/plain with `why`.
	 */
	void (*explain)(const struct http_server *s, int status, const char *why, struct buf *body);
};

struct http_server_limits {
	size_t head_bytes;
	size_t body_bytes;
	size_t connections; /* more wait in the kernel's queue */
};

/* How this server differs from a plain HTTP/1.1 server; zeroed: in nothing. */
struct http_server_habits {
	const char *headers; /* of every response, each with its CRLF; NULL: none */
	bool errors_close;   /* a status of 400 or more ends the connection */
	bool http10;         /* answers in HTTP/1.0: no chunks, no keep-alive, no length of what a GET gets */
	bool unread_resets;  /* closes at once after a refusal by `head`: what was sent of the body is reset */
};

struct http_peer;

struct http_server {
	struct loop *loop;
	const struct http_server_handlers *on;
	struct http_server_limits limits;
	void *context; /* the handlers' own */
	uint16_t port;
	struct http_server_habits habits; /* may be set after http_server_open */

	struct loop_fd listener;
	struct loop_timer accept_again;
	struct http_peer *peers; /* list */
	size_t npeers;
	uint64_t connections_seen;
};

/* Listens on 127.0.0.1:port, 0 for any (s->port tells). Borrows loop and handlers. Returns 0, or -1 with errno. */
int http_server_open(struct http_server *s, struct loop *l, uint16_t port, const struct http_server_handlers *on,
		     struct http_server_limits limits, void *context);
/* Closes all connections; calls under way are done as aborted. */
void http_server_release(struct http_server *s);

struct http_server *http_call_server(struct http_call *call);
/* The first header of that name, absent if there is none. */
struct str http_call_header(const struct http_call *call, struct str name);

/*
 * The response. `headers` holds further lines, each with its CRLF. Sending cannot fail here: a broken connection is
 * told by `done`. type "": no such header. After respond, end or cut the call is over and its memory may be in use for
 * the next one.
 */
void http_call_respond(struct http_call *call, int status, const char *type, const char *headers, struct str body);
void http_call_begin(struct http_call *call, int status, const char *type, const char *headers);
void http_call_chunk(struct http_call *call, struct str bytes); /* one chunk, one send; nothing if empty */
void http_call_end(struct http_call *call);
/* Closes the connection in the middle of the response. */
void http_call_cut(struct http_call *call);

#endif
