/* SPDX-License-Identifier: MIT */
#include "relay/transport.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 60L

/* ---- libcurl on the loop */

struct socket_watch {
	struct loop_fd watch;
	struct transport_set *set;
};

static void tell_results(struct transport_set *set);

static void act(struct transport_set *set, curl_socket_t fd, int events)
{
	int running;
	curl_multi_socket_action(set->multi, fd, events, &running);
	tell_results(set);
}

static void socket_ready(struct loop_fd *w, short revents)
{
	struct socket_watch *s = LOOP_OWNER(w, struct socket_watch, watch);
	int events = 0;
	if (revents & (POLLIN | POLLHUP))
		events |= CURL_CSELECT_IN;
	if (revents & POLLOUT)
		events |= CURL_CSELECT_OUT;
	if (revents & (POLLERR | POLLNVAL))
		events |= CURL_CSELECT_ERR;
	act(s->set, w->fd, events); /* s may be gone */
}

static void timer_fired(struct loop_timer *t)
{
	act(LOOP_OWNER(t, struct transport_set, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *context)
{
	struct transport_set *set = context;
	(void)multi;
	if (timeout_ms < 0)
		loop_timer_cancel(set->loop, &set->timer);
	else if (loop_timer_set(set->loop, &set->timer, clock_monotonic_ns() + (uint64_t)timeout_ms * NS_PER_MS) < 0)
		return -1;
	return 0;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *mine)
{
	struct transport_set *set = context;
	struct socket_watch *s = mine;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			loop_unwatch(set->loop, &s->watch);
		free(s);
		curl_multi_assign(set->multi, fd, NULL);
		return 0;
	}
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -1;
		*s = (struct socket_watch){.watch = {.fd = fd, .ready = socket_ready}, .set = set};
		curl_multi_assign(set->multi, fd, s);
	}
	short events = 0;
	if (what & CURL_POLL_IN)
		events |= POLLIN;
	if (what & CURL_POLL_OUT)
		events |= POLLOUT;
	return loop_watch(set->loop, &s->watch, events);
}

/* ---- what is trusted */

/* Returns 0, -1 with errno; EINVAL: no certificate in it. */
static int append_certificates(FILE *to, const char *path)
{
	char line[4096];
	bool any = false;
	FILE *f = fopen(path, "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		any = any || strstr(line, "-----BEGIN ");
		fputs(line, to);
	}
	int failed = ferror(f) ? EIO : any ? 0 : EINVAL;
	fclose(f);
	fputc('\n', to);
	errno = failed;
	return failed ? -1 : 0;
}

static const char *env_file(const char *name)
{
	const char *path = getenv(name);
	return path && *path ? path : NULL;
}

static int trust(struct transport_set *set, const char *cacert, char *error, size_t error_bytes)
{
	const char *base = env_file("SSL_CERT_FILE");
	if (!base)
		base = curl_version_info(CURLVERSION_NOW)->cainfo;
	const char *const extra[] = {env_file("NODE_EXTRA_CA_CERTS"), cacert};
	if (!extra[0] && !extra[1]) {
		if (base)
			snprintf(set->cainfo, sizeof(set->cainfo), "%s", base);
		return 0;
	}
	const char *path = "a temporary file";
	set->bundle = tmpfile();
	if (!set->bundle)
		goto fail;
	if (base && append_certificates(set->bundle, base) < 0 && errno != EINVAL &&
	    base == env_file("SSL_CERT_FILE")) {
		path = base;
		goto fail;
	}
	for (size_t i = 0; i < sizeof(extra) / sizeof(*extra); i++)
		if (extra[i] && append_certificates(set->bundle, path = extra[i]) < 0)
			goto fail;
	if (fflush(set->bundle) != 0)
		goto fail;
	snprintf(set->cainfo, sizeof(set->cainfo), "/dev/fd/%d", fileno(set->bundle));
	return 0;
fail:
	snprintf(error, error_bytes, "%s: %s", path, errno == EINVAL ? "holds no certificate" : strerror(errno));
	return -1;
}

int transport_set_init(struct transport_set *set, struct loop *loop, const struct transport_settings *settings,
		       char *error, size_t error_bytes)
{
	*set = (struct transport_set){.loop = loop, .timer = {.fire = timer_fired}, .upstream = settings->upstream};
	if (trust(set, settings->cacert, error, error_bytes) < 0)
		goto fail;
	set->multi = curl_multi_init();
	if (!set->multi) {
		snprintf(error, error_bytes, "no memory");
		goto fail;
	}
	curl_multi_setopt(set->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(set->multi, CURLMOPT_SOCKETDATA, set);
	curl_multi_setopt(set->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(set->multi, CURLMOPT_TIMERDATA, set);
	return 0;
fail:
	transport_set_release(set);
	return -1;
}

void transport_set_release(struct transport_set *set)
{
	loop_timer_cancel(set->loop, &set->timer);
	if (set->multi)
		curl_multi_cleanup(set->multi);
	if (set->bundle)
		fclose(set->bundle);
	set->multi = NULL;
	set->bundle = NULL;
}

/* ---- one connection */

static void watch_ready(struct loop_fd *w, short revents)
{
	struct transport *t = LOOP_OWNER(w, struct transport, watch);
	(void)revents;
	t->on->ready(t);
}

static void connected(struct transport *t)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	curl_easy_getinfo(t->easy, CURLINFO_ACTIVESOCKET, &fd);
	t->watch = (struct loop_fd){.fd = fd, .ready = watch_ready};
	if (fd == CURL_SOCKET_BAD || loop_watch(t->set->loop, &t->watch, POLLIN) < 0) {
		t->on->failed(t, "the connection was lost at once", ECONNRESET);
		return;
	}
	t->open = true;
	t->on->opened(t);
}

static int error_of(const struct transport *t, CURLcode result)
{
	long os = 0;
	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os);
	switch (result) {
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return os ? (int)os : ECONNREFUSED;
	default:
		return EPROTO;
	}
}

static void tell_results(struct transport_set *set)
{
	CURLMsg *m;
	int left;
	while ((m = curl_multi_info_read(set->multi, &left)) != NULL) {
		struct transport *t = NULL;
		CURLcode result = m->data.result;
		if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK || !t)
			continue;
		if (result == CURLE_OK)
			connected(t);
		else
			t->on->failed(t, t->error[0] ? t->error : curl_easy_strerror(result), error_of(t, result));
	}
}

int transport_open(struct transport *t, struct transport_set *set, const struct transport_handlers *on)
{
	*t = (struct transport){.set = set, .on = on, .easy = curl_easy_init(), .watch = {.fd = -1}};
	if (!t->easy)
		return -1;
	CURL *e = t->easy;
	curl_easy_setopt(e, CURLOPT_URL, set->upstream->url);
	curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	/* What we forward is HTTP/1: no other protocol may be agreed upon. */
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	/* Through a proxy, raw bytes need a tunnel. */
	curl_easy_setopt(e, CURLOPT_HTTPPROXYTUNNEL, 1L);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	if (set->cainfo[0]) {
		curl_easy_setopt(e, CURLOPT_CAINFO, set->cainfo);
		/* Without a folder beside it libcurl keeps the parsed bundle for the next connection. */
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (curl_multi_add_handle(set->multi, e) != CURLM_OK) {
		curl_easy_cleanup(e);
		t->easy = NULL;
		return -1;
	}
	return 0;
}

enum transport_result transport_send(struct transport *t, struct str bytes, size_t *sent)
{
	*sent = 0;
	CURLcode r = curl_easy_send(t->easy, bytes.p, bytes.n, sent);
	if (r == CURLE_OK)
		return TRANSPORT_OK;
	return r == CURLE_AGAIN ? TRANSPORT_LATER : TRANSPORT_BROKEN;
}

enum transport_result transport_receive(struct transport *t, char *to, size_t n, size_t *got)
{
	*got = 0;
	CURLcode r = curl_easy_recv(t->easy, to, n, got);
	if (r == CURLE_AGAIN)
		return TRANSPORT_LATER;
	if (r != CURLE_OK)
		return TRANSPORT_BROKEN;
	return *got > 0 ? TRANSPORT_OK : TRANSPORT_END;
}

void transport_watch(struct transport *t, bool in, bool out)
{
	if (!t->open)
		return;
	/* Not even a hang-up is wanted then: poll would tell of it without end. */
	if (!in && !out)
		loop_unwatch(t->set->loop, &t->watch);
	else
		(void)loop_watch(t->set->loop, &t->watch, (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0)));
}

socklen_t transport_peer(const struct transport *t, struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	const char *ip = NULL;
	long port = 0;
	*out = (struct sockaddr_storage){0};
	if (!t->easy || curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &ip) != CURLE_OK || !ip ||
	    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_PORT, &port) != CURLE_OK)
		return 0;
	if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) {
		in.sin_port = htons((uint16_t)port);
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1) {
		in6.sin6_port = htons((uint16_t)port);
		memcpy(out, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

void transport_close(struct transport *t)
{
	if (!t->easy)
		return;
	if (t->watch.fd >= 0)
		loop_unwatch(t->set->loop, &t->watch);
	t->watch.fd = -1;
	t->open = false;
	/* With it goes the connection, which nobody else can use. */
	curl_multi_remove_handle(t->set->multi, t->easy);
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
}
