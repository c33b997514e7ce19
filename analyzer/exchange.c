/* SPDX-License-Identifier: MIT */
#include "exchange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool exchange_client_left(const struct exchange *x)
{
	const size_t n = sizeof(EXCHANGE_CLIENT_LEFT) - 1;
	size_t length = x->response.error ? strlen(x->response.error) : 0;
	return length >= n && strcmp(x->response.error + length - n, EXCHANGE_CLIENT_LEFT) == 0;
}

void exchange_init(struct exchange *x, size_t request_body_max, size_t response_body_max)
{
	*x = (struct exchange){
		.capture_mode = "preload",
		.max_tokens = EXCHANGE_ABSENT,
		.request.body_exact = true,
		.response = {.body_exact = true,
			     .usage = USAGE_NONE,
			     .usage_start = USAGE_NONE,
			     .usage_end = USAGE_NONE,
			     .timings = {NAN, NAN, EXCHANGE_ABSENT, EXCHANGE_ABSENT, EXCHANGE_ABSENT}},
	};
	prompt_init(&x->prompt);
	buf_init(&x->request.body, request_body_max);
	buf_init(&x->response.body, response_body_max);
}

static void headers_free(struct exchange_header *headers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(headers[i].name);
		free(headers[i].value);
	}
	free(headers);
}

void exchange_release(struct exchange *x)
{
	char *owned[] = {
		x->peer,
		x->session,
		x->agent,
		x->model,
		x->request.method,
		x->request.path,
		x->request.query,
		x->request.content_encoding,
		x->request.error,
		x->response.content_type,
		x->response.content_encoding,
		x->response.error,
		x->response.id,
		x->response.model,
		x->response.stop_reason,
		x->response.engine,
	};
	for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
		free(owned[i]);
	headers_free(x->request.headers, x->request.nheaders);
	headers_free(x->response.headers, x->response.nheaders);
	free(x->response.arrivals);
	prompt_release(&x->prompt);
	buf_release(&x->request.body);
	buf_release(&x->response.body);
	exchange_init(x, x->request.body.max, x->response.body.max);
}

const char *exchange_header_value(const struct exchange_header *headers, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(headers[i].name, name) == 0)
			return headers[i].value;
	return NULL;
}

uint64_t exchange_last_stamp(const struct exchange_times *times)
{
	const uint64_t stamps[] = {times->request_start, times->request_end,   times->first_byte, times->headers,
				   times->message_start, times->first_content, times->end};
	uint64_t last = 0;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++)
		if (stamps[i] > last)
			last = stamps[i];
	return last;
}

uint64_t exchange_first_stamp(const struct exchange_times *times)
{
	const uint64_t stamps[] = {times->request_start, times->request_end, times->first_byte, times->headers};
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++)
		if (stamps[i])
			return stamps[i];
	return exchange_last_stamp(times);
}

/* The head is not counted: it seldom has a receive of its own, and no figure is made of it alone. */
enum timing_grade exchange_grade(const struct exchange *x)
{
	const struct exchange_times *times = &x->times;
	if (!x->response.streamed || x->response.narrivals <= 1)
		return GRADE_DEGENERATE;
	const uint64_t stamps[] = {times->headers, times->message_start, times->first_content, times->end};
	uint64_t last = 0;
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++) {
		if (stamps[i] == 0)
			continue;
		if (stamps[i] == last)
			return GRADE_RECORD_LEVEL;
		last = stamps[i];
	}
	return GRADE_EXACT;
}
