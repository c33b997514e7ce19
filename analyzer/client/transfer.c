/* SPDX-License-Identifier: MIT */
#include "client/transfer.h"

#include "api/api.h"
#include "base/array.h"
#include "base/clock.h"
#include "http/headers.h"
#include "kvscope/version.h"

#include <stdlib.h>

#define ARRIVALS_MAX 65536
#define CONNECT_S 10.0
#define REQUEST_S 3600.0

void answer_error(struct client_answer *a, const char *format, ...)
{
	struct buf text;
	va_list args;

	if (a->x.response.error)
		return;
	buf_init(&text, 4096);
	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	a->x.response.error = buf_steal(&text);
	buf_release(&text);
}

void answer_reset(struct client_answer *a)
{
	exchange_release(&a->x);
	a->outcome = CLIENT_NONE;
	a->retry_after_s = -1;
	a->connect_ns = 0;
}

/* ---- what libcurl calls */

/* The connection is there, nothing was sent on it yet. */
static int on_connected(void *context, char *to, char *from, int to_port, int from_port)
{
	struct transfer *t = context;
	(void)to, (void)from, (void)to_port, (void)from_port;
	t->answer->x.times.request_start = clock_monotonic_ns();
	return CURL_PREREQFUNC_OK;
}

/* Called after each send with what was sent. Nothing of it is kept but what is to be hidden: it holds the keys. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t n, void *context)
{
	struct transfer *t = context;
	(void)easy;
	if (type == CURLINFO_HEADER_OUT)
		keys_note_basic(&t->basic, (struct str){data, n});
	if (type == CURLINFO_HEADER_OUT || type == CURLINFO_DATA_OUT) {
		t->answer->x.times.request_end = clock_monotonic_ns();
		t->answer->x.request.wire_bytes += n;
	}
	return 0;
}

static void on_event(void *context, struct str name, struct str data, uint64_t time_ns)
{
	struct transfer *t = context;
	if (str_eq(data, STR("[DONE]")) || str_eq(name, STR("message_stop")))
		t->stream_ended = true;
	api_response_event(&t->answer->x, name, data, time_ns);
}

static void note_arrival(struct transfer *t, size_t n, uint64_t now)
{
	struct exchange_response *r = &t->answer->x.response;
	struct arrival *grown = NULL;

	if (r->narrivals < ARRIVALS_MAX)
		grown = array_grow(r->arrivals, &t->arrivals_capacity, r->narrivals + 1, sizeof(*grown));
	if (!grown) {
		r->arrivals_cut = true;
		return;
	}
	r->arrivals = grown;
	grown[r->narrivals++] = (struct arrival){.time_ns = now, .bytes = n};
}

static size_t on_body(char *p, size_t size, size_t n, void *context)
{
	struct transfer *t = context;
	struct exchange *x = &t->answer->x;
	struct exchange_response *r = &x->response;
	uint64_t now = clock_monotonic_ns();
	struct str bytes = {p, size * n};

	x->times.end = now;
	r->wire_bytes += bytes.n;
	r->body_bytes += bytes.n;
	note_arrival(t, bytes.n, now);
	if (r->streamed)
		sse_feed(&t->sse, bytes, now);
	if (bytes.n > r->body.max - r->body.n) {
		bytes.n = r->body.max - r->body.n;
		r->body_exact = false;
	}
	if (buf_append_str(&r->body, bytes) < 0)
		r->body_exact = false;
	return size * n;
}

/* A new status line: of an answer before the real one (100, a proxy's), all is forgotten. */
static void begin_head(struct transfer *t, uint64_t now)
{
	struct exchange *x = &t->answer->x;
	for (size_t i = 0; i < x->response.nheaders; i++) {
		free(x->response.headers[i].name);
		free(x->response.headers[i].value);
	}
	free(x->response.headers);
	x->response.headers = NULL;
	x->response.nheaders = 0;
	x->times.first_byte = now;
	t->head_done = false;
}

static void end_head(struct transfer *t, uint64_t now)
{
	struct exchange *x = &t->answer->x;
	struct exchange_response *r = &x->response;
	const char *type = exchange_header_value(r->headers, r->nheaders, "content-type");
	struct str media = media_type(str_from(type));

	t->head_done = true;
	x->times.headers = x->times.end = now;
	r->streamed = str_eq_nocase(media, STR("text/event-stream"));
	free(r->content_type);
	r->content_type = media.n ? strndup(media.p, media.n) : NULL;
	api_engine_from_headers(x);
}

static void add_header(struct exchange_response *r, struct str line, const char *colon)
{
	struct exchange_header *grown = realloc(r->headers, (r->nheaders + 1) * sizeof(*grown));
	struct str name = {line.p, (size_t)(colon - line.p)};
	struct str value = {colon + 1, line.n - name.n - 1};

	if (!grown)
		return;
	r->headers = grown;
	while (value.n > 0 && (*value.p == ' ' || *value.p == '\t')) {
		value.p++;
		value.n--;
	}
	grown += r->nheaders;
	*grown = (struct exchange_header){.name = strndup(name.p, name.n)};
	if (header_value_kept(name))
		grown->value = strndup(value.p, value.n);
	if (grown->name)
		r->nheaders++;
	else
		free(grown->value);
}

static size_t on_header(char *p, size_t size, size_t n, void *context)
{
	struct transfer *t = context;
	uint64_t now = clock_monotonic_ns();
	struct str line = {p, size * n};

	t->answer->x.response.wire_bytes += line.n;
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;
	if (str_starts(line, STR("HTTP/")))
		begin_head(t, now);
	else if (line.n == 0 && !t->head_done)
		end_head(t, now);
	else if (colon && !t->head_done)
		add_header(&t->answer->x.response, line, colon);
	return size * n;
}

/* ---- one attempt */

int transfer_init(struct transfer *t, const struct client_keys *keys)
{
	*t = (struct transfer){.easy = curl_easy_init(), .keys = keys};
	sse_init(&t->sse, TRANSFER_EVENT_MAX, on_event, t);
	return t->easy ? 0 : -1;
}

void transfer_release(struct transfer *t)
{
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	sse_release(&t->sse);
	basic_keys_release(&t->basic);
}

static struct curl_slist *add_line(struct curl_slist *list, const char *line)
{
	struct curl_slist *grown = list ? curl_slist_append(list, line) : NULL;
	if (list && !grown)
		curl_slist_free_all(list);
	return grown;
}

static int set_headers(struct transfer *t, const struct base_url *base, const struct client_request *request)
{
	bool anthropic = request->api == KVS_API_ANTHROPIC_MESSAGES || request->api == KVS_API_ANTHROPIC_COUNT_TOKENS;
	bool version = false;

	curl_slist_free_all(t->headers);
	/* An empty Expect takes the one away that libcurl would add to a long body. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	if (request->body.p)
		list = add_line(list, "Content-Type: application/json");
	for (size_t i = 0; request->headers && request->headers[i]; i++) {
		list = add_line(list, request->headers[i]);
		version = version || strncasecmp(request->headers[i], "anthropic-version:", 18) == 0;
	}
	if ((anthropic || base_url_in_domain(base, "anthropic.com")) && !version)
		list = add_line(list, "anthropic-version: 2023-06-01");
	t->headers = keys_headers(t->keys, base, request->api, list);
	return t->headers ? 0 : -1;
}

static int set_request(struct transfer *t, const struct client_options *options, const struct base_url *base,
		       const struct client_request *request)
{
	CURL *e = t->easy;
	struct buf url;
	double connect_s = options->connect_s > 0 ? options->connect_s : CONNECT_S;
	double limit_s = request->limit_s > 0 ? request->limit_s : options->request_s;

	buf_init(&url, 16384);
	base_url_join(base, request->path, &url);
	if (url.failed || set_headers(t, base, request) < 0 || curl_easy_setopt(e, CURLOPT_URL, url.p) != CURLE_OK) {
		buf_release(&url);
		return -1;
	}
	buf_release(&url);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "kvscope/" KVSCOPE_VERSION);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_s * 1e3));
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)((limit_s > 0 ? limit_s : REQUEST_S) * 1e3));
	curl_easy_setopt(e, CURLOPT_NETRC, (long)(keys_among(t->headers) ? CURL_NETRC_IGNORED : CURL_NETRC_OPTIONAL));
	if (options->ca_file)
		curl_easy_setopt(e, CURLOPT_CAINFO, options->ca_file);
	if (base->loopback)
		curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
	curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_debug);
	curl_easy_setopt(e, CURLOPT_DEBUGDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	if (request->body.p) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, request->body.p);
	}
	return 0;
}

static void remember_request(struct exchange *x, const struct client_request *request)
{
	struct str path, query;

	target_split(str_from(request->path), &path, &query);
	x->capture_mode = "replay";
	x->api = request->api;
	x->request.method = strdup(request->body.p ? "POST" : "GET");
	x->request.path = path.p ? strndup(path.p, path.n) : NULL;
	x->request.body_bytes = request->body.n;
}

int transfer_prepare(struct transfer *t, const struct client_options *options, const struct base_url *base,
		     const struct client_request *request, struct client_answer *answer)
{
	answer_reset(answer);
	t->answer = answer;
	t->head_done = false;
	t->stream_ended = false;
	t->arrivals_capacity = 0;
	t->error[0] = '\0';
	sse_release(&t->sse);
	sse_init(&t->sse, TRANSFER_EVENT_MAX, on_event, t);
	remember_request(&answer->x, request);
	curl_easy_reset(t->easy); /* its connections stay */
	return set_request(t, options, base, request);
}
