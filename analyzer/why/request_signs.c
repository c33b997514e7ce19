/* SPDX-License-Identifier: MIT */
#include "why/request_signs.h"

#include "base/json_span.h"
#include "why/text_signs.h"

#include <stdlib.h>

#define BODY_MAX ((size_t)1 << 30)
/* Bytes that are compared at once. */
#define BLOCK 256
/* What a name of a parameter, or its beginning, can be as long as. */
#define AROUND 32

/* Members of a request that a template writes into the prompt, or that an API keys its cache by. */
static const char *const parameters[] = {"output_config", "reasoning_effort", "reasoning", "thinking", "tool_choice"};
#define PARAMETERS (sizeof(parameters) / sizeof(*parameters))

/* What the cache markers of a request ask for. */
struct markers {
	bool hour;           /* one with a time to live of an hour; the others are of five minutes */
	bool on_system_turn; /* the last one is on a system turn inside messages[] */
	double behind;       /* the share of the prompt that stands behind the last one */
};

struct request_memo {
	uint8_t **parts; /* per trace */
	size_t ntraces;
	struct {
		uint32_t exchange;
		struct markers markers;
	} last; /* a miss's request is the next one's parent */
	struct outline {
		bool known;
		uint32_t exchange;
		struct buf text;
	} outlines[2]; /* of the requests that were compared last */
	int oldest;
};

static struct trace *trace_of(const struct report *r, uint32_t exchange, size_t *index)
{
	const struct report_exchange *e = &r->exchanges[exchange];
	struct trace *t = &r->traces[e->trace];
	*index = (size_t)(e->x - t->exchanges);
	return t;
}

/* Views into the body; absent ones are STR_NONE. */
static bool find_parameters(struct str body, struct str out[PARAMETERS])
{
	struct json_scan s;
	struct json_level level;
	struct json_value v;
	struct str key = STR_NONE;

	for (size_t i = 0; i < PARAMETERS; i++)
		out[i] = STR_NONE;
	json_scan_init(&s, body);
	if (json_enter(&s, JSON_OBJECT, &level) < 0)
		return false;
	while (json_next(&s, &level, &key)) {
		size_t i = 0;
		while (i < PARAMETERS && !json_string_eq(key, str_from(parameters[i])))
			i++;
		if (i == PARAMETERS) {
			json_skip(&s);
			continue;
		}
		if (json_peek(&s) == JSON_NONE)
			return false;
		size_t start = s.at;
		if (json_read(&s, &v) < 0)
			return false;
		out[i] = (struct str){body.p + start, s.at - start};
	}
	return !s.error;
}

/* The outline of a request; that of the one before stays where it is. */
static const struct buf *outline_of(const struct report *r, struct request_memo *memo, uint32_t exchange)
{
	char error[256];
	size_t index;

	for (int i = 0; i < 2; i++) {
		if (memo->outlines[i].known && memo->outlines[i].exchange == exchange) {
			memo->oldest = !i;
			return &memo->outlines[i].text;
		}
	}
	struct outline *o = &memo->outlines[memo->oldest];
	struct trace *t = trace_of(r, exchange, &index);
	buf_reset(&o->text);
	o->known = trace_request_outline(t, index, &o->text, error, sizeof(error)) == 0;
	o->exchange = exchange;
	memo->oldest = !memo->oldest;
	return o->known ? &o->text : NULL;
}

/*
 * Messages came, and nothing else is another: one stretch was put into the old outline, it has turns in it, and none of
 * the parameters. A parameter with a change inside of it would not have a turn there.
 */
static bool only_grown(struct str old, struct str new)
{
	size_t head = 0, tail = 0;

	if (new.n <= old.n)
		return new.n == old.n &&memcmp(old.p, new.p, old.n) == 0;
	while (head + BLOCK <= old.n && memcmp(old.p + head, new.p + head, BLOCK) == 0)
		head += BLOCK;
	while (head < old.n && old.p[head] == new.p[head])
		head++;
	while (tail < old.n - head && old.p[old.n - 1 - tail] == new.p[new.n - 1 - tail])
		tail++;
	if (head + tail < old.n)
		return false;
	struct str come = {new.p + head, new.n - old.n};
	/* What it is cut from may begin or end with what it begins or ends with. */
	struct str around = {come.p - (head < AROUND ? head : AROUND), 0};
	size_t after = tail < AROUND ? tail : AROUND;
	around.n = (size_t)(come.p + come.n - around.p) + after;
	for (size_t i = 0; i < PARAMETERS; i++)
		if (memmem(around.p, around.n, parameters[i], strlen(parameters[i])))
			return false;
	return memmem(come.p, come.n, "\"role\"", 6) != NULL;
}

static bool parameters_changed(const struct report *r, struct request_memo *memo, uint32_t old, uint32_t new)
{
	const struct buf *a = outline_of(r, memo, old), *b = outline_of(r, memo, new);
	struct str found[2][PARAMETERS];
	bool changed = false;

	if (!a || !b || only_grown(buf_str(a), buf_str(b)))
		return false;
	if (!find_parameters(buf_str(a), found[0]) || !find_parameters(buf_str(b), found[1]))
		return false;
	for (size_t i = 0; i < PARAMETERS; i++)
		changed = changed || !str_eq(found[0][i], found[1][i]);
	return changed;
}

/* "ttl": "1h", with white space or without. */
static bool asks_an_hour(struct str text)
{
	const struct str key = STR("\"ttl\""), hour = STR("\"1h\"");
	const char *at = text.n ? memmem(text.p, text.n, key.p, key.n) : NULL;
	while (at) {
		struct str rest = {at + key.n, (size_t)(text.p + text.n - at) - key.n};
		while (rest.n && strchr(" :\t\r\n", *rest.p))
			rest = (struct str){rest.p + 1, rest.n - 1};
		if (str_starts(rest, hour))
			return true;
		at = memmem(rest.p, rest.n, key.p, key.n);
	}
	return false;
}

/* What is known of a part. */
enum { NOT_LOOKED_AT, NO_MARKER, MARKER, MARKER_OF_AN_HOUR };

struct request_memo *request_memo_new(const struct report *report)
{
	struct request_memo *memo = calloc(1, sizeof(*memo));
	if (!memo)
		return NULL;
	memo->last.exchange = UINT32_MAX;
	memo->ntraces = report->ntraces;
	for (int i = 0; i < 2; i++)
		buf_init(&memo->outlines[i].text, BODY_MAX);
	memo->parts = calloc(report->ntraces + 1, sizeof(*memo->parts));
	bool ready = memo->parts;
	for (size_t i = 0; ready && i < report->ntraces; i++) {
		memo->parts[i] = calloc(report->traces[i].nparts + 1, 1);
		ready = memo->parts[i];
	}
	if (ready)
		return memo;
	request_memo_free(memo);
	return NULL;
}

void request_memo_free(struct request_memo *memo)
{
	if (!memo)
		return;
	for (size_t i = 0; memo->parts && i < memo->ntraces; i++)
		free(memo->parts[i]);
	free(memo->parts);
	buf_release(&memo->outlines[0].text);
	buf_release(&memo->outlines[1].text);
	free(memo);
}

static uint8_t look_at(struct trace *t, uint32_t part)
{
	struct buf text;
	char error[256];
	uint8_t found = NO_MARKER;

	buf_init(&text, BODY_MAX);
	if (trace_part_text(t, part, &text, error, sizeof(error)) == 0 &&
	    text_contains(buf_str(&text), STR("\"cache_control\"")))
		found = asks_an_hour(buf_str(&text)) ? MARKER_OF_AN_HOUR : MARKER;
	buf_release(&text);
	return found;
}

static struct markers markers_of(const struct report *r, struct request_memo *memo, uint32_t exchange)
{
	size_t index, n;
	struct trace *t = trace_of(r, exchange, &index);
	uint8_t *known = memo->parts[r->exchanges[exchange].trace];
	const struct trace_prompt_part *parts;
	struct markers found = {.behind = 0};
	uint64_t bytes = 0, behind = 0;
	char error[256];

	if (memo->last.exchange == exchange)
		return memo->last.markers;
	if (trace_prompt(t, index, &parts, &n, error, sizeof(error)) < 0)
		return found;
	for (size_t i = 0; i < n; i++) {
		uint32_t number = parts[i].part;
		const struct trace_part *part = &t->parts[number];
		bool message = part->kind == PART_MESSAGE;
		bytes += part->normalised_bytes;
		behind += message ? part->normalised_bytes : 0;
		if (known[number] == NOT_LOOKED_AT)
			known[number] = look_at(t, number);
		if (known[number] == NO_MARKER)
			continue;
		found.hour = found.hour || known[number] == MARKER_OF_AN_HOUR;
		/* In many bodies messages stand in front of system and tools. */
		if (!message)
			continue;
		found.on_system_turn = part->role == ROLE_SYSTEM;
		behind = 0;
	}
	found.behind = bytes ? (double)behind / (double)bytes : 0;
	memo->last.exchange = exchange;
	memo->last.markers = found;
	return found;
}

void request_signs(const struct report *report, struct request_memo *memo, uint32_t old, uint32_t new, bool markers,
		   struct request_signs *out)
{
	*out = (struct request_signs){.parameters_changed = parameters_changed(report, memo, old, new)};
	if (!markers)
		return;
	struct markers a = markers_of(report, memo, old), b = markers_of(report, memo, new);
	out->long_ttl = a.hour;
	out->ttl_changed = a.hour != b.hour;
	out->marker_on_system_turn = a.on_system_turn;
	out->behind_marker = a.behind;
}
