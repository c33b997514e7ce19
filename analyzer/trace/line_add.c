/* SPDX-License-Identifier: MIT */
/* What a line of each type adds to a trace. */
#include "base/array.h"
#include "trace/index.h"
#include "trace/words.h"

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct exchange_id {
	uint64_t id;
	size_t index;
	UT_hash_handle hh;
};

static const char out_of_memory[] = "out of memory";

size_t trace_find_exchange(const struct trace *t, uint64_t id)
{
	struct exchange_id *x;
	HASH_FIND(hh, t->index->ids, &id, sizeof(id), x);
	return x ? x->index : SIZE_MAX;
}

static void free_words(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

/* Copies an array of strings. -1: something else is in it; *out stays NULL without memory. */
static int read_words(const cJSON *array, char ***out)
{
	const cJSON *word;
	size_t n = 0;
	char **words = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof(*words));

	*out = words;
	cJSON_ArrayForEach(word, array)
	{
		if (!cJSON_IsString(word))
			return -1;
		if (words && !(words[n++] = strdup(word->valuestring))) {
			free_words(words);
			*out = words = NULL;
		}
	}
	return 0;
}

/* Each of these adds what a line says to the trace. Returns NULL, or what is wrong with it (static words). */

static const char *read_header(struct trace *t, const cJSON *line, struct line_place place)
{
	(void)place;
	struct fields f = {0};
	const cJSON *clock = field_object(&f, line, "clock"), *command = field_array(&f, line, "command");
	const cJSON *fix = cJSON_GetObjectItemCaseSensitive(line, "fix");
	struct str run_id = field_str(&f, line, "run_id"), content = field_str(&f, line, "content");

	if (t->version)
		return "a second header";
	t->monotonic_ns = field_uint(&f, clock, "monotonic_ns", UINT64_MAX, 0);
	t->realtime_ns = field_uint(&f, clock, "realtime_ns", UINT64_MAX, 0);
	t->cwd = field_string(&f, line, "cwd");
	t->capture_mode = field_string(&f, line, "capture_mode");
	t->upstream = field_string(&f, line, "upstream");
	t->content = str_eq(content, STR("none")) ? CONTENT_NONE : CONTENT_FULL;
	for (size_t i = 0; i < sizeof(t->run_id) && run_id.n == 2 * sizeof(t->run_id); i++)
		t->run_id[i] = (uint8_t)strtoul((char[]){run_id.p[2 * i], run_id.p[2 * i + 1], 0}, NULL, 16);
	if (read_words(command, &t->command) < 0)
		return "command";
	if (fix && read_words(fix, &t->fix) < 0)
		return "fix";
	if (f.no_memory || !t->command)
		return out_of_memory;
	/* Last: it tells whether there was a header. */
	t->version = (int)field_int(&f, line, "version", 1, INT32_MAX, 0);
	return t->version ? f.wrong : "no version";
}

static const char *read_part(struct trace *t, const cJSON *line, struct line_place place)
{
	struct trace_index *in = t->index;
	struct fields f = {0};
	struct str kind = field_str(&f, line, "kind"), role = field_str(&f, line, "role");
	struct str block = field_str(&f, line, "block");
	const cJSON *like = field_object(&f, line, "like");
	uint64_t other = 0;

	if (field_uint(&f, line, "id", UINT32_MAX, UINT64_MAX) != t->nparts || t->nparts >= UINT32_MAX - 1)
		return "a part out of its order";
	struct trace_part part = {
		.exact = field(line, "text") || field(line, "base64"),
		.bytes = field_uint(&f, line, "bytes", UINT32_MAX, 0),
		.normalised_bytes = field_uint(&f, line, "normalised_bytes", UINT64_MAX, 0),
		.file_offset = place.offset,
	};
	int k = part_kind_from_name(kind), r = role.p ? part_role_from_name(role) : ROLE_NONE;
	int b = block_type_from_name(block);
	if (k < 0)
		return "a part of an unknown kind";
	part.kind = (enum part_kind)k;
	part.role = r < 0 ? ROLE_OTHER : (enum part_role)r;
	part.block = b < 0 ? BLOCK_OTHER : (enum block_type)b;
	if (!field_digest(&f, line, "normalised_sha256", &part.normalised) &&
	    !field_digest(&f, line, "normalised_hmac", &part.normalised))
		return "a part without its normalised hash";
	/* Only a part with a text of its own can stand for others: no chains. */
	if (like && (!value_uint(field(like, "part"), UINT32_MAX, &other) || other >= t->nparts ||
		     in->parts[other].like || !t->parts[other].exact))
		return "a part that is like one that is not there";
	if (f.wrong)
		return f.wrong;

	struct trace_part *parts = array_grow(t->parts, &in->parts_capacity, t->nparts + 1, sizeof(*parts));
	if (!parts)
		return out_of_memory;
	t->parts = parts;
	struct indexed_part *at = array_grow(in->parts, &in->indexed_parts_capacity, t->nparts + 1, sizeof(*at));
	if (!at)
		return out_of_memory;
	in->parts = at;
	in->parts[t->nparts] = (struct indexed_part){.line_bytes = place.bytes, .like = like != NULL};
	t->parts[t->nparts++] = part;
	return NULL;
}

static void segments_free(struct indexed_exchange *at)
{
	for (uint32_t i = 0; i < at->nsegments; i++)
		free(at->segments[i].text);
	free(at->segments);
}

static const char *read_exchange(struct trace *t, const cJSON *line, struct line_place place)
{
	struct trace_index *in = t->index;
	struct indexed_exchange at = {.file_offset = place.offset, .line_bytes = place.bytes};
	struct exchange x;

	exchange_init(&x, 0, 0);
	const char *wrong = line_read_exchange(t, line, &x, &at);
	if (!wrong && trace_find_exchange(t, x.id) != SIZE_MAX)
		wrong = "an exchange that was there before";
	struct exchange_id *id = wrong ? NULL : calloc(1, sizeof(*id));
	struct exchange *grown =
		id ? array_grow(t->exchanges, &in->exchanges_capacity, t->nexchanges + 1, sizeof(*grown)) : NULL;
	if (grown)
		t->exchanges = grown;
	struct indexed_exchange *indexed =
		grown ? array_grow(in->exchanges, &in->indexed_exchanges_capacity, t->nexchanges + 1, sizeof(*indexed))
		      : NULL;
	if (indexed) {
		in->exchanges = indexed;
		id->id = x.id;
		id->index = t->nexchanges;
		HASH_ADD(hh, in->ids, id, sizeof(id->id), id);
		if (!id->hh.tbl)
			indexed = NULL;
	}
	if (!indexed) {
		free(id);
		segments_free(&at);
		exchange_release(&x);
		return wrong ? wrong : out_of_memory;
	}
	in->exchanges[t->nexchanges] = at;
	t->exchanges[t->nexchanges++] = x;
	return NULL;
}

static const char *read_process(struct trace *t, const cJSON *line, struct line_place place)
{
	(void)place;
	struct fields f = {0};
	struct trace_process *grown =
		array_grow(t->processes, &t->index->processes_capacity, t->nprocesses + 1, sizeof(*grown));
	if (!grown)
		return out_of_memory;
	t->processes = grown;
	grown[t->nprocesses++] = (struct trace_process){
		.pid = (int32_t)field_int(&f, line, "pid", INT32_MIN, INT32_MAX, 0),
		.ppid = (int32_t)field_int(&f, line, "ppid", INT32_MIN, INT32_MAX, 0),
		.exe = field_string(&f, line, "exe"),
		.time_ns = field_uint(&f, line, "time_ns", UINT64_MAX, 0),
		.forked = field_bool(&f, line, "forked", false),
	};
	return f.no_memory ? out_of_memory : f.wrong;
}

static void read_turns(struct fields *f, const cJSON *line, struct turns *out)
{
	const cJSON *turn;
	cJSON_ArrayForEach(turn, field_array(f, line, "turns"))
	{
		struct turn *grown =
			out->n < TURNS_MAX ? array_grow(out->list, &out->capacity, out->n + 1, sizeof(*grown)) : NULL;
		if (!grown) {
			out->cut = true;
			return;
		}
		out->list = grown;
		grown[out->n++] = (struct turn){
			.start_ns = field_uint(f, turn, "start", UINT64_MAX, 0),
			.sent_ns = field_uint(f, turn, "sent", UINT64_MAX, 0),
			.first_received_ns = field_uint(f, turn, "first_received", UINT64_MAX, 0),
			.last_received_ns = field_uint(f, turn, "last_received", UINT64_MAX, 0),
			.sent_bytes = field_uint(f, turn, "sent_bytes", UINT64_MAX, 0),
			.received_bytes = field_uint(f, turn, "received_bytes", UINT64_MAX, 0),
			.receives = (uint32_t)field_uint(f, turn, "receives", UINT32_MAX, 0),
		};
	}
	out->cut = field_bool(f, line, "turns_cut", false);
}

static const char *read_request(struct trace *t, const cJSON *line, struct line_place place)
{
	(void)place;
	struct trace_request *grown =
		array_grow(t->requests, &t->index->requests_capacity, t->nrequests + 1, sizeof(*grown));
	if (!grown)
		return out_of_memory;
	t->requests = grown;
	return line_read_request(line, &grown[t->nrequests++]);
}

static const char *read_opaque(struct trace *t, const cJSON *line, struct line_place place)
{
	(void)place;
	struct fields f = {0};
	const cJSON *times = field_object(&f, line, "times_ns");
	struct trace_opaque *grown = array_grow(t->opaque, &t->index->opaque_capacity, t->nopaque + 1, sizeof(*grown));
	if (!grown)
		return out_of_memory;
	t->opaque = grown;
	grown[t->nopaque++] = (struct trace_opaque){
		.connection = field_uint(&f, line, "connection", UINT64_MAX, 0),
		.pid = (int32_t)field_int(&f, line, "pid", INT32_MIN, INT32_MAX, 0),
		.peer = field_string(&f, line, "peer"),
		.kind = field_string(&f, line, "kind"),
		.server_name = field_string(&f, line, "server_name"),
		.protocol = field_string(&f, line, "protocol"),
		.reason = field_string(&f, line, "reason"),
		.sent_bytes = field_uint(&f, line, "sent_bytes", UINT64_MAX, 0),
		.received_bytes = field_uint(&f, line, "received_bytes", UINT64_MAX, 0),
		.start_ns = field_uint(&f, times, "start", UINT64_MAX, 0),
		.end_ns = field_uint(&f, times, "end", UINT64_MAX, 0),
		.first_received_ns = field_uint(&f, times, "first_received", UINT64_MAX, 0),
	};
	read_turns(&f, line, &grown[t->nopaque - 1].turns);
	return f.no_memory ? out_of_memory : f.wrong;
}

static const char *read_loss(struct trace *t, const cJSON *line, struct line_place place)
{
	(void)place;
	struct fields f = {0};
	const cJSON *ring = field_object(&f, line, "ring"), *pipeline = field_object(&f, line, "pipeline");
	const cJSON *dropped = field_object(&f, ring, "dropped"), *blind = field_object(&f, pipeline, "blind");
	struct ring_loss *r = &t->ring_loss;
	struct pipeline_loss *p = &t->pipeline_loss;

	for (int i = 0; i < KVS_DROP_REASONS; i++)
		r->dropped[i] = field_uint(&f, dropped, loss_drop_names[i], UINT64_MAX, 0);
	r->dropped_bytes = field_uint(&f, ring, "dropped_bytes", UINT64_MAX, 0);
	r->voided = field_uint(&f, ring, "voided", UINT64_MAX, 0);
	r->processes = field_uint(&f, ring, "processes", UINT64_MAX, 0);
	r->foreign_pidns = field_uint(&f, ring, "foreign_pidns", UINT64_MAX, 0);
	r->passthrough = field_uint(&f, ring, "passthrough", UINT64_MAX, 0);
	p->holes = field_uint(&f, pipeline, "holes", UINT64_MAX, 0);
	p->hole_bytes = field_uint(&f, pipeline, "hole_bytes", UINT64_MAX, 0);
	p->unreadable_bytes = field_uint(&f, pipeline, "unreadable_bytes", UINT64_MAX, 0);
	p->http_errors = field_uint(&f, pipeline, "http_errors", UINT64_MAX, 0);
	p->requests_without_response = field_uint(&f, pipeline, "requests_without_response", UINT64_MAX, 0);
	p->responses_without_request = field_uint(&f, pipeline, "responses_without_request", UINT64_MAX, 0);
	p->connections_refused = field_uint(&f, pipeline, "connections_refused", UINT64_MAX, 0);
	for (int i = 1; i < LOSS_BLIND_NAMES; i++)
		p->blind[i] = field_uint(&f, blind, loss_blind_names[i], UINT64_MAX, 0);
	t->lines_lost = field_uint(&f, line, "lines_lost", UINT64_MAX, 0);
	return f.wrong;
}

static const char *read_footer(struct trace *t, const cJSON *line, struct line_place place)
{
	(void)place;
	struct fields f = {0};
	t->footer = (struct trace_footer){
		.end_ns = field_uint(&f, line, "end_ns", UINT64_MAX, 0),
		.exit_status = (int)field_int(&f, line, "exit_status", 0, INT32_MAX, -1),
		.signal = (int)field_int(&f, line, "signal", 0, INT32_MAX, -1),
		.complete = field_bool(&f, line, "complete", false),
	};
	t->has_footer = true;
	return f.wrong;
}

static const struct {
	const char *type;
	const char *(*read)(struct trace *t, const cJSON *line, struct line_place place);
} line_types[] = {
	{"header", read_header},   {"part", read_part},     {"exchange", read_exchange}, {"process", read_process},
	{"request", read_request}, {"opaque", read_opaque}, {"loss", read_loss},         {"footer", read_footer},
};

const char *line_add(struct trace *t, struct str text, struct line_place place)
{
	const char *end = NULL, *wrong = NULL;
	cJSON *line = cJSON_ParseWithLengthOpts(text.p, text.n, &end, false);
	if (!line || !cJSON_IsObject(line) || end != text.p + text.n) {
		cJSON_Delete(line);
		return "not a JSON object";
	}
	const cJSON *type = field(line, "type");
	if (!cJSON_IsString(type))
		wrong = "a line without type";
	else if (t->index->line == 1 && strcmp(type->valuestring, "header") != 0)
		wrong = "not a trace: its first line is no header";
	for (size_t i = 0; !wrong && i < sizeof(line_types) / sizeof(*line_types); i++) {
		if (strcmp(type->valuestring, line_types[i].type) != 0)
			continue;
		wrong = line_types[i].read(t, line, place);
		break;
	}
	cJSON_Delete(line);
	return wrong;
}

void line_release_added(struct trace *t)
{
	struct exchange_id *id, *next;

	for (size_t i = 0; i < t->nexchanges; i++) {
		exchange_release(&t->exchanges[i]);
		segments_free(&t->index->exchanges[i]);
	}
	for (size_t i = 0; i < t->nprocesses; i++)
		free(t->processes[i].exe);
	for (size_t i = 0; i < t->nrequests; i++)
		trace_request_release(&t->requests[i]);
	for (size_t i = 0; i < t->nopaque; i++) {
		free(t->opaque[i].peer);
		free(t->opaque[i].kind);
		free(t->opaque[i].server_name);
		free(t->opaque[i].protocol);
		free(t->opaque[i].reason);
		turns_release(&t->opaque[i].turns);
	}
	HASH_ITER(hh, t->index->ids, id, next)
	{
		HASH_DEL(t->index->ids, id);
		free(id);
	}
	free(t->exchanges);
	free(t->index->exchanges);
	free(t->parts);
	free(t->index->parts);
	free(t->processes);
	free(t->requests);
	free(t->opaque);
	free_words(t->command);
	free_words(t->fix);
	free(t->cwd);
	free(t->capture_mode);
	free(t->upstream);
}
