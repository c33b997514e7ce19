/* SPDX-License-Identifier: MIT */
#include "mock/script.h"

#include "base/array.h"
#include "base/json_out.h"
#include "mock/wire.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TEXT "This is the mock speaking: no model has read your prompt."
#define MS_MAX 3600000 /* an hour: what is longer is a slip of the pen */

/* Where the reader stands, for messages, and where they go. */
struct reader {
	char place[64]; /* "rule 2" */
	char *why;
	size_t why_bytes;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct reader *in, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(in->why, in->why_bytes, "%s%s%s", in->place, in->place[0] ? ": " : "", what);
	return -1;
}

static int no_memory(struct reader *in)
{
	return wrong(in, "out of memory");
}

/* ---- values */

static int read_count(struct reader *in, const cJSON *v, uint64_t max, uint64_t *out)
{
	double d = cJSON_IsNumber(v) ? v->valuedouble : -1;
	if (d < 0 || d > (double)max || floor(d) < d)
		return wrong(in, "\"%s\" must be a whole number from 0 to %llu", v->string, (unsigned long long)max);
	*out = (uint64_t)d;
	return 0;
}

static int read_string(struct reader *in, const cJSON *v, char **out)
{
	if (!cJSON_IsString(v))
		return wrong(in, "\"%s\" must be a string", v->string);
	free(*out);
	*out = strdup(v->valuestring);
	return *out ? 0 : no_memory(in);
}

static bool key_is(const cJSON *v, const char *key)
{
	return strcmp(v->string, key) == 0;
}

static int read_error(struct reader *in, const cJSON *v, char **type, char **message)
{
	const cJSON *field;

	if (!cJSON_IsObject(v))
		return wrong(in, "\"error\" must be an object with \"type\" and \"message\"");
	cJSON_ArrayForEach(field, v)
	{
		int bad = key_is(field, "type")      ? read_string(in, field, type)
			  : key_is(field, "message") ? read_string(in, field, message)
						     : wrong(in, "\"error\" has no field \"%s\"", field->string);
		if (bad)
			return -1;
	}
	return 0;
}

static int default_error(struct reader *in, int status, char **type, char **message)
{
	if (!*type)
		*type = strdup(error_type_of_status(status));
	if (!*message)
		*message = strdup("scripted error");
	return *type && *message ? 0 : no_memory(in);
}

/* ---- answers */

static int read_tool_use(struct reader *in, const cJSON *v, struct answer *a)
{
	const cJSON *name = cJSON_GetObjectItemCaseSensitive(v, "name");
	const cJSON *input = cJSON_GetObjectItemCaseSensitive(v, "input"), *field;

	if (!cJSON_IsObject(v) || !cJSON_IsString(name) || name->valuestring[0] == '\0')
		return wrong(in, "\"tool_use\" must be an object with a \"name\"");
	if (input && !cJSON_IsObject(input))
		return wrong(in, "the \"input\" of a tool must be an object");
	cJSON_ArrayForEach(field, v)
	{
		if (field != name && field != input)
			return wrong(in, "\"tool_use\" has no field \"%s\"", field->string);
	}
	char *text = input ? cJSON_PrintUnformatted(input) : strdup("{}");
	int said = text ? answer_say(a, ANSWER_TOOL, name->valuestring, text) : -1;
	free(text);
	return said < 0 ? no_memory(in) : 0;
}

static int read_stream_error(struct reader *in, const cJSON *v, struct answer *a)
{
	char *type = NULL, *message = NULL;
	int bad = read_error(in, v, &type, &message);

	if (!bad)
		bad = default_error(in, 500, &type, &message);
	if (!bad && answer_event(a, EVENT_ERROR, 0, type, message) < 0)
		bad = no_memory(in);
	free(type);
	free(message);
	return bad;
}

static int read_action_kind(struct reader *in, const cJSON *v, struct answer *a)
{
	if (key_is(v, "text") || key_is(v, "thinking")) {
		if (!cJSON_IsString(v))
			return wrong(in, "\"%s\" must be a string", v->string);
		enum answer_kind kind = key_is(v, "text") ? ANSWER_TEXT : ANSWER_THINKING;
		return answer_say(a, kind, NULL, v->valuestring) < 0 ? no_memory(in) : 0;
	}
	if (key_is(v, "tool_use"))
		return read_tool_use(in, v, a);
	if (key_is(v, "error"))
		return read_stream_error(in, v, a);
	if (key_is(v, "stall_ms")) {
		uint64_t ms = 0;
		if (read_count(in, v, MS_MAX, &ms) < 0)
			return -1;
		return answer_event(a, EVENT_STALL, ms, NULL, NULL) < 0 ? no_memory(in) : 0;
	}
	if (key_is(v, "cut")) {
		if (!cJSON_IsTrue(v))
			return wrong(in, "\"cut\" must be true");
		return answer_event(a, EVENT_CUT, 0, NULL, NULL) < 0 ? no_memory(in) : 0;
	}
	return wrong(in, "there is no action \"%s\"", v->string);
}

static int read_actions(struct reader *in, const cJSON *list, struct answer *a)
{
	const cJSON *action;
	bool over = false;

	if (!cJSON_IsArray(list))
		return wrong(in, "an answer must be a list of actions");
	cJSON_ArrayForEach(action, list)
	{
		if (!cJSON_IsObject(action) || cJSON_GetArraySize(action) != 1)
			return wrong(in, "an action must be an object with one key");
		if (over)
			return wrong(in, "nothing can follow \"error\" or \"cut\"");
		if (read_action_kind(in, action->child, a) < 0)
			return -1;
		over = key_is(action->child, "error") || key_is(action->child, "cut");
	}
	return 0;
}

/* A key of an object that holds an answer. Returns 1 if it is not one of those. */
static int read_answer_key(struct reader *in, const cJSON *v, struct answer *a)
{
	uint64_t n = 0;

	if (key_is(v, "answer"))
		return read_actions(in, v, a);
	if (key_is(v, "delay_ms"))
		return read_count(in, v, MS_MAX, &a->delay_ms);
	if (key_is(v, "retry_after_s"))
		return read_count(in, v, 86400, &a->retry_after_s);
	if (key_is(v, "error"))
		return read_error(in, v, &a->error_type, &a->error_message);
	if (key_is(v, "status")) {
		if (read_count(in, v, 599, &n) < 0)
			return -1;
		if (n < 400)
			return wrong(in, "\"status\" must be an HTTP error, 400 to 599");
		a->status = (int)n;
		return 0;
	}
	return 1;
}

static int check_answer(struct reader *in, const cJSON *object, struct answer *a)
{
	bool says = cJSON_GetObjectItemCaseSensitive(object, "answer");
	bool explains = cJSON_GetObjectItemCaseSensitive(object, "error") || a->retry_after_s;

	if (says && a->status)
		return wrong(in, "\"answer\" and \"status\" exclude each other");
	if (!says && !a->status)
		return wrong(in, "\"answer\" or \"status\" is required");
	if (!a->status && explains)
		return wrong(in, "\"error\" and \"retry_after_s\" belong to a \"status\"");
	return a->status ? default_error(in, a->status, &a->error_type, &a->error_message) : 0;
}

/* An answer by itself: a list of actions, or an object. */
static int read_answer(struct reader *in, const cJSON *v, struct answer *a)
{
	const cJSON *field;

	if (cJSON_IsArray(v))
		return read_actions(in, v, a);
	if (!cJSON_IsObject(v))
		return wrong(in, "must be a list of actions or an object");
	cJSON_ArrayForEach(field, v)
	{
		int bad = read_answer_key(in, field, a);
		if (bad > 0)
			return wrong(in, "there is no key \"%s\" here", field->string);
		if (bad < 0)
			return -1;
	}
	return check_answer(in, v, a);
}

/* ---- rules */

static int read_condition(struct reader *in, const cJSON *v, struct script_rule *rule)
{
	uint64_t n = 0;

	if (key_is(v, "model"))
		return read_string(in, v, &rule->model);
	if (key_is(v, "system"))
		return read_string(in, v, &rule->system);
	if (key_is(v, "user"))
		return read_string(in, v, &rule->user);
	if (key_is(v, "tools")) {
		if (!cJSON_IsBool(v))
			return wrong(in, "\"tools\" must be true or false");
		rule->tools = cJSON_IsTrue(v);
		return 0;
	}
	if (!key_is(v, "turn") && !key_is(v, "turn_min") && !key_is(v, "turn_max"))
		return wrong(in, "there is no condition \"%s\"", v->string);
	if (read_count(in, v, 1000000, &n) < 0)
		return -1;
	if (!key_is(v, "turn_max"))
		rule->turn_min = (int64_t)n;
	if (!key_is(v, "turn_min"))
		rule->turn_max = (int64_t)n;
	return 0;
}

static int read_rule(struct reader *in, const cJSON *v, struct script_rule *rule)
{
	const cJSON *field, *condition;

	if (!cJSON_IsObject(v))
		return wrong(in, "must be an object");
	cJSON_ArrayForEach(field, v)
	{
		int bad = read_answer_key(in, field, &rule->answer);
		if (bad < 0)
			return -1;
		if (bad == 0)
			continue;
		if (key_is(field, "repeat")) {
			if (read_count(in, field, 1000000, &rule->repeat) < 0)
				return -1;
		} else if (key_is(field, "when")) {
			if (!cJSON_IsObject(field))
				return wrong(in, "\"when\" must be an object");
			cJSON_ArrayForEach(condition, field)
			{
				if (read_condition(in, condition, rule) < 0)
					return -1;
			}
		} else {
			return wrong(in, "there is no key \"%s\" here", field->string);
		}
	}
	return check_answer(in, v, &rule->answer);
}

static int read_rules(struct reader *in, const cJSON *list, struct script *s)
{
	const cJSON *v;

	if (!cJSON_IsArray(list))
		return wrong(in, "\"rules\" must be a list");
	cJSON_ArrayForEach(v, list)
	{
		struct script_rule *rules = array_grow(s->rules, &s->rules_capacity, s->nrules + 1, sizeof(*rules));
		if (!rules)
			return no_memory(in);
		s->rules = rules;
		struct script_rule *rule = &s->rules[s->nrules];
		*rule = (struct script_rule){.turn_min = -1, .turn_max = -1, .tools = -1, .repeat = UINT64_MAX};
		snprintf(in->place, sizeof(in->place), "rule %zu", s->nrules++);
		if (read_rule(in, v, rule) < 0)
			return -1;
	}
	in->place[0] = '\0';
	return 0;
}

static int read_turns(struct reader *in, const cJSON *list, struct script *s)
{
	const cJSON *v;

	if (!cJSON_IsArray(list))
		return wrong(in, "\"turns\" must be a list");
	cJSON_ArrayForEach(v, list)
	{
		struct answer *turns = array_grow(s->turns, &s->turns_capacity, s->nturns + 1, sizeof(*turns));
		if (!turns)
			return no_memory(in);
		s->turns = turns;
		struct answer *turn = &s->turns[s->nturns];
		*turn = (struct answer){0};
		snprintf(in->place, sizeof(in->place), "turn %zu", s->nturns++);
		if (read_answer(in, v, turn) < 0)
			return -1;
	}
	in->place[0] = '\0';
	return 0;
}

/* ---- the document */

static int read_document(struct reader *in, const cJSON *json, struct script *s)
{
	const cJSON *v;

	if (!cJSON_IsObject(json))
		return wrong(in, "a script must be an object");
	cJSON_ArrayForEach(v, json)
	{
		int bad;
		if (key_is(v, "rules")) {
			bad = read_rules(in, v, s);
		} else if (key_is(v, "turns")) {
			bad = read_turns(in, v, s);
		} else if (key_is(v, "default")) {
			answer_release(&s->otherwise);
			snprintf(in->place, sizeof(in->place), "default");
			bad = read_answer(in, v, &s->otherwise);
			in->place[0] = '\0';
		} else {
			bad = wrong(in, "there is no key \"%s\" here", v->string);
		}
		if (bad)
			return -1;
	}
	return 0;
}

int script_init(struct script *s)
{
	*s = (struct script){0};
	return answer_say(&s->otherwise, ANSWER_TEXT, NULL, DEFAULT_TEXT);
}

/* The line of a byte, as editors count. */
static size_t line_of(struct str text, size_t at)
{
	size_t line = 1;
	for (size_t i = 0; i < at && i < text.n; i++)
		line += text.p[i] == '\n';
	return line;
}

int script_parse(struct script *s, struct str text, char *why, size_t why_bytes)
{
	struct reader in = {.why = why, .why_bytes = why_bytes};
	const char *end = NULL;
	cJSON *json = NULL;
	int bad = -1;

	if (script_init(s) < 0) {
		no_memory(&in);
		goto out;
	}
	if (!utf8_valid(text)) {
		wrong(&in, "not UTF-8");
		goto out;
	}
	json = cJSON_ParseWithLengthOpts(text.p ? text.p : "", text.n, &end, false);
	size_t at = end && text.p ? (size_t)(end - text.p) : 0;
	if (!json) {
		wrong(&in, "line %zu: not JSON", line_of(text, at));
		goto out;
	}
	while (at < text.n && strchr(" \t\r\n", text.p[at]))
		at++;
	if (at < text.n) {
		wrong(&in, "line %zu: something follows the script", line_of(text, at));
		goto out;
	}
	bad = read_document(&in, json, s);
out:
	cJSON_Delete(json);
	if (bad)
		script_release(s);
	return bad;
}

void script_release(struct script *s)
{
	for (size_t i = 0; i < s->nrules; i++) {
		free(s->rules[i].model);
		free(s->rules[i].system);
		free(s->rules[i].user);
		answer_release(&s->rules[i].answer);
	}
	for (size_t i = 0; i < s->nturns; i++)
		answer_release(&s->turns[i]);
	free(s->rules);
	free(s->turns);
	answer_release(&s->otherwise);
	*s = (struct script){0};
}

/* ---- matching */

/* A tool can be called only where it is offered; so one script serves a client's main turns and its side requests. */
static bool can_say(const struct answer *a, const struct mock_request *r)
{
	for (size_t i = 0; i < a->nblocks; i++)
		if (a->blocks[i].kind == ANSWER_TOOL && !mock_request_offers_tool(r, a->blocks[i].name))
			return false;
	return true;
}

static bool contains(const char *text, const char *part)
{
	return !part || (text && strstr(text, part));
}

static bool matches(const struct script_rule *rule, const struct mock_request *r)
{
	return rule->repeat > 0 && (rule->turn_min < 0 || r->turn >= (size_t)rule->turn_min) &&
	       (rule->turn_max < 0 || r->turn <= (size_t)rule->turn_max) && contains(r->model, rule->model) &&
	       contains(r->system.p, rule->system) && contains(r->last_user.p, rule->user) &&
	       (rule->tools < 0 || mock_request_offers_tool(r, NULL) == rule->tools) && can_say(&rule->answer, r);
}

const struct answer *script_match(struct script *s, const struct mock_request *r, char *matched, size_t matched_bytes)
{
	for (size_t i = 0; i < s->nrules; i++) {
		struct script_rule *rule = &s->rules[i];
		if (!matches(rule, r))
			continue;
		if (rule->repeat != UINT64_MAX)
			rule->repeat--;
		snprintf(matched, matched_bytes, "rules[%zu]", i);
		return &rule->answer;
	}
	if (r->turn < s->nturns && mock_request_offers_tool(r, NULL) && can_say(&s->turns[r->turn], r)) {
		snprintf(matched, matched_bytes, "turns[%zu]", r->turn);
		return &s->turns[r->turn];
	}
	snprintf(matched, matched_bytes, "default");
	return &s->otherwise;
}
