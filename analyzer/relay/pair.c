/* SPDX-License-Identifier: MIT */
#include "relay/pair.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "net/conn.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

/* A receive of the client and what rewriting may add to it: a head, and a path per pipelined request. */
#define UP_MAX (REWRITE_HEAD_MAX + ((size_t)1 << 20))
/* The client's queue holds one piece of an answer; then the server is not read any more. */
#define PIECE_BYTES ((size_t)64 << 10)
#define DOWN_MAX (PIECE_BYTES * 4)
/* As much of one answer is passed on before others have their turn. */
#define TURN_BYTES ((size_t)1 << 20)
/* After the last answer the client gets this long to go; what it still sends meanwhile is thrown away. */
#define LINGER_NS (5 * NS_PER_S)
#define RESET_PERIOD_NS (5 * NS_PER_MS)

enum pair_state {
	PAIR_IDLE,       /* no request so far, no server */
	PAIR_CONNECTING, /* to the server; the client is not read */
	PAIR_OPEN,
	PAIR_ENDING,    /* the server is done, its last bytes are on their way to the client */
	PAIR_RESET,     /* the same, but its end was no orderly one, and the client is to see that */
	PAIR_LINGERING, /* all is said; until the client closes */
	PAIR_DEAD,      /* to be freed by the timer */
};

struct relay_pair {
	struct relay *relay;
	struct relay_pair *next, **at;
	struct conn client;
	struct transport server;
	struct rewrite rewrite;
	struct loop_timer timer;
	enum pair_state state;
	struct buf up; /* to the server; not touched while TLS is writing it */
	size_t up_done;
	uint64_t up_begin_ns;
	struct tap_stream sent, received;
};

/* ---- ends */

void pair_free(struct relay_pair *p)
{
	struct relay *r = p->relay;
	loop_timer_cancel(r->loop, &p->timer);
	if (r->tap && p->sent.connection)
		tap_closed(r->tap, p->sent.connection, clock_monotonic_ns());
	relay_recorded(r);
	transport_close(&p->server);
	conn_close(&p->client);
	rewrite_release(&p->rewrite);
	if (p->up.p)
		OPENSSL_cleanse(p->up.p, p->up.capacity);
	buf_release(&p->up);
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	free(p);
	r->npairs--;
	if (r->draining && r->npairs == 0)
		loop_stop(r->loop);
}

/* Without memory for the timer the pair stays where it is, closed, until the relay ends. */
static void set_timer(struct relay_pair *p, uint64_t in_ns)
{
	(void)loop_timer_set(p->relay->loop, &p->timer, clock_monotonic_ns() + in_ns);
}

/* Both connections end; the memory lives until the handlers are done. */
static void end(struct relay_pair *p)
{
	if (p->state == PAIR_DEAD)
		return;
	p->state = PAIR_DEAD;
	transport_close(&p->server);
	conn_close(&p->client);
	set_timer(p, 0);
}

/* Bytes that the client's side of the kernel has not taken yet. */
static bool unsent(const struct relay_pair *p)
{
#ifdef SIOCOUTQ
	int bytes = 0;
	return conn_is_open(&p->client) && ioctl(p->client.watch.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
#else
	(void)p;
	return false;
#endif
}

/* The client is to see what we saw: a connection that broke. */
static void reset(struct relay_pair *p)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	/* A reset would take them along. */
	if (unsent(p)) {
		set_timer(p, RESET_PERIOD_NS);
		return;
	}
	if (conn_is_open(&p->client))
		(void)setsockopt(p->client.watch.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	end(p);
}

/* All has been handed to the client. */
static void said_all(struct relay_pair *p)
{
	if (p->state == PAIR_RESET) {
		reset(p);
		return;
	}
	p->state = PAIR_LINGERING;
	conn_shutdown(&p->client);
	conn_read(&p->client, true);
	set_timer(p, LINGER_NS);
}

static void server_done(struct relay_pair *p, enum pair_state how)
{
	p->state = how;
	transport_close(&p->server);
	conn_read(&p->client, true); /* what it still sends is thrown away */
	if (p->client.out.n == 0)
		said_all(p);
}

/* ---- answers of our own */

static const char *reason_of(int status)
{
	return status == 403 ? "Forbidden" : status == 502 ? "Bad Gateway" : "Bad Request";
}

/* In the shape of both APIs' errors, so that clients show the words. */
static void answer(struct relay_pair *p, int status, const char *words, const char *detail)
{
	struct buf body, all;
	struct json_out j;
	buf_init(&body, 4096);
	buf_init(&all, 8192);
	json_out_init(&j, &body, false);
	json_out_object(&j, NULL);
	json_out_cstr(&j, "type", "error");
	json_out_object(&j, "error");
	json_out_cstr(&j, "type", status == 502 ? "api_error" : "invalid_request_error");
	struct buf message;
	buf_init(&message, 1024);
	buf_printf(&message, "kvscope relay: %s%s%.500s", words, detail ? ": " : "", detail ? detail : "");
	json_out_str(&j, "message", buf_str(&message));
	json_out_end(&j);
	json_out_end(&j);
	buf_printf(&all,
		   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		   "X-Should-Retry: false\r\nConnection: close\r\n\r\n%s",
		   status, reason_of(status), body.n, buf_str(&body).p);
	transport_close(&p->server);
	p->state = PAIR_ENDING;
	conn_read(&p->client, true);
	if (conn_send(&p->client, buf_str(&all)) < 0)
		end(p);
	else if (p->client.out.n == 0)
		said_all(p);
	buf_release(&message);
	buf_release(&body);
	buf_release(&all);
}

/* ---- the server */

/* The request is written down although the server never had it: the client did make it. */
static void record_failure(struct relay_pair *p, int error)
{
	struct relay *r = p->relay;
	uint64_t now = clock_monotonic_ns();
	if (!r->tap)
		return;
	tap_sent(r->tap, &p->sent, buf_str(&p->up), p->up_begin_ns, now);
	tap_failed(r->tap, &p->received, error, now);
	relay_recorded(r);
}

static void failed(struct transport *t, const char *why, int error)
{
	struct relay_pair *p = LOOP_OWNER(t, struct relay_pair, server);
	struct relay_stats *stats = p->relay->stats;
	char words[sizeof(stats->failure)];
	snprintf(words, sizeof(words), "%s", why); /* it lives in what is closed below */
	stats->failed++;
	memcpy(stats->failure, words, sizeof(words));
	record_failure(p, error);
	answer(p, 502, p->relay->upstream->url, words);
}

/* True if all of it has gone. */
static bool push(struct relay_pair *p)
{
	struct relay *r = p->relay;
	while (p->up_done < p->up.n) {
		size_t sent = 0;
		struct str rest = {p->up.p + p->up_done, p->up.n - p->up_done};
		enum transport_result result = transport_send(&p->server, rest, &sent);
		if (sent > 0 && r->tap) {
			tap_sent(r->tap, &p->sent, (struct str){rest.p, sent}, p->up_begin_ns, clock_monotonic_ns());
			relay_recorded(r);
		}
		p->up_done += sent;
		if (result == TRANSPORT_LATER)
			return false;
		if (result != TRANSPORT_OK) {
			/* Its last words may still be there to read; the rest of the request is nobody's any more. */
			p->up_done = p->up.n;
			break;
		}
	}
	buf_reset(&p->up);
	p->up_done = 0;
	return true;
}

static void set_watch(struct relay_pair *p)
{
	if (p->state != PAIR_OPEN)
		return;
	bool up_waits = p->up_done < p->up.n;
	transport_watch(&p->server, p->client.out.n == 0, up_waits);
	conn_read(&p->client, !up_waits);
}

/* Hands the client what is there, as long as it takes it. */
static void pull(struct relay_pair *p)
{
	struct relay *r = p->relay;
	char piece[PIECE_BYTES];
	size_t total = 0;
	while (p->state == PAIR_OPEN && p->client.out.n == 0) {
		size_t n = 0;
		if (total >= TURN_BYTES) {
			set_timer(p, 0); /* the rest may lie in TLS's buffers, where poll does not see it */
			return;
		}
		enum transport_result result = transport_receive(&p->server, piece, sizeof(piece), &n);
		uint64_t now = clock_monotonic_ns();
		if (result == TRANSPORT_LATER)
			return;
		if (result != TRANSPORT_OK) {
			if (r->tap && result == TRANSPORT_END)
				tap_ended(r->tap, &p->received, now);
			else if (r->tap)
				tap_failed(r->tap, &p->received, ECONNRESET, now);
			server_done(p, result == TRANSPORT_END ? PAIR_ENDING : PAIR_RESET);
			return;
		}
		struct str bytes = {piece, n};
		int sent = conn_send(&p->client, bytes);
		rewrite_answered(&p->rewrite, bytes);
		if (r->tap)
			tap_received(r->tap, &p->received, bytes, now);
		total += n;
		if (sent < 0)
			return; /* `gone` follows */
	}
}

static void exchange(struct relay_pair *p)
{
	if (p->state == PAIR_OPEN)
		push(p);
	if (p->state == PAIR_OPEN)
		pull(p);
	relay_recorded(p->relay);
	set_watch(p);
}

static void timer_fired(struct loop_timer *t)
{
	struct relay_pair *p = LOOP_OWNER(t, struct relay_pair, timer);
	if (p->state == PAIR_DEAD)
		pair_free(p);
	else if (p->state == PAIR_RESET)
		reset(p);
	else if (p->state == PAIR_LINGERING)
		end(p);
	else if (p->state == PAIR_OPEN)
		exchange(p);
}

static void server_ready(struct transport *t)
{
	exchange(LOOP_OWNER(t, struct relay_pair, server));
}

static void opened(struct transport *t)
{
	struct relay_pair *p = LOOP_OWNER(t, struct relay_pair, server);
	struct relay *r = p->relay;
	struct sockaddr_storage peer;
	socklen_t n = transport_peer(t, &peer);
	p->state = PAIR_OPEN;
	p->up_begin_ns = clock_monotonic_ns();
	if (r->tap)
		tap_connected(r->tap, p->sent.connection, (struct sockaddr *)&peer, n, p->up_begin_ns);
	exchange(p);
}

static const struct transport_handlers server_handlers = {.opened = opened, .failed = failed, .ready = server_ready};

/* ---- the client */

static void connect_server(struct relay_pair *p)
{
	struct relay *r = p->relay;
	p->state = PAIR_CONNECTING;
	p->sent.connection = p->received.connection = ++r->last_connection;
	r->stats->connections++;
	conn_read(&p->client, false);
	if (transport_open(&p->server, &r->transports, &server_handlers) < 0)
		answer(p, 502, r->upstream->url, "no memory");
}

/* A request that is not passed on. Where others of the connection were, their answers must not be mixed with ours. */
static void refuse(struct relay_pair *p, enum rewrite_result why)
{
	struct relay_stats *stats = p->relay->stats;
	if (why == REWRITE_REFUSED)
		stats->refused++;
	else
		stats->unread++;
	if (p->rewrite.requests > 0) {
		p->state = PAIR_RESET;
		transport_close(&p->server);
		reset(p);
	} else if (why == REWRITE_REFUSED) {
		answer(p, 403, "this address is for the command that kvscope runs alone", NULL);
	} else {
		answer(p, 400, rewrite_error(&p->rewrite), NULL);
	}
}

static void client_data(struct conn *c, struct str bytes, uint64_t received_ns)
{
	struct relay_pair *p = LOOP_OWNER(c, struct relay_pair, client);
	if (p->state == PAIR_LINGERING || p->state == PAIR_ENDING || p->state == PAIR_RESET)
		return;
	enum rewrite_result result = rewrite_feed(&p->rewrite, bytes, &p->up);
	if (result != REWRITE_OK) {
		refuse(p, result);
		return;
	}
	if (p->up.n == 0)
		return;
	p->up_begin_ns = received_ns;
	if (p->state == PAIR_IDLE)
		connect_server(p);
	else
		exchange(p);
}

/* It may have gone in the middle of an answer: the server must learn of it at once, for it may be at work for it. */
static void client_gone(struct conn *c)
{
	end(LOOP_OWNER(c, struct relay_pair, client));
}

static void client_drained(struct conn *c)
{
	struct relay_pair *p = LOOP_OWNER(c, struct relay_pair, client);
	if (p->state == PAIR_ENDING || p->state == PAIR_RESET)
		said_all(p);
	else
		exchange(p);
}

static const struct conn_handlers client_handlers = {
	.data = client_data, .gone = client_gone, .drained = client_drained};

void pair_open(struct relay *r, int fd)
{
	struct relay_pair *p = calloc(1, sizeof(*p));
	if (!p || conn_open(&p->client, r->loop, fd, &client_handlers, DOWN_MAX) < 0) {
		if (!p)
			close(fd);
		free(p);
		return;
	}
	p->relay = r;
	p->timer.fire = timer_fired;
	rewrite_init(&p->rewrite, &r->rule);
	buf_init(&p->up, UP_MAX);
	p->next = r->pairs;
	p->at = &r->pairs;
	if (p->next)
		p->next->at = &p->next;
	r->pairs = p;
	r->npairs++;
}
