/* SPDX-License-Identifier: MIT */
#include "client/client.h"

#include "base/clock.h"
#include "client/transfer.h"

#include <stdlib.h>

/* A server that asks for more is not waited for. */
#define RETRY_AFTER_MAX_S 120.0
#define STEP_MS_MAX 200

struct client_lane {
	struct client *client;
	struct client_lane *next, *prev;
	const struct base_url *base;
	client_done_fn *done;
	void *context;
	struct client_answer answer;
	struct transfer transfer;
	struct client_request request;
	bool active;        /* added to the multi handle */
	uint64_t resume_ns; /* waits until then to be sent again; 0: does not */
};

struct client {
	CURLM *multi;
	struct client_options options;
	struct client_keys keys;
	struct client_lane *lanes;
	size_t busy;
};

void client_answer_init(struct client_answer *a, size_t body_max)
{
	*a = (struct client_answer){.retry_after_s = -1};
	exchange_init(&a->x, 0, body_max);
}

void client_answer_release(struct client_answer *a)
{
	exchange_release(&a->x);
}

double client_first_seconds(const struct client_answer *a)
{
	const struct exchange_times *t = &a->x.times;
	uint64_t first = t->first_content ? t->first_content : t->end;

	if (first && first < t->request_end)
		return 0;
	return clock_seconds_between(t->request_end, first);
}

const char *client_outcome_name(enum client_outcome outcome)
{
	static const char *const names[] = {
		[CLIENT_NONE] = "none",       [CLIENT_DONE] = "done",           [CLIENT_UNREACHABLE] = "unreachable",
		[CLIENT_REFUSED] = "refused", [CLIENT_FAILED] = "failed",       [CLIENT_CUT] = "cut",
		[CLIENT_TIMEOUT] = "timeout", [CLIENT_CANCELLED] = "cancelled",
	};
	return names[outcome];
}

const char *client_header(const struct client_answer *a, const char *name)
{
	return exchange_header_value(a->x.response.headers, a->x.response.nheaders, name);
}

struct client *client_new(const struct client_options *options, const char **error)
{
	struct client *c = calloc(1, sizeof(*c));

	*error = "no memory";
	if (!c)
		return NULL;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		*error = "libcurl cannot be initialised";
		free(c);
		return NULL;
	}
	c->options = *options;
	keys_from_environment(&c->keys);
	c->multi = curl_multi_init();
	if (!c->multi) {
		client_free(c);
		return NULL;
	}
	return c;
}

void client_free(struct client *c)
{
	if (!c)
		return;
	while (c->lanes)
		client_lane_free(c->lanes);
	if (c->multi)
		curl_multi_cleanup(c->multi);
	keys_release(&c->keys);
	curl_global_cleanup();
	free(c);
}

/* ---- lanes */

struct client_lane *client_lane_new(struct client *c, const struct base_url *base, size_t body_max,
				    client_done_fn *done, void *context)
{
	struct client_lane *lane = calloc(1, sizeof(*lane));

	if (!lane)
		return NULL;
	*lane = (struct client_lane){.client = c, .base = base, .done = done, .context = context, .next = c->lanes};
	client_answer_init(&lane->answer, body_max);
	if (transfer_init(&lane->transfer, &c->keys) < 0) {
		transfer_release(&lane->transfer);
		free(lane);
		return NULL;
	}
	if (c->lanes)
		c->lanes->prev = lane;
	c->lanes = lane;
	return lane;
}

static void stop_lane(struct client_lane *lane)
{
	if (client_lane_busy(lane))
		lane->client->busy--;
	if (lane->active)
		curl_multi_remove_handle(lane->client->multi, lane->transfer.easy);
	lane->active = false;
	lane->resume_ns = 0;
}

void client_lane_free(struct client_lane *lane)
{
	if (!lane)
		return;
	stop_lane(lane);
	if (lane->prev)
		lane->prev->next = lane->next;
	else
		lane->client->lanes = lane->next;
	if (lane->next)
		lane->next->prev = lane->prev;
	transfer_release(&lane->transfer);
	client_answer_release(&lane->answer);
	free(lane);
}

bool client_lane_busy(const struct client_lane *lane)
{
	return lane->active || lane->resume_ns;
}

size_t client_busy(const struct client *c)
{
	return c->busy;
}

static int start(struct client_lane *lane)
{
	struct client *c = lane->client;

	if (transfer_prepare(&lane->transfer, &c->options, lane->base, &lane->request, &lane->answer) < 0)
		return -1;
	if (curl_easy_setopt(lane->transfer.easy, CURLOPT_PRIVATE, (void *)lane) != CURLE_OK ||
	    curl_multi_add_handle(c->multi, lane->transfer.easy) != CURLM_OK)
		return -1;
	lane->active = true;
	lane->answer.attempts++;
	return 0;
}

int client_send(struct client_lane *lane, const struct client_request *request)
{
	lane->request = *request;
	lane->answer.attempts = 0;
	lane->answer.waited_s = 0;
	if (start(lane) < 0)
		return -1;
	lane->client->busy++;
	return 0;
}

/* ---- asking again */

/* Seconds to wait before the next attempt; < 0: there is none. */
static double retry_wait(const struct client_lane *lane)
{
	const struct client_answer *a = &lane->answer;
	int status = a->x.response.status;
	bool overloaded = status == 429 || status == 503 || status == 529;

	if (a->outcome != CLIENT_REFUSED || a->attempts > lane->client->options.retries)
		return -1;
	if (!overloaded && (status < 500 || a->retry_after_s < 0))
		return -1;
	if (a->retry_after_s > RETRY_AFTER_MAX_S)
		return -1;
	return a->retry_after_s >= 0 ? a->retry_after_s : (double)(1u << (a->attempts < 6 ? a->attempts - 1 : 5));
}

static void note_wait(const struct client *c, const struct client_answer *a, double wait_s)
{
	struct buf line;

	if (!c->options.note)
		return;
	buf_init(&line, 4096);
	buf_printf(&line, "%s (%s); next attempt in %.0f s", a->x.request.path, a->x.response.error, wait_s);
	c->options.note(c->options.note_context, line.failed ? "asked to wait" : line.p);
	buf_release(&line);
}

static void end_lane(struct client_lane *lane)
{
	stop_lane(lane);
	lane->done(lane->context, &lane->answer);
}

static void on_complete(struct client_lane *lane, CURLcode code)
{
	struct client *c = lane->client;

	transfer_finish(&lane->transfer, code);
	double wait_s = retry_wait(lane);
	if (wait_s < 0) {
		end_lane(lane);
		return;
	}
	note_wait(c, &lane->answer, wait_s);
	curl_multi_remove_handle(c->multi, lane->transfer.easy);
	lane->active = false;
	lane->answer.waited_s += wait_s;
	lane->resume_ns = clock_monotonic_ns() + (uint64_t)(wait_s * (double)NS_PER_S);
}

/* Sends again what has waited long enough. Returns the milliseconds until the next is due, at most `limit`. */
static int resume_due(struct client *c, int limit)
{
	uint64_t now = clock_monotonic_ns();

	for (struct client_lane *lane = c->lanes, *next; lane; lane = next) {
		next = lane->next;
		if (!lane->resume_ns)
			continue;
		if (lane->resume_ns > now) {
			uint64_t ms = (lane->resume_ns - now) / NS_PER_MS + 1;
			limit = ms < (uint64_t)limit ? (int)ms : limit;
			continue;
		}
		lane->resume_ns = 0;
		if (start(lane) == 0)
			continue;
		c->busy--;
		lane->answer.outcome = CLIENT_FAILED;
		answer_error(&lane->answer, "no memory");
		lane->done(lane->context, &lane->answer);
		return 0; /* the list may have changed */
	}
	return limit;
}

void client_cancel(struct client *c)
{
	for (bool found = true; found;) {
		found = false;
		for (struct client_lane *lane = c->lanes; lane && !found; lane = lane->next) {
			if (!client_lane_busy(lane))
				continue;
			found = true;
			lane->answer.outcome = CLIENT_CANCELLED;
			answer_error(&lane->answer, "cancelled");
			end_lane(lane);
		}
	}
}

int client_step(struct client *c, int timeout_ms)
{
	int running = 0, left = 0;
	bool ended = false;
	CURLMsg *message;

	if (c->options.stop && *c->options.stop) {
		client_cancel(c);
		return 0;
	}
	timeout_ms = resume_due(c, timeout_ms < STEP_MS_MAX ? timeout_ms : STEP_MS_MAX);
	if (curl_multi_perform(c->multi, &running) != CURLM_OK)
		return -1;
	while ((message = curl_multi_info_read(c->multi, &left))) {
		struct client_lane *lane = NULL;
		CURLcode code = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &lane);
		on_complete(lane, code);
		ended = true;
	}
	if (ended || timeout_ms <= 0)
		return 0;
	return curl_multi_poll(c->multi, NULL, 0, timeout_ms, NULL) == CURLM_OK ? 0 : -1;
}

/* ---- one request, blocking */

struct fetch {
	bool done;
	struct client_answer *to;
};

static void fetched(void *context, struct client_answer *answer)
{
	struct fetch *f = context;
	struct client_answer taken = *f->to;

	/* The lane gets the caller's empty answer in exchange, and frees it with itself. */
	*f->to = *answer;
	*answer = taken;
	f->done = true;
}

enum client_outcome client_fetch(struct client *c, const struct base_url *base, const struct client_request *request,
				 struct client_answer *a)
{
	struct fetch f = {.to = a};
	struct client_lane *lane = client_lane_new(c, base, a->x.response.body.max, fetched, &f);
	bool started = lane && client_send(lane, request) == 0;
	int status = 0;

	while (started && !f.done && status == 0)
		status = client_step(c, STEP_MS_MAX);
	client_lane_free(lane);
	if (!f.done) {
		answer_reset(a);
		a->outcome = CLIENT_FAILED;
		answer_error(a, status < 0 ? "libcurl failed" : "no memory");
	}
	return a->outcome;
}
