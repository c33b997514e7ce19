/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_BASE_URL_H
#define CLIENT_BASE_URL_H

/*
 * Where a backend is, as people write it: "http://localhost:8080", "localhost:8080/v1/", "https://host/proxy/v1". The
 * ending /v1 and the endpoints below it are taken off, so that paths from the root ("/props", "/v1/messages") can be
 * joined to any of them.
 *
 *     base_url_parse(STR("localhost:8080/v1"), &base, &error);
 *     base_url_join(&base, "/v1/messages", &url);      // "http://localhost:8080/v1/messages"
 *     base_url_release(&base);
 */

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>

struct base_url {
	char *root; /* scheme, host, port and the path before /v1; no slash at its end */
	char *host; /* without port; IPv6 in brackets */
	bool tls;
	bool loopback; /* localhost, 127.0.0.0/8, ::1 */
};

/*
 * Without a scheme http is meant. Returns 0, or -1 with static words in *error: no http(s) URL, or one with a user, a
 * password, a query or a fragment (a key must not be written where it would be printed: it belongs into the
 * environment or ~/.netrc).
 */
int base_url_parse(struct str text, struct base_url *out, const char **error) __attribute__((warn_unused_result));
void base_url_release(struct base_url *b);
/* Appends the URL of a path that begins with '/'; it may have a query. 0, or -1 when out has failed. */
int base_url_join(const struct base_url *b, const char *path, struct buf *out);
/* The host is this domain or ends with '.' and it. */
bool base_url_in_domain(const struct base_url *b, const char *domain);

#endif
