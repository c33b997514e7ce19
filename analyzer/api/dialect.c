/* SPDX-License-Identifier: MIT */
#include "api/dialect.h"

#include <stdlib.h>
#include <string.h>

#define ERROR_BYTES_MAX 500

void set_last(char **field, const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	if (!copy)
		return;
	free(*field);
	*field = copy;
}

void set_first(char **field, const char *text)
{
	if (!*field)
		set_last(field, text);
}

void set_error(struct exchange *x, const char *kind, const char *message)
{
	struct buf line;

	if (x->response.error)
		return;
	buf_init(&line, 4 * ERROR_BYTES_MAX);
	if (kind && message)
		buf_printf(&line, "%.*s: %.*s", ERROR_BYTES_MAX, kind, ERROR_BYTES_MAX, message);
	else
		buf_printf(&line, "%.*s", ERROR_BYTES_MAX, kind ? kind : message ? message : "an error without words");
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < 0x20 || line.p[i] == 0x7f)
			line.p[i] = ' ';
	x->response.error = buf_steal(&line);
	buf_release(&line);
}

bool read_error(struct exchange *x, const cJSON *data, bool flat)
{
	const cJSON *error = json_member(data, "error");
	if (cJSON_IsObject(error)) {
		const char *kind = json_text(error, "type");
		set_error(x, kind ? kind : json_text(error, "code"), json_text(error, "message"));
		return true;
	}
	if (cJSON_IsString(error)) {
		set_error(x, "error", error->valuestring);
		return true;
	}
	const char *object = json_text(data, "object");
	if (flat || (object && strcmp(object, "error") == 0)) {
		set_error(x, json_text(data, "type"), json_text(data, "message"));
		return true;
	}
	const cJSON *detail = json_member(data, "detail");
	if (cJSON_IsString(detail)) {
		set_error(x, "error", detail->valuestring);
		return true;
	}
	return false;
}

bool usage_is_none(const struct usage *u)
{
	return u->input < 0 && u->output < 0 && u->cache_read < 0 && u->cache_creation < 0 && u->reasoning < 0;
}

static void merge(int64_t *known, int64_t said)
{
	if (said >= 0)
		*known = said;
}

void take_usage(struct exchange *x, const struct usage *said)
{
	struct usage *u = &x->response.usage;
	merge(&u->input, said->input);
	merge(&u->output, said->output);
	merge(&u->cache_read, said->cache_read);
	merge(&u->cache_creation, said->cache_creation);
	merge(&u->reasoning, said->reasoning);
}

void take_content(struct exchange *x, size_t bytes, uint64_t time_ns)
{
	if (x->times.first_content == 0)
		x->times.first_content = time_ns;
	x->response.content_deltas++;
	x->response.text_bytes += bytes;
}

void take_engine(struct exchange *x, const char *engine)
{
	set_first(&x->response.engine, engine);
}
