/* SPDX-License-Identifier: MIT */
#include "replay/state.h"

#include "base/digest.h"
#include "base/json_member.h"
#include "base/json_out.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)64 << 10)

static void describe(const struct replay *r, struct buf *to)
{
	const struct replay_options *o = &r->options;

	buf_printf(to, "2|%s|%s|%s|%s|%d|%d|%d|%u|%lld|%zu|%d|", r->main.base.root, r->main.facts.name,
		   r->main.facts.model ? r->main.facts.model : "", r->side.url ? r->side.base.root : "",
		   (int)o->inline_system, (int)o->pace, (int)o->order, o->repeats, (long long)o->max_tokens,
		   o->cold_sample, o->unload);
	for (size_t i = 0; i < r->narms; i++)
		buf_printf(to, "%s:%x|", r->arms[i].name, (unsigned)r->arms[i].fixes);
	for (size_t i = 0; i < r->plan->n; i++) {
		const struct report_exchange *e = &r->report->exchanges[r->plan->requests[i].exchange];
		buf_append(to, r->report->traces[e->trace].run_id, 16);
		buf_printf(to, "%llu|", (unsigned long long)e->x->id);
	}
}

static char *path_of(const struct replay *r, const char *folder)
{
	struct buf text, path;
	char hex[DIGEST_HEX_CHARS + 1];

	buf_init(&text, BUF_UNLIMITED);
	buf_init(&path, 8192);
	describe(r, &text);
	struct digest d = digest_of(buf_str(&text));
	digest_hex(&d, hex);
	buf_printf(&path, "%s/replay-%.16s.samples", folder, hex);
	bool failed = text.failed;
	buf_release(&text);
	char *out = failed ? NULL : buf_steal(&path);
	buf_release(&path);
	return out;
}

static double number(const cJSON *line, const char *key)
{
	const cJSON *item = json_member(line, key);
	return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static void take_line(struct replay *r, const cJSON *line)
{
	int64_t arm = json_count(line, "arm"), repeat = json_count(line, "repeat"),
		request = json_count(line, "request");

	if (arm < 0 || (size_t)arm >= r->narms || repeat < 0 || repeat >= r->options.repeats || request < 0 ||
	    (size_t)request >= r->plan->n)
		return;
	struct sample *s = replay_sample(r, (size_t)arm, (unsigned)repeat, (size_t)request);
	const char *error = json_text(line, "error");
	int64_t outcome = json_count(line, "outcome");
	r->resumed += !s->sent;
	free(s->error);
	*s = (struct sample){
		.sent = true,
		.outcome = outcome >= 0 && outcome <= CLIENT_CANCELLED ? (enum client_outcome)outcome : CLIENT_FAILED,
		.status = (int)json_count(line, "status"),
		.error = error ? strdup(error) : NULL,
		.ttft_s = number(line, "ttft"),
		.prefill_s = number(line, "prefill"),
		.decode_s = number(line, "decode"),
		.decode_engine_s = number(line, "decode_engine"),
		.prompt = json_count(line, "prompt"),
		.cached = json_count(line, "cached"),
		.output = json_count(line, "output"),
		.expected = json_count(line, "expected"),
		.bound = json_count(line, "bound"),
		.lag_s = number(line, "lag"),
		.start_s = number(line, "start"),
		.attempts = (unsigned)json_count(line, "attempts"),
		.changes = (uint32_t)json_count(line, "changes"),
		.bytes = (uint64_t)json_count(line, "bytes"),
	};
}

/* A last line that was cut off is no line. */
static void read_all(struct replay *r, FILE *f)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, f)) > 0) {
		cJSON *json = (size_t)n <= LINE_MAX_BYTES ? cJSON_ParseWithLength(line, (size_t)n) : NULL;
		if (json)
			take_line(r, json);
		cJSON_Delete(json);
	}
	free(line);
}

int state_open(struct state *s, const char *folder, struct replay *r, bool resume, char *error, size_t error_bytes)
{
	*s = (struct state){.path = path_of(r, folder)};
	if (!s->path) {
		snprintf(error, error_bytes, "out of memory");
		return -1;
	}
	int fd = open(s->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (resume ? 0 : O_TRUNC), 0600);
	s->file = fd < 0 ? NULL : fdopen(fd, "a+");
	if (!s->file) {
		snprintf(error, error_bytes, "%s: %s", s->path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	if (resume) {
		rewind(s->file);
		read_all(r, s->file);
		/* What comes now must not continue a line that was cut off. */
		fputc('\n', s->file);
	}
	return 0;
}

void state_add(struct state *s, size_t arm, unsigned repeat, size_t request, const struct sample *sample)
{
	struct json_out j;
	struct buf line;

	if (!s->file)
		return;
	buf_init(&line, LINE_MAX_BYTES);
	json_out_init(&j, &line, false);
	json_out_object(&j, NULL);
	json_out_uint(&j, "arm", arm);
	json_out_uint(&j, "repeat", repeat);
	json_out_uint(&j, "request", request);
	json_out_int(&j, "outcome", (int)sample->outcome);
	json_out_int_or_null(&j, "status", sample->status);
	json_out_cstr(&j, "error", sample->error);
	json_out_double(&j, "ttft", sample->ttft_s, 9);
	json_out_double(&j, "prefill", sample->prefill_s, 9);
	json_out_double(&j, "decode", sample->decode_s, 9);
	json_out_double(&j, "decode_engine", sample->decode_engine_s, 9);
	json_out_double(&j, "lag", sample->lag_s, 9);
	json_out_double(&j, "start", sample->start_s, 9);
	json_out_int_or_null(&j, "prompt", sample->prompt);
	json_out_int_or_null(&j, "cached", sample->cached);
	json_out_int_or_null(&j, "output", sample->output);
	json_out_int_or_null(&j, "expected", sample->expected);
	json_out_int_or_null(&j, "bound", sample->bound);
	json_out_uint(&j, "attempts", sample->attempts);
	json_out_uint(&j, "changes", sample->changes);
	json_out_uint(&j, "bytes", sample->bytes);
	json_out_end(&j);
	buf_putc(&line, '\n');
	if (!line.failed) {
		fwrite(line.p, 1, line.n, s->file);
		fflush(s->file);
	}
	buf_release(&line);
}

void state_close(struct state *s, bool done)
{
	if (s->file)
		fclose(s->file);
	if (s->path && done)
		unlink(s->path);
	free(s->path);
	*s = (struct state){0};
}
