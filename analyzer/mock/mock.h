/* SPDX-License-Identifier: MIT */
#ifndef MOCK_MOCK_H
#define MOCK_MOCK_H

/*
 * The embedded KV-cached backend: Anthropic's and OpenAI's APIs over an engine that has a real prefix cache and takes
 * real time, but says what a script wants. It shares no token, prefix or JSON-span code with the analyzer, or agreement
 * between the two would prove nothing.
 */

#include "base/digest.h"
#include "mock/breakpoints.h"
#include "mock/engine.h"
#include "mock/generation.h"
#include "mock/profile.h"
#include "mock/request.h"
#include "mock/script.h"
#include "mock/template.h"
#include "net/http_server.h"
#include "net/loop.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct mock_options {
	uint16_t port;
	double prefill_rate, decode_rate; /* tokens/s, 0: no time */
	bool any_model;                   /* the cache's minimum is that of every model */
	struct mock_rendering rendering;
	const struct mock_profile *profile; /* the engine to imitate */
	const char *version;                /* that it tells; borrowed */
	struct mock_settings settings;
	const char *model; /* borrowed */
};

struct mock {
	struct mock_options options;
	struct loop *loop;
	struct http_server server;
	struct engine engine;
	struct script *script; /* borrowed */
	FILE *log;             /* borrowed; NULL: none */
	int log_errno;         /* of the write that failed and stopped the loop; 0: none did */
	uint64_t requests;     /* read so far: the next one's number */

	/* Counters for /metrics. */
	uint64_t answered, refused, aborted;
	uint64_t output_tokens;
	char *fingerprint; /* of OpenAI's answers; NULL: none */
};

/* One request, from its last byte to its line in the log. */
struct mock_call {
	struct mock *mock;
	struct http_call *call;
	uint64_t n; /* from 1, in the order in which requests became complete */
	enum mock_api api;
	const struct mock_route *route; /* NULL: none */
	struct buf decoded;             /* the body, where it came with a content coding */
	struct str body;                /* without content coding; absent if that could not be taken off */
	struct digest sha256;           /* of it */
	bool read;                      /* `request` is filled in */
	struct mock_request request;
	char matched[32]; /* what the script answered with; "": it was not asked */
	struct mock_breakpoints breakpoints;
	struct generation generation;
};

/* Listens. Borrows all; returns 0, or -1 with errno. */
int mock_open(struct mock *m, struct loop *l, const struct mock_options *options, struct script *script, FILE *log);
/* Ends the requests under way, which are logged as aborted. */
void mock_release(struct mock *m);

/* The line of a finished request. c is NULL for one that the HTTP server refused. Returns 0, or -1 with errno. */
int mock_log(FILE *log, struct http_call *call, const struct mock_call *c, bool aborted);
/* The counters in Prometheus' text format, by the names of the profile. */
void mock_metrics(const struct mock *m, struct buf *out);

/* ---- what mock.c and routes.c share: each answers the call */

const struct wire *mock_wire_of(enum mock_api api);
/* An error of the route's API. headers: further lines, each with its CRLF. */
void mock_respond_error(struct mock_call *c, int status, const char *headers, const char *message);
/* A template with the fields that every text may use, and `more` (may be NULL). type NULL: JSON. */
void mock_respond_text(struct mock_call *c, int status, const char *type, const char *text,
		       const struct mock_field *more);
/* The same, appended to out. */
void mock_fill_in(const struct mock_call *c, struct buf *out, const char *text, const struct mock_field *more);

#endif
