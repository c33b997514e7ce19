/* SPDX-License-Identifier: MIT */
/* From the text of a script to its rules and turns. */
#include "base/array.h"
#include "base/json_out.h"
#include "mock/script.h"
#include "mock/script_reader.h"

#include <stdio.h>
#include <string.h>

/* ---- rules */

static int read_condition(struct script_reader *in, const cJSON *v, struct script_rule *rule)
{
	uint64_t n = 0;

	if (script_key_is(v, "model"))
		return script_string(in, v, &rule->model);
	if (script_key_is(v, "system"))
		return script_string(in, v, &rule->system);
	if (script_key_is(v, "user"))
		return script_string(in, v, &rule->user);
	if (script_key_is(v, "tools")) {
		if (!cJSON_IsBool(v))
			return script_wrong(in, "\"tools\" must be true or false");
		rule->tools = cJSON_IsTrue(v);
		return 0;
	}
	if (!script_key_is(v, "turn") && !script_key_is(v, "turn_min") && !script_key_is(v, "turn_max"))
		return script_wrong(in, "there is no condition \"%s\"", v->string);
	if (script_count(in, v, 1000000, &n) < 0)
		return -1;
	if (!script_key_is(v, "turn_max"))
		rule->turn_min = (int64_t)n;
	if (!script_key_is(v, "turn_min"))
		rule->turn_max = (int64_t)n;
	return 0;
}

static int read_rule(struct script_reader *in, const cJSON *v, struct script_rule *rule)
{
	const cJSON *field, *condition;

	if (!cJSON_IsObject(v))
		return script_wrong(in, "must be an object");
	cJSON_ArrayForEach(field, v)
	{
		int bad = script_answer_key(in, field, &rule->answer);
		if (bad < 0)
			return -1;
		if (bad == 0)
			continue;
		if (script_key_is(field, "repeat")) {
			if (script_count(in, field, 1000000, &rule->repeat) < 0)
				return -1;
		} else if (script_key_is(field, "when")) {
			if (!cJSON_IsObject(field))
				return script_wrong(in, "\"when\" must be an object");
			cJSON_ArrayForEach(condition, field)
			{
				if (read_condition(in, condition, rule) < 0)
					return -1;
			}
		} else {
			return script_wrong(in, "there is no key \"%s\" here", field->string);
		}
	}
	return script_answer_check(in, v, &rule->answer);
}

static int read_rules(struct script_reader *in, const cJSON *list, struct script *s)
{
	const cJSON *v;

	if (!cJSON_IsArray(list))
		return script_wrong(in, "\"rules\" must be a list");
	cJSON_ArrayForEach(v, list)
	{
		struct script_rule *rules = array_grow(s->rules, &s->rules_capacity, s->nrules + 1, sizeof(*rules));
		if (!rules)
			return script_no_memory(in);
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

static int read_turns(struct script_reader *in, const cJSON *list, struct script *s)
{
	const cJSON *v;

	if (!cJSON_IsArray(list))
		return script_wrong(in, "\"turns\" must be a list");
	cJSON_ArrayForEach(v, list)
	{
		struct answer *turns = array_grow(s->turns, &s->turns_capacity, s->nturns + 1, sizeof(*turns));
		if (!turns)
			return script_no_memory(in);
		s->turns = turns;
		struct answer *turn = &s->turns[s->nturns];
		*turn = (struct answer){0};
		snprintf(in->place, sizeof(in->place), "turn %zu", s->nturns++);
		if (script_answer(in, v, turn) < 0)
			return -1;
	}
	in->place[0] = '\0';
	return 0;
}

/* ---- the document */

static int read_document(struct script_reader *in, const cJSON *json, struct script *s)
{
	const cJSON *v;

	if (!cJSON_IsObject(json))
		return script_wrong(in, "a script must be an object");
	cJSON_ArrayForEach(v, json)
	{
		int bad;
		if (script_key_is(v, "rules")) {
			bad = read_rules(in, v, s);
		} else if (script_key_is(v, "turns")) {
			bad = read_turns(in, v, s);
		} else if (script_key_is(v, "default")) {
			answer_release(&s->otherwise);
			snprintf(in->place, sizeof(in->place), "default");
			bad = script_answer(in, v, &s->otherwise);
			in->place[0] = '\0';
		} else {
			bad = script_wrong(in, "there is no key \"%s\" here", v->string);
		}
		if (bad)
			return -1;
	}
	return 0;
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
	struct script_reader in = {.why = why, .why_bytes = why_bytes};
	const char *end = NULL;
	cJSON *json = NULL;
	int bad = -1;

	if (script_init(s) < 0) {
		script_no_memory(&in);
		goto out;
	}
	if (!utf8_valid(text)) {
		script_wrong(&in, "not UTF-8");
		goto out;
	}
	json = cJSON_ParseWithLengthOpts(text.p ? text.p : "", text.n, &end, false);
	size_t at = end && text.p ? (size_t)(end - text.p) : 0;
	if (!json) {
		script_wrong(&in, "line %zu: not JSON", line_of(text, at));
		goto out;
	}
	while (at < text.n && strchr(" \t\r\n", text.p[at]))
		at++;
	if (at < text.n) {
		script_wrong(&in, "line %zu: something follows the script", line_of(text, at));
		goto out;
	}
	bad = read_document(&in, json, s);
out:
	cJSON_Delete(json);
	if (bad)
		script_release(s);
	return bad;
}
