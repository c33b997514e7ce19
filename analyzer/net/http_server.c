/* SPDX-License-Identifier: MIT */
#include "net/http_server.h"

#include "base/clock.h"
#include "net/http_peer.h"

#include <errno.h>
#include <unistd.h>

#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)

static void listener_ready(struct loop_fd *w, short revents)
{
	struct http_server *s = LOOP_OWNER(w, struct http_server, listener);
	(void)revents;

	while (s->npeers < s->limits.connections) {
		int fd = conn_accept(w->fd);
		if (fd >= 0) {
			(void)http_peer_open(s, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			/* No descriptors left, mostly: poll would report the same connection for ever. */
			(void)loop_watch(s->loop, w, 0);
			(void)loop_timer_set(s->loop, &s->accept_again, clock_monotonic_ns() + ACCEPT_PAUSE_NS);
		}
		return;
	}
	(void)loop_watch(s->loop, w, 0); /* until a peer is freed */
}

static void accept_again(struct loop_timer *t)
{
	struct http_server *s = LOOP_OWNER(t, struct http_server, accept_again);
	(void)loop_watch(s->loop, &s->listener, POLLIN);
}

int http_server_open(struct http_server *s, struct loop *l, uint16_t port, const struct http_server_handlers *on,
		     struct http_server_limits limits, void *context)
{
	*s = (struct http_server){.loop = l, .on = on, .limits = limits, .context = context, .port = port};
	int fd = conn_listen_loopback(&s->port);
	if (fd < 0)
		return -1;
	s->listener = (struct loop_fd){.fd = fd, .ready = listener_ready};
	s->accept_again.fire = accept_again;
	if (loop_watch(l, &s->listener, POLLIN) < 0) {
		close(fd);
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void http_server_release(struct http_server *s)
{
	loop_unwatch(s->loop, &s->listener);
	loop_timer_cancel(s->loop, &s->accept_again);
	close(s->listener.fd);
	s->listener.fd = -1;
	while (s->peers)
		http_peer_free(s->peers);
}
