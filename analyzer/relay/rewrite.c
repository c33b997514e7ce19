/* SPDX-License-Identifier: MIT */
#include "relay/rewrite.h"

#include <openssl/crypto.h>

static int on_target(llhttp_t *p, const char *at, size_t n)
{
	struct rewrite *w = p->data;
	w->target = (struct str){at, n};
	return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
	struct rewrite *w = p->data;
	w->host_is_next = !w->head_done && str_eq_nocase((struct str){at, n}, STR("host"));
	w->nhosts += w->host_is_next;
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	struct rewrite *w = p->data;
	if (!w->host_is_next || w->head_done)
		return 0;
	if (w->host.n > 0) {
		w->error = "its Host header is folded, or there are several";
		return -1;
	}
	w->host = (struct str){at, n};
	return 0;
}

static int on_head_complete(llhttp_t *p)
{
	struct rewrite *w = p->data;
	w->head_done = true;
	return 0;
}

static int on_message_complete(llhttp_t *p)
{
	struct rewrite *w = p->data;
	w->message_done = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
	static const llhttp_settings_t s = {
		.on_url = on_target,
		.on_header_field = on_name,
		.on_header_value = on_value,
		.on_headers_complete = on_head_complete,
		.on_message_complete = on_message_complete,
	};
	return &s;
}

static void begin_message(struct rewrite *w)
{
	llhttp_init(&w->parser, HTTP_REQUEST, settings());
	w->parser.data = w;
	/* The server, not we, is the judge of what a client may send. */
	llhttp_set_lenient_headers(&w->parser, 1);
	llhttp_set_lenient_chunked_length(&w->parser, 1);
	llhttp_set_lenient_keep_alive(&w->parser, 1);
	llhttp_set_lenient_transfer_encoding(&w->parser, 1);
	w->head_done = w->message_done = w->host_is_next = w->in_body = false;
	w->target = w->host = STR_NONE;
	w->nhosts = 0;
	w->searched = 0;
	buf_reset(&w->head);
}

void rewrite_init(struct rewrite *w, const struct rewrite_rule *rule)
{
	*w = (struct rewrite){.rule = rule};
	buf_init(&w->head, REWRITE_HEAD_MAX);
	begin_message(w);
}

void rewrite_release(struct rewrite *w)
{
	/* It held a key. */
	if (w->head.p)
		OPENSSL_cleanse(w->head.p, w->head.capacity);
	buf_release(&w->head);
}

const char *rewrite_error(const struct rewrite *w)
{
	return w->error ? w->error : "it is no HTTP/1 request";
}

static enum rewrite_result bad(struct rewrite *w, const char *why)
{
	if (!w->error)
		w->error = why;
	return REWRITE_BAD;
}

/* How many of the bytes belong to the head, which ends with an empty line; 0: it goes on. */
static size_t head_end(struct rewrite *w)
{
	const char *p = w->head.p;
	size_t n = w->head.n;
	for (size_t i = w->searched; i < n; i++) {
		const char *lf = memchr(p + i, '\n', n - i);
		if (!lf)
			break;
		i = (size_t)(lf - p);
		if (i + 1 < n && p[i + 1] == '\n')
			return i + 2;
		if (i + 2 < n && p[i + 1] == '\r' && p[i + 2] == '\n')
			return i + 3;
	}
	w->searched = n > 3 ? n - 3 : 0;
	return 0;
}

/* The target without the token; absent if it has none. */
static struct str without_token(const struct rewrite_rule *rule, struct str target)
{
	size_t n = rule->token.n;
	if (target.n < n + 1 || target.p[0] != '/' || CRYPTO_memcmp(target.p + 1, rule->token.p, n) != 0)
		return STR_NONE;
	struct str rest = {target.p + 1 + n, target.n - 1 - n};
	return rest.n == 0 || rest.p[0] == '/' || rest.p[0] == '?' ? rest : STR_NONE;
}

/* Offsets tell which of the two comes first; a Host header cannot stand before the request line. */
static void put_head(const struct rewrite *w, struct str head, struct str rest, struct buf *out)
{
	const char *end = head.p + head.n, *after_target = w->target.p + w->target.n;
	buf_append(out, head.p, (size_t)(w->target.p - head.p));
	buf_append_str(out, w->rule->path);
	if (w->rule->path.n == 0 && (rest.n == 0 || rest.p[0] == '?'))
		buf_putc(out, '/');
	buf_append_str(out, rest);
	if (w->nhosts > 0) {
		buf_append(out, after_target, (size_t)(w->host.p - after_target));
		buf_append_str(out, w->rule->host);
		after_target = w->host.p + w->host.n;
	}
	buf_append(out, after_target, (size_t)(end - after_target));
}

static enum rewrite_result take_head(struct rewrite *w, size_t n, struct buf *out)
{
	struct str head = {w->head.p, n};
	/* The parser must see the end of the head where we do: at the last byte, and not before. */
	llhttp_errno_t r = llhttp_execute(&w->parser, head.p, n - 1);
	if (r == HPE_OK && !w->head_done)
		r = llhttp_execute(&w->parser, head.p + n - 1, 1);
	else if (r == HPE_OK)
		return bad(w, "the end of its head is not clear");
	if ((r != HPE_OK && r != HPE_PAUSED && r != HPE_PAUSED_UPGRADE) || !w->head_done)
		return bad(w, llhttp_get_error_reason(&w->parser));
	if (w->parser.method == HTTP_CONNECT)
		return bad(w, "the relay is no proxy: CONNECT is not for it");
	if (w->nhosts > 1 || (w->nhosts == 1 && w->host.n == 0))
		return bad(w, "its Host header is empty, or there are several");

	struct str rest = without_token(w->rule, w->target);
	if (!rest.p)
		return REWRITE_REFUSED;
	put_head(w, head, rest, out);
	w->upgrading = w->parser.upgrade;
	w->requests++;
	return REWRITE_OK;
}

/* Takes from the front of *bytes what belongs to the head, whole or not. */
static enum rewrite_result feed_head(struct rewrite *w, struct str *bytes, struct buf *out)
{
	/* Some clients send an empty line behind a body. */
	while (w->head.n == 0 && bytes->n > 0 && (bytes->p[0] == '\r' || bytes->p[0] == '\n')) {
		if (w->requests > 0)
			buf_putc(out, bytes->p[0]);
		bytes->p++;
		bytes->n--;
	}
	size_t before = w->head.n;
	size_t room = REWRITE_HEAD_MAX - before, n = bytes->n < room ? bytes->n : room;
	if (buf_append(&w->head, bytes->p, n) < 0)
		return bad(w, "no memory for its head");
	size_t end = head_end(w);
	if (end == 0) {
		bytes->p += n;
		bytes->n -= n;
		return w->head.n == REWRITE_HEAD_MAX ? bad(w, "its head is too long") : REWRITE_OK;
	}
	bytes->p += end - before;
	bytes->n -= end - before;
	enum rewrite_result r = take_head(w, end, out);
	if (r == REWRITE_OK && w->message_done)
		begin_message(w);
	else if (r == REWRITE_OK)
		w->in_body = true;
	return r;
}

static enum rewrite_result feed_body(struct rewrite *w, struct str *bytes, struct buf *out)
{
	llhttp_errno_t r = llhttp_execute(&w->parser, bytes->p, bytes->n);
	size_t used = bytes->n;
	if (w->message_done)
		used = (size_t)(llhttp_get_error_pos(&w->parser) - bytes->p);
	else if (r != HPE_OK)
		return bad(w, llhttp_get_error_reason(&w->parser));
	buf_append(out, bytes->p, used);
	bytes->p += used;
	bytes->n -= used;
	if (w->message_done)
		begin_message(w);
	return REWRITE_OK;
}

enum rewrite_result rewrite_feed(struct rewrite *w, struct str bytes, struct buf *out)
{
	enum rewrite_result r = REWRITE_OK;
	while (bytes.n > 0 && r == REWRITE_OK) {
		if (w->raw) {
			buf_append_str(out, bytes);
			break;
		}
		r = w->in_body ? feed_body(w, &bytes, out) : feed_head(w, &bytes, out);
	}
	return r == REWRITE_OK && out->failed ? bad(w, "there is no room for it") : r;
}

void rewrite_answered(struct rewrite *w, struct str bytes)
{
	static const size_t version = sizeof("HTTP/1.1") - 1;
	if (!w->upgrading || bytes.n < version + 4)
		return;
	w->upgrading = false;
	w->raw = str_starts(bytes, STR("HTTP/")) && memcmp(bytes.p + version, " 101", 4) == 0;
}
