/* SPDX-License-Identifier: MIT */
#include "report/encrypted.h"

#include "base/array.h"
#include "base/clock.h"
#include "report/units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* TLS connections to one server are told together; of more servers than this the rest is counted. */
#define SERVERS_MAX 8

struct server {
	const char *name;
	uint64_t sent, received, http2;
	const struct trace_opaque **connections;
	size_t n, capacity;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct encrypted_guess encrypted_guess(const struct trace_opaque *const *connections, size_t n)
{
	struct encrypted_guess guess = {.first_s = (double)NAN};
	size_t known = 0;
	for (size_t i = 0; i < n; i++)
		guess.requests += connections[i]->turns.n > 0 ? connections[i]->turns.n - 1 : 0;
	double *first = guess.requests ? calloc(guess.requests, sizeof(*first)) : NULL;
	if (!first)
		return guess;
	for (size_t i = 0; i < n; i++) {
		/* What comes first after a handshake may be session tickets of TLS 1.3: the first request is left out.
		 */
		for (size_t k = 2; k < connections[i]->turns.n; k++) {
			const struct turn *t = &connections[i]->turns.list[k];
			if (t->first_received_ns > t->start_ns)
				first[known++] = (double)(t->first_received_ns - t->start_ns) / (double)NS_PER_S;
		}
	}
	qsort(first, known, sizeof(*first), compare);
	if (known > 0)
		guess.first_s = (first[(known - 1) / 2] + first[known / 2]) / 2;
	free(first);
	return guess;
}

static struct server *server_of(struct server *servers, size_t *n, const struct trace_opaque *o)
{
	const char *name = o->server_name ? o->server_name : o->peer ? o->peer : "an unknown server";
	for (size_t i = 0; i < *n; i++)
		if (strcmp(servers[i].name, name) == 0)
			return &servers[i];
	if (*n == SERVERS_MAX)
		return NULL;
	servers[*n] = (struct server){.name = name};
	return &servers[(*n)++];
}

/* False: one more of a server that is not told by name. */
static bool add(struct server *servers, size_t *n, const struct trace_opaque *o)
{
	struct server *s = server_of(servers, n, o);
	if (!s)
		return false;
	const struct trace_opaque **grown = array_grow(s->connections, &s->capacity, s->n + 1, sizeof(*s->connections));
	if (!grown)
		return false;
	s->connections = grown;
	grown[s->n++] = o;
	s->sent += o->sent_bytes;
	s->received += o->received_bytes;
	s->http2 += o->protocol && strcmp(o->protocol, "http2") == 0;
	return true;
}

static void tell(const struct server *s, struct buf *to)
{
	char sent[UNITS_CHARS], received[UNITS_CHARS], first[UNITS_CHARS];
	struct encrypted_guess guess = encrypted_guess(s->connections, s->n);
	units_plural(to, s->n, "encrypted connection");
	buf_puts(to, " to ");
	units_text(to, s->name, 60, false);
	buf_printf(to, ": %s sent, %s received, contents unknown%s.\n", units_bytes(s->sent, sent),
		   units_bytes(s->received, received), s->http2 ? " (HTTP/2 is spoken, which is not read)" : "");
	if (guess.requests == 0)
		return;
	buf_puts(to, "  By sizes and times ");
	units_plural(to, guess.requests, "request");
	buf_puts(to, " (estimated)");
	if (!isnan(guess.first_s))
		buf_printf(to, ", first data after %s at the median (record-level)",
			   units_seconds(guess.first_s, first));
	buf_puts(to, ".\n");
}

void report_encrypted(const struct report *r, struct buf *to)
{
	struct server servers[SERVERS_MAX];
	size_t n = 0, others = 0;
	for (size_t i = 0; i < r->ntraces; i++) {
		for (size_t k = 0; k < r->traces[i].nopaque; k++) {
			const struct trace_opaque *o = &r->traces[i].opaque[k];
			if (o->kind && strcmp(o->kind, "tls") == 0 && !add(servers, &n, o))
				others++;
		}
	}
	for (size_t i = 0; i < n; i++) {
		tell(&servers[i], to);
		free(servers[i].connections);
	}
	if (others > 0) {
		units_plural(to, others, "more encrypted connection");
		buf_puts(to, " to other servers.\n");
	}
}
