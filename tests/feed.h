/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FEED_H
#define TESTS_FEED_H

/*
 * Records for a pipeline, and what comes out of it as text, for the tests and the fuzz target. One exchange is
 *
 *     #1 POST /v1/messages?beta model=m body=12/12 → 200 body=34/34 events=3 out=5
 *
 * where body is kept/counted bytes, '!' behind it: not exact, and errors stand in quotation marks behind their side.
 * Nothing in it depends on how the bytes were cut into records, unless bytes were lost.
 */

#include "base/buf.h"
#include "collect/pipeline.h"

#include <inttypes.h>
#include <stdio.h>

#define FEED_PID 100
#define FEED_CONN 7

struct feed {
	struct pipeline *pipeline;
	struct buf seen;
	uint64_t sent, received;           /* offsets */
	uint64_t now_ns;                   /* of the next record; grows by one with each */
	struct exchange_times times;       /* of the last exchange */
	struct exchange_response response; /* of the last exchange: its numbers; what it points to is gone */
};

static inline void feed_error(struct buf *b, const char *error)
{
	if (error)
		buf_printf(b, " \"%s\"", error);
}

static inline void feed_on_exchange(void *context, struct exchange *x)
{
	struct feed *f = context;
	struct buf *b = &f->seen;
	const struct exchange_request *q = &x->request;
	const struct exchange_response *r = &x->response;
	buf_printf(b, "#%" PRIu64 " %s %s%s%s", x->id, q->method, q->path, q->query ? "?" : "",
		   q->query ? q->query : "");
	if (x->model)
		buf_printf(b, " model=%s", x->model);
	buf_printf(b, " body=%zu/%" PRIu64 "%s", q->body.n, q->body_bytes, q->body_exact ? "" : "!");
	feed_error(b, q->error);
	buf_printf(b, " → %d body=%zu/%" PRIu64 "%s", r->status, r->body.n, r->body_bytes, r->body_exact ? "" : "!");
	if (r->events)
		buf_printf(b, " events=%" PRIu64, r->events);
	if (r->usage.output >= 0)
		buf_printf(b, " out=%" PRId64, r->usage.output);
	feed_error(b, r->error);
	buf_putc(b, '\n');
	f->times = x->times;
	f->response = *r;
}

static inline void feed_on_opaque(void *context, const struct opaque_connection *o)
{
	struct feed *f = context;
	buf_printf(&f->seen, "opaque %s %s%s%" PRIu64 " %" PRIu64, o->kind, o->server_name ? o->server_name : "",
		   o->server_name ? " " : "", o->sent_bytes, o->received_bytes);
	feed_error(&f->seen, o->reason);
	buf_putc(&f->seen, '\n');
}

static inline void feed_on_process(void *context, const struct pipeline_process *p)
{
	struct feed *f = context;
	buf_printf(&f->seen, "process %d of %d %s%s\n", p->pid, p->ppid, p->exe, p->forked ? " forked" : "");
}

static inline void feed_init(struct feed *f)
{
	struct pipeline_events events = {
		.context = f, .exchange = feed_on_exchange, .opaque = feed_on_opaque, .process = feed_on_process};
	*f = (struct feed){.now_ns = 1000};
	buf_init(&f->seen, BUF_UNLIMITED);
	f->pipeline = pipeline_new(&events, "test");
}

static inline void feed_release(struct feed *f)
{
	pipeline_free(f->pipeline);
	buf_release(&f->seen);
}

static inline void feed_record(struct feed *f, struct kvs_record r, struct str payload)
{
	if (!r.pid)
		r.pid = FEED_PID;
	if (!r.conn && r.type != KVS_REC_PROCESS && r.type != KVS_REC_BLIND)
		r.conn = FEED_CONN;
	if (!r.time_ns)
		r.time_ns = f->now_ns++;
	r.payload_bytes = (uint32_t)payload.n;
	pipeline_feed(f->pipeline, &r, payload);
}

static inline void feed_type(struct feed *f, enum kvs_record_type type, unsigned arg)
{
	uint64_t offset = type == KVS_REC_EOF ? f->received : f->sent;
	feed_record(f, (struct kvs_record){.type = (uint8_t)type, .arg = (uint16_t)arg, .offset = offset}, STR_NONE);
}

/* A connection to 127.0.0.1:8080 whose first bytes made it a recorded one. */
static inline void feed_open(struct feed *f)
{
	static const unsigned char address[16] = {2, 0, 0x1f, 0x90, 127, 0, 0, 1};
	struct kvs_record r = {.type = KVS_REC_CONNECT};
	feed_record(f, r, (struct str){(const char *)address, sizeof(address)});
	feed_type(f, KVS_REC_CLASS, KVS_CLASS_RECORDED);
	f->sent = f->received = 0;
}

static inline void feed_send(struct feed *f, struct str bytes)
{
	uint64_t begin = f->now_ns++, end = f->now_ns++;
	struct kvs_record r = {
		.type = KVS_REC_SEND, .offset = f->sent, .wire_bytes = bytes.n, .time_ns = begin, .end_ns = end};
	f->sent += bytes.n;
	feed_record(f, r, bytes);
}

static inline void feed_recv(struct feed *f, struct str bytes)
{
	struct kvs_record r = {.type = KVS_REC_RECV, .offset = f->received, .wire_bytes = bytes.n};
	f->received += bytes.n;
	feed_record(f, r, bytes);
}

/* What was seen since the last call. */
static inline const char *feed_seen(struct feed *f)
{
	static char seen[1 << 16];
	snprintf(seen, sizeof(seen), "%s", buf_str(&f->seen).p);
	buf_reset(&f->seen);
	return seen;
}

#endif
