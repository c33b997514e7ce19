/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

/*
 * An HTTP client of language-model backends, on libcurl's multi interface. A lane is one connection's worth of
 * requests, sent one after the other (a lineage in replay); lanes run side by side in one thread. What comes back is
 * read by the code that reads captured traffic (http/sse.h, api/api.h), so that usage, timings and first content mean
 * the same in a replay as in a trace.
 *
 * One request and its answer, blocking (GET, or POST with a body):
 *
 *     struct client *c = client_new(&(struct client_options){0}, &error);
 *     struct client_answer a;
 *     client_answer_init(&a, 1 << 20);
 *     client_fetch(c, &base, &(struct client_request){.path = "/v1/models"}, &a);
 *     if (a.outcome == CLIENT_DONE) ... a.x.response.status, .body, .headers
 *     else ... a.x.response.error
 *     client_answer_release(&a);
 *
 * Many at a time:
 *
 *     struct client_lane *lane = client_lane_new(c, &base, 1 << 20, on_done, me);
 *     client_send(lane, &request);           // later: on_done(me, &answer), inside client_step
 *     while (client_busy(c)) client_step(c, 200);
 *
 * What it does with backends as they are: no Expect header (a server of HTTP/1.0 would let libcurl wait for its
 * answer), no limit on silence before the first token, answers without Content-Length or [DONE], usage wherever it
 * stands. 429, 503 and 529, and other 5xx that say when, are asked again after Retry-After (else 1, 2, 4 s). Redirects
 * are not followed. For loopback no proxy is used.
 *
 * Stamps (answer.x.times) are CLOCK_MONOTONIC: request_start when the connection is there and before the first byte is
 * sent, request_end after the last one was handed to the kernel, the others on entry to libcurl's callback for the
 * bytes that decide them. Events that came with one callback share its time; times.grade says so.
 */

#include "client/base_url.h"
#include "exchange.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_options {
	double connect_s;                              /* 0: 10 s */
	double request_s;                              /* of one attempt, all in all; 0: an hour */
	unsigned retries;                              /* after the first attempt */
	const char *ca_file;                           /* certificates to trust, PEM; NULL: the system's alone */
	const volatile sig_atomic_t *stop;             /* not NULL: everything is cancelled when it is not 0 */
	void (*note)(void *context, const char *line); /* NULL: waits before a retry are not told */
	void *note_context;
};

struct client_request {
	enum kvs_llm_api api;       /* decides how the answer is read and which key is sent; KVS_API_NONE: bytes */
	const char *path;           /* from the base on, with query: "/v1/messages?beta=true" */
	struct str body;            /* borrowed until the answer is there; absent: GET */
	const char *const *headers; /* more "Name: value", NULL-terminated; NULL: none */
	double limit_s;             /* in place of the client's request_s; 0: that */
};

enum client_outcome {
	CLIENT_NONE,        /* nothing was sent yet */
	CLIENT_DONE,        /* 2xx, complete, no error in it */
	CLIENT_UNREACHABLE, /* no connection: name, address, TLS */
	CLIENT_REFUSED,     /* another status than 2xx */
	CLIENT_FAILED,      /* 2xx, and an error in the stream or body */
	CLIENT_CUT,         /* the connection, or the stream, ended before its end */
	CLIENT_TIMEOUT,
	CLIENT_CANCELLED,
};

struct client_answer {
	enum client_outcome outcome;
	/*
	 * request.path, response and times are filled in; request.body stays empty. response.error holds words for
	 * every outcome but CLIENT_DONE, without the keys that were sent. response.body holds what fits of it, streams
	 * too (body_exact false: not all).
	 */
	struct exchange x;
	unsigned attempts;    /* requests sent */
	double retry_after_s; /* as the last answer said, -1: it did not */
	double waited_s;      /* before further attempts */
	uint64_t connect_ns;  /* for name, connection and TLS; 0: a connection was there */
};

void client_answer_init(struct client_answer *a, size_t body_max);
void client_answer_release(struct client_answer *a);
/* "done", "unreachable", "refused", "failed", "cut", "timeout", "cancelled". */
const char *client_outcome_name(enum client_outcome outcome);

struct client;
struct client_lane;

/* Reads the keys from the environment (client/keys.h). NULL with static words in *error. Not for several threads. */
struct client *client_new(const struct client_options *options, const char **error);
/* Cancels what is under way without calling anybody; frees the lanes. NULL is allowed. */
void client_free(struct client *c);

/* The answer is the lane's and is emptied by the next client_send. client_send may be called from here. */
typedef void client_done_fn(void *context, struct client_answer *answer);

/* base is borrowed as long as the lane lives. NULL: no memory. */
struct client_lane *client_lane_new(struct client *c, const struct base_url *base, size_t body_max,
				    client_done_fn *done, void *context);
/* A request under way is cancelled without a call. */
void client_lane_free(struct client_lane *lane);

/* Starts a request on an idle lane. Returns 0, or -1: no memory, nothing was started. */
int client_send(struct client_lane *lane, const struct client_request *request) __attribute__((warn_unused_result));
bool client_lane_busy(const struct client_lane *lane);
/* Requests under way or waiting to be sent again. */
size_t client_busy(const struct client *c);
/* Lets everything go on for at most timeout_ms; returns earlier when something happened. 0, or -1: libcurl failed. */
int client_step(struct client *c, int timeout_ms);
/* Ends all requests with CLIENT_CANCELLED; calls the lanes' functions. */
void client_cancel(struct client *c);

/* Sends one request and waits for its answer; other lanes go on meanwhile. Returns a->outcome. */
enum client_outcome client_fetch(struct client *c, const struct base_url *base, const struct client_request *request,
				 struct client_answer *a);

/*
 * From the request's last byte to the first content of the answer; to its end, where no content came: with one token to
 * be generated that is where it would have been. 0: the first content was there before the clock was read after the
 * last send, as happens on a busy machine. NaN: the answer did not end.
 */
double client_first_seconds(const struct client_answer *a);

/* Kept response header, NULL if it was not sent or is not on the allow-list of http/headers.h. */
const char *client_header(const struct client_answer *a, const char *name);

#endif
