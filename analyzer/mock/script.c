/* SPDX-License-Identifier: MIT */
#include "mock/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TEXT "This is the mock speaking: no model has read your prompt."

int script_init(struct script *s)
{
	*s = (struct script){0};
	return answer_say(&s->otherwise, ANSWER_TEXT, NULL, DEFAULT_TEXT);
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
