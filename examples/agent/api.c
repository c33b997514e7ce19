/* SPDX-License-Identifier: MIT */
#include "api.h"
#include "text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS 3
#define LINE_MAX_BYTES (1 << 20)       /* of the event stream */
#define ERROR_BODY_MAX_BYTES (1 << 14) /* of an answer that is not a stream */

/* A response while it arrives. */
struct stream {
	CURL *curl;
	struct reply *reply;
	struct text line;  /* of the event stream, not yet ended */
	struct text data;  /* of the event, not yet ended */
	struct text piece; /* of the content block: text, or JSON of a tool's input */
	cJSON *block;      /* the content block that is being sent; not yet in reply->content */
	struct text body;  /* an answer that is not a stream */
	struct timespec begin;
	int ended;       /* message_stop was seen */
	char error[256]; /* an error event, or what cannot be understood */
};

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

static const char *string_of(const cJSON *object, const char *name)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return s ? s : "";
}

static void take_count(const cJSON *usage, const char *name, long *out)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(usage, name);

	if (cJSON_IsNumber(n))
		*out = (long)n->valuedouble;
}

static void take_usage(struct reply *reply, const cJSON *usage)
{
	take_count(usage, "input_tokens", &reply->input_tokens);
	take_count(usage, "cache_read_input_tokens", &reply->cached_tokens);
	take_count(usage, "output_tokens", &reply->output_tokens);
}

static void block_begin(struct stream *s, const cJSON *block)
{
	cJSON_Delete(s->block);
	s->block = need(cJSON_Duplicate(block, 1));
	text_clear(&s->piece);
}

static void block_delta(struct stream *s, const cJSON *delta)
{
	/* By the delta's type, the field that carries the text. */
	static const char *const fields[][2] = {
		{"text_delta", "text"}, {"input_json_delta", "partial_json"}, {"thinking_delta", "thinking"}};
	const char *type = string_of(delta, "type");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strcmp(type, fields[i][0]) == 0) {
			const char *piece = string_of(delta, fields[i][1]);

			if (s->reply->first_s < 0)
				s->reply->first_s = seconds_since(&s->begin);
			text_add(&s->piece, piece, strlen(piece));
		}
	}
}

static void block_end(struct stream *s)
{
	const char *type = string_of(s->block, "type");
	const char *piece = s->piece.p ? s->piece.p : "";
	const char *field = NULL;
	cJSON *value = NULL;

	if (!s->block)
		return;
	if (strcmp(type, "tool_use") == 0) {
		field = "input";
		value = s->piece.n ? cJSON_Parse(piece) : cJSON_CreateObject();
		if (!value)
			snprintf(s->error, sizeof(s->error), "a tool's input is not JSON: %.100s", piece);
	} else if (strcmp(type, "text") == 0 || strcmp(type, "thinking") == 0) {
		field = type;
		value = cJSON_CreateString(piece);
	}
	if (field && value) {
		cJSON_DeleteItemFromObjectCaseSensitive(s->block, field);
		cJSON_AddItemToObject(s->block, field, value);
	}
	cJSON_AddItemToArray(s->reply->content, s->block);
	s->block = NULL;
}

static void handle_event(struct stream *s, const char *data)
{
	cJSON *event = cJSON_Parse(data);
	const char *type = string_of(event, "type");

	if (!event) {
		snprintf(s->error, sizeof(s->error), "an event is not JSON: %.100s", data);
	} else if (strcmp(type, "message_start") == 0) {
		take_usage(s->reply, cJSON_GetObjectItemCaseSensitive(
					     cJSON_GetObjectItemCaseSensitive(event, "message"), "usage"));
	} else if (strcmp(type, "content_block_start") == 0) {
		block_begin(s, cJSON_GetObjectItemCaseSensitive(event, "content_block"));
	} else if (strcmp(type, "content_block_delta") == 0) {
		block_delta(s, cJSON_GetObjectItemCaseSensitive(event, "delta"));
	} else if (strcmp(type, "content_block_stop") == 0) {
		block_end(s);
	} else if (strcmp(type, "message_delta") == 0) {
		const cJSON *delta = cJSON_GetObjectItemCaseSensitive(event, "delta");

		snprintf(s->reply->stop_reason, sizeof(s->reply->stop_reason), "%s", string_of(delta, "stop_reason"));
		take_usage(s->reply, cJSON_GetObjectItemCaseSensitive(event, "usage"));
	} else if (strcmp(type, "message_stop") == 0) {
		s->ended = 1;
	} else if (strcmp(type, "error") == 0) {
		snprintf(s->error, sizeof(s->error), "the backend says: %.200s",
			 string_of(cJSON_GetObjectItemCaseSensitive(event, "error"), "message"));
	}
	cJSON_Delete(event);
}

/* One line of the event stream. Only data counts: every event of this API carries its type in there, too. */
static void handle_line(struct stream *s)
{
	const char *line = s->line.p ? s->line.p : "";

	if (s->line.n && line[s->line.n - 1] == '\r')
		s->line.p[--s->line.n] = '\0';
	if (strncmp(line, "data:", 5) == 0) {
		const char *data = line + 5 + (line[5] == ' ');

		text_addf(&s->data, "%s%s", s->data.n ? "\n" : "", data);
	} else if (s->line.n == 0 && s->data.n) {
		handle_event(s, s->data.p);
		text_clear(&s->data);
	}
	text_clear(&s->line);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
	struct stream *s = context;
	size_t n = size * count;
	char *type = NULL;

	curl_easy_getinfo(s->curl, CURLINFO_CONTENT_TYPE, &type);
	if (!type || strncmp(type, "text/event-stream", 17) != 0) {
		if (s->body.n + n <= ERROR_BODY_MAX_BYTES)
			text_add(&s->body, bytes, n);
		return n;
	}
	for (const char *p = bytes, *end = bytes + n; p < end;) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		text_add(&s->line, p, (size_t)((newline ? newline : end) - p));
		if (s->line.n + s->data.n > LINE_MAX_BYTES)
			return 0; /* tells libcurl to give up */
		if (!newline)
			break;
		handle_line(s);
		p = newline + 1;
	}
	return n;
}

static void header_add(struct curl_slist **headers, const char *name, const char *value)
{
	struct text line = {0};

	text_addf(&line, "%s: %s", name, value);
	*headers = need(curl_slist_append(*headers, line.p));
	text_release(&line);
}

/* Returns 0, 1 when it is worth asking again, or -1. */
static int attempt(struct api *api, const char *body, const struct curl_slist *headers, struct reply *out, char *error,
		   size_t error_bytes)
{
	struct stream s = {.curl = api->curl, .reply = out};
	long status = 0;
	CURLcode code;
	int result = -1;

	*out = (struct reply){.first_s = -1, .input_tokens = -1, .cached_tokens = -1, .output_tokens = -1};
	out->content = need(cJSON_CreateArray());
	curl_easy_setopt(api->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(api->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(api->curl, CURLOPT_WRITEDATA, &s);
	clock_gettime(CLOCK_MONOTONIC, &s.begin);
	code = curl_easy_perform(api->curl);
	out->total_s = seconds_since(&s.begin);
	curl_easy_getinfo(api->curl, CURLINFO_RESPONSE_CODE, &status);

	if (code != CURLE_OK) {
		snprintf(error, error_bytes, "%s: %s", api->url, curl_easy_strerror(code));
	} else if (status != 200) {
		snprintf(error, error_bytes, "%s: status %ld: %.200s", api->url, status, s.body.p ? s.body.p : "");
		result = status == 429 || status >= 500 ? 1 : -1;
	} else if (s.error[0]) {
		snprintf(error, error_bytes, "%s", s.error);
	} else if (!s.ended) {
		snprintf(error, error_bytes, "the stream ended before the message did");
	} else {
		result = 0;
	}
	cJSON_Delete(s.block);
	text_release(&s.line);
	text_release(&s.data);
	text_release(&s.piece);
	text_release(&s.body);
	return result;
}

int api_send(struct api *api, const cJSON *request, const char *agent_id, struct reply *out, char *error,
	     size_t error_bytes)
{
	struct curl_slist *headers = NULL;
	char *body = need(cJSON_PrintUnformatted(request));
	int result;

	header_add(&headers, "content-type", "application/json");
	header_add(&headers, "accept", "text/event-stream");
	header_add(&headers, "anthropic-version", "2023-06-01");
	header_add(&headers, "x-api-key", api->key);
	header_add(&headers, "X-Claude-Code-Session-Id", api->session);
	if (agent_id)
		header_add(&headers, "X-Claude-Code-Agent-Id", agent_id);
	header_add(&headers, "Expect", ""); /* no 100-continue round trip before the body */

	result = attempt(api, body, headers, out, error, error_bytes);
	for (unsigned n = 1; result > 0 && n < ATTEMPTS; n++) {
		fprintf(stderr, "agent: %s; asking again in %u s\n", error, n);
		sleep(n);
		reply_release(out);
		result = attempt(api, body, headers, out, error, error_bytes);
	}
	curl_slist_free_all(headers);
	cJSON_free(body);
	return result == 0 ? 0 : -1;
}

void reply_release(struct reply *reply)
{
	cJSON_Delete(reply->content);
	reply->content = NULL;
}

int api_open(struct api *api, const char *base_url, const char *key, const char *session)
{
	int n = snprintf(api->url, sizeof(api->url), "%s/v1/messages", base_url);

	if (n < 0 || (size_t)n >= sizeof(api->url)) {
		fprintf(stderr, "agent: --base-url is too long\n");
		return -1;
	}
	api->key = key;
	api->session = session;
	api->curl = curl_easy_init();
	if (!api->curl) {
		fprintf(stderr, "agent: cannot initialise libcurl\n");
		return -1;
	}
	curl_easy_setopt(api->curl, CURLOPT_URL, api->url);
	curl_easy_setopt(api->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(api->curl, CURLOPT_ACCEPT_ENCODING, ""); /* whatever this libcurl can decode */
	curl_easy_setopt(api->curl, CURLOPT_USERAGENT, "kvscope-example-agent/1");
	curl_easy_setopt(api->curl, CURLOPT_CONNECTTIMEOUT, 10L);
	/* A long prefill is silent, a stream is not: give up when nothing at all came for five minutes. */
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(api->curl, CURLOPT_LOW_SPEED_TIME, 300L);
	curl_easy_setopt(api->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	return 0;
}

void api_close(struct api *api)
{
	curl_easy_cleanup(api->curl);
	api->curl = NULL;
}
