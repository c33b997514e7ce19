/* SPDX-License-Identifier: MIT */
#include "net/http_peer.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a client may send ahead of its answer before it is no longer read. */
#define AHEAD_BYTES_MAX ((size_t)256 << 10)
#define LINGER_NS (2 * NS_PER_S)

struct http_peer *http_peer_of(const struct http_call *call)
{
	union {
		const struct http_call *in;
		struct http_call *out;
	} cast = {.in = call};
	return LOOP_OWNER(cast.out, struct http_peer, call);
}

/* ---- the life of a peer */

static void reset_call(struct http_peer *p)
{
	buf_reset(&p->head);
	/* One large request must not keep its memory for the rest of the connection. */
	if (p->body.capacity > (size_t)1 << 20)
		buf_release(&p->body);
	buf_reset(&p->body);
	p->target_bytes = 0;
	p->refuse = 0;
	p->whole = p->chunked = p->head_request = false;
	p->call = (struct http_call){.connection = p->call.connection};
}

/* A head was read and the handlers wait for `done`. */
static bool call_in_work(const struct http_peer *p)
{
	return p->call.head_ns && (p->state == PEER_READING || p->state == PEER_ANSWERING);
}

void http_peer_call_done(struct http_peer *p, bool aborted)
{
	p->server->on->done(&p->call, aborted);
	reset_call(p);
}

void http_peer_close(struct http_peer *p)
{
	if (p->state == PEER_CLOSED)
		return;
	p->state = PEER_CLOSED;
	conn_close(&p->conn);
	(void)loop_timer_set(p->server->loop, &p->timer, 0);
}

void http_peer_free(struct http_peer *p)
{
	struct http_server *s = p->server;

	if (call_in_work(p))
		http_peer_call_done(p, true);
	conn_close(&p->conn);
	loop_timer_cancel(s->loop, &p->timer);
	if (p->prev)
		p->prev->next = p->next;
	else
		s->peers = p->next;
	if (p->next)
		p->next->prev = p->prev;
	s->npeers--;
	buf_release(&p->ahead);
	buf_release(&p->head);
	buf_release(&p->body);
	buf_release(&p->frame);
	free(p);
	if (s->listener.fd >= 0)
		(void)loop_watch(s->loop, &s->listener, POLLIN);
}

static void timer_fired(struct loop_timer *t)
{
	http_peer_free(LOOP_OWNER(t, struct http_peer, timer));
}

/*
 * A close with input unread makes the kernel send a reset, which can destroy the response on its way to the client: so
 * the sending side is ended first and the input read to its end, within limits.
 */
static void linger(struct http_peer *p)
{
	p->state = PEER_LINGERING;
	if (p->conn.out.n == 0)
		conn_shutdown(&p->conn);
	conn_read(&p->conn, true);
	(void)loop_timer_set(p->server->loop, &p->timer, clock_monotonic_ns() + LINGER_NS);
}

static void parse_ahead(struct http_peer *p);

void http_peer_call_end(struct http_peer *p, struct str last)
{
	bool goes_on = p->keep_alive && p->whole;

	http_peer_call_done(p, false);
	(void)conn_send(&p->conn, last);
	if (!goes_on) {
		linger(p);
		return;
	}
	p->state = PEER_READING;
	conn_read(&p->conn, true);
	parse_ahead(p);
}

/* ---- parsing */

static int append_or_refuse(struct http_peer *p, struct buf *to, const char *at, size_t n, int status)
{
	if (buf_append(to, at, n) == 0)
		return 0;
	p->refuse = status;
	return HPE_USER;
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
	struct http_peer *p = parser->data;
	p->target_bytes += n;
	return append_or_refuse(p, &p->head, at, n, 431);
}

static int on_header_bytes(llhttp_t *parser, const char *at, size_t n)
{
	struct http_peer *p = parser->data;
	if (p->call.head_ns)
		return 0; /* a trailer: nobody asks for them, and growing the head would move what the call points to */
	return append_or_refuse(p, &p->head, at, n, 431);
}

static int on_part_complete(llhttp_t *parser)
{
	return on_header_bytes(parser, "", 1);
}

static int on_headers_complete(llhttp_t *parser)
{
	struct http_peer *p = parser->data;
	struct http_call *call = &p->call;

	call->head_ns = p->received_ns;
	call->method = str_from(llhttp_method_name((llhttp_method_t)parser->method));
	call->target = call->path = (struct str){p->head.p, p->target_bytes};
	call->query = STR_NONE;
	const char *mark = memchr(call->target.p, '?', call->target.n);
	if (mark) {
		call->path.n = (size_t)(mark - call->target.p);
		call->query = (struct str){mark + 1, call->target.n - call->path.n - 1};
	}
	p->head_request = parser->method == HTTP_HEAD;

	if (parser->content_length > p->server->limits.body_bytes) {
		p->refuse = 413;
		return HPE_USER;
	}
	p->refuse = p->server->on->head ? p->server->on->head(call) : 0;
	if (p->refuse)
		return HPE_USER;
	bool http11 = parser->http_major > 1 || (parser->http_major == 1 && parser->http_minor >= 1);
	if (http11 && str_eq_nocase(http_call_header(call, STR("expect")), STR("100-continue")))
		(void)conn_send(&p->conn, STR("HTTP/1.1 100 Continue\r\n\r\n"));
	return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
	struct http_peer *p = parser->data;
	return append_or_refuse(p, &p->body, at, n, 413);
}

static int on_message_complete(llhttp_t *parser)
{
	struct http_peer *p = parser->data;
	p->whole = true;
	p->keep_alive = llhttp_should_keep_alive(parser);
	p->call.body = buf_str(&p->body);
	p->call.body_ns = p->received_ns;
	return HPE_PAUSED;
}

static const llhttp_settings_t parser_settings = {
	.on_url = on_url,
	.on_url_complete = on_part_complete,
	.on_header_field = on_header_bytes,
	.on_header_field_complete = on_part_complete,
	.on_header_value = on_header_bytes,
	.on_header_value_complete = on_part_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void refuse(struct http_peer *p, int status, const char *why)
{
	struct buf body;

	buf_init(&body, 4096);
	if (p->server->on->explain)
		p->server->on->explain(p->server, status, why, &body);
	else
		buf_printf(&body, "%s\n", why);
	p->keep_alive = false;
	/* Without a head there is no call to be done with: answer and end the connection. */
	bool headless = p->call.head_ns == 0;
	p->state = PEER_ANSWERING;
	const char *type = p->server->on->explain ? "application/json" : "text/plain";
	if (headless) {
		struct buf *f = &p->frame;
		buf_reset(f);
		buf_printf(f,
			   "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			   "Connection: close\r\n\r\n",
			   status, http_reason(status), type, body.n);
		buf_append_str(f, buf_str(&body));
		(void)conn_send(&p->conn, buf_str(f));
		reset_call(p);
		linger(p);
	} else {
		http_call_respond(&p->call, status, type, "", buf_str(&body));
	}
	if (!headless && p->server->habits.unread_resets)
		http_peer_close(p);
	buf_release(&body);
}

/* Parses until a request is whole or the bytes are used up. Returns how many were used. */
static size_t parse(struct http_peer *p, struct str bytes)
{
	llhttp_errno_t e = llhttp_execute(&p->parser, bytes.p, bytes.n);
	if (e == HPE_OK)
		return bytes.n;

	size_t used = (size_t)(llhttp_get_error_pos(&p->parser) - bytes.p);
	if (e == HPE_PAUSED) {
		p->state = PEER_ANSWERING;
		llhttp_resume(&p->parser);
		p->server->on->request(&p->call);
	} else if (e == HPE_PAUSED_UPGRADE) {
		/* Nobody here speaks h2c or websockets: the upgrade is ignored, as HTTP allows. */
		llhttp_resume_after_upgrade(&p->parser);
	} else {
		const char *why = p->refuse == 413   ? "the request body is too large"
				  : p->refuse == 431 ? "the request head is too large"
				  : p->refuse        ? "refused by its head"
						     : llhttp_get_error_reason(&p->parser);
		refuse(p, p->refuse ? p->refuse : 400, why ? why : "not HTTP/1");
		used = bytes.n;
	}
	return used;
}

static void parse_ahead(struct http_peer *p)
{
	if (p->parsing)
		return;
	p->parsing = true;
	while (p->state == PEER_READING && p->ahead.n > 0)
		buf_consume(&p->ahead, parse(p, buf_str(&p->ahead)));
	p->parsing = false;
}

static void on_data(struct conn *c, struct str bytes, uint64_t received_ns)
{
	struct http_peer *p = LOOP_OWNER(c, struct http_peer, conn);

	if (p->state == PEER_LINGERING)
		return;
	p->received_ns = received_ns;
	/* While a request is being answered only what is behind it is kept; else `ahead` is empty. */
	p->parsing = true;
	while (p->state == PEER_READING && bytes.n > 0) {
		size_t used = parse(p, bytes);
		bytes.p += used;
		bytes.n -= used;
	}
	p->parsing = false;
	if (p->state != PEER_ANSWERING || bytes.n == 0)
		return;
	if (buf_append_str(&p->ahead, bytes) < 0)
		http_peer_close(p);
	else if (p->ahead.n >= AHEAD_BYTES_MAX)
		conn_read(c, false);
}

static void on_gone(struct conn *c)
{
	struct http_peer *p = LOOP_OWNER(c, struct http_peer, conn);

	if (call_in_work(p))
		http_peer_call_done(p, true);
	http_peer_close(p);
}

static void on_drained(struct conn *c)
{
	struct http_peer *p = LOOP_OWNER(c, struct http_peer, conn);
	if (p->state == PEER_LINGERING)
		conn_shutdown(c);
}

static const struct conn_handlers conn_handlers = {.data = on_data, .gone = on_gone, .drained = on_drained};

int http_peer_open(struct http_server *s, int fd)
{
	struct http_peer *p = calloc(1, sizeof(*p));
	if (!p) {
		close(fd);
		return -1;
	}
	p->server = s;
	p->timer.fire = timer_fired;
	if (conn_open(&p->conn, s->loop, fd, &conn_handlers, HTTP_PEER_OUT_BYTES_MAX) < 0 ||
	    loop_timer_set(s->loop, &p->timer, UINT64_MAX) < 0) {
		conn_close(&p->conn);
		free(p);
		return -1;
	}
	buf_init(&p->ahead, AHEAD_BYTES_MAX * 2);
	buf_init(&p->head, s->limits.head_bytes);
	buf_init(&p->body, s->limits.body_bytes);
	buf_init(&p->frame, HTTP_PEER_OUT_BYTES_MAX);
	llhttp_init(&p->parser, HTTP_REQUEST, &parser_settings);
	p->parser.data = p;
	p->call.connection = ++s->connections_seen;

	p->next = s->peers;
	if (s->peers)
		s->peers->prev = p;
	s->peers = p;
	s->npeers++;
	return 0;
}
