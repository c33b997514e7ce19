/* SPDX-License-Identifier: MIT */
#include "collect/collector.h"

#include "base/array.h"
#include "base/clock.h"
#include "collect/alive.h"
#include "collect/backlog.h"
#include "collect/census.h"
#include "collect/pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CENSUS_NS NS_PER_S

/* More of the ring than this, in 256ths, is not left in it while the collector is at work elsewhere, or sleeps. Less
 * may be: a collector that takes over for a killed one finds it there. */
#define CROWDED 128
#define CROWDED_FOR_SLEEP 96

struct written {
	int32_t pid;
	uint64_t start_ns;
};

struct collector {
	struct ring_reader *ring;
	struct pipeline *pipeline;
	struct trace_writer *trace;
	struct continues_memory *continues;
	struct alive alive;
	struct written *skip;
	size_t nskip, skip_capacity;
	int records_per_poll; /* a lap of the ring: writers that never pause must not keep us from our other duties */
	struct backlog *backlog;
	struct pace pace;
	bool hurry;
	bool behind; /* the last poll had not the time for all that was there */
	bool corrupt;
	uint64_t opaque_server_bytes;
	struct census census;
	uint64_t next_census_ns;
	uint64_t blind_children, blind_io_uring; /* found by it */
	struct collector_summary summary;
};

static void add_prompt_tokens(struct collector_summary *s, const struct exchange *x)
{
	const struct usage *u = &x->response.usage;
	if (u->input < 0)
		return;
	int64_t tokens = u->input;
	/* Anthropic counts cached tokens beside input, OpenAI inside. */
	if (x->api == KVS_API_ANTHROPIC_MESSAGES)
		tokens += (u->cache_read > 0 ? u->cache_read : 0) + (u->cache_creation > 0 ? u->cache_creation : 0);
	s->prompt_tokens = (s->prompt_tokens < 0 ? 0 : s->prompt_tokens) + tokens;
}

static bool is_written(const struct collector *c, int32_t pid, uint64_t start_ns)
{
	for (size_t i = 0; i < c->nskip; i++)
		if (c->skip[i].start_ns == start_ns && c->skip[i].pid == pid)
			return true;
	return false;
}

int collector_skip(struct collector *c, int32_t pid, uint64_t start_ns)
{
	struct written *skip = array_grow(c->skip, &c->skip_capacity, c->nskip + 1, sizeof(*c->skip));
	if (!skip)
		return -1;
	c->skip = skip;
	c->skip[c->nskip++] = (struct written){pid, start_ns};
	return 0;
}

static void on_exchange(void *context, struct exchange *x)
{
	struct collector *c = context;
	if (is_written(c, x->pid, x->times.request_start))
		return;
	c->summary.exchanges++;
	c->summary.failed += x->response.status == 0 || x->response.status >= 400;
	c->summary.requests_bytes += x->request.body_bytes;
	add_prompt_tokens(&c->summary, x);
	trace_writer_exchange(c->trace, x);
}

static void on_request(void *context, const struct exchange *x)
{
	struct collector *c = context;
	struct continues continues;
	if (is_written(c, x->pid, x->times.request_start))
		return;
	continues_add(c->continues, x, &continues);
	trace_writer_request(c->trace, x, &continues);
}

static void on_opaque(void *context, const struct opaque_connection *o)
{
	struct collector *c = context;
	struct collector_summary *s = &c->summary;
	uint64_t bytes = o->sent_bytes + o->received_bytes;

	if (is_written(c, o->pid, o->start_ns))
		return;
	s->opaque++;
	s->opaque_tls += strcmp(o->kind, "tls") == 0;
	s->opaque_http += strcmp(o->kind, "http") == 0;
	s->opaque_spoiled += o->reason != NULL;
	if (o->server_name && (!s->opaque_server[0] || bytes > c->opaque_server_bytes)) {
		snprintf(s->opaque_server, sizeof(s->opaque_server), "%s", o->server_name);
		c->opaque_server_bytes = bytes;
	}
	trace_writer_opaque(c->trace, o);
}

static void on_process(void *context, const struct pipeline_process *p)
{
	struct collector *c = context;
	trace_writer_process(c->trace, p);
}

static void on_child(void *context, int32_t pid, int32_t ppid, const char *exe)
{
	struct collector *c = context;
	struct pipeline_process p = {
		.pid = pid, .ppid = ppid, .exe = exe, .time_ns = clock_monotonic_ns(), .unrecorded = true};
	c->blind_children++;
	trace_writer_process(c->trace, &p);
}

static void on_io_uring(void *context, int32_t pid)
{
	struct collector *c = context;
	(void)pid;
	c->blind_io_uring++;
}

int collector_open(const char *ring_path, const char *trace_path, bool overwrite, const struct trace_header *header,
		   struct collector **out, char *error, size_t error_bytes)
{
	struct collector *c = calloc(1, sizeof(*c));
	struct pipeline_events events = {.context = c,
					 .exchange = on_exchange,
					 .request = on_request,
					 .opaque = on_opaque,
					 .process = on_process};

	if (!c || !(c->continues = continues_new()) || !(c->pipeline = pipeline_new(&events, header->capture_mode)) ||
	    !(c->backlog = backlog_new(trace_path, BACKLOG_MEMORY_MAX, BACKLOG_DISK_MAX))) {
		snprintf(error, error_bytes, "out of memory");
		goto fail;
	}
	if (ring_reader_open(ring_path, &c->ring, error, error_bytes) < 0)
		goto fail;
	const struct kvs_ring_header *ring = ring_reader_header(c->ring);
	struct trace_header full = *header;
	memcpy(full.run_id, ring->run_id, sizeof(full.run_id));
	full.monotonic_ns = ring->monotonic_ns;
	full.realtime_ns = ring->realtime_ns;
	if (trace_writer_open(trace_path, overwrite, &full, &c->trace, error, error_bytes) < 0)
		goto fail;
	c->records_per_poll = (int)ring->slots;
	c->next_census_ns = clock_monotonic_ns() + CENSUS_NS;
	c->summary.prompt_tokens = EXCHANGE_ABSENT;
	*out = c;
	return 0;
fail:
	if (c && c->ring)
		ring_reader_close(c->ring);
	if (c && c->pipeline)
		pipeline_free(c->pipeline);
	if (c) {
		continues_free(c->continues);
		backlog_free(c->backlog);
	}
	free(c);
	return -1;
}

/* ---- processes */

/* Processes of another pid namespace have numbers that mean nothing here: their end is not noticed. */
static void see_process(struct collector *c, const struct kvs_record *record, struct str payload)
{
	struct kvs_process process;
	if (payload.n < sizeof(process) || record->pid <= 0)
		return;
	memcpy(&process, payload.p, sizeof(process));
	if (process.pidns_inode == ring_reader_header(c->ring)->pidns_inode)
		alive_watch(&c->alive, record->pid);
}

/* What it wrote last may have waited for long. */
static void on_gone(void *context, int32_t pid, uint64_t gone_ns)
{
	struct collector *c = context;
	pipeline_process_gone(c->pipeline, pid, gone_ns);
}

int collector_adopt(struct collector *c, int32_t pid)
{
	return alive_watch(&c->alive, pid);
}

size_t collector_alive(const struct collector *c)
{
	return c->alive.n;
}

static void take_census(struct collector *c)
{
	const struct census_events events = {.context = c, .child = on_child, .io_uring = on_io_uring};
	uint64_t now = clock_monotonic_ns();
	if (now < c->next_census_ns || c->alive.n == 0)
		return;
	c->next_census_ns = now + CENSUS_NS;
	int32_t *pids = malloc(c->alive.n * sizeof(*pids));
	if (!pids)
		return;
	for (size_t i = 0; i < c->alive.n; i++)
		pids[i] = c->alive.process[i].pid;
	census_look(&c->census, pids, c->alive.n, &events);
	free(pids);
}

/* ---- records */

static void feed(struct collector *c, const struct kvs_record *record, struct str payload)
{
	if (record->type == KVS_REC_PROCESS)
		see_process(c, record, payload);
	else if (record->type == KVS_REC_BLIND && record->arg == KVS_BLIND_IO_URING)
		census_io_uring_known(&c->census, record->pid);
	pipeline_feed(c->pipeline, record, payload);
}

/* From the ring: 1, or 0 when there is none now. */
static int next_of_ring(struct collector *c, const struct kvs_record **record, struct str *payload)
{
	int r = c->corrupt ? 0 : ring_reader_next(c->ring, record, payload);
	if (r < 0)
		c->corrupt = true;
	return r > 0;
}

/* Copies what is in the ring out of it, up to so many records, for as long as there is room for them. */
static void empty_ring(struct collector *c, int records_max)
{
	const struct kvs_record *record;
	struct str payload;

	ring_reader_hold(c->ring, false);
	for (int n = 0; n < records_max && backlog_room(c->backlog) && next_of_ring(c, &record, &payload); n++)
		backlog_put(c->backlog, record, payload);
	ring_reader_hold(c->ring, true);
}

/* Reads up to so many records, as long as the pace allows. *all: none is left. Returns how many. */
static int read_records(struct collector *c, int records_max, bool *all)
{
	enum { BETWEEN_LOOKS = 8 }; /* at the clock */
	const struct kvs_record *record;
	struct str payload;
	int n = 0;

	*all = false;
	while (n < records_max && (n % BETWEEN_LOOKS != 0 || !pace_over(&c->pace))) {
		if (ring_reader_taken(c->ring) > CROWDED)
			empty_ring(c, c->records_per_poll);
		if (backlog_next(c->backlog, &record, &payload) == 0 && !next_of_ring(c, &record, &payload)) {
			*all = true;
			break;
		}
		feed(c, record, payload);
		n++;
	}
	return n;
}

int collector_poll(struct collector *c)
{
	bool hurry = c->hurry || backlog_crowded(c->backlog), all;

	/* In this order: all that a process wrote is in the ring before its end can be seen. */
	alive_look(&c->alive);
	if (!ring_reader_whole(c->ring))
		c->corrupt = true;
	ring_reader_hold(c->ring, true);
	pace_begin(&c->pace, hurry);
	int n = read_records(c, c->records_per_poll, &all);
	pace_end(&c->pace);
	c->behind = !all;
	if (all)
		alive_retire(&c->alive, on_gone, c);
	else if (ring_reader_taken(c->ring) > CROWDED_FOR_SLEEP)
		empty_ring(c, c->records_per_poll);
	trace_writer_flush(c->trace);
	if (all && pipeline_idle(c->pipeline))
		ring_reader_hold(c->ring, false);
	take_census(c);
	return c->corrupt && backlog_records(c->backlog) == 0 ? -1 : n;
}

void collector_hurry(struct collector *c)
{
	c->hurry = true;
}

bool collector_behind(const struct collector *c)
{
	return c->behind;
}

uint64_t collector_waiting(const struct collector *c)
{
	return backlog_records(c->backlog);
}

/* All that is in the ring and waits is read, or given up. */
static void read_rest(struct collector *c, bool give_up)
{
	const struct kvs_record *record;
	struct str payload;

	/* Bounded, for those that live may go on writing. */
	empty_ring(c, c->records_per_poll);
	while (!give_up && backlog_next(c->backlog, &record, &payload) > 0)
		feed(c, record, payload);
	for (int n = 0; !give_up && n < c->records_per_poll && next_of_ring(c, &record, &payload); n++)
		feed(c, record, payload);
}

/* What was taken out of the ring and came to nothing is lost as if the ring had been full. */
static void add_lost(const struct collector *c, struct ring_loss *ring)
{
	uint64_t records, bytes;
	backlog_lost(c->backlog, &records, &bytes);
	ring->dropped[KVS_DROP_FULL] += records + backlog_records(c->backlog);
	ring->dropped_bytes += bytes + backlog_bytes(c->backlog);
}

void collector_finish(struct collector *c, const struct collector_end *end, struct collector_summary *out)
{
	struct collector_summary *s = &c->summary;
	struct ring_loss ring;
	struct pipeline_loss parsed;

	collector_hurry(c);
	if (!end->give_up)
		collector_poll(c);
	if (!end->leave_open)
		ring_reader_detach(c->ring);
	alive_look(&c->alive);
	ring_reader_settle(c->ring);
	read_rest(c, end->give_up);
	alive_retire(&c->alive, on_gone, c);
	pipeline_finish(c->pipeline);
	trace_writer_flush(c->trace);
	ring_reader_hold(c->ring, false);

	ring_reader_loss(c->ring, &ring);
	add_lost(c, &ring);
	pipeline_loss(c->pipeline, &parsed);
	parsed.blind[KVS_BLIND_CHILD] += c->blind_children;
	parsed.blind[KVS_BLIND_IO_URING] += c->blind_io_uring;
	struct trace_footer footer = {
		.end_ns = clock_monotonic_ns(),
		.exit_status = end->exit_status,
		.signal = end->signal,
		.complete = c->alive.n == 0 && !c->corrupt,
	};
	/* trace_error stays "" unless lines were lost. */
	trace_writer_close(c->trace, &ring, &parsed, &footer, s->trace_error, sizeof(s->trace_error));

	for (size_t i = 0; i < KVS_DROP_REASONS; i++)
		s->lost_records += ring.dropped[i];
	s->lost_records += ring.voided;
	s->holes = parsed.holes;
	s->processes = ring.processes;
	s->alive = c->alive.n;
	s->ring_corrupt = c->corrupt;
	*out = *s;

	alive_release(&c->alive);
	free(c->skip);
	census_release(&c->census);
	pipeline_free(c->pipeline);
	continues_free(c->continues);
	backlog_free(c->backlog);
	ring_reader_close(c->ring);
	free(c);
}
