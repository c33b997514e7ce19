/* SPDX-License-Identifier: MIT */
#include "collect/pipeline_connection.h"

#include <stdlib.h>
#include <string.h>

struct connection *connection_new(struct pipeline *p, struct connection_key key, uint64_t time_ns)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->key = key;
	c->pipeline = p;
	c->start_ns = time_ns;
	reader_init(&c->send, c, HTTP1_REQUESTS);
	reader_init(&c->recv, c, HTTP1_RESPONSES);
	return c;
}

void connection_restart(struct connection *c)
{
	reader_release(&c->send);
	reader_release(&c->recv);
	c->send = c->recv = (struct reader){0};
	reader_init(&c->send, c, HTTP1_REQUESTS);
	reader_init(&c->recv, c, HTTP1_RESPONSES);
	reader_begin(&c->send, 0);
	reader_begin(&c->recv, 0);
	turns_release(&c->turns);
}

void connection_free(struct connection *c)
{
	while (c->talks) {
		struct talk *t = c->talks;
		c->talks = t->next;
		talk_free(t);
	}
	reader_release(&c->send);
	reader_release(&c->recv);
	free(c->peer);
	free(c->server_name);
	turns_release(&c->turns);
	free(c);
}

/* ---- talks */

static void append_talk(struct connection *c, struct talk *t)
{
	struct talk **at = &c->talks;
	while (*at)
		at = &(*at)->next;
	*at = t;
	c->ntalks++;
}

/* Hands out, in order, what is complete. */
static void hand_out(struct connection *c)
{
	struct talk *t;
	while ((t = c->talks) != NULL && t->request_done && t->response_done) {
		c->talks = t->next;
		c->ntalks--;
		if (t->wanted) {
			c->pipeline->events.exchange(c->pipeline->events.context, &t->x);
			talk_keep(t, &c->pipeline->lineages);
		}
		talk_free(t);
	}
}

static void end_request(struct reader *r, const char *cut)
{
	struct connection *c = r->connection;
	struct pipeline *p = c->pipeline;
	struct talk *t = r->talk;
	r->talk = NULL;
	if (!t)
		return;
	t->x.times.request_end = r->message_end_ns;
	talk_request_end(t, r->message_bytes, cut, &p->lineages);
	if (t->wanted && !t->response_begun && !t->response_done && p->events.request)
		p->events.request(p->events.context, &t->x);
	hand_out(c);
}

/* The response to t is over; t may be gone afterwards. */
static void response_over(struct connection *c, struct talk *t, const char *cut)
{
	if (c->recv.talk == t)
		c->recv.talk = NULL;
	if (cut && t->wanted && t->request_done && c->client_left_ns)
		t->x.times.end = c->client_left_ns;
	talk_response_end(t, cut);
	/* Where the request was lost in the middle, nothing else says that it has ended. */
	if (c->send.talk == t && c->send.state == READ_SEARCH)
		end_request(&c->send, "bytes are missing, and the end of the request with them");
	hand_out(c);
}

static void no_response(struct connection *c, struct talk *t, const char *why)
{
	if (t->wanted)
		c->pipeline->loss.requests_without_response++;
	response_over(c, t, why);
}

static struct talk *awaiting_response(const struct connection *c)
{
	struct talk *t = c->talks;
	while (t && t->response_done)
		t = t->next;
	return t;
}

/* By time: see the top of the header. Those before the one that is found go without. */
static struct talk *response_by_time(struct connection *c, uint64_t time_ns)
{
	struct talk *found = NULL;
	for (struct talk *t = awaiting_response(c); t; t = t->next)
		if (!t->response_done && t->x.times.request_start <= time_ns)
			found = t;
	struct talk *t;
	while (found && (t = awaiting_response(c)) != found)
		no_response(c, t, "its response was lost: bytes of the connection are missing");
	if (found && !found->next)
		c->order_lost = false;
	return found;
}

void connection_begin_talk(struct connection *c, const struct http1_head *head)
{
	struct reader *r = &c->send;
	struct pipeline *p = c->pipeline;
	if (c->ntalks >= CONNECTION_TALKS_MAX) {
		c->order_lost = true;
		no_response(c, c->talks, "no response came before many later requests");
	}
	struct talk *t = talk_new(head, c->tls ? "preload-tls" : p->capture_mode, &p->lineages.spare);
	r->talk = t;
	if (!t) {
		c->order_lost = true;
		return;
	}
	struct exchange *x = &t->x;
	x->pid = c->key.pid;
	x->connection = c->id;
	x->sequence = c->sequence++;
	x->times.request_start = r->message_start_ns;
	if (t->wanted) {
		r->passed_bytes -= r->message_bytes; /* the start of a head that came in several records */
		x->id = ++p->last_exchange;
		x->peer = c->peer ? strdup(c->peer) : NULL;
	}
	append_talk(c, t);
}

bool connection_begin_response(struct connection *c, uint64_t time_ns, bool must)
{
	struct talk *t = awaiting_response(c);
	if (!t && !must)
		return false;
	if (t && t->x.times.request_start > time_ns)
		t = NULL; /* sent unasked, as a 408 on an idle connection, or to a request that was lost */
	else if (t && c->order_lost)
		t = response_by_time(c, time_ns);
	if (!t)
		c->pipeline->loss.responses_without_request++;
	c->recv.talk = t;
	if (t)
		talk_response_begin(t, time_ns);
	return true;
}

void connection_end_message(struct connection *c, enum http1_side side, const char *cut)
{
	if (side == HTTP1_REQUESTS)
		end_request(&c->send, cut);
	else if (c->recv.talk)
		response_over(c, c->recv.talk, cut);
}

void connection_piece(struct connection *c, struct reader *r, const struct piece *piece)
{
	/* A connection that was open before we saw it, or that a parent process opened, begins in the middle. */
	if (!r->begun)
		reader_begin(r, c->connect_seen ? 0 : piece->offset);
	stream_put(&r->stream, piece);
	reader_pump(&c->send, false);
	reader_pump(&c->recv, false);
}

/* ---- the end */

static void hand_out_opaque(struct connection *c, uint64_t end_ns)
{
	struct opaque_connection o = {
		.connection = c->id,
		.pid = c->key.pid,
		.peer = c->peer,
		.server_name = c->server_name,
		.protocol = c->inside,
		.sent_bytes = c->send.passed_bytes,
		.received_bytes = c->recv.passed_bytes,
		.start_ns = c->start_ns,
		.end_ns = end_ns,
		.first_received_ns = c->first_received_ns,
	};
	if (c->class == KVS_CLASS_OPAQUE) {
		o.kind = "tls";
		o.turns = &c->turns;
	} else if (c->class == KVS_CLASS_WATCHED) {
		o.kind = c->watched_kind ? c->watched_kind : "http";
	} else if (c->kind) {
		o.kind = c->kind;
		o.reason = c->kind_reason;
	} else if (c->send.lost_bytes + c->recv.lost_bytes > 0) {
		o.kind = "unreadable";
		o.reason = "no HTTP message could be found in it";
		o.sent_bytes += c->send.lost_bytes;
		o.received_bytes += c->recv.lost_bytes;
	} else if (c->class == KVS_CLASS_CANDIDATE && o.sent_bytes + o.received_bytes > 0) {
		o.kind = "unreadable";
		o.reason = "the record that says what it is was lost";
	} else {
		o.kind = "http";
	}
	if (o.sent_bytes + o.received_bytes > 0)
		c->pipeline->events.opaque(c->pipeline->events.context, &o);
}

void connection_end(struct connection *c, uint64_t end_ns, const char *reason)
{
	struct buf none;
	struct talk *t;
	reader_pump(&c->send, true);
	reader_pump(&c->recv, true);
	if (c->peer_ended)
		reason = "the server closed the connection";
	/* Behind a hole the answer may have ended before. */
	else if (!c->error && c->recv.state == READ_MESSAGES && strcmp(reason, EXCHANGE_CLIENT_LEFT) == 0)
		c->client_left_ns = end_ns;
	reader_finish(&c->send, reason);
	reader_finish(&c->recv, reason);

	buf_init(&none, 256);
	buf_printf(&none, "no response: %s", c->error ? strerror(c->error) : reason);
	while ((t = awaiting_response(c)) != NULL)
		no_response(c, t, buf_str(&none).p);
	buf_release(&none);
	hand_out_opaque(c, end_ns);
}
