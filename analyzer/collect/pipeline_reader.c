/* SPDX-License-Identifier: MIT */
#include "collect/pipeline_connection.h"

/* What http1_guess_head may want to see of a record. */
#define CANDIDATE_MAX 16384

static const struct http1_sink sink;

void reader_init(struct reader *r, struct connection *c, enum http1_side side)
{
	r->connection = c;
	r->side = side;
	stream_init(&r->stream);
	http1_init(&r->http, side, PIPELINE_HEAD_MAX, &sink, r);
	buf_init(&r->candidate, CANDIDATE_MAX);
}

void reader_release(struct reader *r)
{
	stream_release(&r->stream);
	http1_release(&r->http);
	buf_release(&r->candidate);
}

/* ---- heads and bodies, from http1 */

static enum http1_body response_head(struct reader *r, const struct http1_head *head)
{
	struct talk *t = r->talk;
	struct str upgrade = http1_header_of(head, STR("upgrade"));
	bool tunnel = t && t->connect && head->status / 100 == 2;
	struct connection *c = r->connection;
	if (t)
		talk_response_head(t, head);
	if (tunnel)
		c->kind = "tls";
	else if (head->status == 101)
		c->kind = str_eq_nocase(upgrade, STR("websocket")) ? "websocket"
			  : str_eq_nocase(upgrade, STR("h2c"))     ? "http2"
								   : "unreadable";
	return tunnel ? HTTP1_BODY_TUNNEL : t && t->head ? HTTP1_BODY_NONE : HTTP1_BODY_AS_SAID;
}

static enum http1_body on_head(void *context, const struct http1_head *head)
{
	struct reader *r = context;
	if (r->side == HTTP1_RESPONSES)
		return response_head(r, head);
	connection_begin_talk(r->connection, head);
	return HTTP1_BODY_AS_SAID;
}

static void on_body(void *context, struct str bytes)
{
	struct reader *r = context;
	if (!r->talk)
		return;
	if (r->side == HTTP1_REQUESTS)
		talk_request_bytes(r->talk, bytes);
	else
		talk_response_bytes(r->talk, bytes);
}

static const struct http1_sink sink = {on_head, on_body};

/* ---- messages out of bytes */

/* So many bytes, of this time, are part of the message in progress. */
static void account(struct reader *r, uint64_t n, const struct piece *piece)
{
	r->message_bytes += n;
	r->message_end_ns = piece->end_ns ? piece->end_ns : piece->time_ns;
	if (!r->talk || !r->talk->wanted) {
		r->passed_bytes += n;
	} else if (r->side == HTTP1_RESPONSES) {
		r->talk->now_ns = piece->time_ns;
		talk_response_arrival(r->talk, n);
	}
}

static bool begin_message(struct reader *r, const struct piece *piece, bool must)
{
	r->message_bytes = 0;
	r->message_start_ns = piece->time_ns;
	r->talk = NULL;
	return r->side == HTTP1_REQUESTS || connection_begin_response(r->connection, piece->time_ns, must);
}

static void complete_message(struct reader *r)
{
	int status = r->http.parser.status_code;
	if (r->side == HTTP1_RESPONSES && status / 100 == 1 && status != 101) {
		if (r->talk)
			talk_response_interim(r->talk);
		r->talk = NULL;
		return;
	}
	connection_end_message(r->connection, r->side, NULL);
}

/* From here on the connection speaks another protocol, in both directions. */
static void switch_protocol(struct reader *r)
{
	struct connection *c = r->connection;
	if (r->http.http2)
		c->kind = "http2";
	if (c->kind && strcmp(c->kind, "unreadable") == 0)
		c->kind_reason = "it was switched to another protocol";
	connection_end_message(r->connection, r->side, NULL);
	c->send.state = READ_NOTHING;
	c->recv.state = READ_NOTHING;
}

static void search(struct reader *r)
{
	r->state = READ_SEARCH;
	http1_restart(&r->http);
	buf_reset(&r->candidate);
}

static void unreadable(struct reader *r, uint64_t n)
{
	r->connection->pipeline->loss.unreadable_bytes += n;
	if (!r->talk)
		r->lost_bytes += n;
}

/* The start of a request that never became one was counted as of another protocol. */
static void forget_head(struct reader *r)
{
	if (r->talk || !r->http.begun)
		return;
	r->passed_bytes -= r->message_bytes;
	unreadable(r, r->message_bytes);
}

static void not_http(struct reader *r)
{
	struct connection *c = r->connection;
	struct buf why;
	buf_init(&why, 256);
	c->pipeline->loss.http_errors++;
	if (r->side == HTTP1_REQUESTS) {
		c->order_lost = true; /* this and later requests may have responses without being found */
		forget_head(r);
	}
	buf_printf(&why, "the %s is not valid HTTP: %s", r->side == HTTP1_REQUESTS ? "request" : "response",
		   http1_error(&r->http));
	search(r);
	connection_end_message(r->connection, r->side, buf_str(&why).p);
	buf_release(&why);
}

/* Returns how many of the bytes were used. */
static size_t read_messages(struct reader *r, const struct piece *piece, struct str bytes, bool must)
{
	size_t total = bytes.n;
	while (bytes.n) {
		size_t used = 1;
		if (!r->http.begun) {
			if (*bytes.p == '\r' || *bytes.p == '\n') {
				/* Between messages; some clients send them after a body. */
				bytes.p++;
				bytes.n--;
				continue;
			}
			if (!begin_message(r, piece, must))
				break;
		}
		if (r->talk)
			r->talk->now_ns = piece->time_ns;
		enum http1_result result = http1_feed(&r->http, bytes, &used);
		if (result == HTTP1_BAD) {
			not_http(r);
			unreadable(r, bytes.n);
			return total;
		}
		account(r, used, piece);
		bytes.p += used;
		bytes.n -= used;
		if (result == HTTP1_SWITCH) {
			switch_protocol(r);
			r->passed_bytes += bytes.n;
			return total;
		}
		if (result == HTTP1_END)
			complete_message(r);
	}
	return total - bytes.n;
}

/* Bytes in which no message began. */
static void pass_over(struct reader *r, uint64_t n, const struct piece *piece)
{
	unreadable(r, n);
	if (r->talk)
		account(r, n, piece);
}

static void found_message(struct reader *r)
{
	r->state = READ_MESSAGES;
	connection_end_message(r->connection, r->side, "bytes are missing, and the end of the message with them");
}

/*
 * A message is taken to begin where a record does and looks like one. Not in the middle of a record: a conversation
 * about HTTP holds many a line that looks like a head.
 */
static size_t search_message(struct reader *r, const struct piece *piece, bool must)
{
	struct str bytes = piece->bytes;
	if (r->candidate.n) {
		size_t before = r->candidate.n, room = CANDIDATE_MAX - before;
		size_t n = bytes.n < room ? bytes.n : room;
		buf_append(&r->candidate, bytes.p, n);
		enum http1_guess guess = http1_guess_head(r->side, buf_str(&r->candidate));
		if (guess == HTTP1_HEAD_MAYBE && n == bytes.n)
			return bytes.n;
		if (guess == HTTP1_HEAD_YES) {
			struct piece head = *piece;
			head.time_ns = r->candidate_ns;
			found_message(r);
			/* They are used up whatever comes of them, so that the rest can be read from the stream. */
			read_messages(r, &head, buf_str(&r->candidate), true);
			buf_reset(&r->candidate);
			return n;
		}
		pass_over(r, before, piece);
		buf_reset(&r->candidate);
	}
	enum http1_guess guess = piece->first ? http1_guess_head(r->side, bytes) : HTTP1_HEAD_NO;
	if (guess == HTTP1_HEAD_YES) {
		found_message(r);
		return read_messages(r, piece, bytes, must);
	}
	if (guess == HTTP1_HEAD_MAYBE && buf_append_str(&r->candidate, bytes) == 0)
		r->candidate_ns = piece->time_ns;
	else
		pass_over(r, bytes.n, piece);
	return bytes.n;
}

static void missing(struct reader *r, const struct piece *piece)
{
	struct connection *c = r->connection;
	enum http1_result result = HTTP1_MORE;
	if (piece->kind == PIECE_LOST) {
		c->pipeline->loss.holes++;
		c->pipeline->loss.hole_bytes += piece->n;
	}
	if (piece->kind == PIECE_UNSEEN && !r->talk)
		r->passed_bytes += piece->n;
	if (r->state == READ_SEARCH) {
		pass_over(r, r->candidate.n, piece);
		buf_reset(&r->candidate);
		return;
	}
	bool in_body = r->http.begun && r->http.head_complete;
	bool inside = http1_step_over(&r->http, piece->n, &result);
	if (r->talk && in_body && r->side == HTTP1_REQUESTS)
		talk_request_missing(r->talk, piece->n, inside);
	else if (r->talk && in_body)
		talk_response_missing(r->talk, piece->n, inside);
	if (inside) {
		r->message_bytes += piece->n;
		if (result == HTTP1_END)
			complete_message(r);
		return;
	}
	/* Messages may have been lost whole. Bytes that were not recorded on purpose hold none that matter. */
	if (piece->kind == PIECE_LOST || r->http.begun)
		c->order_lost = true;
	search(r);
}

static void end_of_stream(struct reader *r, const char *cut)
{
	if (r->state == READ_NOTHING)
		return;
	if (r->state == READ_SEARCH) {
		unreadable(r, r->candidate.n);
		connection_end_message(r->connection, r->side, cut);
	} else if (r->http.begun) {
		if (r->side == HTTP1_REQUESTS)
			forget_head(r);
		enum http1_result result = http1_finish(&r->http);
		connection_end_message(r->connection, r->side, result == HTTP1_END ? NULL : cut);
	}
	r->state = READ_NOTHING;
}

void reader_finish(struct reader *r, const char *reason)
{
	struct buf cut;
	buf_init(&cut, 256);
	buf_printf(&cut, "cut off: %s", r->connection->error ? strerror(r->connection->error) : reason);
	end_of_stream(r, buf_str(&cut).p);
	buf_release(&cut);
}

static size_t read_piece(struct reader *r, const struct piece *piece, bool must)
{
	switch (piece->kind) {
	case PIECE_END:
		r->connection->peer_ended = true;
		reader_finish(r, "the server closed the connection");
		return 0;
	case PIECE_LOST:
	case PIECE_UNSEEN:
		if (r->state == READ_NOTHING)
			r->passed_bytes += piece->n;
		else
			missing(r, piece);
		return 0;
	case PIECE_BYTES:
		break;
	}
	switch (r->state) {
	case READ_MESSAGES:
		return read_messages(r, piece, piece->bytes, must);
	case READ_SEARCH:
		return search_message(r, piece, must);
	case READ_NOTHING:
		r->passed_bytes += piece->n;
		break;
	}
	return piece->bytes.n;
}

void reader_pump(struct reader *r, bool force)
{
	struct piece piece;
	uint64_t now = r->connection->pipeline->now_ns;
	while (stream_next(&r->stream, now, force, &piece)) {
		size_t used = read_piece(r, &piece, force || stream_overdue(&r->stream, now));
		if (piece.kind != PIECE_BYTES) {
			stream_take(&r->stream, piece.n);
			continue;
		}
		stream_take(&r->stream, used);
		if (used < piece.bytes.n)
			break;
	}
	stream_keep(&r->stream); /* without memory it becomes a hole, and is counted as one */
}

void reader_begin(struct reader *r, uint64_t offset)
{
	r->begun = true;
	if (offset > r->stream.position)
		stream_begin_at(&r->stream, offset);
	if (offset > 0)
		search(r);
}
