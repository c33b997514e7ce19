/* SPDX-License-Identifier: MIT */
#ifndef HTTP_HTTP1_H
#define HTTP_HTTP1_H

/*
 * One direction of an HTTP/1 connection, by llhttp: message after message out of bytes split anywhere.
 *
 *     http1_init(&h, HTTP1_RESPONSES, PIPELINE_HEAD_MAX, &sink, me);
 *     while (bytes.n) {
 *         enum http1_result r = http1_feed(&h, bytes, &used);
 *         ...                       // HTTP1_END: the message ends after `used` bytes; feed the rest again
 *     }
 *
 * It is lenient: what real clients and servers took for HTTP is to be read here too.
 */

#include "base/buf.h"
#include "base/str.h"

#include <llhttp/llhttp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP1_HEADERS_MAX 512

enum http1_side { HTTP1_REQUESTS, HTTP1_RESPONSES };

/* The views live as long as the call that hands them over. */
struct http1_header {
	struct str name;
	struct str value;
};

struct http1_head {
	struct str method; /* requests; static */
	struct str target; /* requests */
	int status;        /* responses */
	const struct http1_header *headers;
	size_t nheaders;
	bool has_body; /* requests: a length above 0, or chunked */
};

/* The first header of that name (any case), absent if there is none. */
struct str http1_header_of(const struct http1_head *head, struct str name);

/* What the receiver of a head knows about the body that the head does not say. */
enum http1_body {
	HTTP1_BODY_AS_SAID,
	HTTP1_BODY_NONE,   /* the answer to HEAD; 1xx, 204 and 304 are known without */
	HTTP1_BODY_TUNNEL, /* the answer to CONNECT: no more HTTP */
};

struct http1_sink {
	enum http1_body (*head)(void *context, const struct http1_head *head);
	void (*body)(void *context, struct str bytes); /* transfer coding taken off */
};

enum http1_result {
	HTTP1_MORE,   /* all is used, the message goes on (or none has begun) */
	HTTP1_END,    /* a message ends after *used bytes */
	HTTP1_SWITCH, /* another protocol begins after *used bytes: 101, CONNECT, the preface of HTTP/2 */
	HTTP1_BAD,    /* this is no HTTP; only http1_restart helps. http1_error says why */
};

struct http1 {
	llhttp_t parser;
	const struct http1_sink *sink;
	void *context;
	bool begun;         /* the first byte of a message was seen, its last was not */
	bool head_complete; /* of that message */
	bool http2;         /* HTTP1_SWITCH: by the preface of HTTP/2 */
	const char *error;
	bool until_close; /* its body has no length */
	bool in_chunk;    /* parser.content_length says how many bytes of a chunk are to come */
	struct buf text;  /* target, names and values of the head in progress, one after the other */
	size_t target_n;
	struct http1_span *spans; /* where in text they are */
	struct http1_header *headers;
	size_t nheaders, spans_capacity, headers_capacity;
};

void http1_init(struct http1 *h, enum http1_side side, size_t head_max, const struct http1_sink *sink, void *context);
void http1_release(struct http1 *h);
/* Forgets the message in progress: a new one begins with the next byte. */
void http1_restart(struct http1 *h);
enum http1_result http1_feed(struct http1 *h, struct str bytes, size_t *used);
/*
 * `bytes` are missing. True: they lie inside the body, which goes on behind them (HTTP1_END in *result when it ends
 * with them). False: it cannot be known where the message goes on.
 */
bool http1_step_over(struct http1 *h, uint64_t bytes, enum http1_result *result);
/* No more bytes. HTTP1_END: the end of the connection ends the message; HTTP1_MORE: none was in progress; HTTP1_BAD:
 * it is cut off. */
enum http1_result http1_finish(struct http1 *h);
const char *http1_error(const struct http1 *h);

/* Do these bytes begin a message? HTTP1_HEAD_MAYBE: more of them are needed to tell. */
enum http1_guess { HTTP1_HEAD_NO, HTTP1_HEAD_MAYBE, HTTP1_HEAD_YES };
enum http1_guess http1_guess_head(enum http1_side side, struct str bytes);

#endif
