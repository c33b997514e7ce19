/* SPDX-License-Identifier: MIT */
#include "classify.h"

#include <stdbool.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* With the space: "GETTY" is no request. */
#define METHOD(text)                                                                                                   \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}
static const struct {
	const char *text;
	size_t n;
} methods[] = {METHOD("POST "),  METHOD("GET "),     METHOD("PUT "),     METHOD("HEAD "), METHOD("DELETE "),
	       METHOD("PATCH "), METHOD("OPTIONS "), METHOD("CONNECT "), METHOD("TRACE ")};
/* Where a request to go on as a WebSocket is looked for: a body may follow in the same write. */
#define HEAD_MAX 4096

static const char http2_preface[] = "PRI * HTTP/2.0\r\n";

/* In the order of the table: the first that fits is the right one. */
static const struct {
	const char *path;
	size_t n;
} llm_paths[] = {
#define PATH(api, path) {path, sizeof(path) - 1},
	KVS_LLM_PATHS(PATH)
#undef PATH
};

static enum kvs_llm_api api_of_path(const uint8_t *path, size_t n)
{
	for (size_t i = 0; i < COUNT(llm_paths); i++) {
		size_t length = llm_paths[i].n;
		/* Each begins with a slash: hardly any comparison is made for nothing. */
		if (n >= length && path[n - length] == '/' && memcmp(path + n - length, llm_paths[i].path, length) == 0)
			return (enum kvs_llm_api)(i + 1);
	}
	return KVS_API_NONE;
}

enum match { NO, CUT, YES };

/* CUT: the input is a part of the text. */
static enum match starts_with(const uint8_t *p, size_t n, const char *text, size_t length)
{
	if (memcmp(p, text, n < length ? n : length) != 0)
		return NO;
	return n < length ? CUT : YES;
}

static bool ends_path(uint8_t c)
{
	if (c > '?')
		return false;
	return c == ' ' || c == '?' || c == '#' || c == '\r' || c == '\n';
}

static void classify_target(const uint8_t *p, size_t n, struct verdict *v)
{
	size_t end = 0;
	while (end < n && !ends_path(p[end]))
		end++;
	if (end < n) {
		v->api = api_of_path(p, end);
		v->class = v->api ? KVS_CLASS_RECORDED : KVS_CLASS_WATCHED;
	}
}

/* Letters of either case; the text is in lower case. */
static bool same_letters(const uint8_t *p, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i] >= 'A' && p[i] <= 'Z' ? (uint8_t)(p[i] | 0x20) : p[i];
		if (c != (uint8_t)text[i])
			return false;
	}
	return true;
}

/* A request to go on as a WebSocket, as far as its head is here. */
static bool asks_for_websocket(const uint8_t *p, size_t n)
{
	static const char header[] = "\nupgrade: websocket";
	const size_t length = sizeof(header) - 1;
	const uint8_t *end = p + n, *line = p;
	while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if ((size_t)(end - line) >= length && same_letters(line, header, length))
			return true;
		line++;
	}
	return false;
}

/* Returns false if this is no HTTP. */
static bool classify_http(const uint8_t *p, size_t n, struct verdict *v)
{
	bool cut = false;
	for (size_t i = 0; i < COUNT(methods); i++) {
		size_t length = methods[i].n;
		if (*methods[i].text != *p)
			continue;
		enum match match = starts_with(p, n, methods[i].text, length);
		if (match == YES) {
			classify_target(p + length, n - length, v);
			return true;
		}
		cut |= match == CUT;
	}
	enum match match = starts_with(p, n, http2_preface, sizeof(http2_preface) - 1);
	if (match == YES) {
		v->class = KVS_CLASS_WATCHED;
		v->protocol = KVS_PROTOCOL_HTTP2;
	}
	return cut || match != NO;
}

/* A cursor over a TLS message that may be cut anywhere. */
struct cursor {
	const uint8_t *p;
	size_t n;
};

static bool take(struct cursor *c, size_t n, struct cursor *part)
{
	if (c->n < n)
		return false;
	*part = (struct cursor){c->p, n};
	c->p += n;
	c->n -= n;
	return true;
}

static bool take_number(struct cursor *c, size_t bytes, size_t *out)
{
	struct cursor part;
	if (!take(c, bytes, &part))
		return false;
	*out = 0;
	for (size_t i = 0; i < bytes; i++)
		*out = *out << 8 | part.p[i];
	return true;
}

/* A field behind its own length. */
static bool take_field(struct cursor *c, size_t length_bytes, struct cursor *part)
{
	size_t n;
	return take_number(c, length_bytes, &n) && take(c, n, part);
}

static void find_server_name(const uint8_t *p, size_t n, struct verdict *v)
{
	enum { RECORD_HEAD = 5, HANDSHAKE_HEAD = 4, VERSION_AND_RANDOM = 34, EXTENSION_SERVER_NAME = 0 };
	struct cursor c = {p, n}, skipped, extension;
	size_t type;
	if (!take(&c, RECORD_HEAD + HANDSHAKE_HEAD + VERSION_AND_RANDOM, &skipped) || !take_field(&c, 1, &skipped) ||
	    !take_field(&c, 2, &skipped) || !take_field(&c, 1, &skipped) || !take(&c, 2, &skipped))
		return;
	while (take_number(&c, 2, &type) && take_field(&c, 2, &extension)) {
		struct cursor name;
		if (type != EXTENSION_SERVER_NAME)
			continue;
		/* List length, then one entry: kind 0 (a host name), length, name. */
		if (take(&extension, 2, &skipped) && take_number(&extension, 1, &type) && type == 0 &&
		    take_field(&extension, 2, &name)) {
			v->name = name.p;
			v->name_bytes = name.n;
		}
		return;
	}
}

/* Returns false if this is no TLS hello. */
static bool classify_tls(const uint8_t *p, size_t n, struct verdict *v)
{
	enum { HANDSHAKE = 22, CLIENT_HELLO = 1, ENOUGH = 6 };
	if (p[0] != HANDSHAKE || (n > 1 && p[1] != 3))
		return false;
	if (n < ENOUGH)
		return true;
	if (p[5] != CLIENT_HELLO)
		return false;
	v->class = KVS_CLASS_OPAQUE;
	find_server_name(p, n, v);
	return true;
}

struct verdict classify(const uint8_t *p, size_t n)
{
	struct verdict v = {.class = KVS_CLASS_CANDIDATE};
	if (n == 0)
		return v;
	if (!classify_http(p, n < CLASSIFY_MAX ? n : CLASSIFY_MAX, &v) && !classify_tls(p, n, &v))
		v.class = KVS_CLASS_DROPPED;
	else if (v.class == KVS_CLASS_CANDIDATE && n >= CLASSIFY_MAX)
		v.class = KVS_CLASS_WATCHED;
	if (v.class == KVS_CLASS_WATCHED && !v.protocol && asks_for_websocket(p, n < HEAD_MAX ? n : HEAD_MAX))
		v.protocol = KVS_PROTOCOL_WEBSOCKET;
	return v;
}
