/* SPDX-License-Identifier: MIT */
#ifndef EXCHANGE_H
#define EXCHANGE_H

/*
 * One HTTP request to a language model and its response: what the collector makes of a connection's bytes, what the
 * trace keeps, what every later stage works on.
 *
 * Ownership: an exchange owns all it points to; exchange_release frees it. Strings are terminated, NULL when absent.
 * Absent numbers are EXCHANGE_ABSENT (-1), never 0. Stamps are CLOCK_MONOTONIC nanoseconds, 0 when the thing did not
 * happen or was not seen.
 */

#include "base/buf.h"
#include "base/digest.h"
#include "kvscope/llm_paths.h"
#include "prompt/prompt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXCHANGE_ABSENT (-1)

struct exchange_header {
	char *name;  /* as sent */
	char *value; /* NULL: not on the allow-list, kept by name only */
};

/* Token counts as an API reports them. input excludes cached tokens on Anthropic's API and includes them on OpenAI's.
 */
struct usage {
	int64_t input;
	int64_t output;
	int64_t cache_read;
	int64_t cache_creation;
	int64_t reasoning;
};

#define USAGE_NONE ((struct usage){EXCHANGE_ABSENT, EXCHANGE_ABSENT, EXCHANGE_ABSENT, EXCHANGE_ABSENT, EXCHANGE_ABSENT})

/* What the engine says of its own times; llama.cpp's `timings` and its likes. Milliseconds, NaN when absent. */
struct engine_timings {
	double prompt_ms;
	double predicted_ms;
	int64_t prompt_tokens;
	int64_t cached_tokens;
	int64_t predicted_tokens;
};

/* How far the stamps of a response can be trusted. */
enum timing_grade {
	GRADE_EXACT,        /* every stamp has a receive of its own */
	GRADE_RECORD_LEVEL, /* events that arrived in one receive share its time */
	GRADE_DEGENERATE,   /* the whole response came in one receive, or was not a stream: no TTFT */
};

/* One receive that carried bytes of the response. */
struct arrival {
	uint64_t time_ns;
	uint64_t bytes; /* of the wire, head and chunk framing included */
};

struct exchange_request {
	char *method;
	char *path;  /* without query; what comes after a '?' is kept by name only: "beta" in "?beta=true" */
	char *query; /* names of the query's parameters, joined with '&'; NULL without query */
	struct exchange_header *headers;
	size_t nheaders;
	char *content_encoding; /* as sent; NULL: identity */
	uint64_t wire_bytes;    /* head and body as sent */
	struct buf body;        /* after transfer and content decoding; empty when not kept */
	uint64_t body_bytes;    /* its length, also when not kept */
	struct digest body_sha256;
	bool body_exact; /* false: bytes are missing or were cut; body_sha256 then says nothing */
	char *error;     /* what is wrong with it, in words; NULL: nothing */
};

struct exchange_response {
	int status; /* 0: none came */
	struct exchange_header *headers;
	size_t nheaders;
	char *content_type; /* without parameters */
	char *content_encoding;
	uint64_t wire_bytes;
	struct buf body;
	uint64_t body_bytes;
	struct digest body_sha256;
	bool body_exact;
	bool streamed; /* server-sent events */
	char *error;   /* cut off, not parsable, an error event inside the stream; NULL: nothing. See
			  exchange_client_left */

	/* Read from the body by the dialect. */
	char *id;
	char *model;
	char *stop_reason;
	char *engine;             /* recognised from headers or body, "llama.cpp"; NULL: unknown */
	struct usage usage;       /* per field the last value that was not null */
	struct usage usage_start; /* as in message_start */
	struct usage usage_end;   /* as in the last event that had any */
	struct engine_timings timings;
	uint64_t events;         /* server-sent events */
	uint64_t content_deltas; /* of them with text, thinking or tool input */
	uint64_t text_bytes;     /* of text, thinking and tool input that came back */

	struct arrival *arrivals;
	size_t narrivals;
	bool arrivals_cut; /* there were more than are kept */
};

struct exchange_times {
	uint64_t request_start; /* before the call that sent the first byte */
	uint64_t request_end;   /* after the call that sent the last byte */
	uint64_t first_byte;    /* of the response */
	uint64_t headers;       /* its head is complete */
	uint64_t message_start; /* Anthropic: the event of that name; OpenAI: the first data event */
	uint64_t first_content; /* first delta of text, thinking or tool input */
	uint64_t end;           /* last byte of the response; where the client left before that, when it did */
	enum timing_grade grade;
};

struct exchange {
	uint64_t id; /* from 1, in the order in which requests began to be read; unique in a trace */
	int32_t pid;
	uint64_t connection;      /* unique in a trace */
	uint32_t sequence;        /* from 0: which request of its connection */
	char *peer;               /* "127.0.0.1:8080" */
	const char *capture_mode; /* "preload", "preload-tls", "relay"; static text */
	enum kvs_llm_api api;

	/* From headers and body; NULL or absent when not said. */
	char *session; /* X-Claude-Code-Session-Id, or what the dialect offers */
	char *agent;   /* X-Claude-Code-Agent-Id */
	char *model;
	int64_t max_tokens;
	bool wants_stream;

	struct prompt prompt; /* of the request's body; empty for an API without dialect */
	/* Known to be the same, at the same places, as in the prompt of an earlier exchange: so many parts at the
	 * beginning, and the bytes up to the end of the last of them. A help, not a fact to rely on: 0 says nothing. */
	uint64_t same_as;
	size_t same_parts;
	struct exchange_request request;
	struct exchange_response response;
	struct exchange_times times;
};

/* Everything absent, buffers empty with these maxima. */
void exchange_init(struct exchange *x, size_t request_body_max, size_t response_body_max);
void exchange_release(struct exchange *x);

/* How an error ends of an answer that the client did not wait for. */
#define EXCHANGE_CLIENT_LEFT "the client closed the connection"
bool exchange_client_left(const struct exchange *x);

/* The value of a kept header (any case), NULL if it was not sent or not kept. Borrowed. */
const char *exchange_header_value(const struct exchange_header *headers, size_t n, const char *name);
/* The earliest of what was seen of it, and the latest; 0: nothing was. */
uint64_t exchange_first_stamp(const struct exchange_times *times);
uint64_t exchange_last_stamp(const struct exchange_times *times);
/* How far the stamps can be trusted, by them and the number of receives. */
enum timing_grade exchange_grade(const struct exchange *x);

#endif
