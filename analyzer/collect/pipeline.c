/* SPDX-License-Identifier: MIT */
#include "collect/pipeline.h"

/* Out of memory must not end the program without a word, as uthash would. */
#define HASH_NONFATAL_OOM 1

#include "collect/pipeline_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

struct pipeline *pipeline_new(const struct pipeline_events *events, const char *capture_mode)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->events = *events;
	p->capture_mode = capture_mode;
	lineages_init(&p->lineages);
	return p;
}

/* ---- the table of connections */

static struct connection_key key_of(const struct kvs_record *r)
{
	return (struct connection_key){.cookie = r->conn, .pid = r->pid};
}

static struct connection *find(struct pipeline *p, struct connection_key key)
{
	struct connection *c = NULL;
	HASH_FIND(hh, p->connections, &key, sizeof(key), c);
	return c;
}

static struct connection *add(struct pipeline *p, struct connection_key key, uint64_t time_ns)
{
	struct connection *c = p->nconnections < PIPELINE_CONNECTIONS_MAX ? connection_new(p, key, time_ns) : NULL;
	if (c) {
		HASH_ADD(hh, p->connections, key, sizeof(c->key), c);
		if (!c->hh.tbl) {
			connection_free(c);
			c = NULL;
		}
	}
	if (!c) {
		p->loss.connections_refused++;
		return NULL;
	}
	p->nconnections++;
	c->id = ++p->last_connection;
	return c;
}

static struct connection *find_or_add(struct pipeline *p, const struct kvs_record *r)
{
	struct connection *c = find(p, key_of(r));
	return c ? c : add(p, key_of(r), r->time_ns);
}

static void drop(struct pipeline *p, struct connection *c)
{
	HASH_DELETE(hh, p->connections, c);
	p->nconnections--;
	connection_free(c);
}

static void end(struct pipeline *p, struct connection *c, uint64_t end_ns, const char *reason)
{
	connection_end(c, end_ns, reason);
	drop(p, c);
}

static void end_process(struct pipeline *p, int32_t pid, uint64_t time_ns, const char *reason)
{
	struct connection *c = NULL, *next = NULL;
	HASH_ITER(hh, p->connections, c, next)
	{
		/* cppcheck does not see through the macro's two loop variables. */
		/* cppcheck-suppress uninitvar */
		if (c->key.pid == pid && c->start_ns <= time_ns)
			end(p, c, time_ns, reason);
	}
}

/* ---- records */

static char *peer_of(struct str address)
{
	struct buf text;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} a = {0};
	char host[INET6_ADDRSTRLEN];

	if (address.n == 0)
		return NULL;
	memcpy(&a, address.p, address.n < sizeof(a) ? address.n : sizeof(a));
	buf_init(&text, 256);
	if (a.any.sa_family == AF_INET && address.n >= sizeof(a.in) &&
	    inet_ntop(AF_INET, &a.in.sin_addr, host, sizeof(host)))
		buf_printf(&text, "%s:%d", host, ntohs(a.in.sin_port));
	else if (a.any.sa_family == AF_INET6 && address.n >= sizeof(a.in6) && IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr) &&
		 inet_ntop(AF_INET, &a.in6.sin6_addr.s6_addr[12], host, sizeof(host)))
		buf_printf(&text, "%s:%d", host, ntohs(a.in6.sin6_port));
	else if (a.any.sa_family == AF_INET6 && address.n >= sizeof(a.in6) &&
		 inet_ntop(AF_INET6, &a.in6.sin6_addr, host, sizeof(host)))
		buf_printf(&text, "[%s]:%d", host, ntohs(a.in6.sin6_port));
	else if (a.any.sa_family == AF_UNIX)
		buf_printf(&text, "unix:%.*s", (int)sizeof(a.un.sun_path), a.un.sun_path);
	return text.n ? buf_steal(&text) : NULL;
}

static void on_connect(struct pipeline *p, const struct kvs_record *r, struct str payload)
{
	struct connection *c = find_or_add(p, r);
	if (!c)
		return;
	c->connect_seen = true;
	free(c->peer);
	c->peer = peer_of(payload);
}

/* What a watched connection speaks, if it is not plain HTTP/1. */
static const char *protocol_of(struct str name)
{
	static const char *const names[] = {KVS_PROTOCOL_HTTP2, KVS_PROTOCOL_WEBSOCKET};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (str_eq(name, str_from(names[i])))
			return names[i];
	return NULL;
}

/* Clear text of a TLS connection has been seen in the program itself. */
static void on_class_inside(struct connection *c, const struct kvs_record *r, struct str payload)
{
	if (r->arg == KVS_CLASS_OPAQUE) {
		c->inside = protocol_of(payload);
	} else if (r->arg == KVS_CLASS_RECORDED) {
		c->class = KVS_CLASS_RECORDED;
		c->tls = true;
		connection_restart(c);
	}
}

static void on_class(struct pipeline *p, const struct kvs_record *r, struct str payload)
{
	if (r->arg > KVS_CLASS_DROPPED) {
		p->loss.malformed_records++;
		return;
	}
	struct connection *c = find_or_add(p, r);
	if (!c)
		return;
	if (r->arg == KVS_CLASS_DROPPED) {
		drop(p, c);
		return;
	}
	if (r->flags & KVS_REC_INSIDE_TLS) {
		on_class_inside(c, r, payload);
		return;
	}
	c->class = (enum kvs_class)r->arg;
	if (c->class == KVS_CLASS_OPAQUE && payload.n && !c->server_name)
		c->server_name = strndup(payload.p, payload.n);
	if (c->class == KVS_CLASS_WATCHED)
		c->watched_kind = protocol_of(payload);
}

/* Before a connection is recorded, and where it never is, sizes and times are all there is. */
static bool sizes_only(const struct connection *c, const struct kvs_record *r)
{
	return c->class == KVS_CLASS_WATCHED || c->class == KVS_CLASS_OPAQUE ||
	       (c->class == KVS_CLASS_CANDIDATE && (r->flags & KVS_REC_NO_PAYLOAD));
}

static void on_data(struct pipeline *p, const struct kvs_record *r, struct str payload)
{
	bool sent = r->type == KVS_REC_SEND, unseen = r->flags & KVS_REC_NO_PAYLOAD;
	uint64_t n = unseen ? r->wire_bytes : payload.n;
	if (n > UINT64_MAX - r->offset) {
		p->loss.malformed_records++;
		return;
	}
	struct connection *c = find_or_add(p, r);
	if (!c || n == 0)
		return;
	struct reader *reader = sent ? &c->send : &c->recv;
	if (!sent && !c->first_received_ns)
		c->first_received_ns = r->time_ns;
	if (r->offset + n > reader->end)
		reader->end = r->offset + n;
	struct piece piece = {.kind = unseen ? PIECE_UNSEEN : PIECE_BYTES,
			      .offset = r->offset,
			      .bytes = unseen ? STR_NONE : payload,
			      .n = n,
			      .time_ns = r->time_ns,
			      .end_ns = r->end_ns};
	if (sizes_only(c, r)) {
		reader->passed_bytes += n;
		if (c->class == KVS_CLASS_OPAQUE && sent)
			turns_sent(&c->turns, n, r->time_ns, r->end_ns);
		else if (c->class == KVS_CLASS_OPAQUE)
			turns_received(&c->turns, n, r->time_ns);
		/* Where reading begins if it is promoted; its peer's answer to what was watched may still be coming. */
		if (c->class == KVS_CLASS_WATCHED)
			reader_begin(reader, r->offset + n);
		return;
	}
	if (c->class == KVS_CLASS_CANDIDATE)
		c->class = KVS_CLASS_RECORDED;
	connection_piece(c, reader, &piece);
}

/* The peer, or an error, ended the connection: nothing more will be received. */
static void on_end(struct pipeline *p, const struct kvs_record *r)
{
	struct connection *c = find(p, key_of(r));
	if (!c)
		return;
	if (r->type == KVS_REC_ERROR) {
		c->error = r->arg;
		if (r->arg == EPIPE)
			return; /* of a send: what the server said before it closed may still be read */
	}
	if (c->class != KVS_CLASS_RECORDED)
		return;
	struct piece piece = {
		.kind = PIECE_END, .offset = r->type == KVS_REC_EOF ? r->offset : c->recv.end, .time_ns = r->time_ns};
	connection_piece(c, &c->recv, &piece);
}

static void on_process(struct pipeline *p, const struct kvs_record *r, struct str payload)
{
	struct kvs_process head;
	if (payload.n < sizeof(head)) {
		p->loss.malformed_records++;
		return;
	}
	memcpy(&head, payload.p, sizeof(head));
	char *exe = strndup(payload.p + sizeof(head), payload.n - sizeof(head));
	struct pipeline_process process = {.pid = r->pid,
					   .ppid = head.ppid,
					   .exe = exe ? exe : "",
					   .time_ns = r->time_ns,
					   .forked = r->flags & KVS_REC_AFTER_FORK};
	/* A number that is known already: the process became another program, or its number was used again. */
	end_process(p, r->pid, r->time_ns, "the process became another program");
	p->events.process(p->events.context, &process);
	free(exe);
}

static void on_blind(struct pipeline *p, const struct kvs_record *r)
{
	if (r->arg == KVS_BLIND_SENDFILE && r->conn != 0 && r->wire_bytes > 0) {
		/* How many they were is known: nothing is lost but their content. */
		struct kvs_record data = *r;
		data.type = r->flags & KVS_REC_RECEIVED ? KVS_REC_RECV : KVS_REC_SEND;
		data.flags = KVS_REC_NO_PAYLOAD;
		on_data(p, &data, STR_NONE);
	}
	if (r->arg < sizeof(p->loss.blind) / sizeof(*p->loss.blind))
		p->loss.blind[r->arg]++;
}

static bool about_connection(unsigned type)
{
	return type != KVS_REC_PROCESS && type != KVS_REC_BLIND;
}

void pipeline_feed(struct pipeline *p, const struct kvs_record *record, struct str payload)
{
	struct connection *c;
	if (payload.n != record->payload_bytes || (about_connection(record->type) && record->conn == 0)) {
		p->loss.malformed_records++;
		return;
	}
	uint64_t latest = record->end_ns > record->time_ns ? record->end_ns : record->time_ns;
	if (latest > p->now_ns)
		p->now_ns = latest;

	switch (record->type) {
	case KVS_REC_PROCESS:
		on_process(p, record, payload);
		break;
	case KVS_REC_CONNECT:
		on_connect(p, record, payload);
		break;
	case KVS_REC_CLASS:
		on_class(p, record, payload);
		break;
	case KVS_REC_SEND:
	case KVS_REC_RECV:
		on_data(p, record, payload);
		break;
	case KVS_REC_EOF:
	case KVS_REC_ERROR:
		on_end(p, record);
		break;
	case KVS_REC_CLOSE:
		c = find(p, key_of(record));
		if (c)
			end(p, c, record->time_ns, EXCHANGE_CLIENT_LEFT);
		break;
	case KVS_REC_BLIND:
		on_blind(p, record);
		break;
	default: /* SHUTDOWN changes nothing that can be read; others are of a later version */
		break;
	}
}

void pipeline_process_gone(struct pipeline *p, int32_t pid, uint64_t time_ns)
{
	end_process(p, pid, time_ns, "the process ended");
}

bool pipeline_idle(const struct pipeline *p)
{
	for (const struct connection *c = p->connections; c; c = c->hh.next)
		if (c->ntalks > 0 || c->send.message_bytes > 0)
			return false;
	return true;
}

void pipeline_finish(struct pipeline *p)
{
	while (p->connections)
		end(p, p->connections, 0, "the recording ended");
}

void pipeline_loss(const struct pipeline *p, struct pipeline_loss *out)
{
	*out = p->loss;
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	while (p->connections)
		drop(p, p->connections);
	lineages_release(&p->lineages);
	free(p);
}
