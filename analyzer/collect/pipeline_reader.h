/* SPDX-License-Identifier: MIT */
#ifndef COLLECT_PIPELINE_READER_H
#define COLLECT_PIPELINE_READER_H

/*
 * One direction of a connection: pieces of its stream into HTTP messages, over holes where that is possible, and else
 * from the next message on that can be found. What the messages are part of is the connection's business.
 */

#include "http/http1.h"
#include "stream/stream.h"

struct connection;
struct talk;

enum reader_state {
	READ_MESSAGES,
	READ_SEARCH, /* the next message is looked for, at the start of each record */
	READ_NOTHING /* bytes are counted: another protocol, or after the end */
};

struct reader {
	struct connection *connection;
	enum http1_side side;
	enum reader_state state;
	bool begun; /* the stream knows where it starts */
	struct stream stream;
	struct http1 http;
	/* The message in progress. In READ_SEARCH: the one that was lost in the middle, for its bytes and times. */
	struct talk *talk;
	uint64_t message_bytes;
	uint64_t message_start_ns, message_end_ns;
	struct buf candidate; /* READ_SEARCH: a record that may begin a message; more of it is needed to tell */
	uint64_t candidate_ns;
	uint64_t end; /* offset behind all that was seen of the stream */

	uint64_t passed_bytes; /* of other HTTP, or another protocol */
	uint64_t lost_bytes;   /* that could not be read and belong to no exchange */
};

void reader_init(struct reader *r, struct connection *c, enum http1_side side);
void reader_release(struct reader *r);
/* What is before this offset is not read; behind 0, the first message has to be found. */
void reader_begin(struct reader *r, uint64_t offset);
/* Reads what the stream has; force: waits for nothing. */
void reader_pump(struct reader *r, bool force);
/* The stream has ended, for this reason in words. */
void reader_finish(struct reader *r, const char *reason);

#endif
