/* SPDX-License-Identifier: MIT */
#include "relay/relay.h"

#include "base/clock.h"
#include "net/conn.h"
#include "relay/pair.h"

#include <errno.h>
#include <unistd.h>

#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)
#define FLUSH_PERIOD_NS (5 * NS_PER_MS)

static void listener_ready(struct loop_fd *w, short revents)
{
	struct relay *r = LOOP_OWNER(w, struct relay, listener);
	(void)revents;
	while (r->npairs < RELAY_CONNECTIONS_MAX) {
		int fd = conn_accept(w->fd);
		if (fd >= 0) {
			pair_open(r, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		break;
	}
	/* Full, or no descriptors left: poll would report the same connection for ever. */
	(void)loop_watch(r->loop, w, 0);
	(void)loop_timer_set(r->loop, &r->accept_again, clock_monotonic_ns() + ACCEPT_PAUSE_NS);
}

static void accept_again(struct loop_timer *t)
{
	struct relay *r = LOOP_OWNER(t, struct relay, accept_again);
	if (!r->draining)
		(void)loop_watch(r->loop, &r->listener, POLLIN);
}

static void flush(struct loop_timer *t)
{
	relay_recorded(LOOP_OWNER(t, struct relay, flush));
}

void relay_recorded(struct relay *r)
{
	if (r->tap && !tap_flush(r->tap) && !r->flush.slot)
		(void)loop_timer_set(r->loop, &r->flush, clock_monotonic_ns() + FLUSH_PERIOD_NS);
}

int relay_open(struct relay *r, struct loop *l, const struct relay_config *config, char *error, size_t error_bytes)
{
	struct transport_settings settings = {.upstream = config->upstream, .cacert = config->cacert};
	*r = (struct relay){.loop = l,
			    .listener = {.fd = config->listen_fd, .ready = listener_ready},
			    .accept_again = {.fire = accept_again},
			    .flush = {.fire = flush},
			    .rule = {.token = str_from(config->token),
				     .path = str_from(config->upstream->path),
				     .host = str_from(config->upstream->host)},
			    .upstream = config->upstream,
			    .tap = config->tap,
			    .stats = config->stats};
	if (transport_set_init(&r->transports, l, &settings, error, error_bytes) < 0)
		return -1;
	if (loop_watch(l, &r->listener, POLLIN) < 0) {
		transport_set_release(&r->transports);
		snprintf(error, error_bytes, "no memory");
		return -1;
	}
	return 0;
}

static void stop_listening(struct relay *r)
{
	if (r->listener.fd < 0)
		return;
	loop_unwatch(r->loop, &r->listener);
	close(r->listener.fd);
	r->listener.fd = -1;
}

void relay_drain(struct relay *r)
{
	r->draining = true;
	stop_listening(r);
	if (r->npairs == 0)
		loop_stop(r->loop);
}

void relay_release(struct relay *r)
{
	stop_listening(r);
	loop_timer_cancel(r->loop, &r->accept_again);
	loop_timer_cancel(r->loop, &r->flush);
	while (r->pairs)
		pair_free(r->pairs);
	if (r->tap)
		tap_flush(r->tap);
	transport_set_release(&r->transports);
}
