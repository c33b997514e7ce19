/* SPDX-License-Identifier: MIT */
#include "net/http_peer.h"

#include "base/clock.h"

#include <string.h>

struct http_server *http_call_server(struct http_call *call)
{
	return http_peer_of(call)->server;
}

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
	const struct http_peer *p = http_peer_of(call);
	struct str rest = {p->head.p + p->target_bytes + 1, p->head.n - p->target_bytes - 1};

	while (rest.n > 0) {
		struct str key = next_part(&rest);
		struct str value = next_part(&rest);
		if (str_eq_nocase(key, name))
			return value;
	}
	return STR_NONE;
}

const char *http_reason(int status)
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
		{411, "Length Required"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{529, "Overloaded"},
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Status";
}

static struct buf *response_head(struct http_peer *p, int status, const char *type, const char *headers)
{
	const struct http_server_habits *habits = &p->server->habits;

	buf_reset(&p->frame);
	if (habits->http10 || (habits->errors_close && status >= 400))
		p->keep_alive = false;
	buf_printf(&p->frame, "HTTP/1.%d %d %s\r\n%s", habits->http10 ? 0 : 1, status, http_reason(status),
		   habits->headers ? habits->headers : "");
	if (type[0])
		buf_printf(&p->frame, "Content-Type: %s\r\n", type);
	buf_puts(&p->frame, headers);
	/* An answer before the end of the request leaves nothing to parse the next one with. HTTP/1.0 closes anyway. */
	if ((!p->keep_alive || !p->whole) && !habits->http10)
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
	struct http_peer *p = http_peer_of(call);
	struct buf *f = response_head(p, status, type, headers);

	if (!p->server->habits.http10 || str_eq(call->method, STR("POST")))
		buf_printf(f, "Content-Length: %zu\r\n", body.n);
	buf_puts(f, "\r\n");
	if (!p->head_request)
		buf_append_str(f, body);
	call->first_byte_ns = call->end_ns = clock_monotonic_ns();
	http_peer_call_end(p, buf_str(f));
}

void http_call_begin(struct http_call *call, int status, const char *type, const char *headers)
{
	struct http_peer *p = http_peer_of(call);

	p->chunked = p->parser.http_major == 1 && p->parser.http_minor >= 1 && !p->server->habits.http10;
	if (!p->chunked)
		p->keep_alive = false; /* HTTP/1.0: the end of the connection is the end of the body */
	struct buf *f = response_head(p, status, type, headers);
	buf_puts(f, p->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
	send_frame(p);
}

void http_call_chunk(struct http_call *call, struct str bytes)
{
	struct http_peer *p = http_peer_of(call);

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
	struct http_peer *p = http_peer_of(call);

	call->end_ns = clock_monotonic_ns();
	http_peer_call_end(p, p->chunked && !p->head_request ? STR("0\r\n\r\n") : STR(""));
}

void http_call_cut(struct http_call *call)
{
	struct http_peer *p = http_peer_of(call);

	call->end_ns = clock_monotonic_ns();
	http_peer_call_done(p, false);
	http_peer_close(p);
}
