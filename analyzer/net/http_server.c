/* SPDX-License-Identifier: MIT */
#include "net/http_server.h"

#include "base/clock.h"

#include <errno.h>
#include <llhttp/llhttp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a client may send ahead of its answer before it is no longer read. */
#define AHEAD_BYTES_MAX ((size_t)256 << 10)
/* What a slow client may leave unread. */
#define OUT_BYTES_MAX ((size_t)64 << 20)
#define LINGER_NS (2 * NS_PER_S)
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)

enum peer_state {
	READING,   /* between requests or in one */
	ANSWERING, /* a whole request is with the handlers */
	LINGERING, /* answered for the last time: the rest of the input is thrown away until the client closes */
	CLOSED,    /* freed by the timer */
};

struct http_peer {
	struct http_server *server;
	struct http_peer *next, *prev;
	struct conn conn;
	struct loop_timer timer; /* armed for its whole life, so that setting it cannot fail */
	enum peer_state state;
	bool parsing; /* within llhttp: what ends a call must not start to parse the next one */

	llhttp_t parser;
	struct buf ahead; /* input behind the request that is being answered */

	struct http_call call;
	struct buf head; /* target, 0, then name, 0, value, 0 for each header */
	size_t target_bytes;
	struct buf body;
	uint64_t received_ns; /* of the bytes that are being parsed */
	int refuse;           /* status that a parser callback asks for */
	bool keep_alive;
	bool chunked;      /* the response is */
	bool head_request; /* no body in the response */
	bool whole;        /* the request has been read to its end */
	struct buf frame;  /* what one send is made of */
};

static struct http_peer *peer_of(const struct http_call *call)
{
	union {
		const struct http_call *in;
		struct http_call *out;
	} cast = {.in = call};
	return LOOP_OWNER(cast.out, struct http_peer, call);
}

struct http_server *http_call_server(struct http_call *call)
{
	return peer_of(call)->server;
}

/* ---- the life of a peer */

static void close_peer(struct http_peer *p)
{
	if (p->state == CLOSED)
		return;
	p->state = CLOSED;
	conn_close(&p->conn);
	(void)loop_timer_set(p->server->loop, &p->timer, 0);
}

static void free_peer(struct http_peer *p)
{
	struct http_server *s = p->server;

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
	free_peer(LOOP_OWNER(t, struct http_peer, timer));
}

/*
 * A close with input unread makes the kernel send a reset, which can destroy the response on its way to the client: so
 * the sending side is ended first and the input read to its end, within limits.
 */
static void linger(struct http_peer *p)
{
	p->state = LINGERING;
	if (p->conn.out.n == 0)
		conn_shutdown(&p->conn);
	conn_read(&p->conn, true);
	(void)loop_timer_set(p->server->loop, &p->timer, clock_monotonic_ns() + LINGER_NS);
}

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

static void call_done(struct http_peer *p, bool aborted)
{
	p->server->on->done(&p->call, aborted);
	reset_call(p);
}

static void parse_ahead(struct http_peer *p);

/*
 * Ends the call with the last bytes of its response. `done` comes before they are sent: what a handler writes down
 * there can be read by a client that has just got its answer.
 */
static void end_call(struct http_peer *p, struct str last)
{
	bool goes_on = p->keep_alive && p->whole;

	call_done(p, false);
	(void)conn_send(&p->conn, last);
	if (!goes_on) {
		linger(p);
		return;
	}
	p->state = READING;
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

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{503, "Service Unavailable"},
		{529, "Overloaded"},
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

static void refuse(struct http_peer *p, int status, const char *why)
{
	struct buf body;

	buf_init(&body, 4096);
	if (p->server->on->explain)
		p->server->on->explain(status, why, &body);
	else
		buf_printf(&body, "%s\n", why);
	p->keep_alive = false;
	/* Without a head there is no call to be done with: answer and end the connection. */
	bool headless = p->call.head_ns == 0;
	p->state = ANSWERING;
	const char *type = p->server->on->explain ? "application/json" : "text/plain";
	if (headless) {
		struct buf *f = &p->frame;
		buf_reset(f);
		buf_printf(f,
			   "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			   "Connection: close\r\n\r\n",
			   status, reason(status), type, body.n);
		buf_append_str(f, buf_str(&body));
		(void)conn_send(&p->conn, buf_str(f));
		reset_call(p);
		linger(p);
	} else {
		http_call_respond(&p->call, status, type, "", buf_str(&body));
	}
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
		p->state = ANSWERING;
		llhttp_resume(&p->parser);
		p->server->on->request(&p->call);
	} else if (e == HPE_PAUSED_UPGRADE) {
		/* Nobody here speaks h2c or websockets: the upgrade is ignored, as HTTP allows. */
		llhttp_resume_after_upgrade(&p->parser);
	} else {
		const char *why = p->refuse == 413   ? "the request body is too large"
				  : p->refuse == 431 ? "the request head is too large"
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
	while (p->state == READING && p->ahead.n > 0)
		buf_consume(&p->ahead, parse(p, buf_str(&p->ahead)));
	p->parsing = false;
}

static void on_data(struct conn *c, struct str bytes, uint64_t received_ns)
{
	struct http_peer *p = LOOP_OWNER(c, struct http_peer, conn);

	if (p->state == LINGERING)
		return;
	p->received_ns = received_ns;
	/* While a request is being answered only what is behind it is kept; else `ahead` is empty. */
	p->parsing = true;
	while (p->state == READING && bytes.n > 0) {
		size_t used = parse(p, bytes);
		bytes.p += used;
		bytes.n -= used;
	}
	p->parsing = false;
	if (p->state != ANSWERING || bytes.n == 0)
		return;
	if (buf_append_str(&p->ahead, bytes) < 0)
		close_peer(p);
	else if (p->ahead.n >= AHEAD_BYTES_MAX)
		conn_read(c, false);
}

static void on_gone(struct conn *c)
{
	struct http_peer *p = LOOP_OWNER(c, struct http_peer, conn);

	if (p->call.head_ns && (p->state == READING || p->state == ANSWERING))
		call_done(p, true);
	close_peer(p);
}

static void on_drained(struct conn *c)
{
	struct http_peer *p = LOOP_OWNER(c, struct http_peer, conn);
	if (p->state == LINGERING)
		conn_shutdown(c);
}

static const struct conn_handlers conn_handlers = {.data = on_data, .gone = on_gone, .drained = on_drained};

/* Takes the next 0-terminated part off the head. */
static struct str next_part(struct str *rest)
{
	const char *end = rest->n ? memchr(rest->p, 0, rest->n) : NULL;
	struct str part = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
	size_t taken = part.n + (end ? 1 : 0);
	rest->p += taken;
	rest->n -= taken;
	return part;
}

struct str http_call_header(const struct http_call *call, struct str name)
{
	const struct http_peer *p = peer_of(call);
	struct str rest = {p->head.p + p->target_bytes + 1, p->head.n - p->target_bytes - 1};

	while (rest.n > 0) {
		struct str key = next_part(&rest);
		struct str value = next_part(&rest);
		if (str_eq_nocase(key, name))
			return value;
	}
	return STR_NONE;
}

/* ---- responses */

static struct buf *response_head(struct http_peer *p, int status, const char *type, const char *headers)
{
	buf_reset(&p->frame);
	buf_printf(&p->frame, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s", status, reason(status), type, headers);
	/* An answer before the end of the request leaves nothing to parse the next one with. */
	if (!p->keep_alive || !p->whole)
		buf_puts(&p->frame, "Connection: close\r\n");
	p->call.status = status;
	return &p->frame;
}

static void send_frame(struct http_peer *p)
{
	if (p->call.first_byte_ns == 0)
		p->call.first_byte_ns = clock_monotonic_ns();
	(void)conn_send(&p->conn, buf_str(&p->frame));
}

void http_call_respond(struct http_call *call, int status, const char *type, const char *headers, struct str body)
{
	struct http_peer *p = peer_of(call);
	struct buf *f = response_head(p, status, type, headers);

	buf_printf(f, "Content-Length: %zu\r\n\r\n", body.n);
	if (!p->head_request)
		buf_append_str(f, body);
	call->first_byte_ns = call->end_ns = clock_monotonic_ns();
	end_call(p, buf_str(f));
}

void http_call_begin(struct http_call *call, int status, const char *type, const char *headers)
{
	struct http_peer *p = peer_of(call);

	p->chunked = p->parser.http_major == 1 && p->parser.http_minor >= 1;
	if (!p->chunked)
		p->keep_alive = false; /* HTTP/1.0: the end of the connection is the end of the body */
	struct buf *f = response_head(p, status, type, headers);
	buf_puts(f, p->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
	send_frame(p);
}

void http_call_chunk(struct http_call *call, struct str bytes)
{
	struct http_peer *p = peer_of(call);

	if (bytes.n == 0 || p->head_request)
		return;
	buf_reset(&p->frame);
	if (p->chunked)
		buf_printf(&p->frame, "%zx\r\n", bytes.n);
	buf_append_str(&p->frame, bytes);
	if (p->chunked)
		buf_puts(&p->frame, "\r\n");
	send_frame(p);
}

void http_call_end(struct http_call *call)
{
	struct http_peer *p = peer_of(call);

	call->end_ns = clock_monotonic_ns();
	end_call(p, p->chunked && !p->head_request ? STR("0\r\n\r\n") : STR(""));
}

void http_call_cut(struct http_call *call)
{
	struct http_peer *p = peer_of(call);

	call->end_ns = clock_monotonic_ns();
	call_done(p, false);
	close_peer(p);
}

/* ---- the server */

static int open_peer(struct http_server *s, int fd)
{
	struct http_peer *p = calloc(1, sizeof(*p));
	if (!p) {
		close(fd);
		return -1;
	}
	p->server = s;
	p->timer.fire = timer_fired;
	if (conn_open(&p->conn, s->loop, fd, &conn_handlers, OUT_BYTES_MAX) < 0 ||
	    loop_timer_set(s->loop, &p->timer, UINT64_MAX) < 0) {
		conn_close(&p->conn);
		free(p);
		return -1;
	}
	buf_init(&p->ahead, AHEAD_BYTES_MAX * 2);
	buf_init(&p->head, s->limits.head_bytes);
	buf_init(&p->body, s->limits.body_bytes);
	buf_init(&p->frame, OUT_BYTES_MAX);
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

static void listener_ready(struct loop_fd *w, short revents)
{
	struct http_server *s = LOOP_OWNER(w, struct http_server, listener);
	(void)revents;

	while (s->npeers < s->limits.connections) {
		int fd = conn_accept(w->fd);
		if (fd >= 0) {
			(void)open_peer(s, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			/* No descriptors left, mostly: poll would report the same connection for ever. */
			(void)loop_watch(s->loop, w, 0);
			(void)loop_timer_set(s->loop, &s->accept_again, clock_monotonic_ns() + ACCEPT_PAUSE_NS);
		}
		return;
	}
	(void)loop_watch(s->loop, w, 0); /* until a peer is freed */
}

static void accept_again(struct loop_timer *t)
{
	struct http_server *s = LOOP_OWNER(t, struct http_server, accept_again);
	(void)loop_watch(s->loop, &s->listener, POLLIN);
}

int http_server_open(struct http_server *s, struct loop *l, uint16_t port, const struct http_server_handlers *on,
		     struct http_server_limits limits, void *context)
{
	*s = (struct http_server){.loop = l, .on = on, .limits = limits, .context = context, .port = port};
	int fd = conn_listen_loopback(&s->port);
	if (fd < 0)
		return -1;
	s->listener = (struct loop_fd){.fd = fd, .ready = listener_ready};
	s->accept_again.fire = accept_again;
	if (loop_watch(l, &s->listener, POLLIN) < 0) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void http_server_release(struct http_server *s)
{
	loop_unwatch(s->loop, &s->listener);
	loop_timer_cancel(s->loop, &s->accept_again);
	close(s->listener.fd);
	s->listener.fd = -1;
	while (s->peers) {
		struct http_peer *p = s->peers;
		if (p->call.head_ns && (p->state == READING || p->state == ANSWERING))
			call_done(p, true);
		free_peer(p);
	}
}
