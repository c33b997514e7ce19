/* SPDX-License-Identifier: MIT */
/* The values and answers of a script. */
#include "mock/script_reader.h"
#include "mock/wire.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX 3600000 /* an hour: what is longer is a slip of the pen */

int script_wrong(struct script_reader *in, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(in->why, in->why_bytes, "%s%s%s", in->place, in->place[0] ? ": " : "", what);
	return -1;
}

int script_no_memory(struct script_reader *in)
{
	return script_wrong(in, "out of memory");
}

int script_count(struct script_reader *in, const cJSON *v, uint64_t max, uint64_t *out)
{
	double d = cJSON_IsNumber(v) ? v->valuedouble : -1;
	if (d < 0 || d > (double)max || floor(d) < d)
		return script_wrong(in, "\"%s\" must be a whole number from 0 to %llu", v->string,
				    (unsigned long long)max);
	*out = (uint64_t)d;
	return 0;
}

int script_string(struct script_reader *in, const cJSON *v, char **out)
{
	if (!cJSON_IsString(v))
		return script_wrong(in, "\"%s\" must be a string", v->string);
	free(*out);
	*out = strdup(v->valuestring);
	return *out ? 0 : script_no_memory(in);
}

bool script_key_is(const cJSON *v, const char *key)
{
	return strcmp(v->string, key) == 0;
}

/* ---- answers */

static int read_error(struct script_reader *in, const cJSON *v, char **type, char **message)
{
	const cJSON *field;

	if (!cJSON_IsObject(v))
		return script_wrong(in, "\"error\" must be an object with \"type\" and \"message\"");
	cJSON_ArrayForEach(field, v)
	{
		int bad = script_key_is(field, "type") ? script_string(in, field, type)
			  : script_key_is(field, "message")
				  ? script_string(in, field, message)
				  : script_wrong(in, "\"error\" has no field \"%s\"", field->string);
		if (bad)
			return -1;
	}
	return 0;
}

static int default_error(struct script_reader *in, int status, char **type, char **message)
{
	if (!*type)
		*type = strdup(error_type_of_status(status));
	if (!*message)
		*message = strdup("scripted error");
	return *type && *message ? 0 : script_no_memory(in);
}

static int read_tool_use(struct script_reader *in, const cJSON *v, struct answer *a)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(v, "name");
	const cJSON *input = cJSON_GetObjectItemCaseSensitive(v, "input"), *field;

	if (!cJSON_IsObject(v) || !cJSON_IsString(name) || name->valuestring[0] == '\0')
		return script_wrong(in, "\"tool_use\" must be an object with a \"name\"");
	if (input && !cJSON_IsObject(input))
		return script_wrong(in, "the \"input\" of a tool must be an object");
	cJSON_ArrayForEach(field, v)
	{
		if (field != name && field != input)
			return script_wrong(in, "\"tool_use\" has no field \"%s\"", field->string);
	}
	char *text = input ? cJSON_PrintUnformatted(input) : strdup("{}");
	int said = text ? answer_say(a, ANSWER_TOOL, name->valuestring, text) : -1;
	free(text);
	return said < 0 ? script_no_memory(in) : 0;
}

static int read_stream_error(struct script_reader *in, const cJSON *v, struct answer *a)
{
	char *type = NULL, *message = NULL;
	int bad = read_error(in, v, &type, &message);

	if (!bad)
		bad = default_error(in, 500, &type, &message);
	if (!bad && answer_event(a, EVENT_ERROR, 0, type, message) < 0)
		bad = script_no_memory(in);
	free(type);
	free(message);
	return bad;
}

static int read_action_kind(struct script_reader *in, const cJSON *v, struct answer *a)
{
	if (script_key_is(v, "text") || script_key_is(v, "thinking")) {
		if (!cJSON_IsString(v))
			return script_wrong(in, "\"%s\" must be a string", v->string);
		enum answer_kind kind = script_key_is(v, "text") ? ANSWER_TEXT : ANSWER_THINKING;
		return answer_say(a, kind, NULL, v->valuestring) < 0 ? script_no_memory(in) : 0;
	}
	if (script_key_is(v, "tool_use"))
		return read_tool_use(in, v, a);
	if (script_key_is(v, "error"))
		return read_stream_error(in, v, a);
	if (script_key_is(v, "stall_ms")) {
		uint64_t ms = 0;
		if (script_count(in, v, MS_MAX, &ms) < 0)
			return -1;
		return answer_event(a, EVENT_STALL, ms, NULL, NULL) < 0 ? script_no_memory(in) : 0;
	}
	if (script_key_is(v, "cut")) {
		if (!cJSON_IsTrue(v))
			return script_wrong(in, "\"cut\" must be true");
		return answer_event(a, EVENT_CUT, 0, NULL, NULL) < 0 ? script_no_memory(in) : 0;
	}
	return script_wrong(in, "there is no action \"%s\"", v->string);
}

static int read_actions(struct script_reader *in, const cJSON *list, struct answer *a)
{
	const cJSON *action;
	bool over = false;

	if (!cJSON_IsArray(list))
		return script_wrong(in, "an answer must be a list of actions");
	cJSON_ArrayForEach(action, list)
	{
		if (!cJSON_IsObject(action) || cJSON_GetArraySize(action) != 1)
			return script_wrong(in, "an action must be an object with one key");
		if (over)
			return script_wrong(in, "nothing can follow \"error\" or \"cut\"");
		if (read_action_kind(in, action->child, a) < 0)
			return -1;
		over = script_key_is(action->child, "error") || script_key_is(action->child, "cut");
	}
	return 0;
}

int script_answer_key(struct script_reader *in, const cJSON *v, struct answer *a)
{
	uint64_t n = 0;

	if (script_key_is(v, "answer"))
		return read_actions(in, v, a);
	if (script_key_is(v, "delay_ms"))
		return script_count(in, v, MS_MAX, &a->delay_ms);
	if (script_key_is(v, "retry_after_s"))
		return script_count(in, v, 86400, &a->retry_after_s);
	if (script_key_is(v, "error"))
		return read_error(in, v, &a->error_type, &a->error_message);
	if (script_key_is(v, "status")) {
		if (script_count(in, v, 599, &n) < 0)
			return -1;
		if (n < 400)
			return script_wrong(in, "\"status\" must be an HTTP error, 400 to 599");
		a->status = (int)n;
		return 0;
	}
	return 1;
}

int script_answer_check(struct script_reader *in, const cJSON *object, struct answer *a)
{
	bool says = cJSON_GetObjectItemCaseSensitive(object, "answer");
	bool explains = cJSON_GetObjectItemCaseSensitive(object, "error") || a->retry_after_s;

	if (says && a->status)
		return script_wrong(in, "\"answer\" and \"status\" exclude each other");
	if (!says && !a->status)
		return script_wrong(in, "\"answer\" or \"status\" is required");
	if (!a->status && explains)
		return script_wrong(in, "\"error\" and \"retry_after_s\" belong to a \"status\"");
	return a->status ? default_error(in, a->status, &a->error_type, &a->error_message) : 0;
}

int script_answer(struct script_reader *in, const cJSON *v, struct answer *a)
{
	const cJSON *field;

	if (cJSON_IsArray(v))
		return read_actions(in, v, a);
	if (!cJSON_IsObject(v))
		return script_wrong(in, "must be a list of actions or an object");
	cJSON_ArrayForEach(field, v)
	{
		int bad = script_answer_key(in, field, a);
		if (bad > 0)
			return script_wrong(in, "there is no key \"%s\" here", field->string);
		if (bad < 0)
			return -1;
	}
	return script_answer_check(in, v, a);
}
