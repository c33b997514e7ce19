/* SPDX-License-Identifier: MIT */
/* How an attempt ended: its outcome, its words without the keys, and when to ask again. */
#include "client/transfer.h"

#include "api/api.h"
#include "base/clock.h"

#include <stdlib.h>

static double retry_after(const struct client_answer *a)
{
	const char *ms = client_header(a, "retry-after-ms");
	const char *after = client_header(a, "retry-after");
	char *end;

	if (ms && *ms >= '0' && *ms <= '9')
		return strtod(ms, &end) / 1e3;
	if (!after)
		return -1;
	if (*after >= '0' && *after <= '9') {
		double seconds = strtod(after, &end);
		if (*end == '\0')
			return seconds;
	}
	time_t when = curl_getdate(after, NULL);
	if (when == (time_t)-1)
		return -1;
	double wait = difftime(when, (time_t)(clock_realtime_ns() / NS_PER_S));
	return wait > 0 ? wait : 0;
}

static bool is_unreachable(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return true;
	default:
		return false;
	}
}

/* The engine's streams end with an event that says so; an HTTP/1.0 stream that was cut off looks complete otherwise. */
static bool stream_is_whole(const struct transfer *t)
{
	const struct exchange *x = &t->answer->x;
	return !x->response.streamed || !api_has_dialect(x->api) || t->stream_ended || x->response.stop_reason;
}

static enum client_outcome outcome_of(struct transfer *t, CURLcode code)
{
	struct client_answer *a = t->answer;
	struct exchange_response *r = &a->x.response;
	const char *words = t->error[0] ? t->error : curl_easy_strerror(code);

	if (code == CURLE_OPERATION_TIMEDOUT) {
		bool connected = a->x.times.request_start != 0;
		answer_error(a, connected ? "no complete answer in time: %s" : "no connection in time: %s", words);
		return connected ? CLIENT_TIMEOUT : CLIENT_UNREACHABLE;
	}
	if (is_unreachable(code)) {
		answer_error(a, "%s", words);
		return CLIENT_UNREACHABLE;
	}
	if (r->status == 0) {
		answer_error(a, "the server closed the connection without an answer: %s", words);
		return CLIENT_CUT;
	}
	if (r->status / 100 != 2) {
		answer_error(a, "status %d", r->status);
		return CLIENT_REFUSED;
	}
	if (r->error)
		return CLIENT_FAILED;
	if (code != CURLE_OK) {
		answer_error(a, "the answer was cut off: %s", words);
		return CLIENT_CUT;
	}
	if (t->sse.incomplete) {
		answer_error(a, "%llu events of the stream are longer than %zu MiB",
			     (unsigned long long)t->sse.incomplete, TRANSFER_EVENT_MAX >> 20);
		return CLIENT_FAILED;
	}
	if (!stream_is_whole(t)) {
		answer_error(a, "the stream ended before its end");
		return CLIENT_CUT;
	}
	return CLIENT_DONE;
}

void transfer_finish(struct transfer *t, CURLcode code)
{
	struct client_answer *a = t->answer;
	struct exchange_response *r = &a->x.response;
	long status = 0;
	curl_off_t connected_us = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	long connects = 0;
	curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
	a->connect_ns = connects > 0 ? (uint64_t)connected_us * 1000 : 0;
	r->status = t->head_done ? (int)status : 0;
	/* An error body is read even where the rest is not: it holds the engine's own words. */
	bool said = r->status >= 400 || (r->status / 100 == 2 && code == CURLE_OK);
	if (t->head_done && !r->streamed && r->body_exact && said)
		api_response_body(&a->x, buf_str(&r->body), a->x.times.end);
	a->retry_after_s = retry_after(a);
	a->outcome = outcome_of(t, code);
	a->x.times.grade = exchange_grade(&a->x);
	if (r->error) {
		keys_hide(t->keys, r->error, strlen(r->error));
		keys_hide_basic(&t->basic, r->error, strlen(r->error));
	}
	keys_hide(t->keys, r->body.p, r->body.n);
	keys_hide_basic(&t->basic, r->body.p, r->body.n);
}
