/* SPDX-License-Identifier: MIT */
#include "http/http1.h"

#include "base/array.h"

#include <stdlib.h>

/* A request line that is longer is not looked for after a hole. */
#define GUESS_MAX 8192

/* Offsets, because the text moves as it grows. */
struct http1_span {
	size_t name, name_n;
	size_t value, value_n;
};

static struct http1 *self(llhttp_t *p)
{
	return p->data;
}

static int fail(struct http1 *h, const char *error)
{
	h->error = error;
	return -1;
}

static int on_begin(llhttp_t *p)
{
	struct http1 *h = self(p);
	h->begun = true;
	h->head_complete = false;
	h->until_close = false;
	h->in_chunk = false;
	h->target_n = 0;
	h->nheaders = 0;
	buf_reset(&h->text);
	return 0;
}

static int on_target(llhttp_t *p, const char *at, size_t n)
{
	struct http1 *h = self(p);
	if (buf_append(&h->text, at, n) < 0)
		return fail(h, "the head is too long");
	h->target_n += n;
	return 0;
}

/* Names and values come in pieces of any size, none included: the header is there when its value is complete. */
static struct http1_span *span_in_progress(struct http1 *h)
{
	size_t before = h->spans_capacity;
	if (h->nheaders == HTTP1_HEADERS_MAX) {
		fail(h, "the head has too many headers");
		return NULL;
	}
	struct http1_span *grown = array_grow(h->spans, &h->spans_capacity, h->nheaders + 1, sizeof(*grown));
	if (!grown) {
		fail(h, "no memory for the head");
		return NULL;
	}
	h->spans = grown;
	if (h->spans_capacity > before)
		memset(&grown[before], 0, (h->spans_capacity - before) * sizeof(*grown));
	return &grown[h->nheaders];
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
	struct http1 *h = self(p);
	if (h->head_complete) /* a trailer */
		return 0;
	struct http1_span *s = span_in_progress(h);
	if (!s)
		return -1;
	if (s->name_n == 0)
		s->name = h->text.n;
	s->name_n += n;
	return buf_append(&h->text, at, n) < 0 ? fail(h, "the head is too long") : 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	struct http1 *h = self(p);
	if (h->head_complete)
		return 0;
	struct http1_span *s = span_in_progress(h);
	if (!s)
		return -1;
	if (s->value_n == 0)
		s->value = h->text.n;
	s->value_n += n;
	return buf_append(&h->text, at, n) < 0 ? fail(h, "the head is too long") : 0;
}

static int on_value_complete(llhttp_t *p)
{
	struct http1 *h = self(p);
	if (h->head_complete)
		return 0;
	if (!span_in_progress(h))
		return -1;
	h->nheaders++;
	return 0;
}

static int make_headers(struct http1 *h)
{
	struct http1_header *grown = array_grow(h->headers, &h->headers_capacity, h->nheaders, sizeof(*grown));
	if (!grown)
		return fail(h, "no memory for the head");
	h->headers = grown;
	const char *text = buf_str(&h->text).p;
	for (size_t i = 0; i < h->nheaders; i++) {
		const struct http1_span *s = &h->spans[i];
		grown[i].name = (struct str){text + s->name, s->name_n};
		grown[i].value = (struct str){text + s->value, s->value_n};
	}
	memset(h->spans, 0, h->spans_capacity * sizeof(*h->spans));
	return 0;
}

/* The answer is llhttp's: 0 a body as the head says, 1 none, 2 no more HTTP. */
static int on_headers_complete(llhttp_t *p)
{
	struct http1 *h = self(p);
	bool request = p->type == HTTP_REQUEST;
	if (h->nheaders && make_headers(h) < 0)
		return -1;
	h->head_complete = true;
	struct http1_head head = {
		.method = request ? str_from(llhttp_method_name(p->method)) : STR_NONE,
		.target = {buf_str(&h->text).p, h->target_n},
		.status = request ? 0 : p->status_code,
		.headers = h->headers,
		.nheaders = h->nheaders,
		.has_body = p->content_length > 0 || (p->flags & F_CHUNKED),
	};
	enum http1_body body = h->sink->head(h->context, &head);
	if (request)
		return 0;
	if (body == HTTP1_BODY_TUNNEL || head.status == 101)
		return 2;
	/* llhttp knows these by itself only where they have neither length nor chunks: a 304 with a Content-Length
	 * would eat the next response. */
	if (body == HTTP1_BODY_NONE || head.status / 100 == 1 || head.status == 204 || head.status == 304)
		return 1;
	h->until_close = llhttp_message_needs_eof(p);
	return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	struct http1 *h = self(p);
	if (n)
		h->sink->body(h->context, (struct str){at, n});
	return 0;
}

static int on_chunk_header(llhttp_t *p)
{
	self(p)->in_chunk = true;
	return 0;
}

static int on_chunk_complete(llhttp_t *p)
{
	self(p)->in_chunk = false;
	return 0;
}

static int on_message_complete(llhttp_t *p)
{
	self(p)->begun = false;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_message_begin = on_begin,
	.on_url = on_target,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_chunk_header = on_chunk_header,
	.on_chunk_complete = on_chunk_complete,
	.on_message_complete = on_message_complete,
};

void http1_init(struct http1 *h, enum http1_side side, size_t head_max, const struct http1_sink *sink, void *context)
{
	*h = (struct http1){.sink = sink, .context = context};
	buf_init(&h->text, head_max);
	h->parser.type = side == HTTP1_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE;
	http1_restart(h);
}

void http1_release(struct http1 *h)
{
	buf_release(&h->text);
	free(h->spans);
	free(h->headers);
	h->spans = NULL;
	h->headers = NULL;
}

void http1_restart(struct http1 *h)
{
	llhttp_init(&h->parser, h->parser.type, &settings);
	h->parser.data = h;
	/* Without KEEP_ALIVE, llhttp passes over all that follows a "Connection: close" without a word. */
	h->parser.lenient_flags = LENIENT_HEADERS | LENIENT_CHUNKED_LENGTH | LENIENT_KEEP_ALIVE |
				  LENIENT_TRANSFER_ENCODING | LENIENT_VERSION;
	h->begun = false;
	h->head_complete = false;
	h->error = NULL;
	if (h->spans)
		memset(h->spans, 0, h->spans_capacity * sizeof(*h->spans));
}

static enum http1_result bad(struct http1 *h)
{
	if (!h->error)
		h->error = llhttp_get_error_reason(&h->parser);
	return HTTP1_BAD;
}

enum http1_result http1_feed(struct http1 *h, struct str bytes, size_t *used)
{
	llhttp_t *p = &h->parser;
	const char *from = bytes.p, *end = bytes.p + bytes.n;
	llhttp_errno_t r = llhttp_execute(p, from, (size_t)(end - from));
	if (r == HPE_PAUSED_UPGRADE) {
		/* A request may ask for another protocol; as long as the server has not agreed, it is HTTP. */
		from = llhttp_get_error_pos(p);
		llhttp_resume_after_upgrade(p);
		r = llhttp_execute(p, from, (size_t)(end - from));
	}
	*used = bytes.n;
	switch (r) {
	case HPE_OK:
		return HTTP1_MORE;
	case HPE_PAUSED:
		*used = (size_t)(llhttp_get_error_pos(p) - bytes.p);
		llhttp_resume(p);
		return p->type == HTTP_RESPONSE && p->upgrade ? HTTP1_SWITCH : HTTP1_END;
	case HPE_PAUSED_H2_UPGRADE:
		h->http2 = true;
		return HTTP1_SWITCH;
	default:
		return bad(h);
	}
}

bool http1_step_over(struct http1 *h, uint64_t bytes, enum http1_result *result)
{
	llhttp_t *p = &h->parser;
	if (!h->begun || !h->head_complete)
		return false;
	*result = HTTP1_MORE;
	if (h->until_close)
		return true;
	if (p->flags & F_CHUNKED) {
		if (!h->in_chunk || p->content_length < bytes)
			return false;
	} else if (p->content_length == bytes) {
		http1_restart(h);
		*result = HTTP1_END;
		return true;
	} else if (p->content_length < bytes) {
		return false;
	}
	/* What is left of the body or chunk; a public field of llhttp that it counts down in place. */
	p->content_length -= bytes;
	return true;
}

enum http1_result http1_finish(struct http1 *h)
{
	if (!h->begun)
		return HTTP1_MORE;
	bool complete = h->head_complete && h->until_close;
	http1_restart(h);
	if (complete)
		return HTTP1_END;
	h->error = "the connection ended in the middle of a message";
	return HTTP1_BAD;
}

const char *http1_error(const struct http1 *h)
{
	return h->error ? h->error : "";
}

struct str http1_header_of(const struct http1_head *head, struct str name)
{
	for (size_t i = 0; i < head->nheaders; i++)
		if (str_eq_nocase(head->headers[i].name, name))
			return head->headers[i].value;
	return STR_NONE;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* 'd' in the pattern stands for a digit, 'e' for what may end the pattern: a space or the end of the line. */
static enum http1_guess match(struct str s, const char *pattern)
{
	for (size_t i = 0; pattern[i]; i++) {
		if (i == s.n)
			return HTTP1_HEAD_MAYBE;
		char c = s.p[i];
		bool same = pattern[i] == 'd'   ? is_digit(c)
			    : pattern[i] == 'e' ? c == ' ' || c == '\r' || c == '\n'
						: c == pattern[i];
		if (!same)
			return HTTP1_HEAD_NO;
	}
	return HTTP1_HEAD_YES;
}

static enum http1_guess guess_request(struct str s)
{
	static const char *const methods[] = {"POST ",    "GET ",   "HEAD ",    "PUT ",  "DELETE ",
					      "OPTIONS ", "PATCH ", "CONNECT ", "TRACE "};
	enum http1_guess guess = HTTP1_HEAD_NO;
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods) && guess != HTTP1_HEAD_YES; i++) {
		enum http1_guess g = match(s, methods[i]);
		if (g > guess)
			guess = g;
	}
	if (guess != HTTP1_HEAD_YES)
		return guess;
	size_t n = s.n < GUESS_MAX ? s.n : GUESS_MAX;
	const char *target = (const char *)memchr(s.p, ' ', n) + 1;
	size_t left = n - (size_t)(target - s.p);
	const char *after = memchr(target, ' ', left);
	if (memchr(target, '\n', after ? (size_t)(after - target) : left))
		return HTTP1_HEAD_NO;
	if (!after)
		return n < GUESS_MAX ? HTTP1_HEAD_MAYBE : HTTP1_HEAD_NO;
	return match((struct str){after, s.n - (size_t)(after - s.p)}, " HTTP/1.de");
}

enum http1_guess http1_guess_head(enum http1_side side, struct str bytes)
{
	if (bytes.n == 0)
		return HTTP1_HEAD_MAYBE;
	return side == HTTP1_REQUESTS ? guess_request(bytes) : match(bytes, "HTTP/1.d ddde");
}
