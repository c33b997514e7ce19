/* SPDX-License-Identifier: MIT */
#ifndef RELAY_TRANSPORT_H
#define RELAY_TRANSPORT_H

/*
 * A connection to the server, made by libcurl (CURLOPT_CONNECT_ONLY): names, proxies from the environment, TLS and its
 * verification, which is always on, are libcurl's; once connected it carries raw bytes both ways. On the event loop,
 * never blocking.
 *
 *     transport_set_init(&set, loop, &settings, error, sizeof(error));
 *     transport_open(&t, &set, &handlers);      // ... handlers.opened or handlers.failed
 *     transport_send(&t, bytes, &sent);
 */

#include "base/str.h"
#include "net/loop.h"
#include "relay/upstream.h"

#include <curl/curl.h>
#include <stdio.h>
#include <sys/socket.h>

struct transport;

struct transport_handlers {
	void (*opened)(struct transport *t);
	/* why: in words; error: the errno that comes closest. The owner closes. */
	void (*failed)(struct transport *t, const char *why, int error);
	/* Bytes may be there, or room: what transport_watch asked for. */
	void (*ready)(struct transport *t);
};

struct transport_settings {
	const struct upstream *upstream;
	const char *cacert; /* a file of further certificates to trust; NULL: none */
};

/* What all connections share. */
struct transport_set {
	struct loop *loop;
	struct loop_timer timer;
	CURLM *multi;
	const struct upstream *upstream;
	FILE *bundle;      /* what is trusted, in one file without a name */
	char cainfo[4096]; /* where it is; "": as libcurl was built */
};

struct transport {
	struct transport_set *set;
	const struct transport_handlers *on;
	CURL *easy;
	struct loop_fd watch;
	bool open;
	char error[CURL_ERROR_SIZE];
};

enum transport_result { TRANSPORT_OK, TRANSPORT_LATER, TRANSPORT_END, TRANSPORT_BROKEN };

/*
 * Gathers what is to be trusted: SSL_CERT_FILE or libcurl's own, and NODE_EXTRA_CA_CERTS and cacert on top. Returns 0,
 * or -1 with one line in error (a file that cannot be read or holds no certificate).
 */
int transport_set_init(struct transport_set *set, struct loop *loop, const struct transport_settings *settings,
		       char *error, size_t error_bytes);
void transport_set_release(struct transport_set *set);

/* Returns 0, or -1: no memory. */
int transport_open(struct transport *t, struct transport_set *set, const struct transport_handlers *on);
/* After TRANSPORT_LATER the same bytes, at the same place, must be handed over again (TLS has begun to write them). */
enum transport_result transport_send(struct transport *t, struct str bytes, size_t *sent);
/* TRANSPORT_END: the server is done. There may be more than one buffer full: go on until TRANSPORT_LATER. */
enum transport_result transport_receive(struct transport *t, char *to, size_t n, size_t *got);
void transport_watch(struct transport *t, bool in, bool out);
/* Where it leads: the server, or the proxy. 0: unknown. */
socklen_t transport_peer(const struct transport *t, struct sockaddr_storage *out);
/* Does nothing the second time. */
void transport_close(struct transport *t);

#endif
