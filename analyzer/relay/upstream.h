/* SPDX-License-Identifier: MIT */
#ifndef RELAY_UPSTREAM_H
#define RELAY_UPSTREAM_H

/* The server that a relay stands in front of, out of the URL that names it: the base URL as a client would have it. */

#include <stdbool.h>
#include <stddef.h>

#define UPSTREAM_HOST_MAX 256
#define UPSTREAM_PATH_MAX 1024

struct upstream {
	char url[UPSTREAM_HOST_MAX + 16]; /* scheme, host and port alone */
	char host[UPSTREAM_HOST_MAX + 8]; /* as it stands in a Host header */
	char name[UPSTREAM_HOST_MAX];     /* the host alone */
	char path[UPSTREAM_PATH_MAX];     /* of the base URL, without a slash at its end; "": none */
	bool tls;
};

/* Returns 0, or -1 with one line in error: no URL, another scheme, or parts that a base URL must not have. */
int upstream_parse(const char *text, struct upstream *out, char *error, size_t error_bytes);

/* True if the host is, or ends with a dot and, this domain. */
bool upstream_is_of(const struct upstream *u, const char *domain);

#endif
