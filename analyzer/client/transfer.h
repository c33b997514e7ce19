/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_TRANSFER_H
#define CLIENT_TRANSFER_H

/* Inside of client/: one attempt at one request on one easy handle, and what its callbacks make of the answer. */

#include "client/client.h"
#include "client/keys.h"
#include "http/sse.h"

#include <curl/curl.h>

/* Of one event of a stream. */
#define TRANSFER_EVENT_MAX ((size_t)16 << 20)

struct transfer {
	CURL *easy;
	struct curl_slist *headers;
	struct sse sse;
	struct client_answer *answer; /* borrowed */
	const struct client_keys *keys;
	struct basic_keys basic;
	bool head_done;
	bool stream_ended; /* an event that ends a stream was seen */
	size_t arrivals_capacity;
	char error[CURL_ERROR_SIZE];
};

/* -1: no memory. */
int transfer_init(struct transfer *t, const struct client_keys *keys);
void transfer_release(struct transfer *t);

/* Empties the answer and makes the handle ready; url is copied, the body is not. -1: no memory. */
int transfer_prepare(struct transfer *t, const struct client_options *options, const struct base_url *base,
		     const struct client_request *request, struct client_answer *answer);
/* libcurl has ended with this code: decides about the outcome. */
void transfer_finish(struct transfer *t, CURLcode code);

/* Sets the error if there is none yet. */
void answer_error(struct client_answer *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Empties the answer for the next attempt; attempts and waited_s stay. */
void answer_reset(struct client_answer *a);

#endif
