/* SPDX-License-Identifier: MIT */
#ifndef AGENT_API_H
#define AGENT_API_H

/*
 * The Anthropic Messages API, streamed: one request in, the assistant's content blocks out.
 */

#include <cjson/cJSON.h>
#include <curl/curl.h>

struct api {
	CURL *curl; /* one handle for all requests, so that the connection is kept alive */
	char url[512];
	const char *key;     /* borrowed */
	const char *session; /* borrowed; goes into X-Claude-Code-Session-Id */
};

/* What came back. Seconds count from the start of the request; token counts are -1 where the backend said nothing. */
struct reply {
	cJSON *content; /* the assistant's blocks, as they go back into the history */
	char stop_reason[32];
	double first_s; /* to the first text or tool input; -1: none came */
	double total_s;
	long input_tokens; /* without the cached ones */
	long cached_tokens;
	long output_tokens;
};

/* Returns 0, or -1 with a message on stderr. */
int api_open(struct api *api, const char *base_url, const char *key, const char *session);
void api_close(struct api *api);

/*
 * Sends the request and reads the stream to its end. agent_id goes into X-Claude-Code-Agent-Id (NULL: the main agent).
 * A backend that is overloaded (429, 5xx) is asked again, three times in all. Returns 0, or -1 with one line in error;
 * reply_release is for the caller in either case.
 */
int api_send(struct api *api, const cJSON *request, const char *agent_id, struct reply *out, char *error,
	     size_t error_bytes);
void reply_release(struct reply *reply);

#endif
