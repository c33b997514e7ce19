/* SPDX-License-Identifier: MIT */
#ifndef RELAY_REWRITE_H
#define RELAY_REWRITE_H

/*
 * A client's bytes on their way through the relay: only the target of each request and the value of its Host header
 * are changed, everything else passes as it came.
 *
 *     /TOKEN/v1/messages?beta=true   Host: 127.0.0.1:40123       from the client
 *     /v1/messages?beta=true         Host: api.anthropic.com     to the server
 *
 * A head is held back until it is whole, a body never. No I/O.
 */

#include "base/buf.h"
#include "base/str.h"

#include <llhttp/llhttp.h>
#include <stdbool.h>

/* What the server's own limits are below, by far. */
#define REWRITE_HEAD_MAX ((size_t)256 << 10)

/* Borrowed for the life of what uses it. */
struct rewrite_rule {
	struct str token; /* the first segment of every path must be this one; it is taken off */
	struct str path;  /* of the server's base URL, in its place: "" or "/..." */
	struct str host;
};

enum rewrite_result {
	REWRITE_OK,
	REWRITE_REFUSED, /* a request without the token; nothing of it is in `out` */
	REWRITE_BAD,     /* no HTTP/1 that can be told apart, see rewrite_error */
};

struct rewrite {
	const struct rewrite_rule *rule;
	llhttp_t parser;
	struct buf head; /* of the request in progress, until it is whole */
	size_t searched; /* of it: no end of a head before here */
	bool in_body;
	bool raw;       /* another protocol has taken over */
	bool upgrading; /* the request that was read last asks for one */
	const char *error;
	size_t requests; /* whose heads were let through */
	/* While a head is read: places in it. */
	bool head_done, message_done;
	bool host_is_next;
	struct str target, host;
	size_t nhosts;
};

void rewrite_init(struct rewrite *w, const struct rewrite_rule *rule);
void rewrite_release(struct rewrite *w);
/* Appends to out what goes to the server. After anything but REWRITE_OK the connection is of no use any more. */
enum rewrite_result rewrite_feed(struct rewrite *w, struct str bytes, struct buf *out);
/* The server has answered with these bytes: after a request to change the protocol its first ones decide. */
void rewrite_answered(struct rewrite *w, struct str bytes);
const char *rewrite_error(const struct rewrite *w);

#endif
