/* SPDX-License-Identifier: MIT */
#include "why/request_signs.h"

#include "base/json_span.h"
#include "why/text_signs.h"

#define BODY_MAX ((size_t)1 << 30)

/* Members of a request that a template writes into the prompt, or that an API keys its cache by. */
static const char *const parameters[] = {"output_config", "reasoning_effort", "reasoning", "thinking", "tool_choice"};
#define PARAMETERS (sizeof(parameters) / sizeof(*parameters))

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

static bool parameters_changed(const struct report *r, uint32_t old, uint32_t new)
{
	const uint32_t both[] = {old, new};
	struct str found[2][PARAMETERS];
	struct buf outline[2];
	char error[256];
	bool read = true, changed = false;

	for (int k = 0; k < 2; k++) {
		size_t index;
		struct trace *t = trace_of(r, both[k], &index);
		buf_init(&outline[k], BODY_MAX);
		read = read && trace_request_outline(t, index, &outline[k], error, sizeof(error)) == 0 &&
		       find_parameters(buf_str(&outline[k]), found[k]);
	}
	for (size_t i = 0; read && i < PARAMETERS; i++)
		changed = changed || !str_eq(found[0][i], found[1][i]);
	buf_release(&outline[0]);
	buf_release(&outline[1]);
	return changed;
}

/* What the cache markers of a request ask for. */
struct markers {
	bool hour;           /* one with a time to live of an hour; the others are of five minutes */
	bool on_system_turn; /* the last one is on a system turn inside messages[] */
	double behind;       /* the share of the prompt that stands behind the last one */
};

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

static struct markers markers_of(const struct report *r, uint32_t exchange)
{
	size_t index, n;
	struct trace *t = trace_of(r, exchange, &index);
	const struct trace_prompt_part *parts;
	struct markers found = {.behind = 0};
	uint64_t bytes = 0, behind = 0;
	struct buf text;
	char error[256];

	if (trace_prompt(t, index, &parts, &n, error, sizeof(error)) < 0)
		return found;
	buf_init(&text, BODY_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct trace_part *part = &t->parts[parts[i].part];
		bytes += part->normalised_bytes;
		if (part->kind == PART_MESSAGE)
			behind += part->normalised_bytes;
		buf_reset(&text);
		if (trace_part_text(t, parts[i].part, &text, error, sizeof(error)) < 0 ||
		    !text_contains(buf_str(&text), STR("\"cache_control\"")))
			continue;
		found.hour = found.hour || asks_an_hour(buf_str(&text));
		/* In many bodies messages stand in front of system and tools. */
		if (part->kind != PART_MESSAGE)
			continue;
		found.on_system_turn = part->role == ROLE_SYSTEM;
		behind = 0;
	}
	found.behind = bytes ? (double)behind / (double)bytes : 0;
	buf_release(&text);
	return found;
}

void request_signs(const struct report *report, uint32_t old, uint32_t new, bool markers, struct request_signs *out)
{
	*out = (struct request_signs){.parameters_changed = parameters_changed(report, old, new)};
	if (!markers)
		return;
	struct markers a = markers_of(report, old), b = markers_of(report, new);
	out->long_ttl = a.hour;
	out->ttl_changed = a.hour != b.hour;
	out->marker_on_system_turn = a.on_system_turn;
	out->behind_marker = a.behind;
}
